package disk

import (
	"bytes"
	"math"
)

// content is what a file holds: pages, a size, and which pages have space allocated (holes made of
// written zeros take no memory here but do take space on a disk).
type content struct {
	pages     *pageMap
	allocated spans
	size      int64
}

func newContent() content { return content{pages: &pageMap{}} }

func (c *content) clone() content {
	var other *pageMap
	c.pages, other = c.pages.split()
	return content{pages: other, allocated: c.allocated.clone(), size: c.size}
}

func pageFloor(off int64) int64 { return off / pageSize }
func pageCeil(off int64) int64 {
	if off > math.MaxInt64-pageSize {
		return math.MaxInt64 / pageSize
	}
	return (off + pageSize - 1) / pageSize
}

// read fills p from off; it gives how much of p lies before the end of the file.
func (c *content) read(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	n := int(min(int64(len(p)), c.size-off))
	for done := 0; done < n; {
		at := off + int64(done)
		inPage := int(at % pageSize)
		step := min(pageSize-inPage, n-done)
		c.pages.get(at/pageSize).fill(p[done:done+step], inPage)
		done += step
	}
	return n
}

// pageRun is a page that lies at pages from to to (exclusive) of a file; nil is zeros.
type pageRun struct {
	from, to int64
	page     *page
}

// write puts the buffers one after another at off. What comes again and again is recognized cheaply,
// before any hashing: zeros, and a page equal to the one before it.
func (c *content) write(pool *pagePool, off int64, bufs ...[]byte) {
	var before []byte // the page before this one, and what it became
	var made *page
	var whole [pageSize]byte
	for _, p := range bufs {
		for len(p) > 0 {
			i, inPage := off/pageSize, int(off%pageSize)
			step := min(pageSize-inPage, len(p))
			full := p[:step]
			if step < pageSize {
				c.pages.get(i).fill(whole[:], 0)
				copy(whole[inPage:], p[:step])
				full, before = whole[:], nil
			}
			if before == nil || !bytes.Equal(before, full) {
				made = pool.make(full)
			}
			c.pages.set(i, i+1, made)
			before = nil
			if step == pageSize {
				before = full
			}
			off += int64(step)
			p = p[step:]
		}
	}
	c.size = max(c.size, off)
}

// put places whole pages, and leaves the size.
func (c *content) put(runs []pageRun) {
	for _, r := range runs {
		c.pages.set(r.from, r.to, r.page)
		c.allocated.add(r.from, r.to)
	}
}

// zero makes bytes off to end read as zeros, and gives the space of whole pages back.
func (c *content) zero(pool *pagePool, off, end int64) {
	from, to := pageCeil(off), pageFloor(end)
	if end == math.MaxInt64 {
		to = math.MaxInt64 / pageSize
	}
	if from <= to {
		c.zeroInPage(pool, off, min(end, from*pageSize))
		if from < to {
			c.pages.set(from, to, nil)
			c.allocated.remove(from, to)
		}
		off = to * pageSize
	}
	if end != math.MaxInt64 {
		c.zeroInPage(pool, off, end)
	}
}

// zeroInPage zeroes off to end, which lie in one page.
func (c *content) zeroInPage(pool *pagePool, off, end int64) {
	if off >= end {
		return
	}
	i := off / pageSize
	old := c.pages.get(i)
	if old == nil {
		return
	}
	var whole [pageSize]byte
	old.fill(whole[:], 0)
	clear(whole[off-i*pageSize : end-i*pageSize])
	c.pages.set(i, i+1, pool.make(whole[:]))
}

func (c *content) truncate(pool *pagePool, size int64) {
	if size < c.size {
		c.zero(pool, size, math.MaxInt64)
	}
	c.allocated.remove(pageCeil(size), math.MaxInt64/pageSize)
	c.size = size
}

// spans is a set of pages as ascending, disjoint, not touching ranges.
type spans struct {
	list  []span
	pages int64 // in all
}

type span struct{ from, to int64 }

func (s *spans) clone() spans { return spans{list: append([]span(nil), s.list...), pages: s.pages} }

// missing gives how many pages of from to to are not in the set.
func (s *spans) missing(from, to int64) int64 {
	n := to - from
	for _, x := range s.list[s.find(from):] {
		if x.from >= to {
			break
		}
		n -= min(x.to, to) - max(x.from, from)
	}
	return n
}

// find gives the index of the first span that ends at or after page i.
func (s *spans) find(i int64) int {
	low, high := 0, len(s.list)
	for low < high {
		if middle := (low + high) / 2; s.list[middle].to < i {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

func (s *spans) add(from, to int64) {
	if from >= to {
		return
	}
	s.pages += s.missing(from, to)
	first := s.find(from)
	last := first
	for last < len(s.list) && s.list[last].from <= to {
		from, to = min(from, s.list[last].from), max(to, s.list[last].to)
		last++
	}
	s.replace(first, last, span{from, to})
}

func (s *spans) remove(from, to int64) {
	if from >= to {
		return
	}
	s.pages -= (to - from) - s.missing(from, to)
	first := s.find(from)
	last := first
	var kept []span
	for last < len(s.list) && s.list[last].from < to {
		x := s.list[last]
		if x.from < from {
			kept = append(kept, span{x.from, min(x.to, from)})
		}
		if x.to > to {
			kept = append(kept, span{to, x.to})
		}
		last++
	}
	s.replace(first, last, kept...)
}

func (s *spans) replace(first, last int, with ...span) {
	if last-first == len(with) {
		copy(s.list[first:], with)
		return
	}
	tail := append([]span(nil), s.list[last:]...)
	s.list = append(append(s.list[:first], with...), tail...)
}
