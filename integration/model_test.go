package integration

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// outcome is what a key may hold: the value of one write, or nothing.
type outcome struct {
	number uint64 // of the write; 0: the key does not exist
	size   int64
	parts  []int64 // sizes of the parts, if it was a multipart upload: each is a value of its own
}

func (o outcome) String() string {
	if o.number == 0 {
		return "nothing"
	}
	return fmt.Sprintf("write %d of %d bytes", o.number, o.size)
}

func (o outcome) same(p outcome) bool { return o.number == p.number }

// model is what the store may hold. One worker owns a key and has one request under way, so a key
// has at most one outcome that is acknowledged, and those of the requests that were cut off since.
type model struct {
	acked   map[string]outcome
	unknown map[string][]outcome // sent after the acknowledged one, never answered
	number  uint64               // of the last write
}

func newModel() *model {
	return &model{acked: map[string]outcome{}, unknown: map[string][]outcome{}}
}

// allowed are the outcomes that a read of key may show.
func (m *model) allowed(key string) []outcome {
	return append([]outcome{m.acked[key]}, m.unknown[key]...)
}

// acknowledge says that o has happened; whatever was cut off before it is past.
func (m *model) acknowledge(key string, o outcome) {
	m.acked[key] = o
	delete(m.unknown, key)
}

// worker changes keys of its own at random and keeps the model of them.
type worker struct {
	c      *raw
	bucket string
	keys   []string
	random *rand.Rand
	model  *model
	done   int // requests acknowledged
}

func newWorker(c *raw, bucket string, index, keys int, seed uint64) *worker {
	w := &worker{c: c, bucket: bucket, random: rand.New(rand.NewPCG(seed, uint64(index))), model: newModel()}
	for i := range keys {
		w.keys = append(w.keys, fmt.Sprintf("worker %d/key %d", index, i))
	}
	return w
}

// run changes keys until ctx ends or the node is gone; the request under way then stays unknown. An
// error is a reply that must not be.
func (w *worker) run(ctx context.Context) error {
	for ctx.Err() == nil {
		answered, err := w.step(ctx)
		if err != nil {
			return err
		}
		if !answered {
			return nil
		}
		w.done++
	}
	return nil
}

// step makes one change, or one read.
func (w *worker) step(ctx context.Context) (answered bool, err error) {
	key := w.keys[w.random.IntN(len(w.keys))]
	switch n := w.random.IntN(100); {
	case n < 15:
		return w.read(ctx, key)
	case n < 35:
		return w.change(ctx, key, outcome{}, func() (reply, error) {
			return w.c.do(ctx, call{method: "DELETE", path: w.path(key)})
		})
	case n < 95:
		o := outcome{number: w.next(), size: w.size()}
		return w.change(ctx, key, o, func() (reply, error) {
			v := value{key, o.number, o.size}
			return w.c.do(ctx, call{method: "PUT", path: w.path(key), stream: v.reader(), size: v.size})
		})
	default:
		o := outcome{number: w.next(), parts: []int64{5 << 20, 5<<20 + 17, 12345}}
		for _, size := range o.parts {
			o.size += size
		}
		return w.change(ctx, key, o, func() (reply, error) { return w.multipart(ctx, key, o) })
	}
}

// size draws a size: mostly small, at times on a limit, at times of several extents.
func (w *worker) size() int64 {
	limits := []int64{0, 1, 64 << 10, 64<<10 + 1, 128 << 10, 128<<10 + 1, 2 << 20, 2<<20 + 1, 5 << 20}
	switch n := w.random.IntN(20); {
	case n == 0:
		return limits[w.random.IntN(len(limits))]
	case n < 3:
		return w.random.Int64N(1 << 20)
	default:
		return w.random.Int64N(8 << 10)
	}
}

func (w *worker) next() uint64 { w.model.number++; return w.model.number }

func (w *worker) path(key string) string { return "/" + w.bucket + "/" + key }

// change sends a write. Until it is answered its outcome is unknown.
func (w *worker) change(ctx context.Context, key string, o outcome, send func() (reply, error)) (bool, error) {
	w.model.unknown[key] = append(w.model.unknown[key], o)
	r, err := send()
	switch {
	case err != nil || ctx.Err() != nil && r.status/100 != 2:
		return false, nil // cut off
	case r.status/100 == 2 && !bytes.Contains(r.body, []byte("<Error>")):
		w.model.acknowledge(key, o)
		return true, nil
	case r.status == http.StatusServiceUnavailable:
		return true, nil // on its way down; the outcome stays unknown
	}
	return false, fmt.Errorf("change %q to %v: got %v", key, o, r)
}

// multipart writes o in parts. The reply of a completion may be an error behind a head that says 200.
func (w *worker) multipart(ctx context.Context, key string, o outcome) (reply, error) {
	r, err := w.c.do(ctx, call{method: "POST", path: w.path(key), query: url.Values{"uploads": {""}}})
	if err != nil || r.status != http.StatusOK {
		return r, err
	}
	upload := between(string(r.body), "<UploadId>", "</UploadId>")
	var doc bytes.Buffer
	doc.WriteString("<CompleteMultipartUpload>")
	for i, v := range partValues(key, o) {
		query := url.Values{"uploadId": {upload}, "partNumber": {strconv.Itoa(i + 1)}}
		r, err := w.c.do(ctx, call{method: "PUT", path: w.path(key), query: query, stream: v.reader(), size: v.size})
		if err != nil || r.status != http.StatusOK {
			return r, err
		}
		fmt.Fprintf(&doc, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, r.header.Get("ETag"))
	}
	doc.WriteString("</CompleteMultipartUpload>")
	return w.c.do(ctx, call{method: "POST", path: w.path(key), query: url.Values{"uploadId": {upload}}, body: doc.Bytes()})
}

func partValues(key string, o outcome) (all []value) {
	for i, size := range o.parts {
		all = append(all, value{fmt.Sprintf("%s part %d", key, i+1), o.number, size})
	}
	return all
}

// read gets a key while it is not being written and holds the reply to the model.
func (w *worker) read(ctx context.Context, key string) (bool, error) {
	if len(w.model.unknown[key]) > 0 {
		return true, nil // verify has not settled it yet
	}
	r, err := w.c.do(ctx, call{method: "GET", path: w.path(key)})
	if err != nil || r.status == http.StatusServiceUnavailable {
		return err == nil, nil
	}
	if _, err := w.judge(key, r); err != nil {
		return false, err
	}
	return true, nil
}

// judge says which allowed outcome a reply shows.
func (w *worker) judge(key string, r reply) (outcome, error) {
	allowed := w.model.allowed(key)
	if r.status == http.StatusNotFound {
		if slices.ContainsFunc(allowed, func(o outcome) bool { return o.number == 0 }) {
			return outcome{}, nil
		}
		return outcome{}, fmt.Errorf("%q is gone: want %v", key, allowed)
	}
	if r.status != http.StatusOK {
		return outcome{}, fmt.Errorf("%q: got %v, want %v", key, r, allowed)
	}
	for _, o := range allowed {
		if o.number != 0 && bytes.Equal(r.body, o.bytes(key)) {
			return o, nil
		}
	}
	return outcome{}, fmt.Errorf("%q holds %d bytes beginning %.60q: want %v, whole", key, len(r.body), r.body, allowed)
}

func (o outcome) bytes(key string) []byte {
	if len(o.parts) == 0 {
		return value{key, o.number, o.size}.bytes()
	}
	var all []byte
	for _, v := range partValues(key, o) {
		all = append(all, v.bytes()...)
	}
	return all
}

// verify reads every key, settles in the model what is seen of the requests that were cut off, and
// wants of the listing what the reads have shown.
func (w *worker) verify(ctx context.Context, inList map[string]int64) error {
	for _, key := range w.keys {
		r, err := w.c.do(ctx, call{method: "GET", path: w.path(key)})
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		seen, err := w.judge(key, r)
		if err != nil {
			return err
		}
		w.model.acknowledge(key, seen)
		size, there := inList[key]
		if there != (seen.number != 0) || there && size != seen.size {
			return fmt.Errorf("%q: read shows %v, the listing says there=%v with %d bytes", key, seen, there, size)
		}
	}
	return nil
}

// openUploads counts the multipart uploads that are neither completed nor aborted.
func openUploads(ctx context.Context, c *raw, bucket string) (int, error) {
	r, err := c.do(ctx, call{method: "GET", path: "/" + bucket, query: url.Values{"uploads": {""}}})
	if err != nil || r.status != http.StatusOK {
		return 0, fmt.Errorf("list uploads: got %v, error %w", r, err)
	}
	var page struct {
		Upload []struct{ UploadID string }
	}
	if err := xml.Unmarshal(r.body, &page); err != nil {
		return 0, err
	}
	return len(page.Upload), nil
}
