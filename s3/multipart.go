package s3

import (
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/checksum"
)

// readUpload reads uploadId. What cannot be an id is the id of no upload.
func (r *request) readUpload() (ais.WriteID, error) {
	text := r.arg("uploadId")
	id, err := ais.ParseWriteID(text)
	if err != nil {
		return id, noSuchUpload(text, err)
	}
	return id, nil
}

func noSuchUpload(id string, err error) error {
	return &failure{code: codeNoSuchUpload, err: err, detail: []ais.Pair{{Name: "UploadId", Value: id}}}
}

// uploading adds the upload's id to the error of one that is not there.
func (r *request) uploading(err error) error {
	if ais.IsKind(err, ais.NotFound) && ais.NounOf(err) == ais.NounUpload {
		return noSuchUpload(r.arg("uploadId"), err)
	}
	return err
}

func (r *request) createUpload() error {
	attributes, err := r.readAttributes()
	if err != nil {
		return err
	}
	if attributes.Checksum, err = r.readDeclaredChecksum(); err != nil {
		return err
	}
	u, err := r.h.config.Uploads.CreateUpload(r.context(), r.bucket, r.address.key, attributes)
	if err != nil {
		return err
	}
	if a := attributes.Checksum.Algorithm; a != ais.ChecksumNone {
		r.set(headerChecksumAlgorithm, checksum.Name(a))
		r.set(headerChecksumType, checksumType(attributes.Checksum.Composite))
	}
	b := appendDocument(nil, "InitiateMultipartUploadResult")
	b = appendElement(b, "Bucket", r.bucket.Name)
	b = appendElement(b, "Key", r.address.key)
	b = appendElement(b, "UploadId", u.ID.String())
	r.sendXML(appendClose(b, "InitiateMultipartUploadResult"))
	return nil
}

// readDeclaredChecksum reads which checksum the object is to have, and of which type. SHA1 and SHA256
// cannot be computed for the whole from the parts, and CRC64NVME is for the whole only.
func (r *request) readDeclaredChecksum() (c ais.Checksum, err error) {
	if c.Algorithm, err = r.readAlgorithm(); err != nil {
		return c, err
	}
	kind := r.header(headerChecksumType)
	name := checksum.Name(c.Algorithm)
	switch {
	case c.Algorithm == ais.ChecksumNone && kind != "":
		return c, failWith(codeInvalidRequest, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case c.Algorithm == ais.ChecksumNone:
		return c, nil
	case kind == "":
		c.Composite = !checksum.FullObjectOnly(c.Algorithm)
	case strings.EqualFold(kind, "COMPOSITE"):
		if checksum.FullObjectOnly(c.Algorithm) {
			return c, failWith(codeInvalidRequest, "The COMPOSITE checksum type cannot be used with the "+strings.ToLower(name)+" checksum algorithm.")
		}
		c.Composite = true
	case strings.EqualFold(kind, "FULL_OBJECT"):
		if !checksum.Composable(c.Algorithm) {
			return c, failWith(codeInvalidRequest, "The FULL_OBJECT checksum type cannot be used with the "+strings.ToLower(name)+" checksum algorithm.")
		}
	default:
		return c, failWith(codeInvalidRequest, "Value for x-amz-checksum-type header is invalid.")
	}
	return c, nil
}

// declared gives the checksum that an open upload has declared, and so also whether there is such an
// upload: before the body of a part is read.
func (r *request) declared(id ais.WriteID) (ais.Checksum, error) {
	page, err := r.h.config.Uploads.ListParts(r.context(), r.bucket, r.address.key, id, 0, 0)
	if err != nil {
		return ais.Checksum{}, r.uploading(err)
	}
	return page.Upload.Attributes.Checksum, nil
}

func (r *request) uploadPart() error {
	number, err := r.readPartNumber()
	if err != nil {
		return err
	}
	id, err := r.readUpload()
	if err != nil {
		return err
	}
	size, err := r.bodySize()
	if err != nil {
		return err
	}
	want, err := r.readDigests()
	if err != nil {
		return err
	}
	declared, err := r.declared(id)
	if err != nil {
		return err
	}
	if a := declared.Algorithm; a != ais.ChecksumNone && want.algorithm != ais.ChecksumNone && a != want.algorithm {
		return failWith(codeInvalidRequest, "Checksum Type mismatch occurred, expected checksum Type: "+
			strings.ToLower(checksum.Name(a))+", actual checksum Type: "+strings.ToLower(checksum.Name(want.algorithm)))
	}
	if err := r.body.begin(r, want, declared.Algorithm); err != nil {
		return err
	}
	part, err := r.h.config.Uploads.PutPart(r.context(), &ais.PartRequest{
		Bucket: r.bucket, Name: r.address.key, Upload: id, Number: number, Size: size, Body: &r.body,
		Seal: func() (ais.ETag, ais.Checksum, error) {
			err := r.body.finish()
			return ais.ETag{Sum: r.body.etag}, r.body.checksum(), err
		},
	})
	if err != nil {
		return r.uploading(err)
	}
	r.setETag(part.ETag)
	r.setPartChecksum(&part.Checksum)
	return nil
}

// setPartChecksum tells the checksum of a part, which has no type.
func (r *request) setPartChecksum(c *ais.Checksum) {
	r.setChecksum(c)
	r.ctx.Response.Header.Del(headerChecksumType)
}

func (r *request) uploadPartCopy() error {
	number, err := r.readPartNumber()
	if err != nil {
		return err
	}
	id, err := r.readUpload()
	if err != nil {
		return err
	}
	declared, err := r.declared(id)
	if err != nil {
		return err
	}
	_, reader, err := r.openSource()
	if err != nil {
		return err
	}
	defer reader.Close()
	o := reader.Object()
	piece := span{size: o.Size}
	if header := r.header(headerCopyRange); header != "" {
		var ok bool
		if piece, ok = parseCopyRange(header); !ok {
			return failArgument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", header)
		}
		if piece.offset >= o.Size || piece.size > o.Size-piece.offset {
			return &failure{code: codeInvalidRange, message: "Range specified is not valid for source object of size: " + itoa(o.Size),
				detail: []ais.Pair{{Name: "RangeRequested", Value: header}, {Name: "ActualObjectSize", Value: itoa(o.Size)}}}
		}
	}
	if piece.size > ais.PartMax {
		return failWith(codeInvalidRequest, "The specified copy source is larger than the maximum allowable size for a copy source: "+itoa(ais.PartMax))
	}
	r.beginCopy(o, reader, piece, declared.Algorithm)
	part, err := r.h.config.Uploads.PutPart(r.context(), &ais.PartRequest{
		Bucket: r.bucket, Name: r.address.key, Upload: id, Number: number, Size: piece.size, Body: &r.body,
		Seal: func() (ais.ETag, ais.Checksum, error) { return r.finishCopy(o, declared.Algorithm) },
	})
	if err != nil {
		return r.uploading(err)
	}
	sum := part.Checksum
	b := appendDocument(nil, "CopyPartResult")
	b = appendTimeElement(b, "LastModified", part.ModifiedUnix)
	b = appendETagElement(b, part.ETag)
	b = appendChecksumElement(b, &sum)
	r.sendXML(appendClose(b, "CopyPartResult"))
	return nil
}

func (r *request) abortUpload() error {
	id, err := r.readUpload()
	if err != nil {
		return err
	}
	if err := r.h.config.Uploads.Abort(r.context(), r.bucket, r.address.key, id); err != nil {
		return r.uploading(err)
	}
	r.noContent()
	return nil
}
