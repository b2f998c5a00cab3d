package s3

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/checksum"
)

func (r *request) listParts() error {
	id, err := r.readUpload()
	if err != nil {
		return err
	}
	limit, err := readLimit(&r.args, "max-parts")
	if err != nil {
		return err
	}
	after := int64(0)
	if text := r.arg("part-number-marker"); text != "" {
		var ok bool
		if after, ok = parseOffset(text); !ok {
			return failArgument("Provided part-number-marker not an integer or within integer range", "part-number-marker", text)
		}
	}
	after = min(after, ais.PartsMax)
	got, err := r.h.config.Uploads.ListParts(r.context(), r.bucket, r.address.key, id, int(after), limit)
	if err != nil {
		return r.uploading(err)
	}
	u := &got.Upload
	p := r.h.newPage()
	b := appendDocument(p.b, "ListPartsResult")
	b = appendElement(b, "Bucket", r.bucket.Name)
	b = appendElement(b, "Key", r.address.key)
	b = appendElement(b, "UploadId", u.ID.String())
	b = r.appendOwner(b, "Initiator", u.Attributes.Owner)
	b = r.appendOwner(b, "Owner", u.Attributes.Owner)
	b = appendStorageClass(b, u.Attributes.StorageClass)
	b = appendIntElement(b, "PartNumberMarker", after)
	b = appendIntElement(b, "NextPartNumberMarker", int64(got.Next))
	b = appendIntElement(b, "MaxParts", int64(limit))
	b = appendBoolElement(b, "IsTruncated", got.Truncated)
	b = appendDeclared(b, &u.Attributes.Checksum)
	for i := range got.Parts {
		part := &got.Parts[i]
		b = append(b, "<Part>"...)
		b = appendIntElement(b, "PartNumber", int64(part.Number))
		b = appendTimeElement(b, "LastModified", part.ModifiedUnix)
		b = appendETagElement(b, part.ETag)
		b = appendIntElement(b, "Size", part.Size)
		b = appendChecksumElement(b, &part.Checksum)
		b = append(b, "</Part>"...)
	}
	p.b = appendClose(b, "ListPartsResult")
	p.send(r)
	return nil
}

// appendDeclared appends which checksum an upload has declared.
func appendDeclared(b []byte, c *ais.Checksum) []byte {
	if c.Algorithm == ais.ChecksumNone {
		return b
	}
	b = appendElement(b, "ChecksumAlgorithm", checksum.Name(c.Algorithm))
	return appendElement(b, "ChecksumType", checksumType(c.Composite))
}

func (r *request) listUploads() error {
	l, err := r.readListing("max-uploads")
	if err != nil {
		return err
	}
	keyMarker, uploadMarker := r.arg("key-marker"), r.arg("upload-id-marker")
	request := &ais.UploadListRequest{Bucket: r.bucket, Prefix: l.prefix, Delimiter: l.delimiter,
		AfterName: keyMarker, Limit: l.limit}
	if keyMarker != "" && uploadMarker != "" { // without a key marker the other counts for nothing
		if request.AfterUpload, err = ais.ParseWriteID(uploadMarker); err != nil {
			return failArgument("Invalid uploadId marker", "upload-id-marker", uploadMarker)
		}
	}
	got := &ais.UploadPage{}
	if l.limit > 0 {
		if got, err = r.h.config.Uploads.ListUploads(r.context(), request); err != nil {
			return err
		}
	}
	p := r.h.newPage()
	b := appendDocument(p.b, "ListMultipartUploadsResult")
	b = appendElement(b, "Bucket", r.bucket.Name)
	b = appendNameElement(b, "KeyMarker", keyMarker, l.url)
	b = appendElement(b, "UploadIdMarker", uploadMarker)
	if got.Truncated {
		b = appendNameElement(b, "NextKeyMarker", got.NextName, l.url)
		if !got.NextUpload.IsZero() {
			b = appendElement(b, "NextUploadIdMarker", got.NextUpload.String())
		}
	}
	b = appendNameElement(b, "Prefix", l.prefix, l.url)
	b = l.appendTail(b, "MaxUploads", got.Truncated)
	for i := range got.Uploads {
		u := &got.Uploads[i]
		b = append(b, "<Upload>"...)
		b = appendNameElement(b, "Key", u.Name, l.url)
		b = appendElement(b, "UploadId", u.ID.String())
		b = r.appendOwner(b, "Initiator", u.Attributes.Owner)
		b = r.appendOwner(b, "Owner", u.Attributes.Owner)
		b = appendStorageClass(b, u.Attributes.StorageClass)
		b = appendTimeElement(b, "Initiated", u.InitiatedUnix)
		b = appendDeclared(b, &u.Attributes.Checksum)
		b = append(b, "</Upload>"...)
	}
	for _, prefix := range got.Prefixes {
		b = appendPrefix(b, prefix, l.url)
	}
	p.b = appendClose(b, "ListMultipartUploadsResult")
	p.send(r)
	return nil
}
