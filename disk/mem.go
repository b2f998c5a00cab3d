package disk

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Options of a memory disk. The zero value is a disk of 1 PiB with sectors of 512 bytes.
type Options struct {
	Capacity   int64  // bytes; allocated pages count, written zeros too. 0: 1 PiB
	SectorSize int    // what is never torn, in bytes; divides 4,096. 0: 512
	Seed       uint64 // of the choices of a Crash that is given no generator
	NoDirect   bool   // files are not opened past the page cache, whatever is asked
}

// Mem is a disk in memory that can crash and fail. It is an FS; all methods are safe for concurrent
// use. The root directory is there from the start; names are taken from it whether they begin with a
// slash or not.
//
// Locks: mu, then node.mu. Reads and writes of files hold mu shared, so that whoever holds it alone
// (the namespace, Crash, Clone) sees the whole disk at one moment.
type Mem struct {
	gate
	options Options
	pool    *pagePool
	used    atomic.Int64 // pages allocated to nodes that have a name or a handle
	locks   fileLocks

	mu      sync.RWMutex
	crashed bool
	crashes uint64
	root    *node
	journal []journalOp // changes of the namespace that are not durable, in order of time
}

// NewMem makes an empty disk. Options that make no sense panic.
func NewMem(o Options) *Mem {
	if o.Capacity == 0 {
		o.Capacity = 1 << 50
	}
	if o.SectorSize == 0 {
		o.SectorSize = 512
	}
	if o.Capacity < 0 || o.SectorSize < 1 || pageSize%o.SectorSize != 0 {
		panic("disk: NewMem: the capacity must not be negative, the sector size must divide 4096")
	}
	root := newDirNode()
	root.links = 1
	return &Mem{options: o, pool: newPagePool(), root: root}
}

func (m *Mem) generator(rng *rand.Rand) *rand.Rand {
	if rng != nil {
		return rng
	}
	return rand.New(rand.NewPCG(m.options.Seed, m.crashes))
}

// clean gives the names of the path from the root.
func clean(name string) []string {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// lookup finds a node. m.mu is held.
func (m *Mem) lookup(name string) (*node, error) {
	n := m.root
	for _, part := range clean(name) {
		if !n.isDir {
			return nil, syscall.ENOTDIR
		}
		if n = n.entries[part]; n == nil {
			return nil, syscall.ENOENT
		}
	}
	return n, nil
}

// parent finds the directory that holds a name, and its base name. m.mu is held.
func (m *Mem) parent(name string) (*node, string, error) {
	parts := clean(name)
	if len(parts) == 0 {
		return nil, "", syscall.EBUSY // the root is in no directory
	}
	dir, err := m.lookup(path.Dir(path.Clean("/" + name)))
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir {
		return nil, "", syscall.ENOTDIR
	}
	base := parts[len(parts)-1]
	if len(base) > 255 {
		return nil, "", syscall.ENAMETOOLONG
	}
	return dir, base, nil
}

// change does a change of the namespace: look-ups see it at once. New names count before old ones go,
// so that a node that is renamed is never without one. m.mu is held alone.
func (m *Mem) change(sets ...entrySet) {
	op := journalOp{n: len(sets)}
	copy(op.sets[:], sets)
	for _, s := range sets {
		if s.to != nil {
			s.to.links++
		}
	}
	for _, s := range sets {
		if old := s.dir.entries[s.name]; old != nil {
			old.links--
			m.release(old)
		}
		if s.to == nil {
			delete(s.dir.entries, s.name)
		} else {
			s.dir.entries[s.name] = s.to
		}
	}
	m.journal = append(m.journal, op)
}

// release gives the space of a node back once it has neither name nor handle. m.mu is held alone.
func (m *Mem) release(n *node) {
	if n.links == 0 && n.open == 0 && !n.isDir {
		m.used.Add(-n.now.allocated.pages)
		n.now.allocated = spans{}
	}
}

// locked runs an operation on the namespace, after the hook, with m.mu held alone.
func (m *Mem) locked(op Op, do func() error) error {
	err := m.before(op)
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.crashed {
			err = ErrCrashed
		} else {
			err = do()
		}
	}
	if err != nil {
		return &fs.PathError{Op: op.Kind.String(), Path: op.Name, Err: err}
	}
	return nil
}

func (m *Mem) OpenFile(name string, flags Flag) (File, error) {
	op := Op{Kind: OpOpen, Name: name}
	if flags&Create != 0 {
		op.Kind = OpCreate
	}
	f := &memFile{disk: m, name: name, writable: flags.writes(), direct: flags&Direct != 0 && !m.options.NoDirect}
	err := m.locked(op, func() (err error) {
		if flags&Create != 0 {
			f.node, err = m.create(name)
		} else {
			f.node, err = m.lookup(name)
		}
		if err == nil && f.node.isDir {
			err = syscall.EISDIR
		}
		if err == nil {
			f.node.open++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (m *Mem) create(name string) (*node, error) {
	dir, base, err := m.parent(name)
	if err != nil {
		return nil, err
	}
	if dir.entries[base] != nil {
		return nil, syscall.EEXIST
	}
	if m.used.Load() >= m.options.Capacity/pageSize {
		return nil, syscall.ENOSPC
	}
	n := newFileNode()
	m.change(entrySet{dir, base, n})
	return n, nil
}

func (m *Mem) Remove(name string) error {
	return m.locked(Op{Kind: OpRemove, Name: name}, func() error {
		dir, base, err := m.parent(name)
		if err != nil {
			return err
		}
		n := dir.entries[base]
		switch {
		case n == nil:
			return syscall.ENOENT
		case n.isDir && len(n.entries) > 0:
			return syscall.ENOTEMPTY
		}
		m.change(entrySet{dir, base, nil})
		return nil
	})
}

func (m *Mem) Rename(from, to string) error {
	return m.locked(Op{Kind: OpRename, Name: from, To: to}, func() error {
		fromDir, fromBase, err := m.parent(from)
		if err != nil {
			return err
		}
		toDir, toBase, err := m.parent(to)
		if err != nil {
			return err
		}
		n, target := fromDir.entries[fromBase], toDir.entries[toBase]
		switch {
		case n == nil:
			return syscall.ENOENT
		case n == target:
			return nil // POSIX: two names of one file stay
		case n.isDir && slices.Contains(m.path(to), n):
			return syscall.EINVAL // into itself
		case target != nil && target.isDir && !n.isDir:
			return syscall.EISDIR
		case target != nil && target.isDir && len(target.entries) > 0:
			return syscall.ENOTEMPTY
		case target != nil && n.isDir && !target.isDir:
			return syscall.ENOTDIR
		}
		m.change(entrySet{fromDir, fromBase, nil}, entrySet{toDir, toBase, n})
		return nil
	})
}

// path gives the nodes that a name leads through.
func (m *Mem) path(name string) []*node {
	n := m.root
	nodes := []*node{n}
	for _, part := range clean(name) {
		if n = n.entries[part]; n == nil {
			break
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// Link gives a file a second name; the Pebble adapter asks for it.
func (m *Mem) Link(from, to string) error {
	return m.locked(Op{Kind: OpLink, Name: from, To: to}, func() error {
		n, err := m.lookup(from)
		if err != nil {
			return err
		}
		if n.isDir {
			return syscall.EPERM
		}
		dir, base, err := m.parent(to)
		if err != nil {
			return err
		}
		if dir.entries[base] != nil {
			return syscall.EEXIST
		}
		m.change(entrySet{dir, base, n})
		return nil
	})
}

func (m *Mem) MkdirAll(dir string) error {
	return m.locked(Op{Kind: OpMkdir, Name: dir}, func() error {
		n := m.root
		for _, part := range clean(dir) {
			next := n.entries[part]
			if next == nil {
				next = newDirNode()
				m.change(entrySet{n, part, next})
			}
			if n = next; !n.isDir {
				return syscall.ENOTDIR
			}
		}
		return nil
	})
}

func (m *Mem) SyncDir(dir string) error {
	return m.locked(Op{Kind: OpSyncDir, Name: dir}, func() error {
		n, err := m.lookup(dir)
		if err != nil {
			return err
		}
		if !n.isDir {
			return syscall.ENOTDIR
		}
		m.journal = syncDir(m.journal, n)
		return nil
	})
}

func (m *Mem) List(dir string) (names []string, err error) {
	err = m.locked(Op{Kind: OpList, Name: dir}, func() error {
		n, err := m.lookup(dir)
		if err != nil {
			return err
		}
		if !n.isDir {
			return syscall.ENOTDIR
		}
		names = slices.Sorted(maps.Keys(n.entries))
		return nil
	})
	return names, err
}

func (m *Mem) Stat(name string) (size int64, err error) {
	err = m.locked(Op{Kind: OpStat, Name: name}, func() error {
		n, err := m.lookup(name)
		if err == nil && !n.isDir {
			size = n.now.size
		}
		return err
	})
	return size, err
}

func (m *Mem) isDir(name string) (is bool, err error) {
	err = m.locked(Op{Kind: OpStat, Name: name}, func() error {
		n, err := m.lookup(name)
		is = err == nil && n.isDir
		return err
	})
	return is, err
}

func (m *Mem) Usage(dir string) (u Usage, err error) {
	err = m.locked(Op{Kind: OpUsage, Name: dir}, func() error {
		if _, err := m.lookup(dir); err != nil {
			return err
		}
		u = Usage{Total: m.options.Capacity, Free: max(0, m.options.Capacity-m.used.Load()*pageSize), DeviceID: m.options.Seed}
		return nil
	})
	return u, err
}

func (m *Mem) ReadFile(name string) ([]byte, error)         { return readFile(m, name) }
func (m *Mem) WriteFileSync(name string, data []byte) error { return writeFileSync(m, name, data) }
