package bench

import (
	"bytes"
	"context"
	"html"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
)

// payloadSpread is over how many bytes the starts of payloads are spread within one random block:
// neighbouring keys have different bytes, and no payload is made while the clock runs.
const payloadSpread = 4 << 10

// load is what the workers of a run share.
type load struct {
	plan    *Plan
	heads   *heads
	mix     []share
	payload []byte       // object k is payload[k*64 mod payloadSpread:][:Size]
	next    atomic.Int64 // number of the next key, for operations that go through the keys in order
	errors  atomic.Int64
	first   atomic.Pointer[error] // the first thing that went wrong
}

func newLoad(p *Plan) (*load, error) {
	t, err := p.target()
	if err != nil {
		return nil, err
	}
	l := &load{plan: p, heads: newHeads(p, t)}
	if p.Op == Mixed {
		if l.mix, err = parseMix(p.Mix); err != nil {
			return nil, err
		}
	}
	if p.Prepare || p.Verify || p.Op == Put || p.Op == Mixed {
		l.payload = make([]byte, p.Size+payloadSpread)
		rand.NewChaCha8([32]byte{'a', 'i', 's'}).Read(l.payload)
	}
	return l, nil
}

func (l *load) body(k int64) []byte { return l.payload[k*64%payloadSpread:][:l.plan.Size] }

// fail notes a failed operation, and reports whether the run should go on.
func (l *load) fail(err error) (goOn bool) {
	l.first.CompareAndSwap(nil, &err)
	return l.errors.Add(1) <= int64(l.plan.ErrorMax)
}

// worker is one connection and what it has counted. For one goroutine.
type worker struct {
	load   *load
	conn   *conn
	random *rand.Rand
	token  string // where the next list page begins
	tally
}

// tally is what one connection counts in one phase.
type tally struct {
	bytes, keys, absent int64
	all                 latencies
	byShare             []latencies // one per share of a mix
}

func newWorkers(l *load) []*worker {
	ws := make([]*worker, l.plan.Conns)
	for i := range ws {
		ws[i] = &worker{load: l, conn: newConn(l.heads.target.host),
			random: rand.New(rand.NewPCG(uint64(i), 0xa15))}
		ws[i].byShare = make([]latencies, len(l.mix))
	}
	return ws
}

// result is what one operation did.
type result struct {
	bytes, keys int64
	absent      bool // of a mix: not there, which is no error
}

// step does one operation and counts it if asked to; false means that this worker has finished.
func (w *worker) step(ctx context.Context, count bool) (more bool) {
	op, label := w.load.plan.Op, -1
	if op == Mixed {
		op, label = w.draw()
	}
	key := w.pick(op)
	if key < 0 {
		return false
	}
	began := time.Now()
	res, err := w.do(ctx, began, op, key)
	if err != nil {
		return ctx.Err() == nil && w.load.fail(err)
	}
	if !count {
		return true
	}
	took := time.Since(began)
	w.all.add(took)
	if label >= 0 {
		w.byShare[label].add(took)
	}
	w.bytes += res.bytes
	w.keys += res.keys
	if res.absent {
		w.absent++
	}
	return true
}

func (w *worker) draw() (Operation, int) {
	mix := w.load.mix
	x := w.random.IntN(mix[len(mix)-1].upTo)
	for _, s := range mix {
		if x < s.upTo {
			return s.op, s.label
		}
	}
	panic("bench: weights of a mix do not add up")
}

// pick chooses a key: puts and deletes go through them in order, reads and mixes are random. It is
// -1 where a delete has come to the end.
func (w *worker) pick(op Operation) int64 {
	p := w.load.plan
	switch {
	case op == List:
		return 0
	case p.Op == Mixed || op == Get || op == Head:
		return w.random.Int64N(p.Keys)
	}
	k := w.load.next.Add(1) - 1
	if op == Delete && k >= p.Keys {
		return -1
	}
	return k % p.Keys
}

func (w *worker) do(ctx context.Context, now time.Time, op Operation, key int64) (result, error) {
	l := w.load
	var r reply
	var err error
	var res result
	switch op {
	case Put:
		return w.put(ctx, now, key)
	case List:
		return w.list(ctx, now)
	case Get:
		use := dropBody
		if l.plan.Verify {
			use = keepBody
		}
		r, err = w.conn.exchange(ctx, l.heads.object(now, "GET", key), nil, use)
		res.bytes = r.size
	case Head:
		r, err = w.conn.exchange(ctx, l.heads.object(now, "HEAD", key), nil, noBody)
	case Delete:
		r, err = w.conn.exchange(ctx, l.heads.object(now, "DELETE", key), nil, dropBody)
	}
	if err == nil && r.status == 404 && l.plan.Op == Mixed {
		return result{absent: true}, nil
	}
	if err := l.check(op, key, r, err); err != nil {
		return result{}, err
	}
	if op == Get {
		err = l.checkBody(key, r)
	}
	return res, err
}

func (w *worker) put(ctx context.Context, now time.Time, key int64) (result, error) {
	r, err := w.conn.exchange(ctx, w.load.heads.object(now, "PUT", key), w.load.body(key), dropBody)
	return result{bytes: w.load.plan.Size}, w.load.check(Put, key, r, err)
}

// check turns a reply that is no success into an error with what the server said.
func (l *load) check(op Operation, key int64, r reply, err error) error {
	name := keyName(l.plan.Prefix, key)
	if err != nil {
		return ais.Errorf(ais.Unavailable, "%s %s: %w", op, name, err)
	}
	if r.status/100 != 2 {
		return ais.Errorf(ais.Internal, "%s %s: status %d: %.300s", op, name, r.status, r.body)
	}
	return nil
}

func (l *load) checkBody(key int64, r reply) error {
	name := keyName(l.plan.Prefix, key)
	if r.size != l.plan.Size {
		return ais.Errorf(ais.Corrupt, "get %s: %d bytes came, want %d", name, r.size, l.plan.Size)
	}
	if l.plan.Verify && !bytes.Equal(r.body, l.body(key)) {
		return ais.Errorf(ais.Corrupt, "get %s: the bytes are not those that put writes", name)
	}
	return nil
}

// list asks for the next page, and begins again after the last one.
func (w *worker) list(ctx context.Context, now time.Time) (result, error) {
	r, err := w.conn.exchange(ctx, w.load.heads.list(now, w.token), nil, keepBody)
	if err == nil && r.status == 200 {
		w.token = element(r.body, "NextContinuationToken")
		return result{bytes: r.size, keys: int64(bytes.Count(r.body, []byte("<Key>")))}, nil
	}
	w.token = ""
	return result{}, w.load.check(List, 0, r, err)
}

// element is the text of the first element of that name.
func element(doc []byte, name string) string {
	_, rest, ok := bytes.Cut(doc, []byte("<"+name+">"))
	if !ok {
		return ""
	}
	text, _, _ := bytes.Cut(rest, []byte("<"))
	return html.UnescapeString(string(text))
}
