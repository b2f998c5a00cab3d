package s3

import (
	"context"
	"io"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/checksum"
)

// objectSource reads a piece of an object as an io.Reader: every Read asks the store for just the
// bytes that fit, so a copy needs no goroutine and no buffer of its own.
type objectSource struct {
	ctx    context.Context
	object ais.ObjectReader
	span
}

func (s *objectSource) Read(p []byte) (int, error) {
	if s.size == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.size)]
	if inline := s.object.Inline(); inline != nil {
		copy(p, inline[s.offset:])
	} else {
		w := window{left: p}
		if err := s.object.WriteRange(s.ctx, &w, s.offset, int64(len(p))); err != nil {
			return 0, err
		}
		if len(w.left) > 0 {
			return 0, io.ErrUnexpectedEOF
		}
	}
	s.offset += int64(len(p))
	s.size -= int64(len(p))
	return len(p), nil
}

// window is a writer onto a slice.
type window struct{ left []byte }

func (w *window) Write(p []byte) (int, error) {
	n := copy(w.left, p)
	w.left = w.left[n:]
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// openSource opens what a copy reads: it must be there, the identity must be allowed to read it, and
// the conditions on it must hold. The caller closes the reader.
func (r *request) openSource() (copySource, ais.ObjectReader, error) {
	src, err := parseCopySource(r.header(headerCopySource))
	if err != nil {
		return src, nil, err
	}
	bucket, err := r.lookup(src.bucket)
	if err != nil {
		return src, nil, err
	}
	if err := r.allow("GetObject", bucket, src.key); err != nil {
		return src, nil, err
	}
	open := r.h.config.Source
	if open == nil {
		open = r.h.config.Objects.Open
	}
	reader, err := open(r.context(), bucket, src.key, src.version)
	if err != nil {
		return src, nil, sourceMissing(err, &src)
	}
	o := reader.Object()
	c := r.readCondition(sourceConditions)
	if err := c.Check(o); err != nil {
		_ = reader.Close() // the error that counts is err
		return src, nil, err
	}
	if src.version != nil || bucket.Versioning != ais.VersioningOff {
		r.set(headerCopyVersion, o.Version.String())
	}
	return src, reader, nil
}

// sourceMissing is request.reading for the source of a copy.
func sourceMissing(err error, src *copySource) error {
	if !ais.IsKind(err, ais.NotFound) {
		return err
	}
	detail := []ais.Pair{{Name: "Key", Value: src.key}}
	switch {
	case ais.NounOf(err) == ais.NounMarker && src.version != nil:
		return &failure{code: codeInvalidRequest, err: err,
			message: "The source of a copy request may not specifically refer to a delete marker by version id."}
	case src.version != nil:
		return &failure{code: codeNoSuchVersion, err: err, detail: append(detail, ais.Pair{Name: "VersionId", Value: src.version.String()})}
	}
	return &failure{code: codeNoSuchKey, err: err, detail: detail}
}

func (r *request) copyObject() error {
	own, err := r.readAttributes()
	if err != nil {
		return err
	}
	replace, err := r.readDirective(headerMetadataDirective, "Unknown metadata directive.")
	if err != nil {
		return err
	}
	retag, err := r.readDirective(headerTaggingDirective, "Unknown tagging directive.")
	if err != nil {
		return err
	}
	algorithm, err := r.readAlgorithm()
	if err != nil {
		return err
	}
	src, reader, err := r.openSource()
	if err != nil {
		return err
	}
	defer reader.Close()
	o := reader.Object()
	if o.Size > ais.PartMax {
		return failWith(codeInvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: "+itoa(ais.PartMax))
	}
	changes := replace || retag || algorithm != ais.ChecksumNone || own.WebsiteRedirect != "" ||
		r.hasHeader(headerStorageClass) && own.StorageClass != o.Attributes.StorageClass
	if src.address == r.address && src.version == nil && !changes {
		return failWith(codeInvalidRequest, "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	attributes := copiedAttributes(&o.Attributes, own, replace, retag)
	if algorithm == ais.ChecksumNone {
		algorithm = o.Attributes.Checksum.Algorithm
	}
	r.beginCopy(o, reader, span{size: o.Size}, algorithm)
	made, err := r.h.config.Objects.Put(r.context(), &ais.PutRequest{
		Bucket: r.bucket, Name: r.address.key, Size: o.Size, Body: &r.body,
		Condition: r.readCondition(objectConditions),
		Seal: func() (ais.Attributes, error) {
			var err error
			attributes.ETag, attributes.Checksum, err = r.finishCopy(o, algorithm)
			return attributes, err
		},
	})
	if err != nil {
		return r.writing(err)
	}
	r.setVersion(made.Version)
	r.sendCopyResult("CopyObjectResult", made.ModifiedUnix, made.Attributes.ETag, &made.Attributes.Checksum)
	return nil
}

// readDirective reads COPY or REPLACE; true is REPLACE.
func (r *request) readDirective(name, complaint string) (bool, error) {
	switch v := r.header(name); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, failArgument(complaint, name, v)
	}
}

// readAlgorithm reads x-amz-checksum-algorithm.
func (r *request) readAlgorithm() (ais.ChecksumAlgorithm, error) {
	v := r.header(headerChecksumAlgorithm)
	if v == "" {
		return ais.ChecksumNone, nil
	}
	a, ok := checksum.Parse(v)
	if !ok {
		return a, failWith(codeInvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	return a, nil
}

// copiedAttributes gives the attributes of a copy: those of the source, or those of the request where
// it says REPLACE. Storage class, redirect and owner are never copied.
func copiedAttributes(source *ais.Attributes, own ais.Attributes, replace, retag bool) ais.Attributes {
	a := own
	if !replace {
		a = *source
		a.StorageClass, a.WebsiteRedirect, a.Owner = own.StorageClass, own.WebsiteRedirect, own.Owner
		a.Retention, a.LegalHold, a.ACL, a.Encryption, a.Unknown = ais.Retention{}, false, nil, nil, nil
	}
	if a.Tags = source.Tags; retag {
		a.Tags = own.Tags
	}
	return a
}

// tagKnown reports whether the MD5 of o's bytes is known already: by its tag, unless it is multipart.
func tagKnown(o *ais.Object) bool { return o.PartCount == 0 && o.Attributes.ETag.Parts == 0 }

// sumKnown reports whether a checksum of all of o's bytes is known already.
func sumKnown(o *ais.Object, a ais.ChecksumAlgorithm) bool {
	c := &o.Attributes.Checksum
	return a != ais.ChecksumNone && c.Algorithm == a && !c.Composite && c.Value != nil
}

// beginCopy makes a piece of o the body of the request. Digests of the whole that are known are not
// computed again: the store has verified every block that it gives.
func (r *request) beginCopy(o *ais.Object, reader ais.ObjectReader, piece span, a ais.ChecksumAlgorithm) {
	whole := piece.size == o.Size
	if whole && sumKnown(o, a) {
		a = ais.ChecksumNone
	}
	r.body.beginCopy(&objectSource{ctx: r.context(), object: reader, span: piece}, a, whole && tagKnown(o))
}

// finishCopy ends a body that beginCopy began.
func (r *request) finishCopy(o *ais.Object, a ais.ChecksumAlgorithm) (ais.ETag, ais.Checksum, error) {
	if err := r.body.finish(); err != nil {
		return ais.ETag{}, ais.Checksum{}, err
	}
	tag, sum := ais.ETag{Sum: r.body.etag}, r.body.checksum()
	if r.body.skipMD5 {
		tag = o.Attributes.ETag
	}
	if r.body.sum == nil && a != ais.ChecksumNone {
		sum = o.Attributes.Checksum
	}
	return tag, sum, nil
}

func (r *request) sendCopyResult(document string, modified int64, tag ais.ETag, sum *ais.Checksum) {
	b := appendDocument(nil, document)
	b = appendTimeElement(b, "LastModified", modified)
	b = appendETagElement(b, tag)
	if b = appendChecksumElement(b, sum); sum.Value != nil {
		b = appendElement(b, "ChecksumType", checksumType(sum.Composite))
	}
	r.sendXML(appendClose(b, document))
}
