package target

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// Patience of a write that is on its way to the group.
const (
	accuseAfter   = time.Second             // a copy that has not answered is reported, and again after each
	writePatience = 15 * time.Second        // then the client is told that the outcome is open
	resendFirst   = 20 * time.Millisecond   // a copy that could not be reached is tried again
	resendLongest = 500 * time.Millisecond  // and again, less and less often
	handOnMost    = 1500 * time.Millisecond // for writes whose slot has a new home
	stuckMax      = 256                     // writes that go on without their clients; one more refuses new ones
)

// write is a stamped entry on its way to the whole group. It is driven by one goroutine at a time.
type write struct {
	t       *Target
	s       *slotState
	tn      *tenure // in which it is counted; guarded by s.mu
	keys    nameKey
	lead    *volume.Store // where it is pending
	pending *volume.Pending
	records []replica.Record

	acks   chan ack
	held   map[member]bool      // who has it durably, in this tenure
	sent   map[member]bool      // who was sent it and has not answered
	again  map[member]time.Time // when a copy that failed is tried again
	silent map[member]bool      // whose last answer was none; an error is an answer
	wait   map[member]time.Duration
	round  atomic.Int64             // grows with each tenure: answers of earlier ones do not count; -1: it has ended
	m      *cmap.Map                // that lives is of; guarded by s.mu
	lives  map[ais.NodeID]ais.Epoch // the processes of the group: what a former one had, the next may have lost
	local  bool                     // it is durable in lead
	full   bool                     // a copy has no room
}

// member is one that must have a write: a node, or further local copies of this one.
type member struct {
	node ais.NodeID
	at   *mount // of a further local copy
}

type ack struct {
	from  member
	round int64
	err   error
}

// stamping counts a write about to be stamped in its slot: this target must be the home and may serve. The caller
// ends it by commit, or by drop.
func (t *Target) stamping(o *operation) error {
	s := o.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t.refresh(s)
	if err := t.mayWrite(s, o.bucket); err != nil {
		return err
	}
	o.tn = s.tenure(o.copies)
	o.tn.ops++
	return nil
}

// mayWrite says why this target may not order writes of a slot now. s.mu is held, and the slot fresh.
func (t *Target) mayWrite(s *slotState, b *ais.Bucket) error {
	if err := t.beginning(); err != nil {
		return ais.Errorf(ais.StaleMap, "%w", err)
	}
	if home, _ := s.home(); home != t.opt.Self {
		return ais.Errorf(ais.StaleMap, "the home of slot %d is node %s", s.slot, home)
	}
	if !s.ready {
		return ais.Errorf(ais.StaleMap, "slot %d is being taken over", s.slot) // nothing was done: it may be asked again
	}
	if err := t.opt.Lease(); err != nil {
		return err
	}
	copies := t.opt.Copies(b.ID)
	tn := s.tenure(copies)
	have := len(tn.st.Group()) - 1 + len(t.locals(s.m, s.slot, copies))
	if want := minCopies(b, copies); have < want && have < t.possible(s, copies) {
		return ais.Errorf(ais.Unavailable, "slot %d has %d copies in reach, bucket %s wants %d for a write", s.slot, have, b.Name, want)
	}
	return nil
}

// possible is how many copies the members of the map could hold at most.
func (t *Target) possible(s *slotState, copies int) int {
	return min(copies, len(s.m.Members()))
}

// minCopies is how many copies must be there for a write.
func minCopies(b *ais.Bucket, copies int) int {
	if b.MinCopies > 0 {
		return min(b.MinCopies, copies)
	}
	if copies <= 2 {
		return 1
	}
	return copies - 1
}

func (s *slotState) home() (ais.NodeID, bool) {
	if g := s.ranks[len(s.ranks)-1].Nodes; len(g) > 0 {
		return g[0], true
	}
	return 0, false
}

// drop ends an operation that has stamped nothing.
func (t *Target) drop(o *operation) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.s.leave(o.tn)
}

// commit brings a stamped entry to the whole group and makes it visible. When it returns nil the entry is
// acknowledged, but for the lease, which the caller looks at. After an error the outcome is open: the entry will
// be on the whole group, or nobody has it, or it was replaced by a newer one.
//
// The latch of the name is the caller's meanwhile. That the client goes away ends nothing.
//
// taken is called once the entry names its payload for good. Before that nothing was done, and the error is of kind
// StaleMap: another may have become the home since the entry was stamped, and nobody stamps under a map of which it is
// not.
func (t *Target) commit(ctx context.Context, o *operation, lead *volume.Store, p *volume.Pending, taken func()) error {
	w := &write{t: t, s: o.s, tn: o.tn, keys: nameKey{o.bucket.ID, o.name}, lead: lead, pending: p,
		acks: make(chan ack, 4*(ais.CopiesMax+1)), held: map[member]bool{}, sent: map[member]bool{}}
	for _, r := range p.Records() {
		w.records = append(w.records, r)
	}
	if err := w.enlist(); err != nil {
		p.Abandon()
		t.drop(o)
		return err
	}
	taken()
	w.send()
	if err := p.Write(); err != nil {
		// Whether it will come to light here is not known; copies may have it.
		t.abandon(w)
		if ais.IsKind(err, ais.StaleMap) {
			err = ais.Errorf(ais.Unavailable, "whether the write stands is open: %w", err)
		}
		return err
	}
	w.local = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writePatience)
	defer cancel()
	done, err := w.drive(ctx)
	if ais.IsKind(err, ais.StaleMap) { // which would say that nothing was done
		err = ais.Errorf(ais.Unavailable, "whether the write stands is open: %w", err)
	}
	if done {
		return err
	}
	select {
	case t.stuck <- w:
	default:
		t.opt.Logger.Warn("too many writes wait for copies that do not answer", "slot", w.s.slot)
		w.giveIn()
	}
	return err
}

// enlist has the slot know of a write that was stamped, if this target is the home still.
func (w *write) enlist() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.t.refresh(w.s)
	stamp, m := w.pending.Modified(), w.s.m
	stamped := replica.MomentOf(ais.Generation(stamp.Generation()), ais.MapVersion(stamp.MapVersion()))
	if home, _ := w.s.home(); home != w.t.opt.Self || !w.s.ready || stamped > replica.MomentOf(m.Generation(), m.Version()) {
		return ais.Errorf(ais.StaleMap, "slot %d has moved meanwhile", w.s.slot)
	}
	w.s.writes = append(w.s.writes, w)
	w.sameLives()
	return nil
}

// sameLives reports whether the members of the group are the processes that they were, and notes them. s.mu is held,
// and the slot fresh.
func (w *write) sameLives() bool {
	if w.m == w.s.m {
		return true
	}
	same := true
	lives := map[ais.NodeID]ais.Epoch{}
	for _, id := range w.tn.st.Group() {
		if n, ok := w.s.m.Node(id); ok {
			lives[id] = n.Epoch
			if was, known := w.lives[id]; known && was != n.Epoch {
				same = false
			}
		}
	}
	w.m, w.lives = w.s.m, lives
	return same
}

// abandon ends a write whose fate here is not known, and has the slot taken over anew.
func (t *Target) abandon(w *write) {
	w.s.mu.Lock()
	t.unready(w.s)
	w.forget()
	w.s.mu.Unlock()
	t.news.tell()
}

// forget ends the operation. s.mu is held.
func (w *write) forget() {
	w.round.Store(-1)
	w.s.writes = slices.DeleteFunc(w.s.writes, func(x *write) bool { return x == w })
	w.s.leave(w.tn)
}

// members are those that must have the write, beside the lead store. s.mu is held.
func (w *write) members() (all []member) {
	for _, id := range w.tn.st.Group() {
		if id != w.t.opt.Self {
			all = append(all, member{node: id})
		}
	}
	if w.tn.st.Has(w.t.opt.Self) {
		for _, mount := range w.t.locals(w.s.m, w.s.slot, w.tn.copies()) {
			if mount.store.Load() != w.lead {
				all = append(all, member{at: mount})
			}
		}
	}
	return all
}

// send sends the write to all who lack it. It reports who must have it.
func (w *write) send() (all []member) {
	w.s.mu.Lock()
	all = w.members()
	msg := replica.Write{Slot: w.s.slot, Copies: uint8(w.tn.copies()), Epoch: w.tn.st.Epoch(), Incarnation: w.t.clock.Epoch(),
		Stable: w.t.stableAtHome(w.lead, w.s.slot, w.tn.copies()), Records: w.records}
	w.s.mu.Unlock()
	now := time.Now()
	for _, to := range all {
		if w.held[to] || w.sent[to] || w.again[to].After(now) {
			continue
		}
		w.sent[to] = true
		round := w.round.Load()
		done := func(err error) {
			if w.round.Load() == round { // else nobody may take it
				w.acks <- ack{to, round, err}
			}
		}
		if to.at != nil {
			w.t.adoptAt(to.at, w.records, volume.AdoptOptions{Copies: msg.Copies}, done)
			continue
		}
		w.t.opt.Peers.Write(to.node, &msg, done)
	}
	return all
}

// drive goes on until the write is on the whole group (done, nil), is out of this target's hands (done, an
// error), or ctx ends (not done, an error).
func (w *write) drive(ctx context.Context) (done bool, err error) {
	accuse := time.NewTicker(accuseAfter)
	defer accuse.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		changed := w.t.news.next()
		home := w.follow()
		if !home {
			return true, w.handOn(ctx)
		}
		all := w.send()
		if w.complete(all) {
			return true, w.release()
		}
		if d, ok := w.nextTry(); ok {
			retry.Reset(d)
		}
		select {
		case a := <-w.acks:
			if err := w.answered(ctx, a); err != nil {
				return false, err
			}
		case <-changed:
		case <-retry.C:
		case <-accuse.C:
			for _, to := range all {
				if to.node != 0 && (w.sent[to] || w.silent[to]) {
					w.t.opt.Accuse(to.node)
				}
			}
		case <-ctx.Done():
			return false, ais.Errorf(ais.Unavailable, "a copy of slot %d has not answered; whether the write stands is open", w.s.slot)
		}
	}
}

// follow moves the write into the newest tenure of its slot. It reports whether this target still is the home.
func (w *write) follow() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.t.refresh(w.s)
	home, _ := w.s.home()
	now := w.s.tenure(w.tn.copies())
	moved := now != w.tn
	if moved {
		now.ops++
		w.s.leave(w.tn)
		w.tn = now
	}
	if !w.sameLives() || moved {
		// What a copy had under an older map, or in an earlier life, it may have lost, or dropped, since.
		w.round.Add(1)
		clear(w.held)
		clear(w.sent)
		clear(w.again)
		clear(w.wait)
	}
	return home == w.t.opt.Self && w.s.ready
}

// complete ends the write if all have it, in the tenure in which it is counted.
func (w *write) complete(all []member) bool {
	if !w.local || slices.ContainsFunc(all, func(m member) bool { return !w.held[m] }) {
		return false
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.t.refresh(w.s)
	home, _ := w.s.home()
	if home != w.t.opt.Self || !w.s.ready || w.s.tenure(w.tn.copies()) != w.tn || w.s.m != w.m {
		return false // there is a newer map: all is looked at again
	}
	w.tn.open = w.tn.open || w.t.mayTakeOver(w.tn.st)
	return w.tn.open
}

// release makes the write visible and ends it.
func (w *write) release() error {
	err := w.pending.Release()
	w.s.mu.Lock()
	w.forget()
	w.s.mu.Unlock()
	w.t.steady.moved(w.s.slot, w.tn.copies())
	return err
}

// giveIn ends a write that is out of this target's hands: the entry stays here above what is stable, and
// whoever is or becomes the home puts it on the whole group before anybody sees it.
func (w *write) giveIn() {
	w.s.mu.Lock()
	w.t.unready(w.s)
	w.s.mu.Unlock()
	if err := w.pending.Release(); err != nil {
		w.t.opt.Logger.Debug("a write that was not finished is not indexed", "slot", w.s.slot, "err", err)
	}
	w.s.mu.Lock()
	w.forget()
	w.s.mu.Unlock()
	w.t.news.tell()
}

// answered takes the answer of a copy. An error is for the client.
func (w *write) answered(ctx context.Context, a ack) error {
	if a.round != w.round.Load() {
		return nil
	}
	delete(w.sent, a.from)
	if w.silent == nil {
		w.silent = map[member]bool{}
	}
	w.silent[a.from] = ais.NounOf(a.err) == ais.NounNode
	if a.err == nil {
		w.held[a.from] = true
		return nil
	}
	if ais.IsKind(a.err, ais.Precondition) && ais.NounOf(a.err) == ais.NounPayload {
		if err := w.t.givePayload(ctx, w.s.slot, w.tn, a.from, w.lead, w.records); err == nil {
			return nil // and it is sent again
		}
	}
	if w.again == nil {
		w.again, w.wait = map[member]time.Time{}, map[member]time.Duration{}
	}
	w.wait[a.from] = min(max(2*w.wait[a.from], resendFirst), resendLongest)
	w.again[a.from] = time.Now().Add(w.wait[a.from])
	if ais.IsKind(a.err, ais.Exhausted) && !w.full {
		w.full = true
		return a.err
	}
	return nil
}

// nextTry is how long it is until a copy that failed is tried again.
func (w *write) nextTry() (d time.Duration, ok bool) {
	now := time.Now()
	for _, at := range w.again {
		if left := max(at.Sub(now), time.Millisecond); at.After(now) && (!ok || left < d) {
			d, ok = left, true
		}
	}
	return d, ok
}

// handOn gives the write to the new group of its slot. The new home goes first: once it serves it takes nothing
// that was stamped before, and then nobody else of the group may get it either.
func (w *write) handOn(ctx context.Context) error {
	defer w.giveIn()
	ctx, cancel := context.WithTimeout(ctx, handOnMost)
	defer cancel()
	w.s.mu.Lock()
	group, epoch, copies := slices.Clone(w.tn.st.Group()), w.tn.st.Epoch(), w.tn.copies()
	next := w.t.nextHome(w.s, w.pending.Modified())
	w.s.mu.Unlock()
	lost := ais.Errorf(ais.Unavailable, "slot %d has a new home; whether the write stands is open", w.s.slot)
	if len(group) == 0 || group[0] == w.t.opt.Self || !next || !w.local {
		return lost
	}
	msg := replica.Write{Slot: w.s.slot, Copies: uint8(copies), Epoch: epoch, Incarnation: w.t.clock.Epoch(), HandedOn: true, Records: w.records}
	for i := 0; i < len(group); {
		if group[i] == w.t.opt.Self {
			i++
			continue
		}
		err := w.t.deliver(ctx, group[i], &msg)
		if ais.IsKind(err, ais.Precondition) && ais.NounOf(err) == ais.NounPayload {
			if w.t.givePayload(ctx, w.s.slot, w.tn, member{node: group[i]}, w.lead, w.records) == nil {
				continue
			}
		}
		if err != nil {
			return lost
		}
		i++
	}
	w.s.mu.Lock()
	w.t.refresh(w.s)
	// Whoever may still answer by an older group has the write, too.
	sure := w.s.tenure(copies) == w.tn && w.t.mayTakeOver(w.tn.st, group...)
	w.s.mu.Unlock()
	if !sure {
		return lost
	}
	return nil
}

// nextHome reports whether the home of a slot is the first one after this target, which stamped an entry as its home: nobody
// has evaluated a condition without knowing of the entry. s.mu is held.
func (t *Target) nextHome(s *slotState, stamp ais.Stamp) bool {
	homes := 0
	var last ais.NodeID
	if s.ranks[0].Version > ais.MapVersion(stamp.MapVersion()) {
		return false // what was between is not known
	}
	for i := range s.ranks {
		if i+1 < len(s.ranks) && s.ranks[i+1].Version <= ais.MapVersion(stamp.MapVersion()) {
			continue // it was over before
		}
		var home ais.NodeID
		if len(s.ranks[i].Nodes) > 0 {
			home = s.ranks[i].Nodes[0]
		}
		if home != last {
			homes++
			last = home
		}
	}
	return homes == 2
}

// deliver sends one write and waits for the answer.
func (t *Target) deliver(ctx context.Context, to ais.NodeID, w *replica.Write) error {
	done := make(chan error, 1)
	t.opt.Peers.Write(to, w, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ais.Errorf(ais.Unavailable, "node %s does not answer: %w", to, ctx.Err())
	}
}

// adoptAt has a further local copy take records.
func (t *Target) adoptAt(m *mount, records []replica.Record, o volume.AdoptOptions, done func(error)) {
	st, err := m.serving()
	if err != nil {
		done(err)
		return
	}
	st.Adopt(plain(records), o, done)
}

func plain(records []replica.Record) [][]byte {
	b := make([][]byte, len(records))
	for i, r := range records {
		b[i] = r
	}
	return b
}

// givePayload sends a copy the extents that records refer to and it lacks.
func (t *Target) givePayload(ctx context.Context, slot ais.Slot, tn *tenure, to member, from *volume.Store, records []replica.Record) error {
	for _, r := range records {
		writes, err := volume.CommitWrites(r)
		if err != nil {
			return err
		}
		for _, x := range writes {
			for seq := range x.Extents {
				rec, err := from.ReadExtent(ctx, x.Write, seq)
				if err != nil {
					return err
				}
				if err := t.giveExtent(ctx, slot, tn, to, &replica.Extent{Write: x.Write, Record: rec, Last: seq == x.Extents-1}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *Target) giveExtent(ctx context.Context, slot ais.Slot, tn *tenure, to member, x *replica.Extent) error {
	if to.at != nil {
		st, err := to.at.serving()
		if err != nil {
			return err
		}
		return takeExtent(ctx, st, x)
	}
	x.Slot, x.Copies, x.Epoch = slot, uint8(tn.copies()), tn.first
	return t.opt.Peers.Extent(ctx, to.node, x)
}

// takeExtent stores an extent of a write whose record will follow.
func takeExtent(ctx context.Context, st *volume.Store, x *replica.Extent) error {
	if x.Drop {
		st.DropWrite(x.Write)
		return nil
	}
	if len(x.Record) > 0 {
		if err := st.AdoptExtent(ctx, x.Write, x.Record, false); err != nil {
			return err
		}
	}
	if x.Last {
		return st.SyncWrite(ctx, x.Write)
	}
	return nil
}

// runStuck goes on with writes whose clients have been told that the outcome is open.
func (t *Target) runStuck(ctx context.Context) {
	var all []*write
	for ctx.Err() == nil {
		if len(all) == 0 {
			select {
			case w := <-t.stuck:
				all = append(all, w)
			case <-ctx.Done():
				continue
			}
		}
		rest := all[:0]
		for _, w := range all {
			turn, cancel := context.WithTimeout(ctx, resendLongest/time.Duration(len(all)))
			done, _ := w.drive(turn)
			cancel()
			if !done {
				rest = append(rest, w)
			}
		}
		all = rest
	more:
		for len(all) < stuckMax {
			select {
			case w := <-t.stuck:
				all = append(all, w)
			default:
				break more
			}
		}
	}
	for _, w := range all {
		w.giveIn() // the copies have it, or do not: whoever takes over finds out
	}
}
