package bench

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// headLife is how long a signed head is sent again: servers accept a signature for 15 minutes.
const headLife = 5 * time.Minute

// head is the bytes of a request up to and with the empty line.
type head struct {
	bytes []byte
	made  time.Time
}

// heads makes the heads of requests and keeps those of the operation that is measured, so that in a
// window nothing is formatted or signed twice. Safe for any number of goroutines.
type heads struct {
	plan   *Plan
	target target
	signer signer
	cache  map[string][]atomic.Pointer[head] // by method, then by key number; the map never changes
}

func newHeads(p *Plan, t target) *heads {
	h := &heads{plan: p, target: t, cache: map[string][]atomic.Pointer[head]{},
		signer: signer{access: p.AccessKey, secret: p.SecretKey, region: p.Region, host: t.host}}
	for _, op := range []Operation{Put, Get, Head, Delete} {
		if p.Op == op || p.Op == Mixed {
			h.cache[op.method()] = make([]atomic.Pointer[head], p.Keys)
		}
	}
	return h
}

// keyName is the name of key number k, the same for every run over the same prefix.
func keyName(prefix string, k int64) string { return fmt.Sprintf("%s%010d", prefix, k) }

// object is the head of a request on key number k. The slice is shared: nobody changes it.
func (h *heads) object(now time.Time, method string, k int64) []byte {
	kept := h.cache[method]
	if kept != nil {
		if old := kept[k].Load(); old != nil && now.Sub(old.made) < headLife {
			return old.bytes
		}
	}
	size := int64(-1)
	if method == "PUT" {
		size = h.plan.Size
	}
	path := h.bucketPath() + "/" + escape(keyName(h.plan.Prefix, k), true)
	fresh := &head{bytes: h.make(now, method, path, "", size), made: now}
	if kept != nil {
		kept[k].Store(fresh)
	}
	return fresh.bytes
}

func (h *heads) bucketPath() string { return h.target.base + "/" + h.plan.Bucket }

// createBucket is the head of a request that makes the bucket.
func (h *heads) createBucket(now time.Time) []byte {
	return h.make(now, "PUT", h.bucketPath(), "", 0)
}

// list is the head of a request for the page after token, the first if token is empty.
func (h *heads) list(now time.Time, token string) []byte {
	query := ""
	if token != "" {
		query = "continuation-token=" + escape(token, false) + "&"
	}
	query += "list-type=2&max-keys=" + strconv.Itoa(h.plan.Page)
	if h.plan.Prefix != "" {
		query += "&prefix=" + escape(h.plan.Prefix, false)
	}
	return h.make(now, "GET", h.bucketPath(), query, -1)
}

// make builds a head; a size of -1 means that there is no body.
func (h *heads) make(now time.Time, method, path, query string, size int64) []byte {
	b := make([]byte, 0, 512)
	b = append(append(b, method...), ' ')
	b = append(b, path...)
	if query != "" {
		b = append(append(b, '?'), query...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(append(b, h.target.host...), "\r\n"...)
	b = h.signer.appendHeaders(b, now, method, path, query)
	if size >= 0 {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, size, 10), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
