package volume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// headerEnd is the offset of a volume's first record.
const headerEnd = format.HeaderSize

// keeperTick is how often the keeper looks whether something is due, if nobody wakes it.
const keeperTick = time.Second

// trimEvery is how often unused stage buffers are let go.
const trimEvery = 10 * time.Second

// runKeeper is the keeper's goroutine: it seals full volumes, flushes the index in time, writes the
// list of volumes, and finishes what recovery left to be written.
func (s *Store) runKeeper(ctx context.Context) {
	tick := time.NewTicker(keeperTick)
	defer tick.Stop()
	if err := s.finishRecovery(); err != nil {
		s.opt.Logger.Error("finishing recovery", "mountpath", s.opt.Mountpath, "err", err)
	}
	last, trimmed := time.Now(), time.Now()
	for {
		if time.Since(trimmed) >= trimEvery {
			trimmed = time.Now()
			s.buffers.trim()
		}
		if err := s.keep(&last); err != nil && s.broken() == nil {
			s.opt.Logger.Error("keeping volumes", "mountpath", s.opt.Mountpath, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.keeperWake:
		}
	}
}

// keep does what is due.
func (s *Store) keep(last *time.Time) error {
	if err := s.broken(); err != nil {
		return err
	}
	for _, f := range s.fileList() {
		f.mu.Lock()
		due := f.mu.retired && f.mu.poisoned == nil && f.mu.writing != nil
		done := f.mu.retired && f.mu.poisoned != nil && f.mu.writing != nil
		f.mu.Unlock()
		if due && f.abandonedTail() {
			if err := s.indexTail(f); err != nil {
				return err
			}
		}
		switch {
		case done:
			if err := errors.Join(f.closeWriting(), s.setState(f, StateClosed)); err != nil {
				return err
			}
		case due && f.allIndexed():
			if err := s.seal(f); err != nil {
				return err
			}
			s.listDue.Store(true)
		}
	}
	if err := s.writeLosses(); err != nil {
		return err
	}
	if s.listDue.Swap(false) {
		if err := s.writeVolumeList(); err != nil {
			return err
		}
	}
	c := s.config.Load()
	if n := s.unflushed.Load(); n >= c.FlushBytes || n > 0 && time.Since(*last) >= c.FlushInterval {
		*last = time.Now()
		return s.flushIndex()
	}
	return nil
}

// abandonedTail reports whether nothing is left to do in a full volume but to sync what was given up
// before anybody asked for its sync.
func (f *file) abandonedTail() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.mu.outstanding {
		if !f.mu.outstanding[i].done {
			return false
		}
	}
	return len(f.mu.outstanding) > 0
}

// indexTail syncs such a volume, so that all of it is indexed.
func (s *Store) indexTail(f *file) error {
	if err := f.syncTo(f.endOfAppends()); err != nil {
		return s.poisonedElsewhere(f, err)
	}
	return s.commitFunc(func(b *batch) error {
		b.touch(f)
		return nil
	})
}

// setState changes a volume's state in the index.
func (s *Store) setState(f *file, to State) error {
	return s.commitFunc(func(b *batch) error {
		f.row.State = to
		b.touch(f)
		return nil
	})
}

// seal ends a full volume: its footer behind the last record, the file cut to its end, synced. All of
// it is indexed, and nobody appends to it any more.
func (s *Store) seal(f *file) error {
	f.mu.Lock()
	entries, off := f.mu.footer, f.mu.written
	f.mu.footer = nil
	f.mu.Unlock()
	payload := format.AppendFooter(nil, entries)
	r := format.Record{Type: format.TypeFooter, LSN: s.opt.Clock.LSN(), Stored: uint64(len(payload)), Logical: uint64(len(payload))}
	var table []byte
	r.PayloadHash, table = format.HashPayload(payload, nil)
	size := footprint(r.Type, f.class, r.Size())
	buf := disk.AlignedBuffer(int((size + largeAlign - 1) &^ (largeAlign - 1)))
	head := format.AppendHead(buf[:0], &r)
	format.Place(head, f.placeID, off, uint64(off))
	n := len(head)
	n += copy(buf[n:], payload)
	copy(buf[n:], table)
	if f.class == format.ClassSmall {
		buf = buf[:size]
	}
	err := func() error {
		if _, err := f.mu.writing.WriteAt(buf, off); err != nil {
			return fmt.Errorf("footer: %w", err)
		}
		if err := f.mu.writing.Truncate(off + size); err != nil {
			return fmt.Errorf("truncate: %w", err)
		}
		f.mu.Lock()
		f.mu.written = off + size
		f.mu.Unlock()
		return f.syncTo(off + size)
	}()
	if err != nil {
		// The records are synced and indexed; the volume stays closed, without a footer.
		limit := s.dropPoisoned(f, fmt.Errorf("volume %s: seal: %w", f.id, err))
		if e := s.writeSystem(&format.System{Kind: format.SystemLimit, Volume: f.id, Offset: uint64(min(limit, off))}); e != nil {
			s.fail(errors.Join(err, e))
		}
		return errors.Join(err, f.closeWriting(), s.setState(f, StateClosed))
	}
	if err := f.closeWriting(); err != nil {
		return fmt.Errorf("volume %s: close: %w", f.id, err)
	}
	return s.commitFunc(func(b *batch) error {
		f.row.State = StateSealed
		f.row.Footer = size
		f.wholeTo(off + size)
		b.touch(f)
		return nil
	})
}

// hasFooter reports whether the volume ends in a footer that verifies.
func (f *file) hasFooter() (bool, error) {
	payload, err := f.footerAt(f.size)
	return payload != nil, err
}

// readFooter gives the table of a volume, or nil if it has none.
func (f *file) readFooter() ([]format.FooterEntry, error) {
	f.mu.Lock()
	size := max(f.size, f.mu.written)
	f.mu.Unlock()
	payload, err := f.footerAt(size)
	if err != nil || payload == nil {
		return nil, err
	}
	return format.DecodeFooter(payload)
}

// footerAt gives the payload of the footer with which a volume of size bytes ends, or nil: its last record,
// which is looked for from the end.
func (f *file) footerAt(size int64) ([]byte, error) {
	const most = 16 << 20 // a footer of a million records has 12 MiB
	from := max(headerEnd, (size-most)&^(format.Align-1))
	w := &window{f: f, to: size, size: windowSize}
	for off := (size - 1) &^ (format.Align - 1); off >= from; off -= format.Align {
		b, err := f.tailBytes(w, off)
		if err != nil {
			return nil, err
		}
		if format.NextCandidate(b, 0) != 0 {
			continue
		}
		rec, payload, err := w.record(off, true)
		if errors.Is(err, errNoRecord) {
			continue
		}
		if err != nil || rec.Type != format.TypeFooter || size-off-rec.Size() >= largeAlign {
			return nil, err
		}
		return payload, nil
	}
	return nil, nil
}

// tailBytes reads backwards through a window that ends behind off.
func (f *file) tailBytes(w *window, off int64) ([]byte, error) {
	if off < w.from || off+format.Align > w.from+int64(len(w.buf)) {
		start := max(headerEnd, (off+format.Align-windowSize)&^(format.Align-1))
		if _, err := w.need(start, int(min(off+format.Align, w.to)-start)); err != nil {
			return nil, err
		}
	}
	return w.need(off, format.Align)
}

// writeVolumeList records which volumes exist, so that a rebuild knows of one that is not there. It
// makes the notices of removed volumes that are older superfluous: so it draws its LSN before it looks,
// and leaves out volumes whose notice may be older than that.
func (s *Store) writeVolumeList() error {
	lsn := s.opt.Clock.LSN()
	y := &format.System{Kind: format.SystemVolumeList}
	for _, f := range s.fileList() {
		if row, _ := f.known(); row.State != StateUnlinking && !f.leaving.Load() {
			y.Volumes = append(y.Volumes, f.id)
		}
	}
	return s.submit(s.systemOpAt(y, lsn))
}

// madeBy gives the version of the name that was written with a stamp, or a blank if it is gone.
func (t *Tx) madeBy(modified ais.Stamp) (*ais.Object, error) {
	for _, v := range []ais.VersionID{ais.NullVersion, ais.VersionID(modified)} {
		o, err := t.s.Stat(t.bucket, t.name, &v)
		switch {
		case err == nil && o.Modified == modified:
			return o, nil
		case err != nil && !ais.IsKind(err, ais.NotFound):
			return nil, err
		}
	}
	return &ais.Object{}, nil
}

// finishRecovery writes what recovery found wanting: tombstones of uploads whose completion was cut
// off behind the COMMIT, and a list of the volumes.
func (s *Store) finishRecovery() error {
	for _, x := range s.unclosed {
		if x.row.Shadows == 0 {
			if err := s.commitFunc(func(b *batch) error { return b.forgetClosed(x.id) }); err != nil {
				return err
			}
		}
	}
	for _, x := range s.unclosed {
		u, id := &x.row, x.id
		if u.Shadows == 0 {
			continue
		}
		t := &Tx{s: s, bucket: u.Bucket, name: u.Name, slot: u.Slot}
		var became *completion
		if u.State == uploadCompleted {
			made, err := t.madeBy(u.Modified)
			if err != nil {
				return err
			}
			became = &completion{u.Modified, made.Attributes, !made.Version.IsNull()}
		}
		o := t.uploadTomb(id, became)
		// The stamp is not noted as on its way: landing, it would make all before it count as stable.
		o.rec.Modified, o.rec.LSN = s.opt.Clock.Stamp(), s.opt.Clock.LSN()
		o.rec.Meta = format.AppendMeta(nil, &o.meta)
		o.seal()
		if err := s.submit(o); err != nil {
			return err
		}
	}
	s.unclosed = nil
	return s.writeMade()
}

// unclosedUpload is a closed upload whose TOMBSTONE is in no volume.
type unclosedUpload struct {
	id  ais.WriteID
	row uploadRow
}

// findUnclosed notes what finishRecovery has to write. It looks before anything is served: later there may be
// uploads whose COMMIT came from another copy, and whose TOMBSTONE is on its way.
func (s *Store) findUnclosed() error {
	return s.forRange([]byte{spaceUploadID}, []byte{spaceUploadID + 1}, func(k, v []byte) error {
		u, err := decodeUploadRow(v)
		if err != nil || u.State == uploadOpen || u.Place.Size > 0 {
			return err
		}
		id := ais.WriteID(k[1:17])
		if u.State == uploadUnknown {
			// A copy that was being filled may have had parts before their upload, which is to come yet.
			parts := false
			if err := s.forParts(s.db, id, 0, func(uint32, *partRow) bool { parts = true; return false }); err != nil || parts {
				return err
			}
		}
		s.unclosed = append(s.unclosed, unclosedUpload{id, u})
		return nil
	})
}

// forgetClosed takes a closed upload out of the index of which nothing is in any volume.
func (b *batch) forgetClosed(id ais.WriteID) error {
	u, ok, err := b.s.uploadAt(b.r, id)
	if err != nil || !ok || u.State == uploadOpen || u.Place.Size > 0 || u.Shadows > 0 {
		return err
	}
	b.key = writeKey(b.key[:0], spaceUploadID, id)
	b.del()
	return nil
}
