package merge

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// Ask is what one source is to be asked for.
type Ask struct {
	Source  int
	Request ais.ListRequest
}

// List makes one page of what the sources have. fetch is called with asks of different sources, and answers each in
// order; its errors are List's. The page is complete: all names of all sources from its beginning to its end.
func List(r *ais.ListRequest, sources int, fetch func([]Ask) ([]*ais.ListPage, error)) (*ais.ListPage, error) {
	m := newListing(r, sources)
	for short := m.short(); len(short) > 0; short = m.short() {
		asks := make([]Ask, len(short))
		for i, s := range short {
			asks[i] = Ask{Source: s, Request: *r}
			q, from := &asks[i].Request, &m.sources[s]
			q.Limit = m.lacks(from)
			if from.next.set {
				q.After, q.AfterVersion = from.next.name, nil
				if r.Versions {
					q.AfterVersion = &from.next.mark
				}
			}
		}
		pages, err := fetch(asks)
		if err != nil {
			return nil, err
		}
		for i, s := range short {
			if err := m.feed(s, pages[i]); err != nil {
				return nil, err
			}
		}
		m.run()
	}
	return m.page(), nil
}

// Pages merges pages that sources have given for the same request. It ends where a source that has more has said no
// more, so it may be shorter than limit.
func Pages(pages []*ais.ListPage, limit int) *ais.ListPage {
	if len(pages) == 1 {
		return pages[0]
	}
	m := newListing(&ais.ListRequest{Limit: limit}, len(pages))
	for i, p := range pages {
		_ = m.feed(i, p) // an empty page that has more ends the page: it can only be asked again
	}
	m.run()
	return m.page()
}

// listing is a page of objects that is being made.
type listing struct {
	merging[ais.ListEntry, ais.VersionID]
}

func newListing(r *ais.ListRequest, sources int) *listing {
	m := &listing{}
	m.limit = r.Limit
	m.sources = make([]source[ais.ListEntry, ais.VersionID], sources)
	for i := range m.sources {
		m.sources[i].more = true
	}
	return m
}

// feed gives a source its next page.
func (m *listing) feed(i int, p *ais.ListPage) error {
	s := &m.sources[i]
	s.rows = slices.Grow(s.rows, len(p.Entries))
	for k := range p.Entries {
		e := &p.Entries[k]
		s.rows = append(s.rows, row[ais.ListEntry]{name: e.Name, prefix: e.IsPrefix, entry: *e})
	}
	if s.more = p.Truncated; !s.more {
		return nil
	}
	next := place[ais.VersionID]{name: p.Next, mark: p.NextVersion, set: true}
	if len(p.Entries) == 0 && (p.Next == "" || next == s.next) {
		return stuck(i)
	}
	s.next = next
	return nil
}

func (m *listing) page() *ais.ListPage {
	p := &ais.ListPage{Truncated: m.limit > 0 && m.truncated()}
	if len(m.out) > 0 {
		p.Entries = make([]ais.ListEntry, len(m.out))
	}
	for i := range m.out {
		p.Entries[i] = m.out[i].entry
	}
	if n := len(p.Entries); p.Truncated && n > 0 {
		p.Next, p.NextVersion = p.Entries[n-1].Name, p.Entries[n-1].Version
	}
	return p
}
