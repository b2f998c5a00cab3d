package volume

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
)

// life is a store whose goroutines the test drives, on a disk of its own, with the model of what it
// should hold. All but volleys is done in one goroutine, so that a seed repeats a run.
type life struct {
	ctx   context.Context
	mem   *disk.Mem
	epoch ais.Epoch
	now   int64
	rng   *rand.Rand
	m     *model
	watch watch

	s      *Store
	volley chan int // how many records the small lane is to take as one group
	lane   sync.WaitGroup
	commit sync.WaitGroup
	quit   context.CancelFunc
	names  int
	damage []Event
	mapped ais.MapVersion // what the target has applied
	// oneSlot: all names lie in it. rebuilt counts indexes made anew.
	oneSlot *ais.Slot
	rebuilt int
	// halfIndex: the index may have been cut off while it was removed; it is then made anew.
	halfIndex bool
	held      []heldWrite
	// records came as from another copy.
	keep    sync.Mutex
	records [][][]byte
}

// heldWrite is a record that is durable and pending: in no index, while others behind it are.
type heldWrite struct {
	key   nameKey
	after *modelName
	p     *Pending
}

func (l *life) options(rebuild bool) Options {
	c := testConfig()
	c.VolumeSize = 1 << 20
	c.LargeLanes = 2
	c.StageBuffers = 1
	return Options{FS: l.mem, Dir: "/mp/.ais", Cluster: 1, Target: 2, Mountpath: 3, Clock: NewClock(2, l.epoch, 1, 1),
		MapVersion: l.mapped,
		Slot: func(id ais.BucketID, name string) ais.Slot {
			if l.oneSlot != nil {
				return *l.oneSlot
			}
			return cmap.SlotOf(7, id, name)
		},
		Copies: func(ais.BucketID) uint8 { return 1 }, Config: c, Logger: slog.New(slog.DiscardHandler),
		Events: func(e Event) {
			if e.Kind == EventIndexBroken && l.halfIndex {
				return
			}
			if e.Kind == EventRebuilt {
				l.rebuilt++
			}
			if e.Kind != EventTornTail && e.Kind != EventVacuumed && e.Kind != EventRebuilt {
				l.damage = append(l.damage, e)
			}
		},
		Now: func() int64 { return l.now }, Rebuild: rebuild, watch: l.watch}
}

// open opens the store in a new process life; nothing of it runs.
func (l *life) open(rebuild bool) error {
	l.epoch++
	l.damage = nil
	s, err := Open(l.ctx, l.options(rebuild))
	if err != nil {
		return fmt.Errorf("open in epoch %d: %w", l.epoch, err)
	}
	l.s = s
	if len(l.damage) > 0 {
		return fmt.Errorf("open in epoch %d: reported %s of volume %s at %d: %w", l.epoch, l.damage[0].Kind, l.damage[0].Volume, l.damage[0].Offset, l.damage[0].Err)
	}
	return nil
}

// start runs the small lane and the committer; the jobs of a store are called by hand.
func (l *life) start() {
	ctx, cancel := context.WithCancel(l.ctx)
	stop := make(chan struct{})
	l.volley = make(chan int)
	l.lane.Go(func() { l.runLane(ctx) })
	l.commit.Go(func() { l.s.runCommitter(stop) })
	l.quit = func() {
		cancel()
		l.lane.Wait()
		close(stop)
		l.commit.Wait()
		close(l.s.finished)
	}
}

// runLane is the small lane, except that groups are as large as the test says.
func (l *life) runLane(ctx context.Context) {
	var group []*op
	for {
		n := 1
		select {
		case n = <-l.volley:
		case o := <-l.s.small.queue:
			l.s.writeGroup(&l.s.small, []*op{o})
			continue
		case <-ctx.Done():
			return
		}
		group = group[:0]
		for len(group) < n {
			group = append(group, <-l.s.small.queue)
		}
		slices.SortFunc(group, func(a, b *op) int {
			return cmp.Or(cmp.Compare(a.rec.Bucket, b.rec.Bucket), bytes.Compare(a.rec.Key, b.rec.Key))
		})
		l.s.writeGroup(&l.s.small, group)
	}
}

// stop ends the life in good order, or (flush false) as a kill does.
func (l *life) stop(flush bool) error {
	if l.quit != nil {
		l.quit()
		l.quit = nil
	}
	var err error
	if flush {
		err = l.s.flushIndex()
	}
	l.s.closeAll()
	return err
}

// content makes bytes that are unlike any others, and cheap to keep on a memory disk where they are many.
func (l *life) content() []byte {
	n := 0
	switch l.rng.IntN(10) {
	case 0:
	case 1, 2, 3, 4:
		n = 1 + l.rng.IntN(3000)
	case 5:
		n = 60_000 + l.rng.IntN(12_000)
	case 6:
		n = ais.InlineMax + 1 + l.rng.IntN(30_000)
	default:
		n = 1 + l.rng.IntN(300)
	}
	if l.rng.IntN(100) == 0 {
		n = ais.ExtentMax + 1 + l.rng.IntN(70_000)
	}
	return periodic(l.rng.Uint64(), n)
}

func periodic(seed uint64, n int) []byte {
	return bytes.Repeat(noise(seed, 4096), n/4096+1)[:n]
}

// work is one operation on one name, ready to be sent: it writes exactly one group of records.
type work struct {
	key   nameKey
	after *modelName
	do    func() (*modelName, error) // gives the name as it is then known to be
}

// pick chooses an operation on a name.
func (l *life) pick(k nameKey) (*work, error) {
	n := l.m.name(k)
	if n == nil {
		n = &modelName{}
	}
	for {
		switch l.rng.IntN(12) {
		case 0, 1, 2, 3:
			return l.put(k, n)
		case 4, 5:
			if len(n.versions) > 0 {
				return l.remove(k, n), nil
			}
		case 6:
			if k.bucket == versionedBucket {
				return l.marker(k, n), nil
			}
		case 7:
			if len(n.uploads) < 2 {
				return l.create(k, n), nil
			}
		case 8, 9:
			if len(n.uploads) > 0 {
				return l.part(k, n)
			}
		case 10:
			for _, u := range n.uploads {
				if len(u.parts) > 0 {
					return l.complete(k, n, u), nil
				}
			}
		case 11:
			if len(n.uploads) > 0 {
				return l.abort(k, n), nil
			}
		}
	}
}

// within runs fn under the latch of a name.
func (l *life) within(k nameKey, fn func(t *Tx) error) error {
	t, err := l.s.Begin(l.ctx, k.bucket, k.name)
	if err != nil {
		return err
	}
	defer t.End()
	return fn(t)
}

// stage stages a body; or, if its record will be adopted, its extents are.
func (l *life) stage(k nameKey, data []byte, adopted bool) (*Staged, error) {
	var sent []sentExtent
	g := l.s.StageTee(k.bucket, k.name, func(w ais.WriteID, _ uint32, record []byte) error {
		sent = append(sent, sentExtent{w, bytes.Clone(record)})
		return nil
	})
	if _, err := g.ReadFrom(l.ctx, bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("stage %q: %w", k.name, err)
	}
	if !adopted {
		return g, nil
	}
	g.Abort()
	for _, x := range sent {
		if err := l.s.AdoptExtent(l.ctx, x.write, x.record, l.rng.IntN(2) == 0); err != nil {
			return nil, fmt.Errorf("adopt extent of %q: %w", k.name, err)
		}
	}
	return g, l.s.SyncWrite(l.ctx, g.Write())
}

// write writes what was prepared, as its home does; or it comes as from another copy, which stamped it.
func (l *life) write(p *Pending, adopted bool) error {
	if !adopted {
		return p.put()
	}
	records := p.Records()
	p.Abandon()
	if err := l.adopt(records); err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	l.keep.Lock()
	defer l.keep.Unlock()
	l.records = append(l.records, records)
	return nil
}

func (l *life) adopt(records [][]byte) error {
	done := make(chan error, 1)
	l.s.Adopt(records, AdoptOptions{}, func(err error) { done <- err })
	return <-done
}

// adoptAgain brings records a second time: nothing may change.
func (l *life) adoptAgain() error {
	if len(l.records) == 0 {
		return nil
	}
	err := l.adopt(l.records[l.rng.IntN(len(l.records))])
	if ais.IsKind(err, ais.Precondition) {
		err = nil // what it refers to is dead here
	}
	return err
}

func (l *life) put(k nameKey, n *modelName) (*work, error) {
	v := modelVersion{data: l.content(), known: true}
	e := Entry{ModifiedUnix: l.now}
	if e.Versioned = k.bucket == versionedBucket && l.rng.IntN(4) > 0; e.Versioned {
		v.known = false
	}
	adopted := l.rng.IntN(3) == 0
	if len(v.data) > ais.InlineMax {
		g, err := l.stage(k, v.data, adopted)
		if err != nil {
			return nil, err
		}
		e.Staged = g
	} else {
		e.Payload = v.data
	}
	return &work{k, n.put(v), func() (*modelName, error) {
		err := l.within(k, func(t *Tx) error {
			p, err := t.Prepare(e)
			if err != nil {
				return err
			}
			v.id, v.known = p.Object.Version, true
			return l.write(p, adopted)
		})
		return n.put(v), err
	}}, nil
}

func (l *life) marker(k nameKey, n *modelName) *work {
	v := modelVersion{marker: true, known: l.rng.IntN(3) == 0}
	adopted := l.rng.IntN(3) == 0
	return &work{k, n.put(v), func() (*modelName, error) {
		err := l.within(k, func(t *Tx) error {
			p, err := t.Prepare(Entry{Marker: true, Versioned: !v.known, ModifiedUnix: l.now})
			if err != nil {
				return err
			}
			v.id, v.known = p.Object.Version, true
			return l.write(p, adopted)
		})
		return n.put(v), err
	}}
}

func (l *life) remove(k nameKey, n *modelName) *work {
	id := n.versions[l.rng.IntN(len(n.versions))].id
	after := n.without(id)
	adopted := l.rng.IntN(3) == 0
	return &work{k, after, func() (*modelName, error) {
		return after, l.within(k, func(t *Tx) error {
			p, x, err := t.PrepareDelete(id, false, l.now)
			if err == nil && x == nil {
				err = fmt.Errorf("delete %q version %s: it is not there", k.name, id)
			}
			if err != nil {
				return err
			}
			return l.write(p, adopted)
		})
	}}
}

func (l *life) create(k nameKey, n *modelName) *work {
	adopted := l.rng.IntN(3) == 0
	return &work{k, n.withUpload(modelUpload{parts: map[int][]byte{}}), func() (after *modelName, err error) {
		err = l.within(k, func(t *Tx) error {
			p, u, err := t.PrepareUpload(ais.Attributes{})
			if err != nil {
				return err
			}
			after = n.withUpload(modelUpload{id: u.ID, known: true, parts: map[int][]byte{}})
			return l.write(p, adopted)
		})
		return after, err
	}}
}

func (l *life) part(k nameKey, n *modelName) (*work, error) {
	u := n.uploads[l.rng.IntN(len(n.uploads))]
	number, data := 1+l.rng.IntN(3), l.content()
	adopted := l.rng.IntN(3) == 0
	g, err := l.stage(k, data, adopted)
	if err != nil {
		return nil, err
	}
	after := n.withPart(u.id, number, data)
	return &work{k, after, func() (*modelName, error) {
		return after, l.within(k, func(t *Tx) error {
			p, _, err := t.PreparePart(u.id, number, g, ais.ETag{}, ais.Checksum{})
			if err != nil {
				return err
			}
			return l.write(p, adopted)
		})
	}}, nil
}

func (l *life) complete(k nameKey, n *modelName, u modelUpload) *work {
	v := modelVersion{known: k.bucket == plainBucket}
	adopted := l.rng.IntN(3) == 0
	var numbers []int
	for number := 1; number <= 3; number++ {
		if data, ok := u.parts[number]; ok && (len(numbers) == 0 || l.rng.IntN(4) > 0) {
			numbers = append(numbers, number)
			v.data = append(v.data, data...)
		}
	}
	return &work{k, n.withoutUpload(u.id).put(v), func() (*modelName, error) {
		err := l.within(k, func(t *Tx) error {
			c, err := t.BeginCompletion(l.ctx, u.id)
			if err != nil {
				return err
			}
			defer c.End()
			e := Entry{Upload: u.id, Versioned: k.bucket == versionedBucket, Attributes: ais.Attributes{ETag: ais.ETag{Parts: uint32(len(numbers))}}}
			for _, number := range numbers {
				_, p, ok := c.Part(number)
				if !ok {
					return fmt.Errorf("complete %q: part %d is not there", k.name, number)
				}
				e.Parts = append(e.Parts, p)
			}
			p, err := t.Prepare(e)
			if err != nil {
				return err
			}
			v.id, v.known = p.Object.Version, true
			return l.write(p, adopted)
		})
		return n.withoutUpload(u.id).put(v), err
	}}
}

func (l *life) abort(k nameKey, n *modelName) *work {
	u := n.uploads[l.rng.IntN(len(n.uploads))]
	after := n.withoutUpload(u.id)
	adopted := l.rng.IntN(3) == 0
	return &work{k, after, func() (*modelName, error) {
		return after, l.within(k, func(t *Tx) error {
			p, err := t.PrepareAbort(l.ctx, u.id)
			if err != nil {
				return err
			}
			return l.write(p, adopted)
		})
	}}
}

// send does operations on different names at once: their records are one group of the small lane.
func (l *life) send(all []*work) error {
	l.volley <- len(all)
	var wait sync.WaitGroup
	errs := make([]error, len(all))
	for i, w := range all {
		l.m.begin(w.key, w.after)
		wait.Go(func() {
			var after *modelName
			if after, errs[i] = w.do(); errs[i] == nil {
				l.m.end(w.key, after)
			}
		})
	}
	wait.Wait()
	slices.SortFunc(l.records, func(a, b [][]byte) int { return bytes.Compare(a[0], b[0]) })
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("bucket %d, name %q: %w", all[i].key.bucket, all[i].key.name, err)
		}
	}
	return nil
}

func (l *life) someName() nameKey {
	k := nameKey{plainBucket, fmt.Sprintf("n%d", l.rng.IntN(l.names))}
	if l.rng.IntN(2) == 0 {
		k.bucket = versionedBucket
	}
	if l.rng.IntN(8) == 0 {
		k.name += "\x00/" + k.name
	}
	return k
}

// step does one thing that a store does in its life.
func (l *life) step() error {
	l.now += 1000
	switch l.rng.IntN(25) {
	case 24:
		if err := l.adoptAgain(); err != nil {
			return err
		}
	case 0, 1:
		last := time.Now()
		return l.s.keep(&last)
	case 2:
		return l.s.reap(l.ctx)
	case 3, 4, 5:
		return l.vacuumOne(-1)
	case 6:
		return l.vacuumOne(l.rng.IntN(6))
	case 7:
		l.records = nil // they could bring back what is purged
		return l.s.Purge(l.ctx, everySlot(l.s.opt.Clock.Stamp()))
	case 8:
		l.now += uploadKept
		return l.s.flushIndex()
	case 9:
		return l.giveUpBody()
	case 10:
		return l.hold()
	case 11:
		return l.release()
	case 12:
		if l.rng.IntN(3) == 0 {
			return l.giveUpSlot()
		}
	case 13:
		switch l.rng.IntN(4) {
		case 0:
			return l.dropNameOf()
		case 1:
			return l.s.commitFunc((*batch).dropSome)
		}
		return l.markSlots()
	}
	picked := map[nameKey]bool{}
	for _, h := range l.held {
		picked[h.key] = true
	}
	var all []*work
	for range 1 + l.rng.IntN(5) {
		k := l.someName()
		if picked[k] {
			continue
		}
		picked[k] = true
		w, err := l.pick(k)
		if err != nil {
			return err
		}
		all = append(all, w)
	}
	return l.send(all)
}

// hold writes a version that stays pending until release.
func (l *life) hold() error {
	k := l.someName()
	for _, h := range l.held {
		if h.key == k {
			return nil
		}
	}
	n, v := l.m.name(k), modelVersion{data: periodic(l.rng.Uint64(), l.rng.IntN(2000)), known: k.bucket == plainBucket}
	l.m.begin(k, n.put(v))
	return l.within(k, func(t *Tx) error {
		p, err := t.Prepare(Entry{Payload: v.data, Versioned: !v.known, ModifiedUnix: l.now})
		if err == nil {
			err = p.Write()
		}
		if err == nil {
			v.id, v.known = p.Object.Version, true
			l.held = append(l.held, heldWrite{k, n.put(v), p})
		}
		return err
	})
}

func (l *life) release() error {
	for _, h := range l.held {
		if err := h.p.Release(); err != nil {
			return err
		}
		l.m.end(h.key, h.after)
	}
	l.held = nil
	return nil
}

// giveUpSlot drops slots: all their names are gone.
func (l *life) giveUpSlot() error {
	if err := l.release(); err != nil {
		return err
	}
	l.records = nil // they could come back
	slots := &ais.SlotSet{}
	for range 1 + l.rng.IntN(3) {
		k := l.someName()
		slots.Add(l.s.opt.Slot(k.bucket, k.name))
	}
	var names []nameKey
	for o := range l.m.clone().names {
		if slots.Has(l.s.opt.Slot(o.bucket, o.name)) {
			names = append(names, o)
			l.m.begin(o, nil)
		}
	}
	l.m.beginMarks(slots, Mark{})
	err := l.s.GiveUp(l.ctx, slots, nil, 1)
	for _, o := range names {
		if err == nil {
			l.m.end(o, nil)
		}
	}
	if err == nil {
		l.m.endMarks()
	}
	return err
}

// giveUpBody stages a body that is never named, synced or not.
func (l *life) giveUpBody() error {
	k := l.someName()
	g := l.s.Stage(k.bucket, k.name)
	if _, err := g.extent(l.ctx, bytes.NewReader(periodic(l.rng.Uint64(), 20_000))); err != nil {
		return err
	}
	if l.rng.IntN(2) == 0 {
		if err := g.settle(); err != nil {
			return err
		}
	}
	g.Abort()
	return nil
}

// vacuumOne vacuums a volume, or stops after some records and leaves it part-vacuumed.
func (l *life) vacuumOne(stopAfter int) error {
	if err := l.s.removeRetired(); err != nil {
		return err
	}
	var able []*file
	for _, f := range l.s.fileList() {
		row, _ := f.known()
		if !f.vacuumable(&row) {
			continue
		}
		if row.VacuumTo > 0 { // one that was begun is finished first
			able = []*file{f}
			break
		}
		able = append(able, f)
	}
	if len(able) == 0 {
		return nil
	}
	f := able[l.rng.IntN(len(able))]
	if stopAfter < 0 {
		return l.s.vacuum(l.ctx, f)
	}
	return l.vacuumPart(f, stopAfter)
}

// vacuumPart walks some records of a volume and has them repointed, as a vacuum that is cut off does.
func (l *life) vacuumPart(f *file, records int) error {
	row, _ := f.known()
	v := &vacuumRun{s: l.s, f: f}
	to := max(row.VacuumTo, headerEnd)
	enough := fmt.Errorf("enough")
	_, err := f.scan(to, row.End, true, func(x *found) error {
		if records == 0 {
			return enough
		}
		records--
		if _, err := v.record(x); err != nil {
			return err
		}
		to = x.at.To
		return nil
	})
	if err != nil && err != enough {
		return err
	}
	return v.step(to)
}

// volumes gives the bytes of all volume files, and how many there are.
func (l *life) volumes() (bytes int64, files int, err error) {
	names, err := l.mem.List("/mp/.ais/volumes")
	for _, name := range names {
		size, e := l.mem.Stat(path.Join("/mp/.ais/volumes", name))
		if e != nil {
			return 0, 0, e
		}
		bytes += size
		files++
	}
	return bytes, files, err
}

func isVolume(name string) bool { return strings.Contains(name, "/volumes") }
