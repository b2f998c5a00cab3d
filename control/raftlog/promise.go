package raftlog

import (
	"errors"
	"io/fs"
	"path"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// The promise is the log's record outside the database. Pebble takes a damaged record of its log or
// of its manifest for the end of the file, as a crash would leave it, and goes on without what
// follows; a database whose files are gone it makes anew. A voter that forgets so what it said is
// worse than one that is dead, so what Pebble gives is held against this file.

const (
	promiseBase = "promise"

	// Two slots, written by turns, so that one of them is whole whatever a crash does to the other.
	// They lie in blocks of their own, as a disk may tear a whole physical block.
	slotSize     = 512
	slotDistance = 4096
	promiseSize  = 2 * slotDistance
)

// slotKey is the key under which a slot's checksum is made: a slot in the other's place is found.
func slotKey(slot int) []byte {
	return []byte{'p', 'r', 'o', 'm', 'i', 's', 'e', '/', '0' + byte(slot)}
}

// encodeSlot is a slot's bytes: checksum, record, zeros.
func encodeSlot(slot int, r record) []byte {
	payload := make([]byte, slotSize-rowChecksum)
	copy(payload, r.encode())
	return sealRow(slotKey(slot), payload)
}

// decodeSlot reads what encodeSlot gives. A slot that was never written, or whose writing was torn, is
// not there; so is a damaged one, and then the other one and the database have the say.
func decodeSlot(slot int, b []byte) (r record, there bool, err error) {
	payload, err := openRow(slotKey(slot), b)
	if err != nil {
		return r, false, nil
	}
	if payload[0] == recordLayout {
		payload = payload[:recordSize]
	}
	r, err = decodeRecord(payload)
	return r, err == nil, err
}

// decodePromise reads the file: the newer of its slots.
func decodePromise(b []byte) (newest record, err error) {
	if len(b) != promiseSize {
		return record{}, ais.Errorf(ais.Corrupt, "it has %d bytes, want %d", len(b), promiseSize)
	}
	found := false
	for slot := range 2 {
		r, there, err := decodeSlot(slot, b[slot*slotDistance:][:slotSize])
		if err != nil {
			return record{}, err
		}
		if there && (!found || r.sequence > newest.sequence) {
			newest, found = r, true
		}
	}
	if !found {
		return record{}, ais.Errorf(ais.Corrupt, "neither of its slots is readable")
	}
	return newest, nil
}

// readPromise reads the file in dir; there is false if there is none.
func readPromise(fsys disk.FS, dir string) (r record, there bool, err error) {
	b, err := fsys.ReadFile(path.Join(dir, promiseBase))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, ais.Errorf(ais.Unavailable, "%w", err)
	}
	r, err = decodePromise(b)
	return r, err == nil, err
}

// promiseFile is the file, open for writing.
type promiseFile struct {
	file disk.File
	next int // the slot to write: the one that does not hold the newest record
}

// makePromise replaces the file by one that holds r alone. So a log that was opened promises what it
// was opened with, and the two slots have one origin.
func makePromise(fsys disk.FS, dir string, r record) (*promiseFile, error) {
	name := path.Join(dir, promiseBase)
	b := make([]byte, promiseSize)
	copy(b, encodeSlot(0, r))
	if err := fsys.WriteFileSync(name, b); err != nil {
		return nil, err
	}
	f, err := fsys.OpenFile(name, disk.ReadWrite)
	if err != nil {
		return nil, err
	}
	return &promiseFile{file: f, next: 1}, nil
}

// write makes r durable: one write into space that is there, one sync of the data.
func (p *promiseFile) write(r record) error {
	if _, err := p.file.WriteAt(encodeSlot(p.next, r), int64(p.next)*slotDistance); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	p.next = 1 - p.next
	return nil
}

func (p *promiseFile) close() error { return p.file.Close() }

// held says what is wrong with a database whose newest record is now, by what was promised: nil if
// nothing is. A database is ahead of its promise by the batch that a crash interrupted, and by commits.
func (promised record) held(now record) error {
	behind := func(what string) error {
		return ais.Errorf(ais.Corrupt, "the database is behind what the file %q promises (%s): it has %s, but %s was promised; its files are damaged or were put back from an old copy", promiseBase, what, now, promised)
	}
	same := now
	same.commit = promised.commit
	switch {
	case now.seat != promised.seat:
		return ais.Errorf(ais.Corrupt, "the database is of seat %s, the file %q of seat %s: they are not of one log", now.seat, promiseBase, promised.seat)
	case now.sequence < promised.sequence:
		return behind("batch")
	case now.term < promised.term:
		return behind("term")
	case now.term == promised.term && promised.vote != 0 && now.vote != promised.vote:
		return behind("vote")
	case now.snapshotIndex < promised.snapshotIndex:
		return behind("snapshot")
	case now.sequence == promised.sequence && same != promised:
		return behind("entries")
	}
	return nil
}
