package cli

import (
	"context"
	"io"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

// remote is the cluster as the object verbs see it.
type remote struct{ *api.Client }

// connect makes a client of the endpoint and keys that the user gave. It talks to nobody yet.
func (g *globals) connect() (*remote, error) {
	if g.accessKey == "" || g.secretKey == "" {
		return nil, ais.NounErrorf(ais.Denied, ais.NounKey, "no access key: set AIS_ACCESS_KEY and AIS_SECRET_KEY ('ais dev' writes them to DIR/env: source it)")
	}
	c, err := api.NewClient(api.ClientOptions{Endpoint: g.endpoint, AccessKey: g.accessKey, Secret: g.secretKey})
	if err != nil {
		return nil, usageError{err}
	}
	return &remote{c}, nil
}

// put stores size bytes of body, or all there is if size is -1.
func (r *remote) put(ctx context.Context, to location, body io.Reader, size int64) error {
	_, err := r.Put(ctx, to.bucket, to.name, body, size, nil)
	return err
}

// get hands the bytes of an object to use, with their number.
func (r *remote) get(ctx context.Context, from location, use func(body io.Reader, size int64) error) error {
	o, body, err := r.Get(ctx, from.bucket, from.name, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return use(body, o.Size)
}

// copy copies an object with what is kept beside its bytes.
func (r *remote) copy(ctx context.Context, from, to location) error {
	o, body, err := r.Get(ctx, from.bucket, from.name, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = r.Put(ctx, to.bucket, to.name, body, o.Size, &api.PutOptions{Headers: o.Headers, Metadata: o.Metadata})
	return err
}

// remove deletes an object that is there; that it is not is an error of kind NotFound, for a person
// who mistypes a name wants to know.
func (r *remote) remove(ctx context.Context, at location) error {
	_, err := r.Stat(ctx, at.bucket, at.name, "")
	if ais.IsKind(err, ais.NotFound) {
		return ais.NounErrorf(ais.NotFound, ais.NounObject, "there is no object %s", printable(at.String()))
	}
	if err != nil {
		return err
	}
	return r.Delete(ctx, at.bucket, at.name, "")
}

// listing asks for objects.
type listing struct {
	bucket string
	query  api.ListQuery
	limit  int64 // 0: all
}

// entry is an object, or a common prefix, of a listing.
type entry struct {
	Name     string     `json:"name"`
	Prefix   bool       `json:"prefix,omitempty"`
	Size     int64      `json:"size"`
	ETag     string     `json:"etag,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
}

// list hands entries to each in name order, page by page, until each fails.
func (r *remote) list(ctx context.Context, l listing, each func(entry) error) error {
	left := l.limit
	for {
		if l.limit > 0 {
			l.query.Limit = int(min(left, ais.ListLimitMax))
		}
		page, err := r.List(ctx, l.bucket, l.query)
		if err != nil {
			return err
		}
		for _, e := range merge(page) {
			if err := each(e); err != nil {
				return err
			}
			left--
		}
		if page.Next == "" || l.limit > 0 && left <= 0 {
			return nil
		}
		l.query.After = page.Next
	}
}

// merge puts objects and prefixes of a page, each in order, into one order.
func merge(page *api.ObjectPage) []entry {
	entries := make([]entry, 0, len(page.Objects)+len(page.Prefixes))
	objects, prefixes := page.Objects, page.Prefixes
	for len(objects) > 0 || len(prefixes) > 0 {
		if len(objects) == 0 || len(prefixes) > 0 && prefixes[0] < objects[0].Name {
			entries = append(entries, entry{Name: prefixes[0], Prefix: true})
			prefixes = prefixes[1:]
			continue
		}
		o := &objects[0]
		entries = append(entries, entry{Name: o.Name, Size: o.Size, ETag: o.ETag, Modified: &o.Modified})
		objects = objects[1:]
	}
	return entries
}
