package disk

import "sync"

// A node is a file or a directory of a memory disk; names are entries of directories.
//
// A file has two contents: what reads see, and what the disk is sure to have; log is the way from the
// second to the first. A directory has two sets of entries in the same sense; the way between them is in
// the disk's journal, because a rename belongs to two directories.
type node struct {
	isDir bool

	// Guarded by Mem.mu.
	entries map[string]*node // what look-ups see
	durable map[string]*node // what is left if the journal is lost
	links   int              // names that it has now
	open    int              // handles

	mu   sync.RWMutex
	now  content  // what reads see
	base content  // what the disk is sure to have, before log
	log  []change // in order of time
}

func newFileNode() *node { return &node{now: newContent(), base: newContent()} }

func newDirNode() *node {
	return &node{isDir: true, entries: map[string]*node{}, durable: map[string]*node{}}
}

type changeKind uint8

const (
	changeWrite changeKind = iota
	changeTruncate
	changePunch
	changeReserve
)

// fate is what is known of a change.
type fate uint8

const (
	unsynced fate = iota // the next Sync makes it durable
	// dropped: a Sync failed. As on Linux the pages are then taken for clean: reads still see them, no
	// later Sync writes them, and a crash may lose them.
	dropped
	// synced: durable, and in the log only because something before it is not.
	synced
)

// change is one modification of a file.
type change struct {
	kind    changeKind
	fate    fate
	shrinks bool  // changeTruncate: the size before was larger
	off     int64 // changeTruncate: the new size
	size    int64 // bytes; not for changeTruncate
	// pages are those that a write touched, whole, as they were after it: a device gets sectors as the
	// page cache holds them.
	pages []pageRun
}

// redo does the whole change again on c, which has all changes before it.
func (ch *change) redo(pool *pagePool, c *content) {
	switch ch.kind {
	case changeWrite:
		c.put(ch.pages)
		c.size = max(c.size, ch.off+ch.size)
	case changeTruncate:
		c.truncate(pool, ch.off)
	case changePunch:
		c.zero(pool, ch.off, ch.off+ch.size)
	case changeReserve:
		c.allocated.add(pageFloor(ch.off), pageCeil(ch.off+ch.size))
	}
}

// sync makes all that can be so durable. n.mu is held.
func (n *node) sync(pool *pagePool) {
	for i := range n.log {
		if n.log[i].fate == unsynced {
			n.log[i].fate = synced
		}
	}
	done := 0
	for done < len(n.log) && n.log[done].fate == synced {
		n.log[done].redo(pool, &n.base)
		done++
	}
	if done == len(n.log) {
		n.log = nil
	} else {
		n.log = n.log[done:]
	}
}

// failSync is what a failed Sync leaves. Only data is dropped: metadata stays in the filesystem's
// journal. n.mu is held.
func (n *node) failSync() {
	for i := range n.log {
		if n.log[i].fate == unsynced && n.log[i].kind == changeWrite {
			n.log[i].fate = dropped
		}
	}
}

// journalOp is one change of the namespace: entries that change together. Each sets a name of a
// directory to a node, or removes it (nil).
type journalOp struct {
	sets [2]entrySet
	n    int
}

type entrySet struct {
	dir  *node
	name string
	to   *node
}

func (op *journalOp) touches(dirs map[*node]bool) bool {
	for _, s := range op.sets[:op.n] {
		if dirs[s.dir] {
			return true
		}
	}
	return false
}

func (op *journalOp) redo() {
	for _, s := range op.sets[:op.n] {
		if s.to == nil {
			delete(s.dir.durable, s.name)
		} else {
			s.dir.durable[s.name] = s.to
		}
	}
}

// syncDir makes the operations on dir durable, and those on other directories that came before one that
// belongs to both. It gives the journal that is left.
func syncDir(journal []journalOp, dir *node) []journalOp {
	dirs := map[*node]bool{dir: true}
	wanted := make([]bool, len(journal))
	for i := len(journal) - 1; i >= 0; i-- {
		if op := &journal[i]; op.touches(dirs) {
			wanted[i] = true
			for _, s := range op.sets[:op.n] {
				dirs[s.dir] = true
			}
		}
	}
	var left []journalOp
	for i := range journal {
		if wanted[i] {
			journal[i].redo()
		} else {
			left = append(left, journal[i])
		}
	}
	return left
}
