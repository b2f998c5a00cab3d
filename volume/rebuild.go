package volume

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
)

// rebuild makes the index from the volumes alone, beside the old one, and swaps by rename: a crash
// anywhere leaves the old index, or none, and the next start begins again.
func (s *Store) rebuild(ctx context.Context) error {
	fresh := path.Join(s.opt.Dir, "index.rebuild")
	if err := s.removeTree(fresh); err != nil {
		return err
	}
	if err := s.opt.FS.MkdirAll(fresh); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	for _, f := range s.fileList() {
		if f.missing.Load() {
			s.dropFile(f.id)
			continue
		}
		f.forget()
	}
	if err := s.findSealed(); err != nil {
		return err
	}
	db, fuse, err := s.openIndex(fresh)
	s.db, s.fuse = db, fuse
	if err != nil {
		s.db = nil
		return err
	}
	s.rebuilding = true
	err = s.replay(ctx)
	s.rebuilding = false
	if err != nil {
		return err
	}
	if err := s.loadSystem(); err != nil {
		return err
	}
	if err := s.noteMissing(); err != nil {
		return err
	}
	if err := s.db.Set(metaKey(), binary.LittleEndian.AppendUint32(nil, indexVersion), pebble.NoSync); err != nil {
		return s.indexError(err)
	}
	if err := s.endRecovery(); err != nil {
		return err
	}
	if err := s.swapIndex(fresh); err != nil {
		return err
	}
	s.event(Event{Kind: EventRebuilt})
	return nil
}

// forget takes what an index said of a volume back.
func (f *file) forget() {
	f.row = volRow{State: StateClosed, Class: f.class, End: headerEnd, IndexedTo: headerEnd}
	if f.unreadable {
		f.row.State = StateQuarantined
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.outstanding = nil
	f.mu.indexedTo = headerEnd
}

// swapIndex puts a finished index in the place of the old one, and opens it there.
func (s *Store) swapIndex(fresh string) error {
	if err := s.db.Close(); err != nil {
		return s.indexError(err)
	}
	s.db = nil
	if err := s.removeTree(s.indexDir()); err != nil {
		return err
	}
	if err := s.opt.FS.Rename(fresh, s.indexDir()); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if err := s.opt.FS.SyncDir(s.opt.Dir); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	db, fuse, err := s.openIndex(s.indexDir())
	s.db, s.fuse = db, fuse
	if err != nil {
		s.db = nil
	}
	return err
}

// removeTree removes a directory of plain files, and is content if there is none.
func (s *Store) removeTree(dir string) error {
	names, err := s.opt.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	for _, n := range names {
		if err := s.opt.FS.Remove(path.Join(dir, n)); err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	if err := s.opt.FS.Remove(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return s.opt.FS.SyncDir(path.Dir(dir))
}

// noteMissing compares the volumes with the newest list of them that any volume holds.
func (s *Store) noteMissing() error {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	for id := range s.system.listed {
		if s.file(id) != nil {
			continue
		}
		f := newFile(s.opt.FS, path.Join(s.volumesDir(), volumeFileName(id)), id, 0, 0)
		f.row = volRow{State: StateMissing, End: headerEnd, IndexedTo: headerEnd}
		f.missing.Store(true)
		s.addFile(f)
		s.event(Event{Kind: EventMissing, Volume: id, Err: errors.New("a list of volumes names it, and it is not on the disk")})
	}
	return nil
}

// findSealed looks for the footer of every volume: a sealed one was whole and synced when it was
// written, so that heads are enough to index it.
func (s *Store) findSealed() error {
	for _, f := range s.fileList() {
		if f.unreadable || f.size <= headerEnd {
			continue
		}
		sealed, err := f.hasFooter()
		if err != nil {
			return err
		}
		if sealed {
			f.row.State = StateSealed
		}
	}
	return nil
}

// VolumeInfo is what is known of a volume, for people and for the choice of jobs.
type VolumeInfo struct {
	ID       ais.VolumeID `json:"id"`
	State    string       `json:"state"`
	Class    string       `json:"class"`
	End      int64        `json:"end"`
	Live     int64        `json:"live"`
	Dead     int64        `json:"dead"`
	Tombs    int64        `json:"tombstones"`
	Records  int64        `json:"records"`
	VacuumTo int64        `json:"vacuum_to,omitempty"`
	Limit    int64        `json:"limit,omitempty"`
}
