package target

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/merge"
	"github.com/seed9b016523/ais/replica"
)

// history is what clients did and were told, in the order in which they did.
type history struct {
	mu    sync.Mutex
	clock int64
	ops   []porcupine.Operation
	count map[string]int
	tags  map[[16]byte]string
}

// act is what a client asks.
type act struct {
	key   string // bucket and name
	kind  string // put, delete, get
	value string // of a put
	cond  string // "": none, "none": if there is nothing, else: if the value is this
}

// told is what a client was told.
type told struct {
	value   string // of a get; "" there is nothing
	refused bool   // the condition did not hold
	unknown bool   // it may have happened, or may yet
	at      string // the time of the bubble, for who reads it
}

func (o told) String() string {
	switch {
	case o.unknown:
		return "? " + o.at
	case o.refused:
		return "refused " + o.at
	}
	return fmt.Sprintf("%q %s", o.value, o.at)
}

func (h *history) now() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	return h.clock
}

func (h *history) add(client int, a act, called int64, o told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	o.at = time.Now().Format("04:05.000")
	op := porcupine.Operation{ClientId: client, Input: a, Call: called, Output: o, Return: h.clock}
	if h.count == nil {
		h.count = map[string]int{}
	}
	if o.unknown {
		h.count["unknown"]++
		if a.kind == "get" {
			return
		}
		op.Return = 1 << 60
		op.ClientId = 1<<20 + len(h.ops) // it goes on beside what the client does next
	}
	h.count[a.kind]++
	h.ops = append(h.ops, op)
}

// mint makes a value known by its ETag.
func (h *history) mint(value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tags == nil {
		h.tags = map[[16]byte]string{}
	}
	h.tags[tagOf([]byte(value)).Sum] = value
}

// register is one key under puts, deletes and gets.
func register() porcupine.Model {
	return porcupine.Model{
		Partition: func(ops []porcupine.Operation) (parts [][]porcupine.Operation) {
			at := map[string]int{}
			for _, op := range ops {
				key := op.Input.(act).key
				i, ok := at[key]
				if !ok {
					i = len(parts)
					at[key] = i
					parts = append(parts, nil)
				}
				parts[i] = append(parts[i], op)
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			now, a, o := state.(string), input.(act), output.(told)
			if a.kind == "get" {
				return o.value == now, now
			}
			holds := a.cond == "" || a.cond == "none" && now == "" || a.cond == now
			switch {
			case o.refused:
				return !holds, now
			case !holds:
				return o.unknown, now
			}
			return true, a.value
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// check holds the history to the register. It is called outside the bubble: time passes.
func (h *history) check() (bad []porcupine.Operation, ok bool) {
	model := register()
	for _, part := range model.Partition(h.ops) {
		if porcupine.CheckOperationsTimeout(model, part, 20*time.Second) == porcupine.Illegal {
			return firstBad(model, part), false
		}
	}
	return nil, true
}

// firstBad cuts a history behind the first operation with which it cannot be.
func firstBad(model porcupine.Model, part []porcupine.Operation) []porcupine.Operation {
	byReturn := slices.Clone(part)
	slices.SortFunc(byReturn, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	upTo := func(n int) (cut []porcupine.Operation) {
		for _, op := range part {
			if op.Return <= byReturn[n].Return {
				cut = append(cut, op)
			} else if op.Call < byReturn[n].Return {
				op.Return = 1 << 60
				op.Output = told{unknown: true}
				if op.Input.(act).kind != "get" {
					cut = append(cut, op)
				}
			}
		}
		return cut
	}
	n := sort.Search(len(byReturn), func(n int) bool {
		return porcupine.CheckOperationsTimeout(model, upTo(n), 10*time.Second) == porcupine.Illegal
	})
	return upTo(min(n, len(byReturn)-1))
}

// client does one thing after the other through a gateway with an old idea of the map.
type client struct {
	w    *town
	id   int
	rng  *rand.Rand
	made int
	seen map[string]string // by key: a value it saw
	lag  int               // states by which its gateway is late at most
}

func (w *town) client(id int, seed uint64) *client {
	return &client{w: w, id: id, rng: rand.New(rand.NewPCG(seed, 100+uint64(id))), seen: map[string]string{}, lag: 3}
}

// content is the bytes of a value.
func content(value string, size int) []byte {
	b := []byte(value + "|")
	for len(b) < size {
		sum := md5.Sum(b[max(0, len(b)-64):])
		b = append(b, sum[:]...)
	}
	return b[:max(size, len(value)+1)]
}

// valueOf is the value of bytes; an error if they are not as they were written.
func valueOf(b []byte) (string, error) {
	value, _, ok := bytes.Cut(b, []byte("|"))
	if !ok || !bytes.Equal(content(string(value), len(b)), b) {
		return "", fmt.Errorf("%d bytes that nobody wrote: %.40q", len(b), b)
	}
	return string(value), nil
}

// view is the map that a gateway goes by.
func (c *client) view() *cmap.Map {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.states[max(0, len(c.w.states)-1-c.rng.IntN(c.lag+1))]
}

// at has a target do something, as a gateway that waits for the answer as long as ctx lets it. sent is false if
// it surely never began.
func (w *town) at(ctx context.Context, id ais.NodeID, do func(context.Context, *Target) error) (sent bool, err error) {
	gone := ais.Errorf(ais.Unavailable, "node %s does not answer", id)
	if !w.awake(ctx, id) {
		return false, gone
	}
	w.mu.Lock()
	c := w.nodes[id]
	if c == nil || c.dead || c.paused {
		w.mu.Unlock()
		return false, gone
	}
	target, died, epoch := c.target, c.died, c.epoch
	w.mu.Unlock()
	if err := c.leased(epoch); err != nil {
		return false, err
	}
	done := make(chan error, 1)
	go func() {
		err := do(context.WithoutCancel(ctx), target)
		if e := c.leased(epoch); e != nil {
			err = e
		}
		done <- err
	}()
	select {
	case err = <-done:
	case <-died:
		return true, gone
	case <-ctx.Done():
		return true, gone
	}
	if !w.awake(ctx, id) {
		return true, gone
	}
	return true, err
}

// awake waits until a process is not stopped.
func (w *town) awake(ctx context.Context, id ais.NodeID) bool {
	for {
		w.mu.Lock()
		c := w.nodes[id]
		paused := c != nil && !c.dead && c.paused
		w.mu.Unlock()
		if !paused {
			return true
		}
		timer := time.NewTimer(townTick)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// gatewayHolds is how long a gateway holds a request.
const gatewayHolds = 10 * time.Second

// write sends what changes a name to its home, once that would take it. Nothing that may have begun is sent
// again. unsent: nobody was told.
func (c *client) write(b *ais.Bucket, name string, do func(context.Context, *Target) error) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(c.w.ctx, gatewayHolds)
	defer cancel()
	for ctx.Err() == nil {
		m := c.view()
		home, ok := m.Home(cmap.SlotOf(townSeed, b.ID, name))
		if ok {
			ready := false
			short, done := context.WithTimeout(ctx, time.Second)
			_, err = c.w.at(short, home, func(_ context.Context, t *Target) error {
				err := t.Ready(b, name, true)
				ready = err == nil
				return err
			})
			done()
			if err == nil && ready {
				sent, err = c.w.at(ctx, home, do)
				if sent && !ais.IsKind(err, ais.StaleMap) {
					return true, err
				}
			}
		}
		c.pause(ctx)
	}
	return false, ais.Errorf(ais.Unavailable, "held for too long: %w", err)
}

func (c *client) pause(ctx context.Context) {
	timer := time.NewTimer(time.Duration(10+c.rng.IntN(60)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// read asks the home, and where that does not answer another copy.
func (c *client) read(b *ais.Bucket, name string) (value string, err error) {
	ctx, cancel := context.WithTimeout(c.w.ctx, gatewayHolds)
	defer cancel()
	for ctx.Err() == nil {
		group := c.view().Group(cmap.SlotOf(townSeed, b.ID, name), c.w.copies(b.ID))
		if len(group) > 1 && c.rng.IntN(3) == 0 {
			group[0], group[1] = group[1], group[0]
		}
		for _, id := range group {
			short, done := context.WithTimeout(ctx, time.Second)
			value, err = c.w.readAt(short, id, b, name)
			done()
			c.w.note("client %d: read %s/%s at node %d: %q %v", c.id, b.Name, name, id, value, err)
			if err == nil {
				return value, nil
			}
			if !ais.IsKind(err, ais.Unavailable) && !ais.IsKind(err, ais.StaleMap) {
				return "", err
			}
		}
		c.pause(ctx)
	}
	return "", err
}

// readAt reads at one target; "" is the answer that there is nothing.
func (w *town) readAt(ctx context.Context, id ais.NodeID, b *ais.Bucket, name string) (string, error) {
	value, errRead := "", error(nil)
	sent, err := w.at(ctx, id, func(ctx context.Context, t *Target) error {
		r, err := t.Open(ctx, b, name, nil)
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		var out bytes.Buffer
		if err := r.WriteRange(ctx, &out, 0, r.Object().Size); err != nil {
			return err
		}
		v, err := valueOf(out.Bytes())
		if err != nil {
			return ais.Errorf(ais.Corrupt, "node %s, %q: %w", id, name, err)
		}
		value = v
		return nil
	})
	if !sent {
		return "", err
	}
	if ais.IsKind(err, ais.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return value, errRead
}

// outcome turns the answer to a write into what the client knows.
func (c *client) outcome(a act, called int64, sent bool, err error) {
	w := c.w
	switch {
	case err == nil:
		w.history.add(c.id, a, called, told{})
	case !sent:
	case ais.IsKind(err, ais.Precondition), ais.IsKind(err, ais.NotFound) && a.cond != "":
		w.history.add(c.id, a, called, told{refused: true})
	case ais.IsKind(err, ais.Unavailable) || ais.IsKind(err, ais.Internal) || ais.IsKind(err, ais.Exhausted) || ais.IsKind(err, ais.Canceled):
		w.history.add(c.id, a, called, told{unknown: true})
	default:
		w.t.Errorf("client %d: %+v: got error %v (%v)", c.id, a, err, ais.KindOf(err))
	}
	w.note("client %d: %+v sent %v: %v", c.id, a, sent, err)
}

// key is a bucket and a name.
func (c *client) key() (*ais.Bucket, string, string) {
	b := c.w.bucket[c.rng.IntN(len(c.w.bucket))]
	name := c.w.keys[c.rng.IntN(len(c.w.keys))]
	return b, name, b.Name + "/" + name
}

func (c *client) value() (string, []byte) {
	c.made++
	value := fmt.Sprintf("c%d-%d", c.id, c.made)
	c.w.history.mint(value)
	size := 20 + c.rng.IntN(2000)
	switch c.rng.IntN(20) {
	case 0:
		size = ais.InlineMax + 1 + c.rng.IntN(1000)
	case 1:
		if c.rng.IntN(3) == 0 {
			size = adoptMost + 1 + c.rng.IntN(ais.ExtentMax)
		}
	}
	return value, content(value, size)
}

func (c *client) condition(key string) (cond ais.Condition, text string) {
	switch c.rng.IntN(5) {
	case 0:
		return ais.Condition{IfNoneMatchAny: true}, "none"
	case 1:
		if v := c.seen[key]; v != "" {
			return ais.Condition{IfMatch: []ais.ETag{tagOf([]byte(v))}}, v
		}
	}
	return cond, ""
}

func (c *client) put() {
	b, name, key := c.key()
	value, data := c.value()
	cond, text := c.condition(key)
	q := putRequest(b, name, data)
	q.Condition = cond
	q.Seal = func() (ais.Attributes, error) { return ais.Attributes{ETag: tagOf([]byte(value))}, nil }
	called := c.w.history.now()
	sent, err := c.write(b, name, func(ctx context.Context, t *Target) error {
		p := *q
		p.Body = bytes.NewReader(data)
		_, err := t.Put(ctx, &p)
		return err
	})
	c.outcome(act{key: key, kind: "put", value: value, cond: text}, called, sent, err)
	if err == nil {
		c.seen[key] = value
	}
}

func (c *client) remove() {
	b, name, key := c.key()
	called := c.w.history.now()
	sent, err := c.write(b, name, func(ctx context.Context, t *Target) error {
		_, err := t.Delete(ctx, &ais.DeleteRequest{Bucket: b, Name: name})
		return err
	})
	c.outcome(act{key: key, kind: "delete"}, called, sent, err)
}

func (c *client) get() {
	b, name, key := c.key()
	called := c.w.history.now()
	value, err := c.read(b, name)
	switch {
	case err == nil:
		c.seen[key] = value
		c.w.history.add(c.id, act{key: key, kind: "get"}, called, told{value: value})
	case ais.IsKind(err, ais.Unavailable) || ais.IsKind(err, ais.StaleMap):
		c.w.history.add(c.id, act{key: key, kind: "get"}, called, told{unknown: true})
	default:
		c.w.t.Errorf("get %s: %v (%v)", key, err, ais.KindOf(err))
	}
	c.w.note("client %d: get %s: %q %v", c.id, key, value, err)
}

// upload puts a value in parts.
func (c *client) upload() {
	b, name, key := c.key()
	value, data := c.value()
	var u *ais.Upload
	sent, err := c.write(b, name, func(ctx context.Context, t *Target) (err error) {
		u, err = t.CreateUpload(ctx, b, name, ais.Attributes{})
		return err
	})
	if !sent || err != nil {
		return
	}
	var part ais.PartInfo
	sent, err = c.write(b, name, func(ctx context.Context, t *Target) (err error) {
		part, err = t.PutPart(ctx, &ais.PartRequest{Bucket: b, Name: name, Upload: u.ID, Number: 1, Size: int64(len(data)), Body: bytes.NewReader(data),
			Seal: func() (ais.ETag, ais.Checksum, error) { return tagOf([]byte(value)), ais.Checksum{}, nil }})
		return err
	})
	c.w.note("client %d: part of %s: sent %v %v", c.id, value, sent, err)
	if ais.IsKind(err, ais.NotFound) {
		c.w.t.Errorf("part of an upload of %s that was opened: %v", key, err)
	}
	if !sent || err != nil {
		return
	}
	called := c.w.history.now()
	sent, err = c.write(b, name, func(ctx context.Context, t *Target) error {
		_, err := t.Complete(ctx, &ais.CompleteRequest{Bucket: b, Name: name, Upload: u.ID, Parts: []ais.CompletedPart{{Number: 1, ETag: part.ETag}},
			Seal: func(a ais.Attributes, _ []ais.PartInfo) (ais.Attributes, error) {
				a.ETag = tagOf([]byte(value))
				return a, nil
			}})
		return err
	})
	c.outcome(act{key: key, kind: "put", value: value}, called, sent, err)
}

// list reads all names of a bucket, and holds them to the histories of the keys: each is there with its newest
// value, or is not there.
func (c *client) list() {
	b := c.w.bucket[c.rng.IntN(len(c.w.bucket))]
	limit := 1 + c.rng.IntN(5)
	if c.rng.IntN(2) == 0 {
		limit = 1000
	}
	after := ""
	for {
		called := c.w.history.now()
		page, err := c.page(b, after, limit)
		c.w.note("client %d: list %s after %q: %v %v", c.id, b.Name, after, page, err)
		if err != nil {
			return
		}
		for _, name := range c.w.keys {
			if name <= after || page.Truncated && name > page.Next {
				continue
			}
			value := ""
			if i := slices.IndexFunc(page.Entries, func(e ais.ListEntry) bool { return e.Name == name }); i >= 0 {
				value = c.w.valueOfTag(page.Entries[i].ETag)
			}
			c.w.history.add(1000+c.id, act{key: b.Name + "/" + name, kind: "get"}, called, told{value: value})
		}
		if !page.Truncated {
			return
		}
		if page.Next <= after {
			c.w.t.Errorf("list of %s after %q, limit %d, is cut and goes on after %q: it does not end", b.Name, after, limit, page.Next)
			return
		}
		after = page.Next
	}
}

// page is one page of all targets under one map.
func (c *client) page(b *ais.Bucket, after string, limit int) (*ais.ListPage, error) {
	ctx, cancel := context.WithTimeout(c.w.ctx, gatewayHolds)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		m := c.view()
		var pages []*ais.ListPage
		err = nil
		for _, n := range m.Targets() {
			if n.State != cmap.Alive {
				continue
			}
			var p *ais.ListPage
			short, done := context.WithTimeout(ctx, 3*time.Second)
			_, e := c.w.at(short, n.ID, func(ctx context.Context, t *Target) (err error) {
				// A page without names is no end: it is asked for what comes behind it.
				for q := (ais.ListRequest{Bucket: b, After: after, Limit: limit}); ; q.After = p.Next {
					p, err = t.List(ctx, 0, &replica.ListHomed{Map: m.Version(), Request: q})
					if err != nil || len(p.Entries) > 0 || !p.Truncated {
						return err
					}
					if p.Next <= q.After {
						return ais.Errorf(ais.Internal, "an empty page after %q goes on after %q", q.After, p.Next)
					}
				}
			})
			done()
			if e != nil {
				err = e
				break
			}
			pages = append(pages, p)
		}
		if err == nil && len(pages) > 0 {
			return merge.Pages(pages, limit), nil
		}
		if err != nil && !ais.IsKind(err, ais.Unavailable) && !ais.IsKind(err, ais.StaleMap) {
			c.w.t.Errorf("list of %s: %v (%v)", b.Name, err, ais.KindOf(err))
		}
		c.pause(ctx)
	}
	return nil, ais.Errorf(ais.Unavailable, "no list: %w", err)
}

// valueOfTag finds the value whose ETag it is.
func (w *town) valueOfTag(tag ais.ETag) string {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	if v, ok := w.history.tags[tag.Sum]; ok {
		return v
	}
	return "what nobody wrote: " + tag.String()
}

// run does one thing after the other until done is closed, with rests between.
func (c *client) run(rests time.Duration, done <-chan struct{}) {
	for {
		switch x := c.rng.IntN(100); {
		case x < 45:
			c.get()
		case x < 75:
			c.put()
		case x < 85:
			c.remove()
		case x < 93:
			c.list()
		default:
			c.upload()
		}
		timer := time.NewTimer(10*time.Millisecond + time.Duration(c.rng.Int64N(int64(rests))))
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
	}
}
