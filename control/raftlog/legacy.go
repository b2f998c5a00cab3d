package raftlog

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
)

// Format 1 was written by nodes that were alone: entries of term 1, each a bare command, no elections
// and no seat. It opens as the log of the only voter, and stays format 1 until the first batch: that
// writes the rows which format 2 has in addition, and the promise takes the place of the file
// "acknowledged".

const (
	acknowledgedBase = "acknowledged"

	legacyFormat = 1
	legacyTerm   = 1
)

// acknowledgedRow is the payload of the file that held the index of the last command of which a caller
// was told that it is durable.
type acknowledgedRow struct {
	Format int    `json:"format"`
	Index  uint64 `json:"index"`
}

// readAcknowledged is the number in the file, and whether the file is there: it was from the first
// acknowledgement on.
func (s *store) readAcknowledged() (index uint64, there bool, err error) {
	b, err := s.fs.ReadFile(path.Join(s.dir, acknowledgedBase))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, s.error("read", err)
	}
	payload, err := openRow([]byte(acknowledgedBase), b)
	if err != nil {
		return 0, false, s.in(acknowledgedBase, err)
	}
	var r acknowledgedRow
	if err := json.Unmarshal(payload, &r); err != nil || r.Format != legacyFormat {
		return 0, false, s.in(acknowledgedBase, ais.Errorf(ais.Corrupt, "it is not readable: %q", payload))
	}
	return r.Index, true, nil
}

// dropAcknowledged removes the file, which says nothing in a log of format 2.
func (s *store) dropAcknowledged() error {
	there, err := exists(s.fs, path.Join(s.dir, acknowledgedBase))
	if err == nil && !there {
		return nil
	}
	if err == nil {
		err = s.fs.Remove(path.Join(s.dir, acknowledgedBase))
	}
	if err == nil {
		err = s.fs.SyncDir(s.dir)
	}
	if err != nil {
		return s.error("remove "+acknowledgedBase, err)
	}
	return nil
}

// bootLegacy reads a log of format 1. A promise that is there was made by an earlier opening, and has
// the seat.
func (s *store) bootLegacy(all *rows, promised record, there bool, random io.Reader) (shape, *Boot, error) {
	if all.state != nil {
		return shape{}, nil, s.in(databaseBase, ais.Errorf(ais.Corrupt, "row %q is in a log of format 1", stateKey))
	}
	boot, err := decodeLegacy(all)
	if err != nil {
		return shape{}, nil, s.in(databaseBase, err)
	}
	last := boot.Snapshot.Index + uint64(len(boot.Entries))
	if err := s.heldLegacy(last, promised); err != nil {
		return shape{}, nil, err
	}
	boot.Seat = promised.seat
	if !there {
		if boot.Seat, err = drawSeat(random); err != nil {
			return shape{}, nil, ais.Errorf(ais.Internal, "control log in %s: %w", s.dir, err)
		}
	}
	boot.Snapshot.Conf = &raftpb.ConfState{Voters: []uint64{uint64(boot.Seat)}}
	r := record{
		seat: boot.Seat, term: legacyTerm, vote: uint64(boot.Seat), commit: last,
		snapshotIndex: boot.Snapshot.Index, snapshotTerm: boot.Snapshot.Term,
		last: last, lastTerm: boot.Snapshot.Term,
	}
	if len(boot.Entries) > 0 {
		r.lastTerm = legacyTerm
	}
	boot.Hard = r.hard()
	now, err := newShape(r, boot)
	if err != nil {
		return shape{}, nil, s.in(databaseBase, err)
	}
	now.unwritten = &boot.Snapshot
	return now, boot, nil
}

// heldLegacy holds the last index against the file "acknowledged" and the promise, which is all zero if
// there is none. An older ais may have gone on after that was made.
func (s *store) heldLegacy(last uint64, promised record) error {
	acknowledged, there, err := s.readAcknowledged()
	switch {
	case err != nil:
		return err
	case promised.sequence > 0:
		return s.in(databaseBase, ais.Errorf(ais.Corrupt, "it has format 1, but the file %q promises %s: its files are damaged or were put back from an old copy", promiseBase, promised))
	case last < acknowledged || last < promised.last:
		return s.in(databaseBase, ais.Errorf(ais.Corrupt, "it ends with entry %d, but entry %d was acknowledged: its files are damaged or were put back from an old copy", last, max(acknowledged, promised.last)))
	case !there && last > 1:
		return ais.Errorf(ais.Corrupt, "control log in %s: the file %q is gone", s.dir, acknowledgedBase)
	}
	return nil
}

// decodeLegacy reads the rows of format 1.
func decodeLegacy(all *rows) (*Boot, error) {
	boot := &Boot{}
	if all.snapshot != nil {
		var head struct {
			Format int    `json:"format"`
			Index  uint64 `json:"index"`
			Term   uint64 `json:"term"`
		}
		if err := json.Unmarshal(all.snapshot, &head); err != nil {
			return nil, ais.Errorf(ais.Corrupt, "row %q is not readable: %w", snapshotKey, err)
		}
		if head.Format != legacyFormat || head.Index == 0 || head.Term != legacyTerm {
			return nil, ais.Errorf(ais.Corrupt, "row %q has format %d, index %d and term %d: none of a log of format 1", snapshotKey, head.Format, head.Index, head.Term)
		}
		boot.Snapshot = Snapshot{Index: head.Index, Term: head.Term, Data: all.snapshot}
	}
	for _, r := range all.entries {
		e, err := decodeEntry(r.index, r.payload)
		if err != nil {
			return nil, err
		}
		if e.GetTerm() != legacyTerm || e.GetType() != raftpb.EntryType_EntryNormal {
			return nil, ais.Errorf(ais.Corrupt, "row %s%d has term %d and type %d: none of a log of format 1", logPrefix, r.index, e.GetTerm(), e.GetType())
		}
		boot.Entries = append(boot.Entries, e)
	}
	return boot, nil
}
