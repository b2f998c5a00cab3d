package volume

import (
	"fmt"
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

// space is what the store knows of its filesystem.
type space struct {
	total, free atomic.Int64 // bytes, at the last look
	since       atomic.Int64 // bytes appended since then
	index       atomic.Int64 // bytes of the index, at the last look
}

// lookEvery is how many appended bytes pass between two looks at the filesystem.
const lookEvery = 16 << 20

// look asks the filesystem.
func (s *Store) look() error {
	u, err := s.opt.FS.Usage(s.opt.Dir)
	if err != nil {
		return fmt.Errorf("mountpath %s: usage: %w", s.opt.Mountpath, err)
	}
	s.space.total.Store(u.Total)
	s.space.free.Store(u.Free)
	s.space.since.Store(0)
	if s.db != nil {
		s.space.index.Store(int64(s.db.Metrics().DiskSpaceUsage()))
	}
	return nil
}

// reserve is the space that client writes leave free, so that deletes, vacuum and the index can
// always go on: two volumes and the larger of 1 GiB and a tenth of the index, but at most a tenth of
// the filesystem.
func (s *Store) reserve() int64 {
	r := 2*s.volumeSize() + max(1<<30, s.space.index.Load()/10)
	return min(r, s.space.total.Load()/s.config.Load().ReserveDivisor)
}

// admit refuses a client's write of n bytes that would eat into the reserve.
func (s *Store) admit(n int64) error { return s.admitAbove(n, s.reserve()) }

// admitAbove refuses a write of n bytes that would leave less than `leave` bytes.
func (s *Store) admitAbove(n, leave int64) error {
	if s.space.since.Add(n) > min(lookEvery, s.space.total.Load()/256) {
		if err := s.look(); err != nil {
			return err
		}
	}
	if free := s.space.free.Load() - s.space.since.Load(); free-n < leave {
		if err := s.look(); err != nil {
			return err
		}
		if free := s.space.free.Load(); free-n < leave {
			s.wakeKeeper()
			return ais.Errorf(ais.Exhausted, "mountpath %s is full: %d bytes free, %d of them reserved", s.opt.Mountpath, free, leave)
		}
	}
	return nil
}

// garbageThreshold is the dead part of a volume from which it is vacuumed: the configured one while
// there is room, falling to 2 % as free space falls from three reserves to one.
func (s *Store) garbageThreshold() float64 {
	most := s.config.Load().VacuumGarbage
	const least = 0.02
	r, free := float64(s.reserve()), float64(s.space.free.Load())
	if r <= 0 || free >= 3*r {
		return most
	}
	if free <= r {
		return min(most, least)
	}
	return min(most, least+(most-least)*(free-r)/(2*r))
}
