package sim

import (
	"encoding/binary"
	"log/slog"
	"math/rand/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/disk"
)

// storage keeps the log of one node. Its methods take no time: how long a disk takes is simulated by
// whoever calls.
type storage interface {
	// open begins a life of the log; an error of kind Corrupt says that it is damaged.
	open() (*raftlog.Boot, error)
	write(raftlog.Batch) error
	// stop ends the life: power says that the machine lost its power, else the process was killed.
	stop(power bool)
	// damage spoils what is there, while the log is not open. It reports whether it could.
	damage() bool
	// setAside keeps a log that is not to be used any more out of the way, so that open makes a new one.
	setAside() error
	// reset puts a log that begins with a snapshot, and has one voter, in the place of the old one.
	reset(s raftlog.Snapshot, seat ais.SeatID) error
}

// seededReader gives random bytes that a seed repeats.
type seededReader struct{ rng *rand.Rand }

func (r seededReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.rng.UintN(256))
	}
	return len(p), nil
}

func newGenerator(seed uint64, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// realStorage is package raftlog on a disk in memory that can lose what was not synced.
type realStorage struct {
	disk   *disk.Mem
	log    *raftlog.Log
	random *rand.Rand // seats
	crash  *rand.Rand // what a loss of power leaves; a generator of its own, because how much there is to choose differs from run to run
	logger *slog.Logger
}

const controlDir = "control"

func newRealStorage(seed, node uint64, logger *slog.Logger) *realStorage {
	return &realStorage{disk: disk.NewMem(disk.Options{Seed: seed}), logger: logger,
		random: newGenerator(seed, 1<<32+node), crash: newGenerator(seed, 2<<32+node)}
}

func (s *realStorage) open() (*raftlog.Boot, error) {
	log, boot, err := raftlog.Open(raftlog.Options{FS: s.disk, Dir: controlDir, Logger: s.logger, Random: seededReader{s.random}})
	s.log = log
	return boot, err
}

func (s *realStorage) write(b raftlog.Batch) error { return s.log.Write(b) }

func (s *realStorage) stop(power bool) {
	if s.log == nil {
		return
	}
	mode := disk.KeepAll
	if power {
		mode = disk.Random
	}
	next := s.disk.Crash(s.crash, mode)
	_ = s.log.Close() // of the disk that crashed: it only ends the goroutines
	s.disk, s.log = next, nil
}

// damage flips a byte in the middle of every file of the log that has any.
func (s *realStorage) damage() bool { return s.damageDir(controlDir) }

func (s *realStorage) damageDir(dir string) (done bool) {
	names, err := s.disk.List(dir)
	if err != nil {
		return false
	}
	for _, name := range names {
		full := dir + "/" + name
		size, err := s.disk.Stat(full)
		switch {
		case err != nil:
		case size == 0:
			done = s.damageDir(full) || done
		default:
			done = s.disk.Corrupt(full, size/2, 0x5a) == nil || done
		}
	}
	return done
}

func (s *realStorage) setAside() error {
	_, err := raftlog.SetAside(s.disk, controlDir)
	return err
}

func (s *realStorage) reset(snapshot raftlog.Snapshot, seat ais.SeatID) error {
	return raftlog.Reset(raftlog.Options{FS: s.disk, Dir: controlDir, Logger: s.logger}, snapshot, seat)
}

// plainStorage is a log without a disk: what was written is there.
type plainStorage struct {
	journal *journal
	damaged bool
	random  *rand.Rand
}

func newPlainStorage(seed, node uint64) *plainStorage {
	return &plainStorage{random: newGenerator(seed, 1<<32+node)}
}

func (s *plainStorage) open() (*raftlog.Boot, error) {
	if s.damaged {
		return nil, ais.Errorf(ais.Corrupt, "the log is damaged")
	}
	fresh := s.journal == nil
	if fresh {
		var seat [8]byte
		_, _ = seededReader{s.random}.Read(seat[:])
		s.journal = &journal{seat: ais.SeatID(binary.BigEndian.Uint64(seat[:]) | 1)}
	}
	return s.journal.boot(fresh), nil
}

func (s *plainStorage) write(b raftlog.Batch) error {
	s.journal.apply(&b)
	return nil
}

func (s *plainStorage) stop(bool) {}

func (s *plainStorage) damage() bool {
	s.damaged = s.journal != nil
	return s.damaged
}

func (s *plainStorage) setAside() error {
	s.journal, s.damaged = nil, false
	return nil
}

func (s *plainStorage) reset(snapshot raftlog.Snapshot, seat ais.SeatID) error {
	s.journal, s.damaged = resetJournal(&snapshot, seat), false
	return nil
}
