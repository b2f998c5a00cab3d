package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// Vacuum empties a volume: it walks its records, copies the live ones as they are (same version, LSN
// and hashes) to the cold lane, and has the committer repoint the index by compare-and-set. When the
// index points at nothing in the volume any more, the file is removed.
//
// One volume is vacuumed at a time, and one that was begun is finished first: a tombstone may leave
// only while no other volume is part-vacuumed, for the dead copies in such a volume are counted by
// nobody.

// Bounds of one step: what is copied, synced and repointed together.
const (
	vacuumBytes   = 64 << 20
	vacuumRecords = 4096
	coldGroup     = 1 << 20 // bytes of small records written at once
)

// vacuumTick is how often the vacuum looks for work, if nobody wakes it.
const vacuumTick = time.Second

// vacuumRetry is how long a volume is left alone whose vacuum failed.
const vacuumRetry = 30 * time.Second

// repointsAtOnce is how many records the committer repoints in one turn: writers wait behind it.
const repointsAtOnce = 128

// mergeSmall is from how many little volumes on they are joined: every restart leaves one or a few.
const mergeSmall = 8

// uploadKept is how long a closed upload answers a repeated completion, in milliseconds: a day.
const uploadKept = 24 * 60 * 60 * 1000

// coldLanes are the volumes that vacuum writes into; its goroutine alone uses them.
type coldLanes struct {
	small *file
	large largeLane
	iov   [][]byte
}

// runVacuum is the vacuum's goroutine.
func (s *Store) runVacuum(ctx context.Context) {
	tick := time.NewTicker(vacuumTick)
	defer tick.Stop()
	for {
		err := s.removeRetired()
		if f := s.vacuumCandidate(); f != nil {
			e := s.vacuum(ctx, f)
			if e == nil && ctx.Err() == nil {
				continue
			}
			f.retryAt.Store(time.Now().Add(vacuumRetry).UnixNano())
			err = errors.Join(err, e)
		}
		if err != nil && ctx.Err() == nil && s.broken() == nil {
			s.opt.Logger.Error("vacuum", "mountpath", s.opt.Mountpath, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// vacuumable reports whether nothing is appended to a volume any more, and all of it is indexed.
func (f *file) vacuumable(row *volRow) bool {
	if f.gone.Load() || f.missing.Load() || f.unreadable || row.State != StateSealed && row.State != StateClosed {
		return false
	}
	return time.Now().UnixNano() >= f.retryAt.Load() && f.allIndexed()
}

// vacuumCandidate chooses the volume to vacuum next: one that was begun, else a poisoned one, else the
// one with the most garbage over the threshold, else little ones if there are many.
func (s *Store) vacuumCandidate() *file {
	threshold := s.garbageThreshold()
	oldest := s.opt.Now() - s.config.Load().VacuumMinAge.Milliseconds()
	purged := s.purgedTo()
	var best *file
	var bestPart float64
	var little []*file
	for _, f := range s.fileList() {
		row, dead := f.known()
		if !f.vacuumable(&row) {
			continue
		}
		if row.VacuumTo > 0 || row.Limit > 0 {
			return f
		}
		if row.LastUnix > oldest {
			continue
		}
		if row.Tombs > 0 && row.NewestTomb.Compare(purged) <= 0 && f.tombsSince < s.counters.unshadowed.Load() {
			dead += row.Tombs
		}
		size := row.End - headerEnd - row.Footer
		part := float64(dead) / float64(max(size, 1))
		if part > threshold && part > bestPart {
			best, bestPart = f, part
		}
		if size < s.volumeSize()/4 {
			little = append(little, f)
		}
	}
	if best == nil && len(little) >= mergeSmall {
		slices.SortFunc(little, func(a, b *file) int { return cmp.Compare(a.id, b.id) })
		best = little[0]
	}
	return best
}

// purgedTo is up to which stamp the tombstones of all slots may go of which anything is held.
func (s *Store) purgedTo() ais.Stamp {
	held := s.slots.held()
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	return s.system.purges.least(held)
}

// SlotStamp is a stamp of one slot.
type SlotStamp struct {
	Slot ais.Slot
	UpTo ais.Stamp
}

// Purge records durably, in one record, that the tombstones of slots up to a stamp each are needed by
// nobody: every copy is whole, and nothing older can come from elsewhere. Vacuum then lets them go.
func (s *Store) Purge(ctx context.Context, l []SlotStamp) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	y := &format.System{Kind: format.SystemPurges}
	for _, x := range l {
		if n := len(y.Purges); n > 0 && y.Purges[n-1].UpTo == x.UpTo && x.Slot > 0 && y.Purges[n-1].To == x.Slot-1 {
			y.Purges[n-1].To = x.Slot
			continue
		}
		y.Purges = append(y.Purges, format.Purge{From: x.Slot, To: x.Slot, UpTo: x.UpTo})
	}
	if len(y.Purges) == 0 {
		return nil
	}
	return s.writeSystem(y)
}

// move is one record that vacuum has looked at.
type move struct {
	rec    format.Record
	meta   format.Meta
	from   place
	to     place // Size 0: not copied
	file   *file // where it was copied to
	at     span
	system []byte // payload of a SYSTEM record
}

// vacuum empties one volume.
func (s *Store) vacuum(ctx context.Context, f *file) error {
	row, _ := f.known()
	v := &vacuumRun{s: s, f: f}
	if !(f.class == format.ClassLarge && row.Live == 0) { // extents cast no shadows: nothing to account for
		from, to := max(row.VacuumTo, headerEnd), row.End
		if row.Limit > 0 {
			to = min(to, row.Limit)
		}
		v.began = time.Now()
		gaps, err := f.scan(from, to, true, func(x *found) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			stepped, err := v.record(x)
			if stepped && err == nil {
				v.rest(ctx)
			}
			return err
		})
		if err == nil {
			err = v.step(to)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", f.id, errors.Join(err, v.forget()))
		}
		if v.unshadowed {
			s.counters.unshadowed.Add(1)
		}
		for _, g := range gaps {
			if g.damage {
				s.event(Event{Kind: EventDamage, Volume: f.id, Offset: g.from, Bytes: g.to - g.from, Err: errors.New("found by vacuum")})
			}
		}
	}
	return s.retireVolume(f)
}

// retireVolume removes an emptied volume: first its absence of live records is made durable.
func (s *Store) retireVolume(f *file) error {
	left := false
	err := s.commitFunc(func(b *batch) error {
		if f.row.Live != 0 || f.row.Count != 0 {
			left = true
			f.row.State = StateQuarantined
			b.touch(f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if left {
		row, _ := f.known()
		err := fmt.Errorf("%d bytes in %d records of it are live and cannot be read", row.Live, row.Count)
		s.event(Event{Kind: EventDamage, Volume: f.id, Bytes: row.Live, Err: err})
		return nil
	}
	f.leaving.Store(true)
	if err := s.writeSystem(&format.System{Kind: format.SystemVolumeGone, Volume: f.id}); err != nil {
		return err
	}
	if err := s.setState(f, StateUnlinking); err != nil {
		return err
	}
	if err := s.flushIndex(); err != nil {
		return err
	}
	f.retire()
	return s.removeRetired()
}

// removeRetired unlinks the emptied volumes that nobody reads any more.
func (s *Store) removeRetired() error {
	for _, f := range s.fileList() {
		row, _ := f.known()
		if row.State != StateUnlinking {
			continue
		}
		if !f.gone.Load() {
			f.retire() // left by a crash: the state was flushed, the file was not removed
		}
		select {
		case <-f.idle:
		default:
			continue
		}
		if err := f.close(); err != nil {
			return fmt.Errorf("volume %s: close: %w", f.id, err)
		}
		if err := s.opt.FS.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("volume %s: remove: %w", f.id, err)
		}
		if err := s.opt.FS.SyncDir(s.volumesDir()); err != nil {
			return fmt.Errorf("volume %s: remove: %w", f.id, err)
		}
		err := s.commitFunc(func(b *batch) error {
			b.key = volumeKey(b.key[:0], f.id)
			b.del()
			return nil
		})
		if err != nil {
			return err
		}
		s.dropFile(f.id)
		s.counters.vacuumed.Add(1)
		s.counters.reclaimed.Add(row.End)
		s.event(Event{Kind: EventVacuumed, Volume: f.id, Bytes: row.End})
		if err := s.look(); err != nil {
			return err
		}
	}
	return nil
}

// vacuumRun is the vacuum of one volume.
type vacuumRun struct {
	s      *Store
	f      *file
	moves  []move
	bytes  int64
	ops    []*op // small records not yet written
	opFrom []int // their moves
	held   int64
	began  time.Time // of the step
	// unshadowed: the volume held records whose going may let a tombstone go.
	unshadowed bool
}

// record looks at one record, and copies it if it is live. It reports whether a step was ended.
func (v *vacuumRun) record(x *found) (stepped bool, err error) {
	rec := x.rec
	m, err := format.DecodeMeta(rec.Meta)
	if err != nil {
		return false, err
	}
	mv := move{rec: rec, meta: m, from: place{Volume: v.f.id, Off: x.at.From, Size: x.at.To - x.at.From, HeadLen: rec.HeadLen()}}
	mv.rec.Key = slices.Clone(rec.Key)
	mv.rec.Meta = slices.Clone(rec.Meta)
	if rec.Type == format.TypeSystem {
		mv.system = slices.Clone(x.payload)
	}
	live, err := v.s.pointsAt(v.s.db, &mv)
	if err != nil {
		return false, v.s.readError(err)
	}
	v.unshadowed = v.unshadowed || !live
	v.moves = append(v.moves, mv)
	if live && !v.s.mayLeave(v.s.db, &mv, v.f) {
		if rec.Type == format.TypeExtent {
			err = v.copyExtent(x)
		} else {
			v.hold(x)
		}
		if err != nil {
			return false, err
		}
	}
	if v.held >= coldGroup {
		if err := v.writeHeld(); err != nil {
			return false, err
		}
	}
	if v.bytes >= vacuumBytes || len(v.moves) >= vacuumRecords {
		return true, v.step(x.at.To)
	}
	return false, nil
}

// hold keeps a small record to be written with others.
func (v *vacuumRun) hold(x *found) {
	mv := &v.moves[len(v.moves)-1]
	o := &op{rec: mv.rec, payload: slices.Clone(x.payload)}
	_, o.table = format.HashPayload(o.payload, nil) // the scan verified it: the same table again
	o.head = format.AppendHead(nil, &o.rec)
	v.ops = append(v.ops, o)
	v.opFrom = append(v.opFrom, len(v.moves)-1)
	v.held += o.rec.Size()
}

// writeHeld appends the held records to the cold lane.
func (v *vacuumRun) writeHeld() error {
	s := v.s
	if len(v.ops) == 0 {
		return nil
	}
	c := &s.cold
	if c.small != nil && (!c.small.room(v.held, s.volumeSize(), s.sealSize()) || c.small.isPoisoned()) {
		s.retireFile(c.small)
		c.small = nil
	}
	if c.small == nil {
		f, err := s.createFile(format.ClassCold, false)
		if err != nil {
			return err
		}
		c.small = f
	}
	if err := c.small.appendOps(v.ops, &c.iov, s.volumeSize()); err != nil {
		if errors.Is(err, errNoRoom) {
			return s.spaceError(err)
		}
		f := c.small
		c.small = nil
		return s.poisonedElsewhere(f, err)
	}
	c.small.writeBack(v.ops[0].at.From, v.ops[len(v.ops)-1].at.To)
	for i, o := range v.ops {
		mv := &v.moves[v.opFrom[i]]
		mv.file, mv.at = o.file, o.at
		mv.to = place{Volume: o.file.id, Off: o.at.From, Size: o.at.To - o.at.From, HeadLen: mv.from.HeadLen}
	}
	v.bytes += v.held
	v.ops, v.opFrom, v.held = v.ops[:0], v.opFrom[:0], 0
	return nil
}

// copyExtent appends one extent to the cold lane.
func (v *vacuumRun) copyExtent(x *found) error {
	s := v.s
	mv := &v.moves[len(v.moves)-1]
	n := footprint(format.TypeExtent, format.ClassCold, mv.rec.Size())
	buf := disk.AlignedBuffer(int(n))
	head := format.AppendHead(buf[:0], &mv.rec)
	k := len(head)
	k += copy(buf[k:], x.payload)
	_, table := format.HashPayload(x.payload, nil)
	copy(buf[k:], table)
	f, at, err := s.appendExtent(&s.cold.large, buf, &mv.rec)
	if err != nil {
		return err
	}
	mv.file, mv.at = f, at
	mv.to = place{Volume: f.id, Off: at.From, Size: at.To - at.From, HeadLen: mv.from.HeadLen}
	v.bytes += n
	return nil
}

// vacuumRest is how long vacuum rests between two steps while there is room, in times of what the step
// took, and restMax the longest rest: requests come first. Where space is short it does not rest.
const (
	vacuumRest = 3
	restMax    = 2 * time.Second
)

func (v *vacuumRun) rest(ctx context.Context) {
	if v.s.space.free.Load() >= 3*v.s.reserve() {
		t := time.NewTimer(min(vacuumRest*time.Since(v.began), restMax))
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	v.began = time.Now()
}

// forget gives up the copies of a step that failed. They lie in the cold lane for good: each casts a
// shadow of its own, for what it is a copy of is not passed.
func (v *vacuumRun) forget() error {
	moves := v.moves
	v.moves, v.ops, v.opFrom, v.held, v.bytes = nil, nil, nil, 0, 0
	for i := range moves {
		if f := moves[i].file; f != nil {
			if err := f.syncTo(moves[i].at.To); err != nil {
				if err := v.s.poisonedElsewhere(f, err); v.s.broken() != nil {
					return err
				}
			}
		}
	}
	return v.s.commitFunc(func(b *batch) error {
		for i := range moves {
			m := &moves[i]
			if m.file == nil || !m.file.indexedIfKnown(m.at) {
				continue
			}
			b.touch(m.file)
			if err := b.shadow(m, +1); err != nil {
				return err
			}
		}
		return nil
	})
}

// step syncs what was copied and has the index repointed; progress is how far the volume was walked.
// A crash before it leaves dead duplicates, which recovery counts; after it, vacuum goes on from there.
func (v *vacuumRun) step(progress int64) error {
	if err := v.writeHeld(); err != nil {
		return err
	}
	for i := range v.moves {
		if f := v.moves[i].file; f != nil {
			if err := f.syncTo(v.moves[i].at.To); err != nil {
				return v.s.poisonedElsewhere(f, err)
			}
		}
	}
	v.bytes = 0
	for {
		moves := v.moves[:min(len(v.moves), repointsAtOnce)]
		to := progress
		if len(moves) < len(v.moves) {
			last := &moves[len(moves)-1]
			to = last.from.Off + last.from.Size
		}
		err := v.s.commitFunc(func(b *batch) error {
			for i := range moves {
				if err := b.applyMove(&moves[i], v.f); err != nil {
					return err
				}
			}
			v.f.row.VacuumTo = max(v.f.row.VacuumTo, to)
			b.touch(v.f)
			return nil
		})
		if err != nil {
			return err
		}
		if v.moves = v.moves[len(moves):]; len(v.moves) == 0 {
			v.moves = nil
			return nil
		}
	}
}

// runReaper is the reaper's goroutine: it takes the extents of dead entries out of the index, a few at
// a time, once nobody reads them.
func (s *Store) runReaper(ctx context.Context) {
	tick := time.NewTicker(vacuumTick)
	defer tick.Stop()
	for {
		if err := s.reap(ctx); err != nil && ctx.Err() == nil && s.broken() == nil {
			s.opt.Logger.Error("reaping extents", "mountpath", s.opt.Mountpath, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.reaperWake:
		}
	}
}

// reapAtOnce is how many extents one batch takes out.
const reapAtOnce = 2048

func (s *Store) reap(ctx context.Context) error {
	if err := s.broken(); err != nil {
		return err
	}
	type dead struct{ write, first ais.WriteID }
	var todo []dead
	err := s.forRange([]byte{spaceTrash}, []byte{spaceTrash + 1}, func(k, v []byte) error {
		var d dead
		copy(d.write[:], k[1:])
		copy(d.first[:], v)
		todo = append(todo, d)
		return nil
	})
	if err != nil {
		return s.readError(err)
	}
	for _, d := range todo {
		for more := true; more && ctx.Err() == nil; {
			if s.pins.held(d.first) {
				break
			}
			err := s.commitFunc(func(b *batch) error {
				var err error
				more, err = b.reapWrite(d.write, d.first)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// reapWrite takes up to reapAtOnce extents of a dead write out of the index.
func (b *batch) reapWrite(w, first ais.WriteID) (more bool, err error) {
	if b.s.pins.held(first) {
		return false, nil
	}
	if ok, err := b.s.isKey(b.r, writeKey(nil, spaceTrash, w)); err != nil || !ok {
		return false, err // it is wanted again
	}
	lower := writeKey(nil, spaceExtent, w)
	n := 0
	enough := errors.New("enough for one batch")
	err = b.s.forRange(lower, successor(slices.Clone(lower)), func(k, v []byte) error {
		if n == reapAtOnce {
			return enough
		}
		n++
		x, err := decodeExtentRow(v)
		if err != nil {
			return err
		}
		b.unlive(x.Place, false)
		b.key = append(b.key[:0], k...)
		b.del()
		return nil
	})
	if errors.Is(err, enough) {
		return true, nil
	}
	if err == nil {
		b.key = writeKey(b.key[:0], spaceTrash, w)
		b.del()
	}
	return more, err
}
