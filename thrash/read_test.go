package thrash

import (
	"fmt"
	"net/http"
	"testing"
)

// answer is one to a read of a value, as it should be.
func answer(v *Value, a *asked, status int) *reply {
	r := &reply{status: status, header: http.Header{}, body: v.Bytes()}
	r.header.Set("X-Amz-Meta-Thrash", v.ID.String())
	r.header.Set("ETag", `"tag"`)
	if status == http.StatusPartialContent {
		r.body = v.AppendRange(nil, a.from, a.to+1)
		r.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", a.from, a.to, v.Size))
	}
	r.header.Set("Content-Length", fmt.Sprint(len(r.body)))
	return r
}

func TestSee(t *testing.T) {
	v := sample(3 * blockSize)
	other := sample(3 * blockSize)
	other.Sequence++
	whole, part := &asked{how: "GET"}, &asked{how: "range", from: 1000, to: 1100}
	for _, c := range []struct {
		name string
		ask  *asked
		bend func(*reply)
		ok   bool
		bad  bool
	}{
		{"whole", whole, nil, true, false},
		{"part", part, nil, true, false},
		{"absent", whole, func(r *reply) { *r = reply{status: 404, header: http.Header{}, body: []byte("<Code>NoSuchKey</Code>")} }, true, false},
		{"no bucket", whole, func(r *reply) {
			*r = reply{status: 404, header: http.Header{}, body: []byte("<Code>NoSuchBucket</Code>")}
		}, false, false},
		{"refused", whole, func(r *reply) { r.status = 400 }, false, false},
		{"no metadata", whole, func(r *reply) { r.header.Del("X-Amz-Meta-Thrash") }, false, true},
		{"metadata of another", whole, func(r *reply) { r.header.Set("X-Amz-Meta-Thrash", "w9.9") }, false, true},
		{"bytes of another", whole, func(r *reply) { r.body = other.Bytes() }, true, true},
		{"cut", whole, func(r *reply) { r.body = r.body[:2000]; r.header.Del("Content-Length") }, true, true},
		{"another length", whole, func(r *reply) { r.header.Set("Content-Length", "7") }, true, true},
		{"another ETag", whole, func(r *reply) { r.header.Set("ETag", `"x"`) }, false, true},
		{"whole for a part", part, func(r *reply) { *r = *answer(v, whole, 200) }, true, true},
		{"part of another place", part, func(r *reply) { r.body = v.AppendRange(nil, 0, 101) }, true, true},
		{"part of a longer one", part, func(r *reply) { r.header.Set("Content-Range", "bytes 1000-1100/9999") }, true, true},
	} {
		h := newHistory(v.Key, 0)
		h.allow(v.ID, v.Size, v.Key)
		h.values[v.ID].etag = "tag"
		status := http.StatusOK
		if c.ask == part {
			status = http.StatusPartialContent
		}
		r := answer(v, c.ask, status)
		if c.bend != nil {
			c.bend(r)
		}
		_, ok, err := h.see(v.Run, c.ask, r)
		if (err != nil) != c.bad || !c.bad && ok != c.ok {
			t.Errorf("%s: got ok %v, error %v; want ok %v, an error %v", c.name, ok, err, c.ok, c.bad)
		}
	}
}
