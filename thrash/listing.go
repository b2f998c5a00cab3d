package thrash

import "fmt"

// presence is what a listing may say of a key.
type presence uint8

const (
	either presence = iota
	there
	gone
)

// presenceDuring says whether a key was surely there, or surely not, from one moment to another. ops are all
// operations on it that began up to then; those without an answer have Return never.
func presenceDuring(base ID, baseAt int64, ops []*Op, from, to int64) presence {
	seen := settledReturns(ops)
	ends := func(o *Op) int64 {
		if at, ok := seen[o.Value]; ok && o.Kind == Write && o.Outcome == Unknown {
			return max(at, o.Call)
		}
		return o.Return
	}
	// The newest evidence of each kind that was in before from: it held at some moment not before Call.
	const none = -1
	evidence := [...]int64{there: none, gone: none}
	note := func(p presence, call int64) { evidence[p] = max(evidence[p], call) }
	if baseAt >= from {
		return either // what was before is forgotten
	}
	if base == (ID{}) {
		note(gone, baseAt)
	} else {
		note(there, baseAt)
	}
	for _, o := range ops {
		if ends(o) >= from {
			continue
		}
		if p := shows(o); p != either {
			note(p, o.Call)
		}
	}
	sure := func(p presence, against Kind) bool {
		if evidence[p] == none {
			return false
		}
		for _, o := range ops {
			if o.Kind == against && mayChange(o) && o.Call <= to && ends(o) >= evidence[p] {
				return false
			}
		}
		return true
	}
	switch {
	case sure(there, Remove):
		return there
	case sure(gone, Write):
		return gone
	}
	return either
}

// shows is what the answer to an operation proves of the key, at its end or some moment of it.
func shows(o *Op) presence {
	switch {
	case o.Kind == Read && o.Outcome == Done && o.Value == ID{}, o.Kind == Remove && o.Outcome == Done, o.Outcome == Absent:
		return gone
	case o.Kind == Read && o.Outcome == Done, o.Outcome == Failed, o.Kind == Write && o.Outcome == Done:
		return there
	}
	return either
}

func mayChange(o *Op) bool { return o.Outcome == Done || o.Outcome == Unknown }

// Entry is a name in a listing.
type Entry struct {
	Name string
	Size int64
	ETag string
}

// Page is one page of a listing in name order: all names behind After up to the last one, and to the end if
// it is the last page.
type Page struct {
	After     string // name at which the page before ended; "" for the first
	Entries   []Entry
	Last      bool
	From, To  int64 // when it was asked and answered
	Node      int
	Collected string // for people
}

// until is the last name that a page speaks for; false: it speaks for all that follow.
func (p *Page) until() (string, bool) {
	if p.Last {
		return "", false
	}
	return p.Entries[len(p.Entries)-1].Name, true
}

// checkPage holds a page to what is known of the keys. all are the keys that begin with the prefix that was
// asked for.
func checkPage(p *Page, all map[string]*History) []Violation {
	var found []Violation
	complain := func(kind Wrong, name, format string, args ...any) {
		v := Violation{Kind: kind, Key: name, Message: fmt.Sprintf(format, args...) +
			fmt.Sprintf("; page after %q by node %d, %s–%s, %d names", p.After, p.Node, stamp(p.From), stamp(p.To), len(p.Entries))}
		if h := all[name]; h != nil {
			v.History = h.tell()
		}
		found = append(found, v)
	}
	if !p.Last && len(p.Entries) == 0 {
		complain(Missing, "", "an empty page that is not the last")
		return found
	}
	listed := map[string]Entry{}
	before := p.After
	for _, e := range p.Entries {
		if e.Name <= before {
			complain(Extra, e.Name, "%q comes after %q", e.Name, before)
		}
		before = e.Name
		listed[e.Name] = e
		if h, ok := all[e.Name]; !ok {
			complain(WrongBytes, e.Name, "nobody ever wrote %q", e.Name)
		} else if !h.hadSize(e.Size, p.From) {
			complain(WrongBytes, e.Name, "size %d: no value of this key has it", e.Size)
		}
	}
	until, bounded := p.until()
	for name, h := range all {
		if name <= p.After || bounded && name > until {
			continue
		}
		e, shown := listed[name]
		switch is := h.presenceDuring(p.From, p.To); {
		case is == there && !shown:
			complain(Missing, name, "%q was there all the time, and is not listed", name)
		case is == gone && shown:
			complain(Extra, name, "%q was deleted all the time, and is listed with %d bytes", name, e.Size)
		}
	}
	return found
}

func (h *History) presenceDuring(from, to int64) presence {
	h.Lock()
	defer h.Unlock()
	return presenceDuring(h.base, h.baseAt, h.ops, from, to)
}

// hadSize reports whether some value of the key may have had a size at some moment from then on.
func (h *History) hadSize(size, from int64) bool {
	h.Lock()
	defer h.Unlock()
	if h.baseAt >= from {
		return true // what was before is forgotten
	}
	for _, w := range h.values {
		if w.size == size {
			return true
		}
	}
	return false
}
