package disk

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashMode says what a Crash leaves.
type CrashMode uint8

const (
	// LoseAll: nothing that was not synced.
	LoseAll CrashMode = iota
	// KeepAll: everything, still unsynced: the process was killed and the machine ran on.
	KeepAll
	// Random: a power loss: any part of what was not synced.
	Random
)

// Clone gives an independent disk with the same content, unsynced changes included. Open handles stay
// with m; the clone has no hook and counts operations from 0.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.survivor(KeepAll, nil)
}

// Crash ends the life of m, which refuses everything from now on, and gives a new disk that holds what
// could be left. The choices of Random come from rng (nil: from Options.Seed).
func (m *Mem) Crash(rng *rand.Rand, mode CrashMode) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crashed {
		panic("disk: Crash of a memory disk that has crashed already")
	}
	next := m.survivor(mode, m.generator(rng))
	m.crashed = true
	return next
}

// survivor makes the disk that a crash leaves. m.mu is held alone.
func (m *Mem) survivor(mode CrashMode, rng *rand.Rand) *Mem {
	s := &survivor{
		mode: mode, rng: rng, copies: map[*node]*node{},
		disk: &Mem{options: m.options, pool: m.pool, crashes: m.crashes + 1},
	}
	if mode == KeepAll {
		s.disk.root = s.exact(m.root)
		for _, op := range m.journal {
			for i, set := range op.sets[:op.n] {
				op.sets[i].dir = s.exact(set.dir)
				if set.to != nil {
					op.sets[i].to = s.exact(set.to)
				}
			}
			s.disk.journal = append(s.disk.journal, op)
		}
		return s.disk
	}
	s.kept = s.keptEntries(m.journal)
	s.disk.root = s.restored(m.root)
	s.disk.root.links = 1
	return s.disk
}

// survivor is one crash in progress.
type survivor struct {
	mode   CrashMode
	rng    *rand.Rand
	disk   *Mem
	copies map[*node]*node            // by old node: a file of two names stays one
	kept   map[*node]map[string]*node // by old directory: the changes of entries that survive
}

// exact copies a node with all that is unsynced about it.
func (s *survivor) exact(n *node) *node {
	if c := s.copies[n]; c != nil {
		return c
	}
	c := &node{isDir: n.isDir, links: n.links}
	s.copies[n] = c
	if !n.isDir {
		c.now, c.base, c.log = n.now.clone(), n.base.clone(), slices.Clone(n.log)
		if n.links == 0 {
			c.now.allocated = spans{} // only a handle held the space, and handles do not survive
		}
		s.disk.used.Add(c.now.allocated.pages)
		return c
	}
	c.entries, c.durable = make(map[string]*node, len(n.entries)), make(map[string]*node, len(n.durable))
	for name, to := range n.entries {
		c.entries[name] = s.exact(to)
	}
	for name, to := range n.durable {
		c.durable[name] = s.exact(to)
	}
	return c
}

// keptEntries chooses which operations of the journal survive: for each directory those before some
// moment; one that belongs to two directories survives in both or in neither. The last state of each
// entry that they change is given; nil is removed.
func (s *survivor) keptEntries(journal []journalOp) map[*node]map[string]*node {
	kept := map[*node]map[string]*node{}
	left := s.budgets(journal)
	for _, op := range journal {
		sets := op.sets[:op.n]
		survives := true
		for _, set := range sets {
			survives = survives && left[set.dir] > 0
		}
		for _, set := range sets {
			if !survives {
				left[set.dir] = 0 // nothing later in this directory survives either
				continue
			}
			if kept[set.dir] == nil {
				kept[set.dir] = map[string]*node{}
			}
			kept[set.dir][set.name] = set.to
		}
		if survives {
			left[sets[0].dir]--
			if last := sets[len(sets)-1].dir; last != sets[0].dir {
				left[last]--
			}
		}
	}
	return kept
}

// budgets draws for each directory how many of its operations survive.
func (s *survivor) budgets(journal []journalOp) map[*node]int {
	count := map[*node]int{}
	var order []*node // a map has no order that a seed could repeat
	for _, op := range journal {
		for i, set := range op.sets[:op.n] {
			if i > 0 && set.dir == op.sets[0].dir {
				continue
			}
			if count[set.dir] == 0 {
				order = append(order, set.dir)
			}
			count[set.dir]++
		}
	}
	left := map[*node]int{}
	if s.mode == LoseAll {
		return left
	}
	for _, dir := range order {
		switch s.rng.IntN(3) {
		case 0: // none
		case 1:
			left[dir] = count[dir]
		default:
			left[dir] = s.rng.IntN(count[dir] + 1)
		}
	}
	return left
}

// restored copies what survives of a node; all of the copy is durable.
func (s *survivor) restored(n *node) *node {
	if c := s.copies[n]; c != nil {
		return c
	}
	c := &node{isDir: n.isDir}
	s.copies[n] = c
	if !n.isDir {
		c.base = s.restoredContent(n)
		c.now = c.base.clone()
		s.disk.used.Add(c.now.allocated.pages)
		return c
	}
	entries := maps.Clone(n.durable)
	for name, to := range s.kept[n] {
		if to == nil {
			delete(entries, name)
		} else {
			entries[name] = to
		}
	}
	c.entries = make(map[string]*node, len(entries))
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		to := s.restored(entries[name])
		to.links++
		c.entries[name] = to
	}
	c.durable = maps.Clone(c.entries)
	return c
}
