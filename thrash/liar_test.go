package thrash

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// liar is an object store in memory that speaks as much S3 as the clients of this package do. It is honest
// but for one kind of lie, told now and then.
type liar struct {
	lie string

	mu      sync.Mutex
	random  *rand.Rand
	objects map[string]*object
	before  map[string]*object // what each key held before its last change
	uploads map[string]*upload
	lies    int
}

type object struct {
	body []byte
	meta string
	etag string
}

type upload struct {
	meta  string
	parts map[int][]byte
}

// tells says whether to lie in this way now.
func (l *liar) tells(kind string) bool {
	often := 40
	if kind == "undelete" || kind == "both" {
		often = 2 // there are few occasions, and a lie that nobody reads is not found
	}
	if l.lie != kind || l.random.IntN(often) != 0 {
		return false
	}
	l.lies++
	return true
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/objects"), "/")
	_, key, _ := strings.Cut(path, "/")
	q := r.URL.Query()
	if l.tells("unavailable") {
		plain := r.Header.Get("If-Match")+r.Header.Get("If-None-Match")+r.Header.Get("X-Amz-Copy-Source")+q.Get("partNumber") == ""
		if r.Method == http.MethodPut && plain && l.random.IntN(2) == 0 {
			l.put(key, body, metaOf(r)) // 503, and yet it has happened
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	switch {
	case key == "":
		l.list(w, q.Get("prefix"), q.Get("continuation-token"), q.Get("max-keys"))
	case q.Has("uploads"):
		id := strconv.Itoa(len(l.uploads) + 1)
		l.uploads[id] = &upload{meta: metaOf(r), parts: map[int][]byte{}}
		fmt.Fprintf(w, "<R><UploadId>%s</UploadId></R>", id)
	case q.Has("uploadId"):
		l.upload(w, r, key, q.Get("uploadId"), q.Get("partNumber"), body)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		l.get(w, r, key)
	default:
		l.change(w, r, key, body)
	}
}

func metaOf(r *http.Request) string {
	return r.Header.Get("X-Amz-Meta-"+metaName) + r.Header.Get("X-Ais-Meta-"+metaName)
}

func (l *liar) put(key string, body []byte, meta string) *object {
	sum := md5.Sum(body)
	o := &object{body: body, meta: meta, etag: hex.EncodeToString(sum[:])}
	l.before[key] = l.objects[key]
	l.objects[key] = o
	return o
}

// change is PUT, copy, DELETE.
func (l *liar) change(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	current := l.objects[key]
	if m := r.Header.Get("If-None-Match"); m != "" && current != nil && !l.tells("both") {
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	if m := r.Header.Get("If-Match"); m != "" {
		if current == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if m != `"`+current.etag+`"` {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
	}
	meta := metaOf(r)
	if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
		_, name, _ := strings.Cut(strings.TrimPrefix(from, "/"), "/")
		source := l.objects[name]
		if source == nil || r.Header.Get("X-Amz-Copy-Source-If-Match") != `"`+source.etag+`"` {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		body, meta = source.body, source.meta
	}
	if r.Method == http.MethodDelete {
		if !l.tells("undelete") {
			l.before[key] = nil
			delete(l.objects, key)
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if l.tells("lose") {
		sum := md5.Sum(body)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		return
	}
	o := l.put(key, body, meta)
	w.Header().Set("ETag", `"`+o.etag+`"`)
}

func (l *liar) upload(w http.ResponseWriter, r *http.Request, key, id, part string, body []byte) {
	u := l.uploads[id]
	switch {
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case part != "":
		n, err := strconv.Atoi(part)
		if err != nil || u == nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		u.parts[n] = body
		w.Header().Set("ETag", `"part"`)
	default:
		var whole []byte
		for n := 1; u.parts[n] != nil; n++ {
			whole = append(whole, u.parts[n]...)
		}
		o := l.put(key, whole, u.meta)
		fmt.Fprintf(w, "<R><ETag>&quot;%s&quot;</ETag></R>", o.etag)
	}
}

func (l *liar) get(w http.ResponseWriter, r *http.Request, key string) {
	o := l.objects[key]
	if old := l.before[key]; old != nil && l.tells("stale") {
		o = old
	}
	if o == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Header.Get("If-None-Match") == `"`+o.etag+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := o.body
	if l.tells("torn") {
		body = slices.Clone(body)
		body[l.random.IntN(min(len(body), 1000))] ^= 4
	}
	w.Header().Set("X-Amz-Meta-"+metaName, o.meta)
	w.Header().Set("ETag", `"`+o.etag+`"`)
	from, to, status := 0, len(body)-1, http.StatusOK
	if spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		status = http.StatusPartialContent
		a, b, _ := strings.Cut(spec, "-")
		if a == "" {
			n, _ := strconv.Atoi(b)
			from = max(0, len(body)-n)
		} else {
			from, _ = strconv.Atoi(a)
			n, _ := strconv.Atoi(b)
			to = min(to, n)
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(body)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(to-from+1))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body[from : to+1])
	}
}

func (l *liar) list(w http.ResponseWriter, prefix, after, most string) {
	limit, _ := strconv.Atoi(most)
	type content struct {
		Key  string
		Size int
		ETag string
	}
	var page struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		KeyCount              int
		IsTruncated           bool
		NextContinuationToken string
		Contents              []content
	}
	for _, key := range sortedKeys(l.objects) {
		if !strings.HasPrefix(key, prefix) || key <= after || l.tells("short list") {
			continue
		}
		if len(page.Contents) == limit {
			page.IsTruncated = true
			page.NextContinuationToken = page.Contents[limit-1].Key
			break
		}
		page.Contents = append(page.Contents, content{key, len(l.objects[key].body), l.objects[key].etag})
	}
	page.KeyCount = len(page.Contents)
	b, err := xml.Marshal(page)
	if err == nil {
		_, _ = w.Write(b)
	}
}

// against lets clients work on a liar, and judges all that they saw.
func against(t *testing.T, lie string) (*Report, *liar) {
	l := &liar{lie: lie, random: rand.New(rand.NewPCG(1, 1)), objects: map[string]*object{}, before: map[string]*object{}, uploads: map[string]*upload{}}
	server := httptest.NewServer(l)
	defer server.Close()
	o := Options{Seed: 3, Nodes: 1, Clients: 4, Progress: io.Discard}
	r := &run{Options: o, number: 1, bucket: "bucket"}
	began := time.Now()
	clock := func() int64 { return int64(time.Since(began)) }
	r.clock = clock
	r.ledger = newLedger(&o, r.number, clock)
	r.names = newNames(r.number, clock)
	r.fleet = newFleet("", "")
	r.fleet.add()
	r.client = newClient("key", "secret", func(int) string { return server.Listener.Addr().String() })
	defer r.client.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for i := range o.Clients {
		w := newWorker(r, i+1)
		clients.Go(func() {
			for range 250 {
				w.once(ctx)
			}
		})
	}
	clients.Wait()
	for h := r.names.next(); h != nil; h = r.names.next() {
		newWorker(r, 9).retire(ctx, h)
		r.names.retire(h)
	}
	r.readAll(ctx)
	r.listAll(ctx)
	return r.ledger.finish(), l
}

// TestLiar: an honest store passes, one that answers 503 now and then as well, and every lie is found for
// what it is.
func TestLiar(t *testing.T) {
	for _, c := range []struct {
		lie  string
		want []Wrong // any of these; none: nothing is wrong
	}{
		{"", nil},
		{"unavailable", nil},
		{"lose", []Wrong{Lost}},
		{"stale", []Wrong{Lost}},
		{"undelete", []Wrong{Resurrected}},
		{"both", []Wrong{Twice}},
		{"torn", []Wrong{WrongBytes}},
		{"short list", []Wrong{Missing}},
	} {
		t.Run(c.lie, func(t *testing.T) {
			report, l := against(t, c.lie)
			if l.lie != "" && l.lies == 0 {
				t.Fatal("it never lied")
			}
			if len(c.want) == 0 && report.Failed() {
				t.Errorf("got %s, want nothing wrong: %+v", report.Summary(), report.Violations[0])
			}
			for _, kind := range c.want {
				if report.Wrongs[kind] == 0 {
					t.Errorf("%d lies told: got %s, want some %s", l.lies, report.Summary(), kind)
				}
			}
		})
	}
}
