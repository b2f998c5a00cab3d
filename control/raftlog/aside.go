package raftlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

const (
	// damagedInfix and a number follow the name of a log that was set aside.
	damagedInfix = ".damaged-"
	// resetSuffix follows the name of a log that Reset makes, until it is whole.
	resetSuffix = ".new"

	damagedMax = 1000 // so many logs set aside and nobody who looked: somebody should
)

// SetAside gives the log in dir the name dir.damaged-N, with the lowest N from 1 that is free, and
// returns it. Nothing in it is changed or deleted. Errors are of kind NotFound if there is no log, and
// Unavailable if the disk fails or a process has the log open.
func SetAside(fsys disk.FS, dir string) (newName string, err error) {
	if _, err := fsys.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", ais.Errorf(ais.NotFound, "there is no control log in %s", dir)
	}
	if newName, err = setAside(fsys, path.Clean(dir)); err != nil {
		return "", ais.Errorf(ais.Unavailable, "set the control log in %s aside: %w", dir, err)
	}
	return newName, nil
}

func setAside(fsys disk.FS, dir string) (newName string, err error) {
	lock, err := lockLog(fsys, dir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if newName, err = freeName(fsys, dir); err != nil {
		return "", err
	}
	if err := fsys.Rename(dir, newName); err != nil {
		return "", err
	}
	return newName, fsys.SyncDir(path.Dir(dir))
}

// freeName is the first name for a damaged log that is not taken.
func freeName(fsys disk.FS, dir string) (string, error) {
	for n := 1; n <= damagedMax; n++ {
		name := fmt.Sprintf("%s%s%d", dir, damagedInfix, n)
		_, err := fsys.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%d damaged logs lie beside it already", damagedMax)
}

// lockLog takes the lock of the log's database, so that no process has it open. A log without a
// database has no lock.
func lockLog(fsys disk.FS, dir string) (io.Closer, error) {
	lock, err := pebble.LockDirectory(path.Join(dir, databaseBase), disk.PebbleFS(fsys))
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	return lock, err
}

// Reset replaces the log in o.Dir, if there is one, by a new one that begins with snapshot and whose
// only voter is seat: a cluster that lost its quorum goes on from a survivor. The old log is set aside
// as SetAside does. No process may have the log open. A crash leaves the old log or the new one; where
// it comes between, the next Open (or Reset) ends what was begun.
func Reset(o Options, snapshot Snapshot, seat ais.SeatID) error {
	if !seatUsable(uint64(seat)) {
		return ais.Errorf(ais.Invalid, "reset the control log in %s: no log can have the seat %s", o.Dir, seat)
	}
	snapshot.Conf = &raftpb.ConfState{Voters: []uint64{uint64(seat)}}
	if err := checkSnapshot(&snapshot); err != nil {
		return ais.Errorf(ais.Invalid, "reset the control log in %s: %w", o.Dir, err)
	}
	if err := finishReset(o); err != nil {
		return err
	}
	if err := reset(o, snapshot, seat); err != nil {
		return ais.Errorf(ais.Unavailable, "reset the control log in %s: %w", o.Dir, err)
	}
	return nil
}

func reset(o Options, snapshot Snapshot, seat ais.SeatID) error {
	made := path.Clean(o.Dir) + resetSuffix
	if err := disk.PebbleFS(o.FS).RemoveAll(made); err != nil {
		return err // what a crash left of an earlier attempt cannot be cleared
	}
	if err := makeDir(o.FS, made); err != nil {
		return err
	}
	if err := writeReset(o, made, snapshot, seat); err != nil {
		return err
	}
	if _, err := o.FS.Stat(o.Dir); err == nil {
		if _, err := setAside(o.FS, path.Clean(o.Dir)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return finishReset(o)
}

// writeReset writes the new log into a directory of its own. The promise comes last: it says that the
// rest is whole.
func writeReset(o Options, dir string, snapshot Snapshot, seat ais.SeatID) error {
	s, err := openStore(o.FS, dir, o.Logger)
	if err != nil {
		return err
	}
	r := record{
		seat: seat, sequence: 1, term: snapshot.Term, commit: snapshot.Index,
		snapshotIndex: snapshot.Index, snapshotTerm: snapshot.Term,
		last: snapshot.Index, lastTerm: snapshot.Term,
	}
	if err := s.commit(&planned{next: shape{record: r}, snapshot: &snapshot}, true); err != nil {
		s.abandon()
		return err
	}
	if err := s.close(); err != nil {
		return err
	}
	p, err := makePromise(o.FS, dir, r)
	if err != nil {
		return err
	}
	return p.close()
}

// finishReset gives a log that Reset has made whole its place, if nothing is there. A log that a crash
// left half made is not touched: the next Reset clears it.
func finishReset(o Options) error {
	dir := path.Clean(o.Dir)
	if _, err := o.FS.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // if it cannot be read, who opens it will say so
	}
	if _, there, err := readPromise(o.FS, dir+resetSuffix); !there {
		if err != nil {
			return ais.Errorf(ais.KindOf(err), "control log in %s%s: %s: %w", dir, resetSuffix, promiseBase, err)
		}
		return nil
	}
	err := o.FS.Rename(dir+resetSuffix, dir)
	if err == nil {
		err = o.FS.SyncDir(path.Dir(dir))
	}
	if err != nil {
		return ais.Errorf(ais.Unavailable, "control log in %s: finish the reset: %w", dir, err)
	}
	return nil
}
