package thrash

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// metaName is the metadata of every object: the ID of its value, in both dialects.
const metaName = "thrash"

// asked is what a read asked for.
type asked struct {
	how  string // "GET", "range", "HEAD", "if none", and with REST: before it where it is by that
	from int64  // of a range: first byte, or minus the length of a suffix
	to   int64  // of a range: last byte
	than ID     // of "if none": 304 says that it is this one
}

// see judges the answer to a read of a key. ok is false where it says nothing of what the key holds; an
// error is that of an answer that must not be.
func (h *History) see(run uint32, a *asked, r *reply) (saw ID, ok bool, err error) {
	switch r.status {
	case http.StatusNotFound:
		return ID{}, answers(r), nil
	case http.StatusNotModified:
		return a.than, a.than != ID{}, nil
	case http.StatusOK, http.StatusPartialContent:
	default:
		return ID{}, false, nil
	}
	meta := r.header.Get("X-Amz-Meta-" + metaName)
	if meta == "" {
		meta = r.header.Get("X-Ais-Meta-" + metaName)
	}
	id, err := parseID(meta)
	if err != nil {
		return ID{}, false, fmt.Errorf("%w: metadata: %w", ErrBytes, err)
	}
	h.Lock()
	w := h.values[id]
	if w == nil {
		h.Unlock()
		return ID{}, false, fmt.Errorf("%w: metadata of %v, which was never written to this key", ErrBytes, id)
	}
	known, v := w.etag, Value{Run: run, ID: id, Key: w.from, Size: w.size}
	if known == "" {
		w.etag = r.etag()
	}
	h.Unlock()
	if known != "" && known != r.etag() {
		return ID{}, false, fmt.Errorf("%w: %v has the ETag %s, and had %s", ErrBytes, id, r.etag(), known)
	}
	return id, true, checkBody(&v, a, r)
}

// checkBody holds body and lengths of an answer to the value that its metadata names.
func checkBody(v *Value, a *asked, r *reply) error {
	if r.status == http.StatusPartialContent {
		from, to := a.from, min(a.to, v.Size-1)
		if a.from < 0 {
			from, to = max(0, v.Size+a.from), v.Size-1
		}
		want := fmt.Sprintf("bytes %d-%d/%d", from, to, v.Size)
		if got := r.header.Get("Content-Range"); got != want {
			return fmt.Errorf("%w: %v: Content-Range %q, want %q", ErrBytes, v.ID, got, want)
		}
		if int64(len(r.body)) != to-from+1 {
			return fmt.Errorf("%w: %v: %d bytes of the range %s", ErrBytes, v.ID, len(r.body), want)
		}
		return v.Check(r.body, from)
	}
	if got := r.header.Get("Content-Length"); got != "" && got != strconv.FormatInt(v.Size, 10) {
		return fmt.Errorf("%w: %v: %s bytes, want %d", ErrBytes, v.ID, got, v.Size)
	}
	if strings.HasSuffix(a.how, "HEAD") {
		return nil
	}
	if strings.HasSuffix(a.how, "range") {
		return fmt.Errorf("%w: %v: the whole of it in place of a range", ErrBytes, v.ID)
	}
	if int64(len(r.body)) != v.Size {
		return fmt.Errorf("%w: %v: %d bytes of %d", ErrBytes, v.ID, len(r.body), v.Size)
	}
	own, err := DecodeValue(r.body)
	if err != nil {
		return err
	}
	if own != *v {
		return fmt.Errorf("%w: metadata of %v, and the bytes are of %v of key %q in run %08x", ErrBytes, v.ID, own.ID, own.Key, own.Run)
	}
	return v.Check(r.body, 0)
}

// noteETag keeps the ETag that the answer to a write gives; false if it is another than before.
func (h *History) noteETag(id ID, etag string) error {
	h.Lock()
	defer h.Unlock()
	w := h.values[id]
	if w == nil || etag == "" {
		return nil
	}
	if w.etag != "" && w.etag != etag {
		return fmt.Errorf("%w: %v was acknowledged with the ETag %s, and was seen with %s", ErrBytes, id, etag, w.etag)
	}
	w.etag = etag
	return nil
}
