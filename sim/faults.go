package sim

import (
	"time"

	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/term"
)

// faults breaks things until a moment, then mends them all.
type faults struct {
	w     *world
	until time.Duration
	pace  time.Duration // between two faults, on average
	spare bool          // the primary is left alone, so that it can judge the others
	ended bool
}

// fault is something that breaks, and how often it is drawn.
type fault struct {
	name   string
	weight int
	do     func(*faults)
}

func faultTable() []fault {
	return []fault{
		{"kill", 10, (*faults).kill},
		{"power", 8, (*faults).power},
		{"restart of all", 1, (*faults).restartAll},
		{"pause", 8, (*faults).pause},
		{"partition", 8, (*faults).partition},
		{"one-way partition", 6, (*faults).oneWay},
		{"isolated primary", 6, (*faults).isolatePrimary},
		{"isolated node", 8, (*faults).isolate},
		{"flapping link", 4, (*faults).flap},
		{"weather", 8, (*faults).storm},
		{"slow disk", 4, (*faults).slowDisk},
		{"stalled disk", 4, (*faults).stallDisk},
		{"damaged log", 3, (*faults).damage},
		{"graceful restart", 4, (*faults).leave},
		{"pause of the primary", 4, (*faults).pausePrimary},
	}
}

func startFaults(w *world, until, pace time.Duration) *faults {
	f := &faults{w: w, until: until, pace: pace, spare: w.rng.IntN(2) == 0}
	f.next()
	return f
}

func (f *faults) next() {
	w := f.w
	w.after(time.Duration(w.rng.Int64N(int64(2*f.pace))), func() {
		if w.now >= f.until {
			return
		}
		table := faultTable()
		if f.spare {
			table = append(table, fault{"isolated node", 60, (*faults).isolate})
		}
		total := 0
		for _, row := range table {
			total += row.weight
		}
		at := w.rng.IntN(total)
		for _, row := range table {
			if at -= row.weight; at < 0 {
				w.trace.event(row.name)
				row.do(f)
				break
			}
		}
		f.next()
	})
}

// mend ends all faults, and starts every node that is to run.
func (f *faults) mend() {
	w := f.w
	f.ended = true
	w.say(nil, "all faults end")
	w.net.heal()
	for _, n := range w.nodes {
		n.speed = fastDisk()
		n.fenceDelay, n.endDelay = min(n.fenceDelay, time.Second), min(n.endDelay, time.Second)
		if b := n.writing; b != nil {
			n.live(n.speed.write, func() { n.written(b) })
		}
		switch {
		case n.wanted && n.state == off:
			n.start()
		case n.state == paused:
			n.resume()
		}
	}
}

// span draws how long a fault lasts: mostly short, at times longer than leases and judgements.
func (f *faults) span() time.Duration {
	longest := 3 * time.Second
	if f.spare || f.w.rng.IntN(2) == 0 {
		longest = 25 * time.Second
	}
	return 50*time.Millisecond + time.Duration(f.w.rng.Int64N(int64(longest)))
}

// undo mends a fault, unless all are mended by then.
func (f *faults) undo(after time.Duration, do func()) {
	f.w.after(after, func() {
		if !f.ended {
			do()
		}
	})
}

// pick draws a node that runs; nil if there is none.
func (f *faults) pick() *node {
	var all []*node
	var spared *node
	if f.spare {
		spared = f.w.primary()
	}
	for _, n := range f.w.nodes {
		if n.state == running && n.wanted && n != spared {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[f.w.rng.IntN(len(all))]
}

func (f *faults) stopFor(n *node, power bool, d time.Duration) {
	if n == nil {
		return
	}
	n.stop(power)
	f.undo(d, func() {
		if n.state == off && n.wanted {
			f.w.say(n, "starts again")
			n.start()
		}
	})
}

func (f *faults) kill() {
	if n := f.pick(); n != nil {
		f.w.say(n, "is killed")
		f.stopFor(n, false, f.span())
	}
}

func (f *faults) power() {
	if n := f.pick(); n != nil {
		f.w.say(n, "loses its power")
		f.stopFor(n, true, f.span())
	}
}

func (f *faults) restartAll() {
	f.w.say(nil, "all nodes are killed")
	for _, n := range f.w.nodes {
		if n.state != off && n.wanted {
			f.stopFor(n, f.w.rng.IntN(2) == 0, 2*f.span())
		}
	}
}

func (f *faults) pause() { f.pauseFor(f.pick()) }

func (f *faults) pausePrimary() { f.pauseFor(f.w.primary()) }

func (f *faults) pauseFor(n *node) {
	if n == nil || n.state != running {
		return
	}
	f.w.say(n, "is stopped")
	n.pause()
	life := n.life
	f.undo(f.span(), func() {
		if n.life == life && n.state == paused {
			f.w.say(n, "goes on")
			n.resume()
		}
	})
}

// split draws two parts of the nodes.
func (f *faults) split() (a, b []*node) {
	for _, n := range f.w.nodes {
		if f.w.rng.IntN(2) == 0 {
			a = append(a, n)
		} else {
			b = append(b, n)
		}
	}
	return a, b
}

func (f *faults) shutFor(d time.Duration, paths []path) {
	f.w.net.shut(paths...)
	f.undo(d, func() { f.w.net.open(paths...) })
}

func (f *faults) partition() {
	a, b := f.split()
	f.w.say(nil, "partition: %s | %s", names(a), names(b))
	f.shutFor(f.span(), append(between(a, b), between(b, a)...))
}

func (f *faults) oneWay() {
	a, b := f.split()
	f.w.say(nil, "one-way partition: nothing from %s to %s", names(a), names(b))
	f.shutFor(f.span(), between(a, b))
}

func (f *faults) isolatePrimary() { f.cutOff(f.w.primary()) }

func (f *faults) isolate() { f.cutOff(f.pick()) }

func (f *faults) cutOff(p *node) {
	if p == nil {
		return
	}
	paths := between([]*node{p}, f.w.nodes)
	if f.w.rng.IntN(3) > 0 {
		paths = append(paths, between(f.w.nodes, []*node{p})...)
	}
	f.w.say(p, "is cut off")
	f.shutFor(f.span(), paths)
}

// flap opens and shuts the paths between two nodes again and again.
func (f *faults) flap() {
	w := f.w
	a, b := f.pick(), f.pick()
	if a == nil || a == b {
		return
	}
	w.say(nil, "the link of %s and %s flaps", a.name, b.name)
	paths := []path{{a.id, b.id}, {b.id, a.id}}
	end := w.now + f.span()
	for at := w.now; at < end; {
		shut := 20*time.Millisecond + time.Duration(w.rng.Int64N(int64(time.Second)))
		w.after(at-w.now, func() {
			if !f.ended {
				f.shutFor(shut, paths)
			}
		})
		at += shut + time.Duration(w.rng.Int64N(int64(time.Second)))
	}
}

func (f *faults) storm() {
	w := f.w
	w.net.weather = weather{loss: w.rng.IntN(300), doubled: w.rng.IntN(200), late: w.rng.IntN(200),
		delay: time.Duration(1 + w.rng.Int64N(int64(100*time.Millisecond))), lateDelay: 10*time.Millisecond + time.Duration(w.rng.Int64N(int64(5*time.Second)))}
	w.say(nil, "bad weather: %+v", w.net.weather)
	f.undo(f.span(), func() { w.net.weather = calm() })
}

func (f *faults) slowDisk() {
	if n := f.pick(); n != nil {
		n.speed.write = time.Duration(1 + f.w.rng.Int64N(int64(300*time.Millisecond)))
		f.w.say(n, "has a slow disk: up to %v a write", n.speed.write)
		f.undo(2*f.span(), func() { n.speed.write = fastDisk().write })
	}
}

func (f *faults) stallDisk() {
	if n := f.pick(); n != nil {
		d := f.span()
		f.w.say(n, "has a disk that hangs for %v", d)
		n.speed.stalled = f.w.now + d
	}
}

// damage spoils the log of a node. It does so only while all voters are well: a cluster bears the loss of
// one log of three, not of two before the first has been replaced.
func (f *faults) damage() {
	n := f.pick()
	if n == nil || !f.w.votersWell(n) {
		return
	}
	n.stop(true)
	if n.storage.damage() {
		f.w.say(n, "loses its power and its log")
	}
	f.undo(f.span(), func() {
		if n.state == off && n.wanted {
			n.start()
		}
	})
}

// leave restarts a node gently.
func (f *faults) leave() {
	n := f.pick()
	if n == nil {
		return
	}
	f.w.say(n, "leaves and comes back")
	n.deliver(consensus.Leave{})
	life := n.life
	f.w.after(time.Duration(f.w.rng.Int64N(int64(2*time.Second))), func() {
		if n.life == life {
			f.stopFor(n, false, f.span()/time.Duration(1+9*f.w.rng.IntN(2)))
			if f.ended && n.wanted {
				n.start()
			}
		}
	})
}

// primary is the node that serves as primary; the newest if there are several, nil if there is none.
func (w *world) primary() (best *node) {
	var newest consensus.Status
	for _, n := range w.nodes {
		if n.state == off {
			continue
		}
		if s := n.machine.Status(); s.State == term.Serving && s.Term > newest.Term {
			best, newest = n, s
		}
	}
	return best
}

// votersWell reports whether the voters are at least three, all of them run with the seats that they vote
// with, and n is not the one whose log alone is complete.
func (w *world) votersWell(n *node) bool {
	p := w.primary()
	if p == nil || p == n {
		return false
	}
	s := p.machine.Status()
	if len(s.Voters) < 3 {
		return false
	}
	for _, id := range s.Voters {
		v := w.node(id)
		if d, ok := p.view.Map().Node(id); v == nil || v.state != running || !ok || d.Seat != v.seat || v.view == nil || v.view.Index()+8 < p.view.Index() {
			return false
		}
	}
	for _, other := range w.nodes {
		if other.wanted && (other.state != running || !other.inMap()) {
			return false
		}
	}
	return true
}

func names(nodes []*node) (text string) {
	for _, n := range nodes {
		if text != "" {
			text += " "
		}
		text += n.name
	}
	return text
}
