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
	// asideInfix and a number follow the name of a log that was set aside.
	asideInfix = ".aside-"
	// resetSuffix follows the name of a log that Reset makes, until it is whole.
	resetSuffix = ".new"

	damagedMax = 1000 // so many logs set aside and nobody who looked: somebody should
)

// SetAside gives the log in dir the name dir.aside-N, with the lowest N from 1 that is free, and
// returns it. Nothing in it is changed or deleted. Errors are of kind NotFound if there is no log, and
// Unavailable if the disk fails or a process has the log open.
func SetAside(fsys disk.FS, dir string) (newName string, err error) {
	if there, err := exists(fsys, dir); err == nil && !there {
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
	if err := dropReset(fsys, dir); err != nil {
		return "", err
	}
	return renameAside(fsys, dir)
}

// renameAside gives a log that is locked its new name.
func renameAside(fsys disk.FS, dir string) (newName string, err error) {
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
		name := fmt.Sprintf("%s%s%d", dir, asideInfix, n)
		taken, err := exists(fsys, name)
		if err != nil {
			return "", err
		}
		if !taken {
			return name, nil
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
// as SetAside does. A crash leaves the old log or the new one; which of them, the next Open settles.
// Errors are of kind Invalid for a snapshot or a seat that cannot be, and Unavailable if the disk fails
// or a process has the log open.
func Reset(o Options, snapshot Snapshot, seat ais.SeatID) error {
	if !seatUsable(uint64(seat)) {
		return ais.Errorf(ais.Invalid, "reset the control log in %s: no log can have the seat %s", o.Dir, seat)
	}
	snapshot.Conf = &raftpb.ConfState{Voters: []uint64{uint64(seat)}}
	if err := checkSnapshot(&snapshot); err != nil {
		return ais.Errorf(ais.Invalid, "reset the control log in %s: %w", o.Dir, err)
	}
	o.Dir = path.Clean(o.Dir)
	if err := settleReset(o.FS, o.Dir); err != nil {
		return err
	}
	if err := reset(o, snapshot, seat); err != nil {
		return ais.Errorf(ais.Unavailable, "reset the control log in %s: %w", o.Dir, err)
	}
	return nil
}

func reset(o Options, snapshot Snapshot, seat ais.SeatID) (err error) {
	lock, err := lockLog(o.FS, o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := dropReset(o.FS, o.Dir); err != nil {
		return err
	}
	made := o.Dir + resetSuffix
	if err := makeDir(o.FS, made); err != nil {
		return err
	}
	if err := writeReset(o, made, snapshot, seat); err != nil {
		return err
	}
	there, err := exists(o.FS, o.Dir)
	if err != nil {
		return err
	}
	if there {
		if _, err := renameAside(o.FS, o.Dir); err != nil {
			return err
		}
	}
	return finishReset(o.FS, o.Dir)
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

// settleReset ends what a crash left of a reset, where there is no log in its place: what was made
// whole becomes the log, anything less goes.
func settleReset(fsys disk.FS, dir string) error {
	there, err := exists(fsys, dir)
	if err == nil && !there {
		var whole bool
		_, whole, err = readPromise(fsys, dir+resetSuffix)
		switch {
		case err != nil && !ais.IsKind(err, ais.Corrupt): // a promise that is not readable is none
		case whole:
			err = finishReset(fsys, dir)
		default:
			err = dropReset(fsys, dir)
		}
	}
	if err != nil {
		return ais.Errorf(ais.Unavailable, "control log in %s: end a reset: %w", dir, err)
	}
	return nil
}

// finishReset gives what Reset has made the place of the log.
func finishReset(fsys disk.FS, dir string) error {
	if err := fsys.Rename(dir+resetSuffix, dir); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(dir))
}

// dropReset removes what a reset has made that did not come to pass, for the log is in its place: it
// must not become the log when that one is set aside some day. The promise goes first: without it the
// rest is nothing. The log's lock is held, if there is a log, or a reset may be under way.
func dropReset(fsys disk.FS, dir string) error {
	made := dir + resetSuffix
	there, err := exists(fsys, made)
	if err != nil || !there {
		return err
	}
	if err := fsys.Remove(path.Join(made, promiseBase)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.SyncDir(made); err != nil {
		return err
	}
	if err := disk.PebbleFS(fsys).RemoveAll(made); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(dir))
}

func exists(fsys disk.FS, name string) (bool, error) {
	_, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
