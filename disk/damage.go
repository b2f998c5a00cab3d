package disk

import (
	"io/fs"
	"slices"
	"syscall"
)

// Damage from outside the operations: what a bad device or a stray hand does. Neither the hook nor the
// operation count sees it.

// Corrupt flips the bits of mask in the bytes from off, in what reads see and in what a crash leaves.
// One byte flips bits in one byte. The range must lie in the file.
func (m *Mem) Corrupt(name string, off int64, mask ...byte) error {
	return m.damage("corrupt", name, func(n *node) error {
		if off < 0 || off+int64(len(mask)) > n.now.size {
			return syscall.EINVAL
		}
		m.flip(&n.now, off, mask)
		if off+int64(len(mask)) <= n.base.size {
			m.flip(&n.base, off, mask)
		}
		n.log = slices.Clone(n.log)
		for i := range n.log {
			n.log[i].pages = m.flipRuns(n.log[i].pages, off, mask)
		}
		return nil
	})
}

func (m *Mem) flip(c *content, off int64, mask []byte) {
	data := make([]byte, len(mask))
	size := c.size
	c.read(data, off)
	for i := range data {
		data[i] ^= mask[i]
	}
	c.write(m.pool, off, data)
	c.allocated.add(pageFloor(off), pageCeil(off+int64(len(mask))))
	c.size = size
}

// flipRuns gives the pages of a write with the same bits flipped.
func (m *Mem) flipRuns(runs []pageRun, off int64, mask []byte) []pageRun {
	from, to := pageFloor(off), pageCeil(off+int64(len(mask)))
	var flipped []pageRun
	for _, r := range runs {
		if r.to <= from || r.from >= to {
			flipped = append(flipped, r)
			continue
		}
		for i := r.from; i < r.to; i++ {
			var whole [pageSize]byte
			r.page.fill(whole[:], 0)
			for k := range mask {
				if at := off + int64(k) - i*pageSize; at >= 0 && at < pageSize {
					whole[at] ^= mask[k]
				}
			}
			flipped = append(flipped, pageRun{i, i + 1, m.pool.make(whole[:])})
		}
	}
	return flipped
}

// Truncate sets the size of a file, durably, whoever has it open.
func (m *Mem) Truncate(name string, size int64) error {
	return m.damage("truncate", name, func(n *node) error {
		if size < 0 {
			return syscall.EINVAL
		}
		n.log = append(slices.Clone(n.log), change{kind: changeTruncate, fate: synced, off: size, shrinks: size < n.now.size})
		n.now.truncate(m.pool, size)
		if len(n.log) == 1 {
			n.sync(m.pool)
		}
		return nil
	})
}

func (m *Mem) damage(op, name string, do func(*node) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(name)
	switch {
	case m.crashed:
		err = ErrCrashed
	case err == nil && n.isDir:
		err = syscall.EISDIR
	case err == nil:
		before := n.now.allocated.pages
		err = do(n)
		m.used.Add(n.now.allocated.pages - before)
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}
