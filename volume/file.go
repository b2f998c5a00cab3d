package volume

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// largeAlign is the boundary on which extents start in large and cold volumes, so that they can be
// written past the page cache.
const largeAlign = disk.Alignment

// footprint is the bytes that a record takes on a volume of a class, padding included. Extents and
// other records never share a large or cold volume, so nothing but padding lies between records.
func footprint(t format.Type, c format.Class, size int64) int64 {
	if t == format.TypeExtent && c != format.ClassSmall {
		return (size + largeAlign - 1) &^ (largeAlign - 1)
	}
	return size
}

// file is one volume. Lock order: largeLane.mu, then file.mu.
type file struct {
	id      ais.VolumeID
	placeID ais.VolumeID // what record checksums take for the volume: see format.VolumeHeader.PlaceID
	class   format.Class
	path    string
	fs      disk.FS

	// readers are counted so that an unlink waits for them.
	refs atomic.Int64
	gone atomic.Bool
	// leaving: a notice that it is removed is being written; no list of volumes names it any more.
	leaving atomic.Bool
	// missing: the index knows the volume and the file is not there.
	missing atomic.Bool
	idle    chan struct{} // closed when gone and the last reader has left

	reading atomic.Pointer[handle]

	mu struct {
		sync.Mutex
		writing  disk.File // nil once nothing is appended any more
		written  int64     // end of the last append
		prealloc int64     // space is reserved to here
		syncing  bool
		synced   *sync.Cond
		durable  int64 // all before it survives a power loss
		poisoned error // a write or sync failed: no byte is written or synced again
		// outstanding are the records appended and not yet indexed, or indexed behind one that is not,
		// in order of offset. indexedTo is where the first begins.
		outstanding []tracked
		indexedTo   int64
		footer      []format.FooterEntry
		retired     bool // full: to be sealed once all is indexed
		dead        int64
		shown       volRow // the row as last written, for everybody but the committer
	}

	retryAt    atomic.Int64 // Unix nanoseconds before which it is not vacuumed again, after a failure
	tombsSince int64        // of a cold volume: counters.unshadowed when it was made, else -1
	size       int64        // of the file when it was opened, for volumes of a past life
	unreadable bool         // its header is damaged: no record of it can be verified
	ahead      bool         // a past life was still appending to it, with space reserved ahead

	// row is changed by the committer alone; others read the copy that Store.Volumes gives.
	row volRow
}

type handle struct{ f disk.File }

type tracked struct {
	span
	done bool
}

func newFile(fs disk.FS, path string, id, placeID ais.VolumeID, class format.Class) *file {
	f := &file{id: id, placeID: placeID, class: class, path: path, fs: fs, idle: make(chan struct{})}
	f.mu.synced = sync.NewCond(&f.mu)
	f.tombsSince = -1
	f.mu.indexedTo = format.HeaderSize
	f.mu.written = format.HeaderSize
	f.mu.durable = format.HeaderSize
	return f
}

// acquire pins the volume for reading; false if it is going or gone, and the index knows a newer place.
func (f *file) acquire() bool {
	f.refs.Add(1)
	if f.gone.Load() || f.missing.Load() {
		f.release()
		return false
	}
	return true
}

func (f *file) release() {
	if f.refs.Add(-1) == 0 && f.gone.Load() {
		f.mu.Lock()
		select {
		case <-f.idle:
		default:
			close(f.idle)
		}
		f.mu.Unlock()
	}
}

// retire makes acquire fail; idle is closed once the last reader has left.
func (f *file) retire() {
	f.refs.Add(1)
	f.gone.Store(true)
	f.release()
}

// reader gives the handle for reading, opened at first use.
func (f *file) reader() (disk.File, error) {
	if h := f.reading.Load(); h != nil {
		return h.f, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.reading.Load(); h != nil {
		return h.f, nil
	}
	r, err := f.fs.OpenFile(f.path, disk.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("volume %s: open: %w", f.id, err)
	}
	f.reading.Store(&handle{r})
	return r, nil
}

// readFull reads exactly len(p) bytes; a file that ends before is damage, for the index says that
// there is more.
func (f *file) readFull(p []byte, off int64) error {
	r, err := f.reader()
	if err != nil {
		return err
	}
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF || err == nil {
		return ais.Errorf(ais.Corrupt, "volume %s ends at %d, before a record at %d", f.id, off+int64(n), off)
	}
	return fmt.Errorf("volume %s: read %d bytes at %d: %w", f.id, len(p), off, err)
}

// track notes an appended record; the caller holds mu.
func (f *file) track(s span) {
	f.mu.outstanding = append(f.mu.outstanding, tracked{span: s})
	f.mu.written = s.To
}

// indexed notes that the index (in the batch being made) covers the record at s, alive or dead, and
// updates the row's account of it. Only the committer calls it.
func (f *file) indexed(s span) {
	if !f.indexedIfKnown(s) {
		panic(fmt.Sprintf("volume %s: record at %d indexed twice, or never appended", f.id, s.From))
	}
}

// indexedIfKnown is indexed for a record that a poisoned volume may have forgotten.
func (f *file) indexedIfKnown(s span) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, found := slices.BinarySearchFunc(f.mu.outstanding, s.From, func(t tracked, off int64) int {
		return int(min(1, max(-1, t.From-off)))
	})
	if !found {
		return false
	}
	f.mu.outstanding[i].done = true
	f.row.End = max(f.row.End, s.To)
	f.advance()
	return true
}

// advance moves indexedTo over what is indexed and durable; the caller holds mu.
func (f *file) advance() {
	n := 0
	for n < len(f.mu.outstanding) && f.mu.outstanding[n].done && f.mu.outstanding[n].To <= f.mu.durable {
		f.mu.indexedTo = f.mu.outstanding[n].To
		n++
	}
	f.mu.outstanding = f.mu.outstanding[n:]
	if len(f.mu.outstanding) == 0 {
		f.mu.outstanding = nil
	}
}

// rowNow gives the row with what is indexed at this moment, for the batch that is being made.
func (f *file) rowNow() *volRow {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
	f.row.IndexedTo = f.mu.indexedTo
	f.row.Above = f.row.Above[:0]
	for _, t := range f.mu.outstanding {
		if !t.done || t.To > f.mu.durable {
			continue
		}
		if n := len(f.row.Above); n > 0 && f.row.Above[n-1].To == t.From {
			f.row.Above[n-1].To = t.To
		} else {
			f.row.Above = append(f.row.Above, t.span)
		}
	}
	f.mu.shown = f.row
	f.mu.shown.Above = nil
	f.mu.dead = f.row.Dead()
	return &f.row
}

// known gives the row as last written, with its dead bytes.
func (f *file) known() (row volRow, dead int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.shown, f.mu.dead
}

// allIndexed reports whether nothing is appended, pending or unsynced any more.
func (f *file) allIndexed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.outstanding) == 0
}

// syncTo makes all up to off durable. Callers that come while a sync runs share the next one. After
// a failure the volume is poisoned: every later call fails, and the descriptor is not synced again.
func (f *file) syncTo(off int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.mu.durable >= off:
			return nil
		case f.mu.poisoned != nil:
			return fmt.Errorf("volume %s is poisoned: %w", f.id, f.mu.poisoned)
		case f.mu.syncing:
			f.mu.synced.Wait()
			continue
		case f.mu.writing == nil:
			return fmt.Errorf("volume %s: sync to %d after its end at %d", f.id, off, f.mu.durable)
		}
		f.mu.syncing = true
		w, to := f.mu.writing, f.mu.written
		f.mu.Unlock()
		err := w.Sync()
		f.mu.Lock()
		f.mu.syncing = false
		if err != nil {
			f.mu.poisoned = fmt.Errorf("sync: %w", err)
		} else {
			f.mu.durable = max(f.mu.durable, to)
		}
		f.mu.synced.Broadcast()
	}
}

// poison forbids all further writes and syncs.
func (f *file) poison(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.poisoned == nil {
		f.mu.poisoned = err
	}
}

// reserve preallocates in steps, so that out-of-space comes here and not from a write; the caller
// holds the lane.
func (f *file) reserve(end, step, limit int64) error {
	if f.mu.prealloc >= end {
		return nil
	}
	to := min(max(f.mu.prealloc+step, end), max(limit, end))
	from := f.mu.prealloc
	if err := f.mu.writing.Preallocate(from, to-from); err != nil {
		// A smaller step may still fit.
		if err := f.mu.writing.Preallocate(from, end-from); err != nil {
			return fmt.Errorf("volume %s: preallocate to %d: %w", f.id, end, err)
		}
		to = end
	}
	f.mu.prealloc = to
	return nil
}

// writeBack starts writing what was appended to the disk, so that the sync behind it has little left to
// wait for, and others' syncs are not held up. It is advice: errors show at the sync.
func (f *file) writeBack(from, to int64) {
	f.mu.Lock()
	w := f.mu.writing
	f.mu.Unlock()
	if w != nil {
		_ = w.Writeback(from, to-from)
	}
}

// closeWriting gives the descriptor for writing back.
func (f *file) closeWriting() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.writing == nil {
		return nil
	}
	w := f.mu.writing
	f.mu.writing = nil
	return w.Close()
}

func (f *file) close() error {
	err := f.closeWriting()
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.reading.Swap(nil); h != nil {
		if e := h.f.Close(); err == nil {
			err = e
		}
	}
	return err
}
