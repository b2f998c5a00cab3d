package raftlog

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
)

// boot reads the log, holds it against what it promised, and promises what was found. A log that is
// not there is made.
func (s *store) boot(random io.Reader) (shape, *Boot, error) {
	promised, there, err := readPromise(s.fs, s.dir)
	if err != nil {
		return shape{}, nil, s.in(promiseBase, err)
	}
	all, err := s.read()
	if err != nil {
		return shape{}, nil, err
	}
	var now shape
	var boot *Boot
	switch {
	case all.format == 0 || all.format == legacyFormat && all.isEmpty():
		now, boot, err = s.bootFresh(promised, random)
	case all.format == legacyFormat:
		now, boot, err = s.bootLegacy(all, promised, there, random)
	default:
		now, boot, err = s.bootRows(all, promised, there)
	}
	if err != nil {
		return shape{}, nil, err
	}
	if s.promise, err = makePromise(s.fs, s.dir, now.record); err != nil {
		return shape{}, nil, s.error("write the promise", err)
	}
	if boot.Fresh {
		err = s.commit(&planned{next: now}, true)
	}
	return now, boot, err
}

// isEmpty reports whether there are no rows but the format.
func (r *rows) isEmpty() bool { return r.state == nil && r.snapshot == nil && len(r.entries) == 0 }

// bootFresh starts a log where there are no rows, or no command in format 1. If something was promised they are lost.
func (s *store) bootFresh(promised record, random io.Reader) (shape, *Boot, error) {
	acknowledged, _, err := s.readAcknowledged()
	if err != nil {
		return shape{}, nil, err
	}
	if acknowledged > 0 || promised.last > 0 || promised.term > 0 {
		return shape{}, nil, ais.Errorf(ais.Corrupt, "control log in %s: %s: the database is empty, but entry %d and term %d were promised: its files are gone", s.dir, databaseBase, max(promised.last, acknowledged), promised.term)
	}
	// Never the seat of a promise that lies there: whoever had it may have been told more than is left.
	seat, err := drawSeat(random)
	if err != nil {
		return shape{}, nil, ais.Errorf(ais.Internal, "control log in %s: %w", s.dir, err)
	}
	now := shape{record: record{seat: seat, sequence: 1}}
	boot := &Boot{Seat: seat, Hard: now.hard(), Snapshot: Snapshot{Conf: &raftpb.ConfState{}}, Fresh: true}
	return now, boot, nil
}

// drawSeat draws a seat. Raft keeps 0 and the two highest numbers for itself.
func drawSeat(random io.Reader) (ais.SeatID, error) {
	for {
		var b [8]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, fmt.Errorf("draw a seat: %w", err)
		}
		if seat := binary.LittleEndian.Uint64(b[:]); seatUsable(seat) {
			return ais.SeatID(seat), nil
		}
	}
}

func seatUsable(seat uint64) bool { return seat != 0 && seat < math.MaxUint64-1 }

// bootRows reads a log of the present format.
func (s *store) bootRows(all *rows, promised record, there bool) (shape, *Boot, error) {
	switch {
	case all.state == nil:
		return shape{}, nil, s.in(databaseBase, ais.Errorf(ais.Corrupt, "row %q is gone, others are there", stateKey))
	case !there:
		return shape{}, nil, ais.Errorf(ais.Corrupt, "control log in %s: the file %q is gone: what the log promised is not known", s.dir, promiseBase)
	}
	boot := &Boot{Seat: all.state.seat, Hard: all.state.hard(), Snapshot: Snapshot{Conf: &raftpb.ConfState{}}}
	if all.snapshot != nil {
		snapshot, err := decodeSnapshot(all.snapshot)
		if err != nil {
			return shape{}, nil, s.in(databaseBase, err)
		}
		boot.Snapshot = snapshot
	}
	for _, r := range all.entries {
		e, err := decodeEntry(r.index, r.payload)
		if err != nil {
			return shape{}, nil, s.in(databaseBase, err)
		}
		boot.Entries = append(boot.Entries, e)
	}
	now, err := newShape(*all.state, boot)
	if err != nil {
		return shape{}, nil, s.in(databaseBase, err)
	}
	if err := promised.held(now.record); err != nil {
		return shape{}, nil, s.in(databaseBase, err)
	}
	return now, boot, s.dropAcknowledged()
}

// newShape holds the rows against each other: the entries follow the snapshot and each other, and all
// is as the record says.
func newShape(r record, boot *Boot) (shape, error) {
	s := shape{record: r}
	corrupt := func(format string, args ...any) (shape, error) {
		return shape{}, ais.Errorf(ais.Corrupt, format, args...)
	}
	if boot.Snapshot.Index != r.snapshotIndex || boot.Snapshot.Term != r.snapshotTerm {
		return corrupt("row %q is of index %d and term %d, but row %q says %s", snapshotKey, boot.Snapshot.Index, boot.Snapshot.Term, stateKey, r)
	}
	last, term := r.snapshotIndex, r.snapshotTerm
	for _, e := range boot.Entries {
		switch {
		case e.GetIndex() != last+1:
			return corrupt("row %s%d follows entry %d: there is a gap, or what should be gone is not", logPrefix, e.GetIndex(), last)
		case e.GetTerm() < term:
			return corrupt("row %s%d has term %d, the entry before it %d", logPrefix, e.GetIndex(), e.GetTerm(), term)
		}
		last, term = e.GetIndex(), e.GetTerm()
		s.terms = append(s.terms, term)
	}
	switch {
	case last != r.last || term != r.lastTerm:
		return corrupt("the last entry is %d of term %d, but row %q says %s", last, term, stateKey, r)
	case r.commit > r.last || r.commit < r.snapshotIndex:
		return corrupt("row %q has commit %d outside of the log: %s", stateKey, r.commit, r)
	case r.lastTerm > r.term:
		return corrupt("row %q has term %d below that of the last entry: %s", stateKey, r.term, r)
	case !seatUsable(uint64(r.seat)):
		return corrupt("row %q has the seat %s, which no log can have", stateKey, r.seat)
	}
	return s, nil
}

// formatRow is the payload of the row that says what the database is.
type formatRow struct {
	Format int `json:"format"`
}

func encodeFormat() []byte { return fmt.Appendf(nil, `{"format":%d}`, formatVersion) }

// decodeFormat reads the format, and refuses one that this version does not know.
func decodeFormat(b []byte) (int, error) {
	var r formatRow
	if err := json.Unmarshal(b, &r); err != nil || r.Format < 1 {
		return 0, ais.Errorf(ais.Corrupt, "row %q is not readable: %q", formatKey, b)
	}
	if r.Format > formatVersion {
		return 0, ais.Errorf(ais.Invalid, "the log has format %d, this ais knows up to %d: a newer ais wrote it", r.Format, formatVersion)
	}
	return r.Format, nil
}
