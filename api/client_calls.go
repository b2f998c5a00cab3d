package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/control"
)

func bucketPath(bucket string) string { return "/v1/buckets/" + url.PathEscape(bucket) }

func objectPath(bucket, name string) string {
	return string(auth.AppendPath([]byte("/v1/objects/"+url.PathEscape(bucket)+"/"), name))
}

// Buckets gives all buckets in name order.
func (c *Client) Buckets(ctx context.Context) (all []Bucket, err error) {
	for after := ""; ; {
		var page BucketPage
		if err := c.json(ctx, http.MethodGet, "/v1/buckets", url.Values{"after": {after}}, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Buckets...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

// Bucket gives one bucket.
func (c *Client) Bucket(ctx context.Context, name string) (*Bucket, error) {
	b := new(Bucket)
	return b, c.json(ctx, http.MethodGet, bucketPath(name), nil, nil, b)
}

// CreateBucket makes a bucket: kind Exists if the name is taken.
func (c *Client) CreateBucket(ctx context.Context, create BucketCreate) (*Bucket, error) {
	b := new(Bucket)
	return b, c.json(ctx, http.MethodPost, "/v1/buckets", nil, create, b)
}

// ChangeBucket changes properties of a bucket.
func (c *Client) ChangeBucket(ctx context.Context, name string, change BucketChange) (*Bucket, error) {
	b := new(Bucket)
	return b, c.json(ctx, http.MethodPatch, bucketPath(name), nil, change, b)
}

// DeleteBucket removes a bucket: kind Exists if it is not empty, unless force has it emptied first.
func (c *Client) DeleteBucket(ctx context.Context, name string, force bool) error {
	var query url.Values
	if force {
		query = url.Values{"force": {"true"}}
	}
	return c.json(ctx, http.MethodDelete, bucketPath(name), query, nil, nil)
}

// ListQuery says which names to list.
type ListQuery struct {
	Prefix    string
	Delimiter string // names that go on behind it are shown once, as a prefix
	After     string // names and prefixes up to it are passed over
	Limit     int    // 0: 1,000, which is the most
}

// List gives one page of names in byte order.
func (c *Client) List(ctx context.Context, bucket string, q ListQuery) (*ObjectPage, error) {
	query := url.Values{}
	for name, value := range map[string]string{"prefix": q.Prefix, "delimiter": q.Delimiter, "after": q.After} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	page := new(ObjectPage)
	return page, c.json(ctx, http.MethodGet, bucketPath(bucket)+"/objects", query, nil, page)
}

// PutOptions are what is kept with an object beside its bytes, and conditions.
type PutOptions struct {
	Headers     map[string]string // Content-Type, Cache-Control, Content-Disposition, Content-Encoding, Content-Language, Expires
	Metadata    map[string]string
	IfMatch     string // ETag, or "*"
	IfNoneMatch string
}

// Put stores size bytes of body (-1: all there is) under a name. It does not close body; where body is
// an io.Seeker, it is read again from its start if the server puts the request off.
func (c *Client) Put(ctx context.Context, bucket, name string, body io.Reader, size int64, o *PutOptions) (*Object, error) {
	k := &call{method: http.MethodPut, path: objectPath(bucket, name), body: body, size: size, read: true, header: http.Header{}}
	if _, ok := body.(io.Seeker); !ok && size != 0 {
		k.query = url.Values{"redirect": {"false"}} // it could not be sent again to where it is sent on to
	}
	if o != nil {
		for name, value := range o.Headers {
			k.header.Set(name, value)
		}
		for name, value := range o.Metadata {
			k.header.Set(metadataPrefix+name, value)
		}
		setCondition(k.header, o.IfMatch, o.IfNoneMatch)
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	object := new(Object)
	return object, decodeReply(resp, object)
}

func setCondition(h http.Header, match, noneMatch string) {
	for name, tag := range map[string]string{"If-Match": match, "If-None-Match": noneMatch} {
		if tag != "" && tag != "*" {
			tag = `"` + strings.Trim(tag, `"`) + `"`
		}
		if tag != "" {
			h.Set(name, tag)
		}
	}
}

// GetOptions choose a version and a range.
type GetOptions struct {
	Version string
	Offset  int64
	Size    int64 // 0: to the end
	IfMatch string
}

// Get opens an object for reading. The reader gives io.ErrUnexpectedEOF where the connection ends
// before the object; the caller closes it.
func (c *Client) Get(ctx context.Context, bucket, name string, o *GetOptions) (*Object, io.ReadCloser, error) {
	k := &call{method: http.MethodGet, path: objectPath(bucket, name), read: true, header: http.Header{}}
	if o != nil {
		k.query = versionQuery(o.Version)
		if o.Offset > 0 || o.Size > 0 {
			k.header.Set("Range", byteRange(o.Offset, o.Size))
		}
		setCondition(k.header, o.IfMatch, "")
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	return objectOf(name, resp), resp.Body, nil
}

func byteRange(offset, size int64) string {
	if size <= 0 {
		return "bytes=" + strconv.FormatInt(offset, 10) + "-"
	}
	return "bytes=" + strconv.FormatInt(offset, 10) + "-" + strconv.FormatInt(offset+size-1, 10)
}

func versionQuery(version string) url.Values {
	if version == "" {
		return nil
	}
	return url.Values{"version": {version}}
}

// Stat gives what is known of an object; version "" is the current one.
func (c *Client) Stat(ctx context.Context, bucket, name, version string) (*Object, error) {
	resp, err := c.do(ctx, &call{method: http.MethodHead, path: objectPath(bucket, name), query: versionQuery(version)})
	if err != nil {
		return nil, err
	}
	return objectOf(name, resp), nil
}

// Delete deletes an object, or one version of it. Deleting what is not there is no error.
func (c *Client) Delete(ctx context.Context, bucket, name, version string) error {
	_, err := c.do(ctx, &call{method: http.MethodDelete, path: objectPath(bucket, name), query: versionQuery(version)})
	return err
}

// objectOf reads the headers of a reply about an object.
func objectOf(name string, resp *http.Response) *Object {
	o := &Object{Name: name, Size: resp.ContentLength, ETag: strings.Trim(resp.Header.Get("ETag"), `"`),
		Version: resp.Header.Get(versionHeader), Headers: map[string]string{}, Metadata: map[string]string{}}
	o.Modified, _ = time.Parse(http.TimeFormat, resp.Header.Get("Last-Modified"))
	if _, size, ok := strings.Cut(resp.Header.Get("Content-Range"), "/"); ok {
		if n, err := strconv.ParseInt(size, 10, 64); err == nil {
			o.Size = n
		}
	}
	for name, values := range resp.Header {
		if rest, ok := strings.CutPrefix(name, metadataPrefix); ok {
			o.Metadata[strings.ToLower(rest)] = values[0]
		}
	}
	for _, h := range keptHeaders {
		if v := resp.Header.Get(h.name); v != "" {
			o.Headers[h.name] = v
		}
	}
	return o
}

func decodeReply(resp *http.Response, out any) error {
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, controlMax))
	if err == nil {
		err = decodeStrict(b, out, false)
	}
	if err != nil {
		return ais.Errorf(ais.Unavailable, "read the reply: %w", err)
	}
	return nil
}

// Token makes a bearer token of the client's key; life 0 is one hour.
func (c *Client) Token(ctx context.Context, life time.Duration) (*Token, error) {
	in, out := TokenRequest{}, new(Token)
	if life > 0 {
		in.Life = control.FormatDuration(life)
	}
	return out, c.json(ctx, http.MethodPost, "/v1/tokens", nil, in, out)
}
