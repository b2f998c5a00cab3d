package s3

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// smallBodyMax bounds the documents that are configuration, in bytes.
const smallBodyMax = 64 << 10

// bucketPageMax is the largest page of ListBuckets.
const bucketPageMax = 10000

func (r *request) listBuckets() error {
	limit := int64(bucketPageMax)
	paged := false
	if text := r.arg("max-buckets"); text != "" {
		n, ok := parseOffset(text)
		if !ok || n < 1 || n > bucketPageMax {
			return failArgument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", text)
		}
		limit, paged = n, true
	}
	after := ""
	if token := r.arg("continuation-token"); token != "" {
		var ok bool
		if after, ok = parseToken(token); !ok {
			return failArgument("The continuation token provided is incorrect", "continuation-token", token)
		}
	}
	prefix, region := r.arg("prefix"), r.arg("bucket-region")
	all := slices.Clone(r.h.config.Buckets.Buckets())
	slices.SortFunc(all, func(a, b *ais.Bucket) int { return cmp.Compare(a.Name, b.Name) })
	p := r.h.newPage()
	b := appendDocument(p.b, "ListAllMyBucketsResult")
	b = r.appendOwner(b, "Owner", r.identity.AccessKey)
	b = append(b, "<Buckets>"...)
	last, next := "", ""
	count := int64(0)
	for _, bucket := range all {
		if bucket.Name <= after || !strings.HasPrefix(bucket.Name, prefix) || region != "" && region != r.regionOf(bucket) {
			continue
		}
		if count == limit {
			next = last
			break
		}
		count++
		last = bucket.Name
		b = append(b, "<Bucket>"...)
		b = appendElement(b, "Name", bucket.Name)
		b = appendTimeElement(b, "CreationDate", bucket.CreatedUnix)
		if paged || prefix != "" || region != "" {
			b = appendElement(b, "BucketRegion", r.regionOf(bucket))
		}
		b = append(b, "</Bucket>"...)
	}
	b = append(b, "</Buckets>"...)
	if next != "" {
		b = appendOpen(b, "ContinuationToken")
		b = appendToken(b, next)
		b = appendClose(b, "ContinuationToken")
	}
	if prefix != "" {
		b = appendElement(b, "Prefix", prefix)
	}
	p.b = appendClose(b, "ListAllMyBucketsResult")
	p.send(r)
	return nil
}

// regionOf is the region of a bucket, which is that of the cluster unless it says another.
func (r *request) regionOf(b *ais.Bucket) string {
	if b.Region != "" {
		return b.Region
	}
	return r.h.config.Region
}

// createDocument is the body of CreateBucket.
type createDocument struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	LocationConstraint string   `xml:"LocationConstraint"`
}

// parseCreate reads the body of CreateBucket, which may be empty.
func parseCreate(b []byte) (createDocument, error) {
	var d createDocument
	if len(bytes.TrimSpace(b)) == 0 {
		return d, nil
	}
	err := parseXML(b, &d)
	return d, err
}

func (r *request) createBucket() error {
	name := r.address.bucket
	if err := ais.CheckBucketName(name); err != nil {
		return &failure{code: codeInvalidBucketName, err: err, detail: []ais.Pair{{Name: "BucketName", Value: name}}}
	}
	if err := r.checkBucketHeaders(); err != nil {
		return err
	}
	want, err := r.readDigests()
	if err != nil {
		return err
	}
	body, err := r.readDocument(smallBodyMax, want)
	if err != nil {
		return err
	}
	d, err := parseCreate(body)
	if err != nil {
		return err
	}
	if d.LocationConstraint != "" && d.LocationConstraint != r.h.config.Region {
		return &failure{code: codeInvalidLocationConstraint,
			detail: []ais.Pair{{Name: "LocationConstraint", Value: d.LocationConstraint}}}
	}
	_, err = r.h.config.Buckets.CreateBucket(r.context(), ais.Bucket{
		Name: name, Owner: r.identity.AccessKey, Region: r.h.config.Region})
	if ais.IsKind(err, ais.Exists) {
		err = r.createdBefore(err)
	}
	if err != nil {
		return err
	}
	r.set(headerLocation, "/"+name)
	return nil
}

// createdBefore answers the making of a bucket that is there: one's own again is fine in us-east-1, as
// it is with AWS, and an error elsewhere.
func (r *request) createdBefore(exists error) error {
	b, err := r.h.config.Buckets.Bucket(r.address.bucket)
	switch {
	case err != nil:
		return exists
	case b.Owner != r.identity.AccessKey:
		return &failure{code: codeBucketAlreadyExists, err: exists, detail: []ais.Pair{{Name: "BucketName", Value: b.Name}}}
	case r.h.config.Region != DefaultRegion:
		return &failure{code: codeBucketAlreadyOwnedByYou, err: exists, detail: []ais.Pair{{Name: "BucketName", Value: b.Name}}}
	}
	return nil
}

// checkBucketHeaders refuses what a new bucket is asked to promise and cannot.
func (r *request) checkBucketHeaders() error {
	if v := r.header("X-Amz-Bucket-Object-Lock-Enabled"); v != "" && !strings.EqualFold(v, "false") {
		return failWith(codeNotImplemented, "Object lock is not implemented.")
	}
	switch v := r.header("X-Amz-Object-Ownership"); v {
	case "", "BucketOwnerEnforced":
	case "BucketOwnerPreferred", "ObjectWriter":
		return failWith(codeNotImplemented, "ACLs are not implemented: buckets have ownership BucketOwnerEnforced.")
	default:
		return failArgument("Invalid x-amz-object-ownership header: "+v, "x-amz-object-ownership", v)
	}
	for name, value := range r.ctx.Request.Header.All() {
		if err := checkUnsupported(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (r *request) headBucket() error {
	r.set(headerBucketRegion, r.regionOf(r.bucket))
	r.ctx.Response.Header.SetContentType(contentTypeXML)
	return nil
}

func (r *request) deleteBucket() error {
	err := r.h.config.Buckets.DeleteBucket(r.context(), r.bucket.Name)
	if ais.IsKind(err, ais.Exists) {
		err = r.deleteDespiteUploads(err)
	}
	if err != nil {
		return err
	}
	r.noContent()
	return nil
}

// deleteDespiteUploads deletes a bucket in which nothing is left but open uploads, which go with it:
// to AWS they are not contents of a bucket.
func (r *request) deleteDespiteUploads(notEmpty error) error {
	notEmpty = &failure{code: codeBucketNotEmpty, err: notEmpty, detail: []ais.Pair{{Name: "BucketName", Value: r.bucket.Name}}}
	page, err := r.h.config.Objects.List(r.context(), &ais.ListRequest{Bucket: r.bucket, Versions: true, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Entries) > 0 {
		return notEmpty
	}
	next := ais.UploadListRequest{Bucket: r.bucket, Limit: ais.ListLimitMax}
	for more := true; more; {
		uploads, err := r.h.config.Uploads.ListUploads(r.context(), &next)
		if err != nil {
			return err
		}
		for i := range uploads.Uploads {
			u := &uploads.Uploads[i]
			err := r.h.config.Uploads.Abort(r.context(), r.bucket, u.Name, u.ID)
			if err != nil && !ais.IsKind(err, ais.NotFound) {
				return err
			}
		}
		more, next.AfterName, next.AfterUpload = uploads.Truncated, uploads.NextName, uploads.NextUpload
	}
	err = r.h.config.Buckets.DeleteBucket(r.context(), r.bucket.Name)
	if ais.IsKind(err, ais.Exists) {
		return notEmpty
	}
	return err
}

func (r *request) getBucketLocation() error {
	region := r.regionOf(r.bucket)
	if region == DefaultRegion {
		region = "" // where S3 began, and where the location is still said by silence
	}
	b := appendDocument(nil, "LocationConstraint")
	b = appendText(b, region)
	r.sendXML(appendClose(b, "LocationConstraint"))
	return nil
}

// location is the URL of the object, as replies carry it.
func (r *request) location() string {
	scheme := "http://"
	if r.ctx.IsTLS() {
		scheme = "https://"
	}
	host := string(r.ctx.Request.Header.Host())
	path, _ := front.Target(r.ctx)
	return scheme + host + string(path)
}
