package s3

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// bodySize is the number of bytes that the request stores; -1 where only the end of a chunked body
// will tell.
func (r *request) bodySize() (int64, error) {
	size := r.payload.Size(front.RequestBody(r.ctx).Size())
	if size == 0 && !contentLengthGiven(&r.ctx.Request.Header) {
		return 0, fail(codeMissingContentLength)
	}
	if size > ais.PartMax {
		return 0, &failure{code: codeEntityTooLarge, detail: []ais.Pair{
			{Name: "ProposedSize", Value: itoa(size)}, {Name: "MaxSizeAllowed", Value: itoa(ais.PartMax)}}}
	}
	return size, nil
}

func (r *request) putObject() error {
	if r.args.Has("partNumber") {
		return failArgument("This operation does not accept a partNumber without an uploadId", "partNumber", r.arg("partNumber"))
	}
	size, err := r.bodySize()
	if err != nil {
		return err
	}
	attributes, err := r.readAttributes()
	if err != nil {
		return err
	}
	want, err := r.readDigests()
	if err != nil {
		return err
	}
	if err := r.body.begin(r, want, ais.ChecksumNone); err != nil {
		return err
	}
	o, err := r.h.config.Objects.Put(r.context(), &ais.PutRequest{
		Bucket:    r.bucket,
		Name:      r.address.key,
		Size:      size,
		Body:      &r.body,
		Condition: r.readCondition(objectConditions),
		Seal: func() (ais.Attributes, error) {
			if err := r.body.finish(); err != nil {
				return attributes, err
			}
			attributes.ETag.Sum = r.body.etag
			attributes.Checksum = r.body.checksum()
			return attributes, nil
		},
	})
	if err != nil {
		return r.writing(err)
	}
	r.setETag(o.Attributes.ETag)
	r.setChecksum(&o.Attributes.Checksum)
	r.setVersion(o.Version)
	return nil
}

// writing adds to the error of a write what the store cannot know: a condition on an object that is
// not there is a missing key.
func (r *request) writing(err error) error {
	if ais.IsKind(err, ais.NotFound) && ais.NounOf(err) == ais.NounObject {
		return &failure{code: codeNoSuchKey, err: err, detail: []ais.Pair{{Name: "Key", Value: r.address.key}}}
	}
	return err
}
