package merge

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// UploadAsk is what one source is to be asked for.
type UploadAsk struct {
	Source  int
	Request ais.UploadListRequest
}

// Uploads makes one page of open uploads, as List does of objects: uploads and common prefixes in one order.
func Uploads(r *ais.UploadListRequest, sources int, fetch func([]UploadAsk) ([]*ais.UploadPage, error)) (*ais.UploadPage, error) {
	m := newUploads(r.Limit, sources)
	for short := m.short(); len(short) > 0; short = m.short() {
		asks := make([]UploadAsk, len(short))
		for i, s := range short {
			asks[i] = UploadAsk{Source: s, Request: *r}
			q, from := &asks[i].Request, &m.sources[s]
			q.Limit = m.lacks(from)
			if from.next.set {
				q.AfterName, q.AfterUpload = from.next.name, from.next.mark
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

// UploadPages merges pages as Pages does.
func UploadPages(pages []*ais.UploadPage, limit int) *ais.UploadPage {
	if len(pages) == 1 {
		return pages[0]
	}
	m := newUploads(limit, len(pages))
	for i, p := range pages {
		_ = m.feed(i, p) // as in Pages
	}
	m.run()
	return m.page()
}

// uploads is a page of open uploads that is being made. The entry of a common prefix is nil.
type uploads struct {
	merging[*ais.Upload, ais.WriteID]
}

func newUploads(limit, sources int) *uploads {
	m := &uploads{}
	m.limit = limit
	m.sources = make([]source[*ais.Upload, ais.WriteID], sources)
	for i := range m.sources {
		m.sources[i].more = true
	}
	return m
}

// feed gives a source its next page: its uploads and prefixes, each in order, become one row.
func (m *uploads) feed(i int, p *ais.UploadPage) error {
	s := &m.sources[i]
	s.rows = slices.Grow(s.rows, len(p.Uploads)+len(p.Prefixes))
	prefixes := p.Prefixes
	for k := range p.Uploads {
		u := &p.Uploads[k]
		for len(prefixes) > 0 && prefixes[0] < u.Name {
			s.rows = append(s.rows, row[*ais.Upload]{name: prefixes[0], prefix: true})
			prefixes = prefixes[1:]
		}
		s.rows = append(s.rows, row[*ais.Upload]{name: u.Name, entry: u})
	}
	for _, x := range prefixes {
		s.rows = append(s.rows, row[*ais.Upload]{name: x, prefix: true})
	}
	if s.more = p.Truncated; !s.more {
		return nil
	}
	next := place[ais.WriteID]{name: p.NextName, mark: p.NextUpload, set: true}
	if len(p.Uploads)+len(p.Prefixes) == 0 && (p.NextName == "" || next == s.next) {
		return stuck(i)
	}
	s.next = next
	return nil
}

func (m *uploads) page() *ais.UploadPage {
	p := &ais.UploadPage{Truncated: m.limit > 0 && m.truncated()}
	for i := range m.out {
		r := &m.out[i]
		if r.prefix {
			p.Prefixes = append(p.Prefixes, r.name)
		} else {
			p.Uploads = append(p.Uploads, *r.entry)
		}
		if p.Truncated {
			p.NextName, p.NextUpload = r.name, ais.WriteID{}
			if r.entry != nil {
				p.NextUpload = r.entry.ID
			}
		}
	}
	return p
}
