package thrash

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// How keys live. A key's history is kept short, so that it can be checked: after so many operations, or when
// so many changes may still take effect, the key gets no more changes and another takes its place.
const (
	hotKeys     = 12
	warmKeys    = 240
	opsMax      = 120 // of one key, before it is replaced
	pendingMax  = 6   // changes of unknown outcome, or under way
	coldOpsMax  = 240 // reads of a key that has been replaced go on until then
	prefixesMax = 12  // under which keys lie; each list is of one
)

// names is all keys of a run: those in use in their places, and all others there ever were.
type names struct {
	run   uint32
	clock func() int64

	mu struct {
		sync.Mutex
		places [hotKeys + warmKeys]*History
		serial int
		all    [prefixesMax]map[string]*History
		cold   []*History // replaced
		worn   []*History // replaced, and not yet looked after
	}
}

func newNames(run uint32, clock func() int64) *names {
	n := &names{run: run, clock: clock}
	for i := range n.mu.all {
		n.mu.all[i] = map[string]*History{}
	}
	for place := range n.mu.places {
		n.replace(place)
	}
	return n
}

func prefixName(i int) string { return fmt.Sprintf("p%02d/", i) }

// replace is called under mu, or before anybody else knows n.
func (n *names) replace(place int) {
	n.mu.serial++
	prefix := place % prefixesMax
	name := fmt.Sprintf("%s%08x/%06d", prefixName(prefix), uint32(mix(uint64(n.run)<<32|uint64(n.mu.serial))), n.mu.serial)
	h := newHistory(name, n.clock())
	n.mu.all[prefix][name] = h
	n.mu.places[place] = h
}

// pick draws a key, to change it or to read it. It is held, and its user releases it.
func (n *names) pick(random *rand.Rand, change bool) *History {
	n.mu.Lock()
	defer n.mu.Unlock()
	x, y := random.IntN(100), random.Uint32() // drawn whatever is done with them: a seed repeats its choices
	if i := int(y); !change && x < 20 && len(n.mu.cold) > 0 {
		i %= len(n.mu.cold)
		h := n.mu.cold[i]
		if h.hold(coldOpsMax) {
			return h
		}
		n.mu.cold[i] = n.mu.cold[len(n.mu.cold)-1]
		n.mu.cold = n.mu.cold[:len(n.mu.cold)-1]
		n.mu.worn = append(n.mu.worn, h)
	}
	place := hotKeys + int(y)%warmKeys
	if x >= 55 {
		place = int(y) % hotKeys
	}
	h := n.mu.places[place]
	if h.worn() {
		n.mu.worn = append(n.mu.worn, h)
		n.replace(place)
		h = n.mu.places[place]
	}
	h.hold(never)
	return h
}

// worn reports that a key has to be replaced, and closes it then.
func (h *History) worn() bool {
	h.Lock()
	defer h.Unlock()
	h.closed = h.closed || len(h.ops) >= opsMax || h.pending() >= pendingMax && h.pending() > h.open
	return h.closed
}

// hold keeps a key from being looked after, until release; false if it has as many operations as it may.
func (h *History) hold(most int) bool {
	h.Lock()
	defer h.Unlock()
	if len(h.ops) >= most {
		return false
	}
	h.held++
	return true
}

func (h *History) release() {
	h.Lock()
	defer h.Unlock()
	h.held--
}

// crowded reports that a change would have to wait for others: too many may still take effect.
func (h *History) crowded() bool {
	h.Lock()
	defer h.Unlock()
	return h.closed || h.pending() >= pendingMax
}

// next gives a key that was replaced and of which nothing is under way any more, to be looked after.
func (n *names) next() *History {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, h := range n.mu.worn {
		h.Lock()
		idle := h.held == 0
		h.Unlock()
		if idle {
			n.mu.worn = append(n.mu.worn[:i], n.mu.worn[i+1:]...)
			return h
		}
	}
	return nil
}

// retire makes a key one that is read now and then.
func (n *names) retire(h *History) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.cold = append(n.mu.cold, h)
}

// under copies the keys of a prefix.
func (n *names) under(prefix int) map[string]*History {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make(map[string]*History, len(n.mu.all[prefix]))
	for name, h := range n.mu.all[prefix] {
		out[name] = h
	}
	return out
}

// every gives all keys.
func (n *names) every() map[string]*History {
	out := map[string]*History{}
	for i := range prefixesMax {
		for name, h := range n.under(i) {
			out[name] = h
		}
	}
	return out
}
