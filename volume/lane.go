package volume

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"runtime"
	"sync"
	"syscall"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// op is one record on its way: formed, appended, synced, applied to the index. Whoever made it waits
// on done, and must not touch the payload before.
type op struct {
	rec     format.Record
	meta    format.Meta
	head    []byte
	payload []byte
	table   []byte
	copies  uint8
	writes  []writeOf // of a COMMIT
	also    *op       // written right behind, in the same sync and the same index batch
	hold    bool      // stop when durable: the record is pending until released
	stamped bool      // rec.Modified was drawn for this op and is on its way
	adopted bool      // another copy has stamped it: no latch is held
	uses    bool      // writes are noted in Store.writes

	file *file
	at   span
	err  error
	done chan error  // gets one value: when durable if hold, else when applied
	tell func(error) // or this is called
}

// Bounds of one group of the small lane.
const (
	groupOps   = 512
	groupBytes = 8 << 20
)

// laneQueue is how many ops may wait for a lane; more wait for one of them to be taken.
const laneQueue = 1024

// smallLane appends small records: whoever waits shares one write, one sync and one index batch. Its
// goroutine alone owns current.
type smallLane struct {
	class   format.Class
	queue   chan *op
	current *file
	iov     [][]byte
	group   []*op
}

var zeros [largeAlign]byte

// runSmallLane is the goroutine of the small lane, or of the fill lane. When ctx ends it refuses what still
// waits.
func (s *Store) runSmallLane(ctx context.Context, l *smallLane) {
	for {
		select {
		case o := <-l.queue:
			l.group = append(l.group[:0], o)
			bytes := o.chainSize()
			l.letOthersCome()
		more:
			for len(l.group) < groupOps && bytes < groupBytes {
				select {
				case o = <-l.queue:
					l.group = append(l.group, o)
					bytes += o.chainSize()
				default:
					break more
				}
			}
			s.writeGroup(l, l.group)
		case <-ctx.Done():
			s.refuseQueued(l)
			return
		}
	}
}

// refuseQueued ends what waits in a lane that takes nothing any more.
func (s *Store) refuseQueued(l *smallLane) {
	for {
		select {
		case o := <-l.queue:
			s.abandon(o)
			o.finish(errStopped())
		default:
			return
		}
	}
}

// enqueue hands an op with tell to a lane. Whatever happens, it ends.
func (s *Store) enqueue(l *smallLane, o *op) {
	select {
	case l.queue <- o:
	case <-s.finished:
		s.abandon(o)
		o.finish(errStopped())
		return
	}
	select {
	case <-s.finished:
		s.refuseQueued(l) // the lane may have ended before this came
	default:
	}
}

// chainSize is the bytes of a record and its companions.
func (o *op) chainSize() (n int64) {
	for x := o; x != nil; x = x.also {
		n += x.rec.Size()
	}
	return n
}

// letOthersCome gives way to the requests that are ready to run, as long as they bring records: on a
// busy machine a sync is then shared by all of them, on an idle one this takes no time.
func (l *smallLane) letOthersCome() {
	for range 4 {
		n := len(l.queue)
		runtime.Gosched()
		if len(l.queue) == n {
			return
		}
	}
}

func errStopped() error { return ais.Errorf(ais.Unavailable, "the store is stopping") }

// finish ends an op and its companion.
func (o *op) finish(err error) {
	for x := o; x != nil && err == nil; x = x.also {
		err = x.err
	}
	switch {
	case o.done != nil:
		o.done <- err
	case o.tell != nil:
		o.tell(err)
	}
}

// writeGroup appends a group, syncs it, and hands it to the committer.
func (s *Store) writeGroup(l *smallLane, group []*op) {
	if err := s.appendGroup(l, group); err != nil {
		for _, o := range group {
			s.abandon(o)
			o.finish(err)
		}
		return
	}
	u := &unit{}
	for _, o := range group {
		if o.hold {
			s.addPending(o)
			o.finish(nil)
			continue
		}
		u.ops = append(u.ops, o)
	}
	if len(u.ops) > 0 {
		s.commits <- u
	}
}

// abandon forgets the stamp of an op that will never be applied, and what it refers to.
func (s *Store) abandon(o *op) {
	for ; o != nil; o = o.also {
		s.release(o, false)
		if o.stamped {
			s.slots.landed(slotKey{o.rec.Slot, o.copies}, o.rec.Modified)
		}
	}
}

func (s *Store) appendGroup(l *smallLane, group []*op) error {
	if err := s.broken(); err != nil {
		return err
	}
	var need int64
	for _, o := range group {
		need += o.chainSize()
	}
	if l.current != nil && !l.current.room(need, s.volumeSize(), s.sealSize()) {
		s.retireFile(l.current)
		l.current = nil
	}
	if l.current == nil {
		f, err := s.createFile(l.class, false)
		if err != nil {
			return err
		}
		l.current = f
	}
	f := l.current
	if err := f.appendOps(group, &l.iov, s.volumeSize()); err != nil {
		if errors.Is(err, errNoRoom) {
			return s.spaceError(err)
		}
		return s.laneFailed(l, err)
	}
	if err := f.syncTo(f.endOfAppends()); err != nil {
		return s.laneFailed(l, err)
	}
	return nil
}

// laneFailed takes a lane's volume out of use after a failed write or sync.
func (s *Store) laneFailed(l *smallLane, cause error) error {
	f := l.current
	if l == &s.small {
		return s.poisoned(f, cause)
	}
	l.current = nil
	return s.poisonedElsewhere(f, cause)
}

// errNoRoom marks a failure to preallocate: nothing was written, and nothing is poisoned.
var errNoRoom = errors.New("no room on the disk")

// room reports whether a volume takes need bytes more: it is full at size, or when it has passed sealAt
// bytes. The first record always has room.
func (f *file) room(need, size, sealAt int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.written == format.HeaderSize || f.mu.written+need <= size && f.mu.written < sealAt
}

func (f *file) endOfAppends() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.written
}

// preallocStep is how far ahead of the appends space is reserved, at most a quarter of the volume.
const preallocStep = 64 << 20

// appendOps writes the records of ops, and their companions, one behind the other. The caller is the
// only writer of the volume.
func (f *file) appendOps(ops []*op, iov *[][]byte, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.writing == nil || f.mu.poisoned != nil {
		return fmt.Errorf("volume %s takes no more writes", f.id)
	}
	v := (*iov)[:0]
	start := f.mu.written
	off := start
	for _, o := range ops {
		for x := o; x != nil; x = x.also {
			n := footprint(x.rec.Type, f.class, x.rec.Size())
			x.file, x.at = f, span{off, off + n}
			format.Place(x.head, f.placeID, off, uint64(f.mu.durable))
			v = append(v, x.head)
			used := int64(len(x.head))
			if len(x.payload) > 0 {
				v = append(v, x.payload)
				used += int64(len(x.payload))
			}
			if len(x.table) > 0 {
				v = append(v, x.table)
				used += int64(len(x.table))
			}
			if pad := n - used; pad > 0 {
				v = append(v, zeros[:pad])
			}
			off += n
		}
	}
	*iov = v
	if err := f.reserve(off, min(preallocStep, size/4), size); err != nil {
		return errors.Join(errNoRoom, err)
	}
	if _, err := f.mu.writing.WriteVec(v, start); err != nil {
		return fmt.Errorf("volume %s: append %d bytes at %d: %w", f.id, off-start, start, err)
	}
	for i := range v {
		v[i] = nil
	}
	for _, o := range ops {
		for x := o; x != nil; x = x.also {
			f.track(x.at)
			f.note(&x.rec, x.at)
		}
	}
	return nil
}

// note remembers a record for the footer; the caller holds mu.
func (f *file) note(r *format.Record, at span) {
	f.mu.footer = append(f.mu.footer, format.FooterEntry{Slot: r.Slot, Type: r.Type, Flags: uint8(r.Flags),
		Offset64: uint32(at.From / format.Align), Size64: uint32(r.Size() / format.Align)})
}

// createFile makes a volume: its header and its directory entry are durable when it returns.
func (s *Store) createFile(class format.Class, direct bool) (*file, error) {
	id := s.opt.Clock.Volume()
	var salt [8]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("volume %s: salt: %w", id, err)
	}
	h := format.VolumeHeader{Class: class, Cluster: s.opt.Cluster, Target: s.opt.Target, Mountpath: s.opt.Mountpath,
		Volume: id, Epoch: s.opt.Clock.Epoch(), Created: s.opt.Now(), Salt: binary.LittleEndian.Uint64(salt[:])}
	name := path.Join(s.volumesDir(), volumeFileName(id))
	flags := disk.Create
	if direct {
		flags |= disk.Direct
	}
	w, err := s.opt.FS.OpenFile(name, flags)
	if err != nil {
		return nil, s.spaceError(fmt.Errorf("volume %s: create: %w", id, err))
	}
	f := newFile(s.opt.FS, name, id, h.PlaceID(), class)
	if class == format.ClassCold {
		f.tombsSince = s.counters.unshadowed.Load()
	}
	f.row = volRow{State: StateOpen, Class: class, End: format.HeaderSize, IndexedTo: format.HeaderSize, LastUnix: s.opt.Now()}
	f.mu.writing = w
	f.mu.prealloc = format.HeaderSize
	head := disk.AlignedBuffer(format.HeaderSize)
	copy(head, h.Encode())
	if _, err = w.WriteAt(head, 0); err == nil {
		if err = w.Sync(); err == nil {
			err = s.opt.FS.SyncDir(s.volumesDir())
		}
	}
	if err != nil {
		err = errors.Join(err, w.Close(), s.opt.FS.Remove(name))
		return nil, s.spaceError(fmt.Errorf("volume %s: header: %w", id, err))
	}
	s.addFile(f)
	s.listDue.Store(true)
	s.wakeKeeper()
	return f, nil
}

// spaceError gives an ENOSPC the kind that fronts answer with 507.
func (s *Store) spaceError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ais.Errorf(ais.Exhausted, "mountpath %s is full: %w", s.opt.Mountpath, err)
	}
	return err
}

// retireFile ends the appends to a volume that is full; the keeper seals it once all is indexed.
func (s *Store) retireFile(f *file) {
	f.mu.Lock()
	f.mu.retired = true
	f.mu.Unlock()
	s.wakeKeeper()
}

// poisoned takes a volume out of use after a failed write or sync: how far it may be trusted becomes
// a system record in another volume before anything else is written, so that a restart cannot take
// for acknowledged what the failed sync left behind. It is called by the small lane's goroutine.
func (s *Store) poisoned(f *file, cause error) error {
	limit := s.dropPoisoned(f, cause)
	if s.small.current == f {
		s.small.current = nil
	}
	if err := s.writeLimitHere(f, limit); err != nil {
		s.fail(fmt.Errorf("volume %s failed and its limit cannot be written: %w", f.id, errors.Join(cause, err)))
	}
	return s.spaceError(cause)
}

// dropPoisoned cuts a volume at what is durable, and gives that offset. A sync under way is waited for:
// what it makes durable counts, for its writers are told so.
func (s *Store) dropPoisoned(f *file, cause error) (limit int64) {
	f.mu.Lock()
	if f.mu.poisoned == nil {
		f.mu.poisoned = cause
	}
	for f.mu.syncing {
		f.mu.synced.Wait()
	}
	limit = f.mu.durable
	n := 0
	for n < len(f.mu.outstanding) && f.mu.outstanding[n].To <= limit {
		n++
	}
	f.mu.outstanding = f.mu.outstanding[:n]
	f.mu.written = limit
	f.mu.retired = true
	f.mu.Unlock()
	s.event(Event{Kind: EventPoisoned, Volume: f.id, Offset: limit, Err: cause})
	return limit
}

// writeLimitHere writes and syncs a limit from the small lane's goroutine, into a new volume.
func (s *Store) writeLimitHere(f *file, limit int64) error {
	nf, err := s.createFile(format.ClassSmall, false)
	if err != nil {
		return err
	}
	o := s.systemOp(&format.System{Kind: format.SystemLimit, Volume: f.id, Offset: uint64(limit)})
	var iov [][]byte
	if err := nf.appendOps([]*op{o}, &iov, s.volumeSize()); err != nil {
		s.dropPoisoned(nf, err)
		return err
	}
	if err := nf.syncTo(nf.endOfAppends()); err != nil {
		s.dropPoisoned(nf, err)
		return err
	}
	s.small.current = nf
	s.commits <- &unit{ops: []*op{o}}
	return nil
}

// systemOp forms a SYSTEM record.
func (s *Store) systemOp(y *format.System) *op { return s.systemOpAt(y, s.opt.Clock.LSN()) }

func (s *Store) systemOpAt(y *format.System, lsn ais.LSN) *op {
	o := &op{payload: format.AppendSystem(nil, y), done: make(chan error, 1)}
	o.rec = format.Record{Type: format.TypeSystem, Slot: y.Slot, LSN: lsn,
		Stored: uint64(len(o.payload)), Logical: uint64(len(o.payload))}
	o.seal()
	return o
}

// seal hashes the payload and encodes the head; metadata and key are in place.
func (o *op) seal() {
	o.rec.PayloadHash, o.table = format.HashPayload(o.payload, o.table[:0])
	o.head = format.AppendHead(o.head[:0], &o.rec)
}

// submit hands an op to the small lane and waits until it is done.
func (s *Store) submit(o *op) error {
	select {
	case s.small.queue <- o:
	case <-s.finished:
		s.abandon(o)
		return errStopped()
	}
	select {
	case err := <-o.done:
		return err
	case <-s.finished:
		select {
		case err := <-o.done:
			return err
		default:
			return errStopped()
		}
	}
}

// writeSystem writes a system record through the small lane; it is synced and indexed on return.
func (s *Store) writeSystem(y *format.System) error { return s.submit(s.systemOp(y)) }

// largeLanes are the volumes into which extents are written past the page cache. A writer fills its
// buffer first and takes a lane for that one extent, so that no lane waits on a client.
type largeLanes struct {
	lanes []largeLane
	next  uint32
	mu    sync.Mutex
}

type largeLane struct {
	mu      sync.Mutex
	current *file
	class   format.Class
}

// take locks a lane: a free one if there is any.
func (l *largeLanes) take() *largeLane {
	l.mu.Lock()
	l.next++
	start := int(l.next)
	l.mu.Unlock()
	for i := range l.lanes {
		if x := &l.lanes[(start+i)%len(l.lanes)]; x.mu.TryLock() {
			return x
		}
	}
	x := &l.lanes[start%len(l.lanes)]
	x.mu.Lock()
	return x
}

// appendExtent writes one record of n bytes, padded to the boundary, that begins at the start of the
// aligned buffer buf, with its head not yet placed. The caller holds the lane.
func (s *Store) appendExtent(l *largeLane, buf []byte, r *format.Record) (*file, span, error) {
	if err := s.broken(); err != nil {
		return nil, span{}, err
	}
	n := footprint(r.Type, l.class, r.Size())
	if l.current != nil && (!l.current.room(n, s.volumeSize(), s.sealSize()) || l.current.isPoisoned()) {
		s.retireFile(l.current)
		l.current = nil
	}
	if l.current == nil {
		f, err := s.createFile(l.class, true)
		if err != nil {
			return nil, span{}, err
		}
		l.current = f
	}
	f := l.current
	f.mu.Lock()
	if f.mu.writing == nil || f.mu.poisoned != nil {
		f.mu.Unlock()
		l.current = nil
		return nil, span{}, fmt.Errorf("volume %s takes no more writes", f.id)
	}
	off := f.mu.written
	if err := f.reserve(off+n, min(preallocStep, s.volumeSize()/4), s.volumeSize()); err != nil {
		f.mu.Unlock()
		return nil, span{}, s.spaceError(err)
	}
	w := f.mu.writing
	format.Place(buf[:r.HeadLen()], f.placeID, off, uint64(f.mu.durable))
	f.mu.Unlock()
	if _, err := w.WriteAt(buf[:n], off); err != nil {
		err = fmt.Errorf("volume %s: write extent at %d: %w", f.id, off, err)
		l.current = nil
		return nil, span{}, s.poisonedElsewhere(f, err)
	}
	at := span{off, off + n}
	f.mu.Lock()
	f.track(at)
	f.note(r, at)
	f.mu.Unlock()
	return f, at, nil
}

func (f *file) isPoisoned() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.poisoned != nil
}

// poisonedElsewhere is poisoned for volumes that the small lane does not write: their limit goes
// through it.
func (s *Store) poisonedElsewhere(f *file, cause error) error {
	limit := s.dropPoisoned(f, cause)
	if err := s.writeSystem(&format.System{Kind: format.SystemLimit, Volume: f.id, Offset: uint64(limit)}); err != nil {
		s.fail(fmt.Errorf("volume %s failed and its limit cannot be written: %w", f.id, errors.Join(cause, err)))
	}
	return s.spaceError(cause)
}
