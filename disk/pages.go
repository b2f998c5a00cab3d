package disk

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
)

// A memory disk keeps content as immutable pages, so that a clone, an unsynced write and the durable
// state share them. Three things make terabytes fit: a page of zeros is a hole, the zeros at both ends
// of a page are not kept, and a page equal to one seen lately is that page.
const pageSize = 4096

// page is 4 KiB of content without the zeros around it. It never changes. nil is all zeros.
type page struct {
	lead int // zeros before data
	data []byte
}

// fill puts the part of the page from byte from into dst.
func (p *page) fill(dst []byte, from int) {
	clear(dst)
	if p == nil {
		return
	}
	if at := p.lead - from; at >= 0 {
		if at < len(dst) {
			copy(dst[at:], p.data)
		}
	} else if -at < len(p.data) {
		copy(dst, p.data[-at:])
	}
}

// pagePool makes pages and finds equal ones again. It remembers a bounded number, by hash, the newest
// in each place; it is shared by a disk and its clones.
type pagePool struct {
	seed  maphash.Seed
	zeros [pageSize]byte
	mu    sync.Mutex
	seen  [pagePoolSize]*page
}

const pagePoolSize = 8192 // places: at most 32 MiB of pages kept alive for their sake

func newPagePool() *pagePool { return &pagePool{seed: maphash.MakeSeed()} }

// make gives the page with this content (pageSize bytes, not kept).
func (pool *pagePool) make(content []byte) *page {
	if bytes.Equal(content, pool.zeros[:]) {
		return nil
	}
	const stride = 64
	lead, end := 0, len(content)
	for bytes.Equal(content[lead:lead+stride], pool.zeros[:stride]) {
		lead += stride
	}
	for content[lead] == 0 {
		lead++
	}
	for bytes.Equal(content[end-stride:end], pool.zeros[:stride]) {
		end -= stride
	}
	for content[end-1] == 0 {
		end--
	}
	data := content[lead:end]
	place := (maphash.Bytes(pool.seed, data) + uint64(lead)) % pagePoolSize
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if p := pool.seen[place]; p != nil && p.lead == lead && bytes.Equal(p.data, data) {
		return p
	}
	p := &page{lead: lead, data: slices.Clone(data)}
	pool.seen[place] = p
	return p
}

// A file's pages are in chunks of chunkPages; a chunk is a list of runs of the same page. What is in
// no run is a hole.
const (
	chunkPages = 512
	chunkBytes = chunkPages * pageSize
)

type run struct {
	from, to int32 // pages of the chunk, to exclusive
	page     *page // never nil
}

type chunk struct {
	owner *pageMap // who may change it in place; another must copy it first
	runs  []run    // ascending, not overlapping
}

// find gives the index of the first run that ends after page i.
func (c *chunk) find(i int32) int {
	n, _ := slices.BinarySearchFunc(c.runs, i, func(r run, i int32) int {
		if r.to <= i {
			return -1
		}
		return 1
	})
	return n
}

func (c *chunk) get(i int32) *page {
	if n := c.find(i); n < len(c.runs) && c.runs[n].from <= i {
		return c.runs[n].page
	}
	return nil
}

// set puts p at pages from to to; nil makes a hole.
func (c *chunk) set(from, to int32, p *page) {
	first := c.find(from)
	last := first
	var parts [3]run
	kept := parts[:0]
	if first < len(c.runs) && c.runs[first].from < from {
		kept = append(kept, run{c.runs[first].from, from, c.runs[first].page})
	}
	if p != nil {
		kept = append(kept, run{from, to, p})
	}
	for last < len(c.runs) && c.runs[last].from < to {
		if r := c.runs[last]; r.to > to {
			kept = append(kept, run{to, r.to, r.page})
		}
		last++
	}
	// Join with neighbours of the same page, so that a long uniform file stays one run per chunk.
	if p != nil {
		if first > 0 && len(kept) > 0 && kept[0].page == c.runs[first-1].page && kept[0].from == c.runs[first-1].to {
			kept[0].from = c.runs[first-1].from
			first--
		}
		if n := len(kept); last < len(c.runs) && n > 0 && kept[n-1].page == c.runs[last].page && kept[n-1].to == c.runs[last].from {
			kept[n-1].to = c.runs[last].to
			last++
		}
		kept = joinRuns(kept)
	}
	c.runs = slices.Replace(c.runs, first, last, kept...)
}

func joinRuns(runs []run) []run {
	joined := runs[:0]
	for _, r := range runs {
		if n := len(joined); n > 0 && joined[n-1].page == r.page && joined[n-1].to == r.from {
			joined[n-1].to = r.to
		} else {
			joined = append(joined, r)
		}
	}
	return joined
}

// pageMap says which page is where in a file. A clone shares all until one of the two changes it.
type pageMap struct {
	chunks map[int64]*chunk
	shared bool // chunks (the map itself) belongs to a clone too
}

// split gives two maps equal to m, which must not be used any more: chunks of owner m belong to both
// and so to neither.
func (m *pageMap) split() (*pageMap, *pageMap) {
	return &pageMap{chunks: m.chunks, shared: true}, &pageMap{chunks: m.chunks, shared: true}
}

func (m *pageMap) get(i int64) *page {
	c := m.chunks[i/chunkPages]
	if c == nil {
		return nil
	}
	return c.get(int32(i % chunkPages))
}

// runs gives what lies at pages from to to (exclusive), holes included.
func (m *pageMap) runs(from, to int64) (found []pageRun) {
	add := func(r pageRun) {
		if n := len(found); n > 0 && found[n-1].page == r.page {
			found[n-1].to = r.to
		} else if r.from < r.to {
			found = append(found, r)
		}
	}
	for at := from; at < to; {
		base := at / chunkPages * chunkPages
		end := min(to, base+chunkPages)
		if c := m.chunks[base/chunkPages]; c != nil {
			for _, r := range c.runs[c.find(int32(at-base)):] {
				if base+int64(r.from) >= end {
					break
				}
				if start := base + int64(r.from); start > at {
					add(pageRun{at, start, nil})
					at = start
				}
				upTo := min(base+int64(r.to), end)
				add(pageRun{at, upTo, r.page})
				at = upTo
			}
		}
		add(pageRun{at, end, nil})
		at = end
	}
	return found
}

// set puts p at pages from to to (exclusive).
func (m *pageMap) set(from, to int64, p *page) {
	if p == nil && to-from > chunkPages {
		m.hole(from, to)
		return
	}
	for from < to {
		n := from / chunkPages
		end := min(to, (n+1)*chunkPages)
		if c := m.own(n, p != nil); c != nil {
			c.set(int32(from-n*chunkPages), int32(end-n*chunkPages), p)
			if len(c.runs) == 0 {
				delete(m.chunks, n)
			}
		}
		from = end
	}
}

// hole is set for long ranges: it looks at the chunks that there are, not at those there might be.
func (m *pageMap) hole(from, to int64) {
	var whole []int64
	for n := range m.chunks {
		if n*chunkPages >= from && (n+1)*chunkPages <= to {
			whole = append(whole, n)
		}
	}
	if len(whole) > 0 {
		m.ownMap()
		for _, n := range whole {
			delete(m.chunks, n)
		}
	}
	firstEnd := (from/chunkPages + 1) * chunkPages
	m.set(from, min(to, firstEnd), nil)
	if lastStart := to / chunkPages * chunkPages; lastStart < to && lastStart >= firstEnd {
		m.set(lastStart, to, nil)
	}
}

func (m *pageMap) ownMap() {
	if !m.shared && m.chunks != nil {
		return
	}
	chunks := make(map[int64]*chunk, len(m.chunks)+1)
	for n, c := range m.chunks {
		chunks[n] = c
	}
	m.chunks, m.shared = chunks, false
}

// own gives chunk n ready to be changed; nil if there is none and none is to be made.
func (m *pageMap) own(n int64, create bool) *chunk {
	c := m.chunks[n]
	if c == nil && !create {
		return nil
	}
	m.ownMap()
	switch {
	case c == nil:
		c = &chunk{owner: m}
		m.chunks[n] = c
	case c.owner != m:
		c = &chunk{owner: m, runs: slices.Clone(c.runs)}
		m.chunks[n] = c
	}
	return c
}
