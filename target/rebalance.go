package target

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
)

// Filling says how copies are filled, and whether now.
type Filling struct {
	Enabled    bool
	Version    ais.MapVersion // of the run in force; 0: none
	Aborted    bool           // by an operator: the run of this map is over
	Multiplier int            // slots that are filled side by side
	Bandwidth  int64          // bytes a second that come in at most; 0 is no bound
}

// RebalanceStatus is what the fill under one map has done here.
type RebalanceStatus struct {
	Version               ais.MapVersion
	ObjRcv, SizeRcv       int64 // entries and parts fetched, and the bytes of them as clients sent them
	ObjSent, SizeSent     int64
	SlotsTotal, SlotsDone int
	Start, End            time.Time // End zero: it goes on
	Aborted               bool
	Err                   string // of the newest attempt that failed
}

// filling is the fills of this target.
type filling struct {
	mu      sync.Mutex
	runs    map[ais.MapVersion]*RebalanceStatus
	newest  ais.MapVersion
	wholeAt ais.MapVersion

	foreground atomic.Int64 // when a client's operation was served last: Unix nanoseconds
	spent      int64        // bytes taken out of the allowance
	spentFrom  time.Time
	lastBatch  atomic.Int64 // nanoseconds
}

// runsMax bounds filling.runs.
const runsMax = 64

func (f *filling) init() { f.runs = map[ais.MapVersion]*RebalanceStatus{} }

func (f *filling) run(v ais.MapVersion, now time.Time) *RebalanceStatus {
	r := f.runs[v]
	if r == nil {
		for old := range f.runs {
			if len(f.runs) >= runsMax && old+runsMax <= v {
				delete(f.runs, old)
			}
		}
		for old, x := range f.runs {
			if old < v && x.End.IsZero() {
				x.End, x.Aborted = now, x.SlotsDone < x.SlotsTotal
			}
		}
		r = &RebalanceStatus{Version: v, Start: now}
		f.runs[v] = r
	}
	f.newest = max(f.newest, v)
	return r
}

func (f *filling) begin(v ais.MapVersion, slots int, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.run(v, now)
	if !r.End.IsZero() { // it goes on after it was stopped
		r.End, r.Aborted = time.Time{}, false
	}
	r.SlotsTotal, r.Err = r.SlotsDone+slots, ""
}

// done notes that slots are whole.
func (f *filling) done(slots int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[f.newest]; r != nil {
		r.SlotsDone += slots
	}
}

func (f *filling) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[f.newest]; r != nil {
		r.Err = err.Error()
	}
}

// complete notes that nothing is left to fill.
func (f *filling) complete(v ais.MapVersion, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v == 0 {
		return
	}
	if r := f.run(v, now); r.End.IsZero() {
		r.End, r.SlotsDone, r.Err = now, r.SlotsTotal, ""
	}
}

// stopped notes that an operator has ended the run.
func (f *filling) stopped(how Filling, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[how.Version]; r != nil && r.End.IsZero() && how.Aborted {
		r.End, r.Aborted = now, true
	}
}

// lose notes that not everything is here.
func (f *filling) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wholeAt = 0
}

// setWhole notes under which map everything is here; it reports whether that is news.
func (f *filling) setWhole(v ais.MapVersion) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.wholeAt
	f.wholeAt = v
	return was != v
}

func (f *filling) whole() ais.MapVersion {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wholeAt
}

func (f *filling) received(g gain, took time.Duration) {
	f.lastBatch.Store(int64(took))
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[f.newest]; r != nil {
		r.ObjRcv, r.SizeRcv = r.ObjRcv+g.objects, r.SizeRcv+g.bytes
	}
	f.spent += g.bytes
}

func (f *filling) sent(objects, bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.runs[f.newest]; r != nil {
		r.ObjSent, r.SizeSent = r.ObjSent+objects, r.SizeSent+bytes
	}
}

// spend takes bytes that came in out of the allowance.
func (f *filling) spend(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spent += bytes
}

// served notes that a client's operation is under way here.
func (f *filling) served(now time.Time) { f.foreground.Store(now.UnixNano()) }

// Rebalance is how the fill under a map fares here, or fared; false where nothing is known of it.
func (t *Target) Rebalance(v ais.MapVersion) (RebalanceStatus, bool) {
	t.fills.mu.Lock()
	defer t.fills.mu.Unlock()
	r := t.fills.runs[v]
	if r == nil {
		return RebalanceStatus{}, false
	}
	return *r, true
}

// Yielding to clients.
const (
	busyFor  = 50 * time.Millisecond // after an operation of a client
	restMost = 100 * time.Millisecond
	window   = time.Second // in which the allowance is counted
)

// pace makes a fill wait: as long as its last step took while clients are served, so that half of what the disks and
// the network can do is theirs; and for the allowance of bytes.
func (t *Target) pace(ctx context.Context) error {
	now := time.Now()
	if now.UnixNano()-t.fills.foreground.Load() < int64(busyFor) {
		t.pause(ctx, min(time.Duration(t.fills.lastBatch.Load()), restMost))
	}
	if limit := t.opt.Filling().Bandwidth; limit > 0 {
		t.fills.mu.Lock()
		if now.Sub(t.fills.spentFrom) > window {
			allowed := int64(float64(limit) * now.Sub(t.fills.spentFrom).Seconds())
			t.fills.spent, t.fills.spentFrom = max(0, t.fills.spent-allowed), now
		}
		over := time.Duration(float64(t.fills.spent-limit) / float64(limit) * float64(time.Second))
		t.fills.mu.Unlock()
		if over > 0 {
			t.pause(ctx, over)
		}
	}
	if err := ctx.Err(); err != nil {
		return ais.Errorf(ais.Canceled, "fill: %w", err)
	}
	return nil
}
