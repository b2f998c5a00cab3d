package volume

import (
	"sync"

	"github.com/seed9b016523/ais"
)

// writeTable has the writes whose extents somebody is about to name, so that nobody takes them out
// meanwhile: those that a body is being staged into, those that a record on its way refers to, and those
// that another copy is sending. Writes that the index names are not in it.
type writeTable struct {
	mu sync.Mutex
	m  map[ais.WriteID]*writeState
}

type writeState struct {
	users    int           // records on their way that refer to it, and the Staged that fills it
	dropping int           // batches under way that take its extents out
	adopted  *adoptedWrite // not nil while extents come from another copy
}

func newWriteTable() *writeTable { return &writeTable{m: make(map[ais.WriteID]*writeState)} }

// use notes that a record will refer to writes; false if one of them is being taken out. unuse must follow.
func (t *writeTable) use(writes []writeOf) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range writes {
		if st := t.m[w.ID]; st != nil && st.dropping > 0 {
			return false
		}
	}
	for _, w := range writes {
		st := t.m[w.ID]
		if st == nil {
			st = &writeState{}
			t.m[w.ID] = st
		}
		st.users++
	}
	return true
}

// unuse ends use. With named set the index names the writes from now on.
func (t *writeTable) unuse(writes []writeOf, named bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range writes {
		st := t.m[w.ID]
		st.users--
		if a := st.adopted; named && a != nil && !a.busy {
			a.gone = true
			st.adopted = nil
		}
		t.forget(w.ID, st)
	}
}

// forget drops a state that says nothing; the caller holds mu.
func (t *writeTable) forget(w ais.WriteID, st *writeState) {
	if st.users == 0 && st.adopted == nil && st.dropping == 0 {
		delete(t.m, w)
	}
}

// held reports whether a record on its way refers to a write.
func (t *writeTable) held(w ais.WriteID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.m[w]
	return st != nil && st.users > 0
}

// drop notes that the extents of a write are being taken out; false if a record will refer to them. dropped
// must follow when the batch is committed, or failed.
func (t *writeTable) drop(w ais.WriteID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.m[w]
	if st == nil {
		st = &writeState{}
		t.m[w] = st
	}
	if st.users > 0 {
		return false
	}
	st.dropping++
	return true
}

func (t *writeTable) dropped(w ais.WriteID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.m[w]
	st.dropping--
	t.forget(w, st)
}

// adopt gives the state of a write whose extents come from another copy, made at the first call.
func (t *writeTable) adopt(w ais.WriteID, now int64) *adoptedWrite {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.m[w]
	if st == nil {
		st = &writeState{}
		t.m[w] = st
	}
	if st.adopted == nil {
		st.adopted = &adoptedWrite{id: w}
	}
	st.adopted.touched = now
	return st.adopted
}

// adopting gives that state, or nil.
func (t *writeTable) adopting(w ais.WriteID) *adoptedWrite {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.m[w]; st != nil {
		return st.adopted
	}
	return nil
}

// leave ends the adoption of a write: whoever waits for its state begins anew.
func (t *writeTable) leave(a *adoptedWrite) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.gone = true
	if st := t.m[a.id]; st != nil && st.adopted == a {
		st.adopted = nil
		t.forget(a.id, st)
	}
}

// idle reports whether nothing was added to a write since a moment (Unix milliseconds), and nobody is about
// to name it. One that it does not know is noted as touched now.
func (t *writeTable) idle(w ais.WriteID, since, now int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.m[w]
	if st == nil {
		t.m[w] = &writeState{adopted: &adoptedWrite{id: w, touched: now}}
		return since >= now
	}
	return st.users == 0 && st.adopted != nil && st.adopted.touched <= since
}

// adoptedWrites gives the writes whose extents come, or came, from another copy.
func (t *writeTable) adoptedWrites() []ais.WriteID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var l []ais.WriteID
	for w, st := range t.m {
		if st.adopted != nil {
			l = append(l, w)
		}
	}
	return l
}

// begin takes a state whose lock the caller holds; false if it is out of the table. end must follow.
func (t *writeTable) begin(a *adoptedWrite) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.busy = !a.gone
	return a.busy
}

// end tells whether extents are left that are appended and not indexed.
func (t *writeTable) end(a *adoptedWrite, busy bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.busy = busy
}

// firstOf gives what is known of the first extent of a write that came; an LSN of 0: none did.
func (t *writeTable) firstOf(w ais.WriteID) arrival {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.m[w]; st != nil && st.adopted != nil {
		return st.adopted.first
	}
	return arrival{}
}

func (t *writeTable) setFirst(a *adoptedWrite, first arrival) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.first = first
}
