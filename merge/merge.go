package merge

import (
	"cmp"
	"math"
	"slices"

	"github.com/seed9b016523/ais"
)

// row is an entry with what orders it.
type row[E any] struct {
	name   string
	prefix bool // a common prefix: several sources may have it
	entry  E
}

// place is where a source goes on: after a name, and of entries of that name after one.
type place[M any] struct {
	name string
	mark M // of the last entry of the name: a version, an upload
	set  bool
}

// source is what is left of the pages of one source.
type source[E, M any] struct {
	rows  []row[E]
	more  bool // there are more behind the last row
	next  place[M]
	taken int // rows that went into the page, or were in it already
}

// merging is a page that is being made.
type merging[E, M any] struct {
	sources []source[E, M]
	limit   int
	out     []row[E]
}

// run takes what can be taken; it ends with a full page, with no source that has anything, or with a source that must be
// asked before anything else is known.
func (m *merging[E, M]) run() {
	for len(m.out) < m.limit {
		lowest := -1
		for i := range m.sources {
			s := &m.sources[i]
			if len(s.rows) == 0 {
				if s.more {
					return
				}
				continue
			}
			if lowest < 0 || before(&s.rows[0], &m.sources[lowest].rows[0]) {
				lowest = i
			}
		}
		if lowest < 0 {
			return
		}
		m.take(&m.sources[lowest])
	}
	m.dropRepeated()
}

func before[E any](a, b *row[E]) bool { return cmp.Compare(a.name, b.name) < 0 }

func (m *merging[E, M]) take(s *source[E, M]) {
	r := s.rows[0]
	s.rows = s.rows[1:]
	s.taken++
	if !m.repeated(&r) {
		m.out = append(m.out, r)
	}
}

// repeated reports whether a row is the common prefix that the page ends with.
func (m *merging[E, M]) repeated(r *row[E]) bool {
	n := len(m.out)
	return r.prefix && n > 0 && m.out[n-1].prefix && m.out[n-1].name == r.name
}

// dropRepeated drops the last prefix of a full page where other sources have it too: the page is not cut
// because of it.
func (m *merging[E, M]) dropRepeated() {
	for i := range m.sources {
		if s := &m.sources[i]; len(s.rows) > 0 && m.repeated(&s.rows[0]) {
			s.rows = s.rows[1:]
			s.taken++
		}
	}
}

// truncated reports whether there is more behind the page.
func (m *merging[E, M]) truncated() bool {
	for i := range m.sources {
		if len(m.sources[i].rows) > 0 || m.sources[i].more {
			return true
		}
	}
	return false
}

// short are the sources that must be asked before the page can go on, and beside them those that will run dry soon,
// so that there are few rounds; none if the page is complete.
func (m *merging[E, M]) short() (which []int) {
	if len(m.out) >= m.limit || !slices.ContainsFunc(m.sources, func(s source[E, M]) bool { return len(s.rows) == 0 && s.more }) {
		return nil
	}
	for i := range m.sources {
		if s := &m.sources[i]; s.more && len(s.rows) < m.want(s) {
			which = append(which, i)
		}
	}
	return which
}

// want is for how many rows a source is asked: its part of what the page lacks, by what it gave so far, and two standard
// deviations, since names fall to sources by chance. Too many is waste, too few another round.
func (m *merging[E, M]) want(s *source[E, M]) int {
	lacking := m.limit - len(m.out)
	part := 1 / float64(len(m.sources))
	if got := len(m.out); got > 0 {
		part = min(float64(s.taken+1)/float64(got), 1)
	}
	mean := part * float64(lacking)
	return min(lacking, int(math.Ceil(mean+2*math.Sqrt(mean)))+1)
}

// lacks is for how many more rows a source is asked.
func (m *merging[E, M]) lacks(s *source[E, M]) int { return m.want(s) - len(s.rows) }

// stuck is the error for an answer that would make a list go round in a circle.
func stuck(i int) error {
	return ais.Errorf(ais.Internal, "source %d of a list has more, and says nothing behind the place it was asked for", i)
}
