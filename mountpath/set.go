package mountpath

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
)

// Set is the mountpaths of a target, open in one process life. It is safe for concurrent use.
type Set struct {
	cluster ais.ClusterID
	target  ais.TargetID
	epoch   ais.Epoch
	paths   []*Path
	ranks   []uint8 // indexes into paths, width of them for each slot
	width   int
	locks   []io.Closer
}

// Path is one mountpath of the set.
type Path struct {
	ID     ais.MountpathID
	Dir    string // the directory as it was given; of a missing one, where it was seen last
	Weight uint32 // its share of the slots against the others'
	FS     disk.FS
	// Behind is set when another mountpath has seen a later start: this one was away for it.
	Behind bool

	device uint64
	fault  atomic.Pointer[fault]
}

type fault struct{ err error }

func newSet(o *Options, d *decision) *Set {
	s := &Set{cluster: o.Cluster, target: d.target, epoch: d.epoch}
	candidates := make([]cmap.Candidate, len(d.members))
	for i, m := range d.members {
		p := &Path{ID: m.record.ID, Dir: m.record.Path, Weight: m.record.Weight, FS: o.FS, Behind: m.behind}
		if m.at != nil {
			p.device = m.at.device
		}
		if m.err != nil {
			p.Disable(m.err)
		}
		if m.behind {
			o.Logger.Warn("mountpath was away when the target started before", "mountpath", p.Dir, "id", p.ID)
		}
		s.paths = append(s.paths, p)
		candidates[i] = cmap.Candidate{ID: uint64(p.ID), Weight: p.Weight}
	}
	s.width = min(len(s.paths), ais.CopiesMax)
	s.ranks = make([]uint8, 0, ais.Slots*s.width)
	left := make([]cmap.Candidate, len(candidates))
	for slot := range uint64(ais.Slots) {
		copy(left, candidates)
		for range s.width {
			best := max(cmap.Best(slot, left), 0)
			left[best].Weight = 0
			s.ranks = append(s.ranks, uint8(best))
		}
	}
	return s
}

// Cluster is the cluster that the mountpaths belong to.
func (s *Set) Cluster() ais.ClusterID { return s.cluster }

// Target is the target that the mountpaths belong to.
func (s *Set) Target() ais.TargetID { return s.target }

// Epoch is the boot epoch of this process life.
func (s *Set) Epoch() ais.Epoch { return s.epoch }

// Paths is all mountpaths of the set, those that do not serve too. The order is the same at every
// start. The slice belongs to the set.
func (s *Set) Paths() []*Path { return s.paths }

// Of is the index in Paths of the mountpath on which a slot lies. It may be one that does not serve:
// then the slot is unavailable, for it lies nowhere else.
func (s *Set) Of(slot ais.Slot) int { return int(s.ranks[int(slot)*s.width]) }

// Order are the indexes in Paths of the mountpaths to which a slot goes: the first is Of, the others get the
// further copies of a slot that this target is to hold more than one of. At most CopiesMax. It belongs to the set.
func (s *Set) Order(slot ais.Slot) []uint8 { return s.ranks[int(slot)*s.width : (int(slot)+1)*s.width] }

// Close gives the locks back. The stores on the mountpaths must be closed before.
func (s *Set) Close() error {
	locks := s.locks
	s.locks = nil
	return closeAll(locks)
}

// Data is the directory of everything that ais keeps on the mountpath, <dir>/.ais.
func (p *Path) Data() string { return dataDir(p.Dir) }

// Err says why the mountpath does not serve; nil if it does. It is of kind Unavailable.
func (p *Path) Err() error {
	if f := p.fault.Load(); f != nil {
		return f.err
	}
	return nil
}

// Disable takes the mountpath out of service. The first reason stays.
func (p *Path) Disable(reason error) {
	p.fault.CompareAndSwap(nil, &fault{err: ais.Errorf(ais.Unavailable, "mountpath %s is disabled: %w", p.Dir, reason)})
}

// PathUsage is the space of the filesystem under a mountpath.
type PathUsage struct {
	disk.Usage
	// Sharing is the number of mountpaths of the set on this filesystem, this one included: they share
	// one reserve.
	Sharing int
	Err     error // why there are no figures
}

// Usage asks for the space of every mountpath, in the order of Paths. A mountpath that does not serve
// is not asked. The calls may hang with the disk: ctx ends the wait.
func (s *Set) Usage(ctx context.Context) []PathUsage {
	all := make([]PathUsage, len(s.paths))
	for i, p := range s.paths {
		u := &all[i]
		if u.Err = p.Err(); u.Err != nil {
			continue
		}
		u.Sharing = s.sharing(p)
		type answer struct {
			usage disk.Usage
			err   error
		}
		a, err := within(ctx, patienceDefault, nil, func() answer {
			usage, err := p.FS.Usage(p.Dir)
			return answer{usage, err}
		})
		if err == nil {
			err = a.err
		}
		if err != nil {
			u.Err = ais.Errorf(ais.Unavailable, "mountpath %s: %w", p.Dir, err)
			continue
		}
		u.Usage = a.usage
	}
	return all
}

// sharing counts the serving mountpaths on p's filesystem.
func (s *Set) sharing(p *Path) int {
	n := 0
	for _, q := range s.paths {
		if q.Err() == nil && q.device == p.device {
			n++
		}
	}
	return n
}
