package thrash

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Retries of a client: those of an SDK, which sends a request again that was put off or broken off.
const (
	attemptsMax = 6
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 2 * time.Second
	avoidFor    = 2 * time.Second // after a failure a client turns to other nodes, mostly
)

// worker is one client.
type worker struct {
	*run
	id       int
	random   *rand.Rand
	sequence uint32
}

func newWorker(r *run, id int) *worker {
	return &worker{run: r, id: id, random: rand.New(rand.NewPCG(r.Seed, uint64(id)))}
}

// work sends one request after the other until ctx ends; the last one is answered, or given up, then.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		w.once(ctx)
	}
}

// once sends one request of the mix.
func (w *worker) once(ctx context.Context) {
	switch x := w.random.IntN(100); {
	case x < 60:
		w.read(ctx)
	case x < 90:
		w.write(ctx)
	case x < 95:
		w.remove(ctx)
	default:
		w.list(ctx, w.random.IntN(prefixesMax))
	}
}

// pick draws the node that is asked: seldom one that has just failed.
func (w *worker) pickNode() int {
	members := w.fleet.members()
	n := members[w.random.IntN(len(members))].index
	for range 3 {
		if w.now()-w.client.dead[n].Load() > int64(avoidFor) || w.client.dead[n].Load() == 0 || w.random.IntN(10) == 0 {
			break
		}
		n = members[w.random.IntN(len(members))].index
	}
	return n
}

// backOff waits before the next attempt; false: it is time to end.
func (w *worker) backOff(ctx context.Context, attempt int) bool {
	most := min(backoffMax, backoffMin<<attempt)
	return pause(ctx, most/2+time.Duration(w.random.Int64N(int64(most/2))))
}

// failed reports whether an attempt has to be made again, and counts it. What a client is told for good is
// no failure: 404 and 412 are answers.
func (w *worker) failed(node int, r *reply, err error) bool {
	if err == nil && (r.status < 400 || answers(r)) {
		return false
	}
	w.ledger.failure(class(r, err))
	w.client.dead[node].Store(w.now())
	return true
}

func answers(r *reply) bool {
	return (r.status == http.StatusNotFound || r.status == http.StatusPreconditionFailed) && r.code() != "NoSuchBucket"
}

func (w *worker) path(name string) string { return "/" + w.bucket + "/" + name }

// overREST turns a call on an object into one by REST, sometimes.
func (w *worker) overREST(k *call, how *string) {
	if w.random.IntN(8) != 0 {
		return
	}
	*how = "REST " + *how
	k.path = "/v1/objects" + k.path
	if id, ok := k.header["X-Amz-Meta-"+metaName]; ok {
		delete(k.header, "X-Amz-Meta-"+metaName)
		k.header["X-Ais-Meta-"+metaName] = id
	}
	if w.random.IntN(3) == 0 {
		k.query = "redirect=false"
	}
}

// read reads a key in one of several ways.
func (w *worker) read(ctx context.Context) {
	h := w.names.pick(w.random, false)
	defer h.release()
	k := &call{method: http.MethodGet, path: w.path(h.name), header: map[string]string{}}
	a := &asked{how: "GET"}
	switch x, y := w.random.IntN(60), w.random.Int64(); {
	case x < 8:
		k.method, a.how = http.MethodHead, "HEAD"
	case x < 15:
		a.how, a.from = "range", y%SizeMin
		a.to = a.from + y>>20%(1<<uint(10+y>>60))
		k.header["Range"] = fmt.Sprintf("bytes=%d-%d", a.from, a.to)
	case x < 20:
		a.how, a.from = "range", -1-y%(100<<10)
		k.header["Range"] = fmt.Sprintf("bytes=%d", a.from)
	case x < 23:
		if id, tag := h.anyValue(y); tag != "" {
			a.how, a.than = "if none", id
			k.header["If-None-Match"] = `"` + tag + `"`
		}
	}
	w.overREST(k, &a.how)
	w.look(ctx, h, k, a, w.pickNode)
}

// look sends a read until it is answered, and notes what it saw.
func (w *worker) look(ctx context.Context, h *History, k *call, a *asked, node func() int) (ID, bool) {
	for attempt := range attemptsMax {
		n := node()
		o := &Op{Kind: Read, Outcome: Done, Call: w.now(), Worker: w.id, Node: n, How: a.how}
		r, err := w.client.do(context.WithoutCancel(ctx), n, k)
		if w.failed(n, r, err) {
			if attempt == attemptsMax-1 || !w.backOff(ctx, attempt) {
				w.ledger.request("read", attempt+1, ctx.Err() == nil)
				return ID{}, false
			}
			continue
		}
		o.Return = w.now()
		saw, ok, err := h.see(w.number, a, r)
		if err != nil {
			w.ledger.violation(&Violation{Kind: WrongBytes, Key: h.name, Message: fmt.Sprintf("%s of %s by node %d, status %d: %v", a.how, h.name, n, r.status, err), History: h.tell()})
		} else if ok {
			o.Value, o.How = saw, o.How+said(r)
			h.add(o)
		}
		w.ledger.request("read", attempt+1, false)
		return saw, ok && err == nil
	}
	return ID{}, false
}

// said is what an answer of 404 says, where it says more than that there is no such object.
func said(r *reply) string {
	if r.status != http.StatusNotFound || len(r.body) == 0 || r.code() == "NoSuchKey" || bytes.Contains(r.body, []byte(`no object`)) {
		return ""
	}
	return fmt.Sprintf(" (%.200s)", bytes.Join(bytes.Fields(r.body), []byte(" ")))
}

// anyValue is some value of the key whose ETag is known.
func (h *History) anyValue(x int64) (ID, string) {
	h.Lock()
	defer h.Unlock()
	var newest ID
	for _, o := range h.ops { // the last that was seen, or one before it
		id := o.Value
		if o.Outcome != Done || id == (ID{}) {
			continue
		}
		if v := h.values[id]; v != nil && v.etag != "" && v.from == h.name && (newest == ID{} || x%4 != 0) {
			newest = id
		}
	}
	if v := h.values[newest]; v != nil {
		return newest, v.etag
	}
	return ID{}, ""
}

// size draws a size: mostly small, seldom up to the largest.
func (w *worker) size() int64 {
	most := int64(16 << 10)
	switch x := w.random.IntN(100); {
	case x < 1:
		most = SizeMax
	case x < 4:
		most = 1 << 20
	case x < 18:
		most = 192 << 10
	}
	return SizeMin + w.random.Int64N(most-SizeMin+1)
}

// newValue makes a value for a key and notes that it may be seen there.
func (w *worker) newValue(h *History, size int64) *Value {
	w.sequence++
	v := &Value{Run: w.number, ID: ID{uint32(w.id), w.sequence}, Key: h.name, Size: size}
	h.allow(v.ID, v.Size, v.Key)
	return v
}

func (h *History) allow(id ID, size int64, from string) bool {
	h.Lock()
	defer h.Unlock()
	if h.values[id] != nil {
		return false
	}
	h.values[id] = &written{size: size, from: from}
	return true
}

// write changes a key in one of several ways.
func (w *worker) write(ctx context.Context) {
	h := w.names.pick(w.random, true)
	defer h.release()
	switch x := w.random.IntN(60); {
	case x < 2:
		w.multipart(ctx, h)
	case x < 6:
		w.copy(ctx, h)
	case x < 12:
		w.put(ctx, h, IfAbsent)
	case x < 22:
		w.put(ctx, h, IfIs)
	default:
		w.put(ctx, h, Always)
	}
}

// condition adds a condition to a change.
func (w *worker) condition(h *History, c Condition, k *call, o *Op) {
	switch c {
	case IfAbsent:
		o.If, k.header["If-None-Match"] = c, "*"
	case IfIs:
		if id, tag := h.anyValue(w.random.Int64()); tag != "" {
			o.If, o.Is, k.header["If-Match"] = c, id, `"`+tag+`"`
		}
	}
}

func (w *worker) put(ctx context.Context, h *History, c Condition) {
	size := w.size()
	w.change(ctx, h, "write", func() (*call, *Op) {
		v := w.newValue(h, size)
		k := &call{method: http.MethodPut, path: w.path(h.name), body: v.Bytes(), header: map[string]string{"X-Amz-Meta-" + metaName: v.ID.String()}}
		o := &Op{Kind: Write, Value: v.ID, How: "PUT"}
		w.condition(h, c, k, o)
		w.overREST(k, &o.How)
		return k, o
	})
}

func (w *worker) remove(ctx context.Context) {
	h := w.names.pick(w.random, true)
	defer h.release()
	c := Always
	if w.random.IntN(5) == 0 {
		c = IfIs
	}
	w.removeKey(ctx, h, c)
}

func (w *worker) removeKey(ctx context.Context, h *History, c Condition) {
	w.change(ctx, h, "delete", func() (*call, *Op) {
		k := &call{method: http.MethodDelete, path: w.path(h.name), header: map[string]string{}}
		o := &Op{Kind: Remove, How: "DELETE"}
		w.condition(h, c, k, o)
		return k, o
	})
}

// change sends a change until it is answered. Each attempt is a change of its own, with a value of its own:
// what became of the one before is not known.
func (w *worker) change(ctx context.Context, h *History, kind string, make func() (*call, *Op)) {
	for attempt := range attemptsMax {
		if h.crowded() {
			if attempt > 0 {
				w.ledger.request(kind, attempt, true)
			}
			return
		}
		k, o := make()
		if outcome, _ := w.attempt(ctx, h, k, o); outcome != Unknown && outcome != Nothing {
			w.ledger.request(kind, attempt+1, false)
			return
		}
		if attempt == attemptsMax-1 || !w.backOff(ctx, attempt) {
			w.ledger.request(kind, attempt+1, ctx.Err() == nil)
			return
		}
	}
}

// attempt sends one change and notes what the answer says.
func (w *worker) attempt(ctx context.Context, h *History, k *call, o *Op) (Outcome, *reply) {
	o.Node, o.Worker, o.Call = w.pickNode(), w.id, w.now()
	h.begin(o)
	r, err := w.client.do(context.WithoutCancel(ctx), o.Node, k)
	outcome := w.outcome(o, r, err)
	h.end(o, w.now(), outcome)
	if outcome == Done && o.Kind == Write {
		etag := r.etag()
		if etag == "" {
			etag = bodyTag(r)
		}
		if err := h.noteETag(o.Value, etag); err != nil {
			w.ledger.violation(&Violation{Kind: WrongBytes, Key: h.name, Message: err.Error(), History: h.tell()})
		}
	}
	return outcome, r
}

// outcome says what an answer means: 4xx that nothing was done, 5xx and a broken connection that nobody
// knows.
func (w *worker) outcome(o *Op, r *reply, err error) Outcome {
	w.failed(o.Node, r, err)
	switch {
	case errors.As(err, new(notSent)):
		return Nothing
	case err != nil || r.status >= 500:
		o.How += " " + class(r, err)
		return Unknown
	case r.status < 300 && strings.Contains(string(r.body[:min(len(r.body), 300)]), "<Error>"):
		w.ledger.failure("200 with " + r.code())
		return Unknown
	case r.status < 300:
		return Done
	case r.status == http.StatusPreconditionFailed && o.If != Always:
		return Failed
	case answers(r) && r.status == http.StatusNotFound && o.If == IfIs:
		return Absent
	}
	return Nothing
}

// bodyTag is the ETag that the body of an answer gives, to a copy or a completed upload.
func bodyTag(r *reply) string {
	var answer struct{ ETag string }
	if xml.Unmarshal(r.body, &answer) != nil {
		return ""
	}
	return strings.Trim(answer.ETag, `"`)
}

// copy copies the value of another key, which must still be that one.
func (w *worker) copy(ctx context.Context, h *History) {
	source := w.names.pick(w.random, true)
	defer source.release()
	id, tag := source.anyValue(w.random.Int64())
	if tag == "" || source == h || h.crowded() {
		return
	}
	source.Lock()
	size := source.values[id].size
	source.Unlock()
	if !h.allow(id, size, source.name) {
		return // it was copied there before
	}
	k := &call{method: http.MethodPut, path: w.path(h.name), header: map[string]string{
		"X-Amz-Copy-Source": w.path(source.name), "X-Amz-Copy-Source-If-Match": `"` + tag + `"`}}
	o := &Op{Kind: Write, Value: id, How: "copy"}
	outcome, _ := w.attempt(ctx, h, k, o) // 404 and 412 are about the source here: nothing was done
	w.ledger.request("copy", 1, outcome == Unknown && ctx.Err() == nil)
}

// multipart writes a value in two parts or three.
func (w *worker) multipart(ctx context.Context, h *History) {
	const part = 5 << 20
	if h.crowded() {
		return
	}
	v := w.newValue(h, part+SizeMin+w.random.Int64N(2<<20))
	r, ok := w.insist(ctx, &call{method: http.MethodPost, path: w.path(h.name), query: "uploads=",
		header: map[string]string{"X-Amz-Meta-" + metaName: v.ID.String()}})
	if !ok {
		return
	}
	var made struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(r.body, &made); err != nil || made.UploadID == "" {
		w.ledger.violation(&Violation{Kind: WrongBytes, Key: h.name, Message: fmt.Sprintf("the answer to the begin of an upload is not readable: %.200q", r.body)})
		return
	}
	upload := "uploadId=" + url.QueryEscape(made.UploadID)
	var doc strings.Builder
	doc.WriteString("<CompleteMultipartUpload>")
	for number, from := 1, int64(0); from < v.Size; number, from = number+1, from+part {
		r, ok := w.insist(ctx, &call{method: http.MethodPut, path: w.path(h.name), query: "partNumber=" + strconv.Itoa(number) + "&" + upload,
			body: v.AppendRange(nil, from, min(v.Size, from+part))})
		w.checkUpload(h, made.UploadID, r)
		if !ok {
			return
		}
		fmt.Fprintf(&doc, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, r.etag())
	}
	doc.WriteString("</CompleteMultipartUpload>")
	if w.random.IntN(10) == 0 {
		w.insist(ctx, &call{method: http.MethodDelete, path: w.path(h.name), query: upload})
		return
	}
	w.complete(ctx, h, v, made.UploadID, &call{method: http.MethodPost, path: w.path(h.name), query: upload, body: []byte(doc.String())})
}

// checkUpload wants an upload that was begun, and neither completed nor aborted, to be there.
func (w *worker) checkUpload(h *History, id string, r *reply) {
	if r != nil && r.status == http.StatusNotFound {
		w.ledger.violation(&Violation{Kind: Lost, Key: h.name, Message: fmt.Sprintf("upload %s was begun, and is not there any more: %s", id, class(r, nil)), History: h.tell()})
	}
}

// complete completes an upload. The same completion is sent again if its outcome is not known: it is one
// change, and is answered as the first time.
func (w *worker) complete(ctx context.Context, h *History, v *Value, id string, k *call) {
	o := &Op{Kind: Write, Value: v.ID, How: "complete"}
	outcome, r := w.attempt(ctx, h, k, o)
	w.checkUpload(h, id, r)
	tries := 1
	for ; (outcome == Unknown || outcome == Nothing) && tries < attemptsMax && w.backOff(ctx, tries); tries++ {
		h.doubt(o)
		again := &Op{Kind: Write, Value: v.ID, How: "complete", Node: w.pickNode(), Worker: w.id}
		r, err := w.client.do(context.WithoutCancel(ctx), again.Node, k)
		w.checkUpload(h, id, r)
		if got := w.outcome(again, r, err); got == Done {
			h.settle(o, w.now())
			if err := h.noteETag(v.ID, bodyTag(r)); err != nil {
				w.ledger.violation(&Violation{Kind: WrongBytes, Key: h.name, Message: err.Error(), History: h.tell()})
			}
			outcome = Done
		}
	}
	w.ledger.request("multipart", tries, outcome != Done && ctx.Err() == nil)
}

// settle notes that a change of unknown outcome is known to be done by now.
func (h *History) settle(o *Op, now int64) {
	h.Lock()
	defer h.Unlock()
	o.Outcome, o.Return = Done, now
}

// doubt notes that a change that had not been sent may have been now.
func (h *History) doubt(o *Op) {
	h.Lock()
	defer h.Unlock()
	o.Outcome, o.Return = Unknown, never
}

// insist sends a step of an upload, which changes nothing that others see, until it is done.
func (w *worker) insist(ctx context.Context, k *call) (*reply, bool) {
	for attempt := range attemptsMax {
		n := w.pickNode()
		r, err := w.client.do(context.WithoutCancel(ctx), n, k)
		if !w.failed(n, r, err) {
			w.ledger.request("part", attempt+1, false)
			return r, r.status < 300
		}
		if attempt == attemptsMax-1 || !w.backOff(ctx, attempt) {
			break
		}
	}
	w.ledger.request("part", attemptsMax, ctx.Err() == nil)
	return nil, false
}

// retire looks after a key that was replaced: it is deleted, mostly, read while nothing else is under way,
// checked, and its history forgotten.
func (w *worker) retire(ctx context.Context, h *History) {
	h.hold(never)
	defer h.release()
	h.Lock()
	bad := h.bad
	deletes := !bad && h.pending() < pendingMax && len(h.ops) > 0
	h.closed = false
	h.Unlock()
	if bad {
		return
	}
	if x := w.random.IntN(100); deletes && x < 60 {
		w.removeKey(ctx, h, Always)
	}
	h.Lock()
	h.closed = true
	h.Unlock()
	saw, ok := w.look(ctx, h, &call{method: http.MethodGet, path: w.path(h.name)}, &asked{how: "GET"}, w.pickNode)
	if !w.checkKey(h) {
		h.Lock()
		h.bad = true
		h.Unlock()
	} else if ok {
		h.forget(saw, w.now())
	}
}
