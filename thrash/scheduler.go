package thrash

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// scheduler brings the faults about, several at a time, and keeps them within what an acknowledged write
// must survive: one whole copy stays. So the data of one node at most is away at a time, except where all
// nodes are killed and come back with what they had; and data is lost for ever only when every copy was
// whole just before, and nothing else is away until it is so again.
type scheduler struct {
	*run
	rooms   *rooms
	chances *chances
	busy    sync.WaitGroup

	mu struct {
		sync.Mutex
		taken   map[int]string // nodes under a fault
		away    int            // of them, those whose data cannot be reached
		lonely  bool           // nothing else may be away
		falls   map[int]int    // how often a node was away for longer than its lease, since the last change of primary
		aborted bool           // a rebalance was, and has to be started again
	}
}

func newScheduler(r *run, rooms *rooms) *scheduler {
	s := &scheduler{run: r, rooms: rooms, chances: newChances(r.Seed, r.Nemeses)}
	s.mu.taken, s.mu.falls = map[int]string{}, map[int]int{}
	return s
}

// schedule brings about faults until load ends, and ends them then; whole is the context of the run.
func (s *scheduler) schedule(load, whole context.Context) {
	if s.chances.total == 0 {
		return
	}
	for {
		c := s.chances.next()
		if !pause(load, c.after) {
			break
		}
		if fault := s.fault(c); fault != nil {
			s.busy.Go(func() { fault(load, whole) })
		}
	}
	s.busy.Wait()
	s.startAborted(whole)
}

// fault prepares a fault: what it needs is taken when it is returned. nil: it cannot be now.
func (s *scheduler) fault(c chance) func(load, whole context.Context) {
	switch c.nemesis {
	case nemesisKill:
		if c.flavour < 8 {
			return s.killAll(c)
		}
		return s.onNode(c, true, s.kill)
	case nemesisStop:
		return s.onNode(c, true, s.stop)
	case nemesisPartition:
		return s.onNode(c, true, s.partition)
	case nemesisSlow, nemesisLossy:
		return s.onNode(c, false, s.disturb)
	case nemesisFull:
		if s.under(nemesisFull) > 0 { // copies on two full disks take no writes
			s.skipped(c.nemesis)
			return nil
		}
		return s.onNode(c, false, s.full)
	case nemesisJoin:
		return s.join(c)
	case nemesisLeave:
		return s.leave(c)
	case nemesisLose:
		return s.lose(c)
	case nemesisAbort:
		return func(load, whole context.Context) { s.abort(load, whole, c) }
	}
	return func(load, _ context.Context) { s.handOver(load, c) }
}

func (s *scheduler) done(name string)    { s.ledger.fault(name, func(f *Fault) { f.Done++ }) }
func (s *scheduler) skipped(name string) { s.ledger.fault(name, func(f *Fault) { f.Skipped++ }) }
func (s *scheduler) unavailable(name string) {
	s.ledger.fault(name, func(f *Fault) { f.Unavailable++ })
}

// take marks a node as one under a fault; nil if it cannot be now.
func (s *scheduler) take(c chance, away bool) *member {
	members := s.fleet.members()
	s.mu.Lock()
	defer s.mu.Unlock()
	if away && (s.mu.away > 0 || s.mu.lonely) {
		return nil
	}
	for i := range members {
		m := members[(int(c.node%uint32(len(members)))+i)%len(members)]
		if _, is := s.mu.taken[m.index]; !is {
			s.mu.taken[m.index] = c.nemesis
			if away {
				s.mu.away++
			}
			return m
		}
	}
	return nil
}

// under is how many nodes are under a fault.
func (s *scheduler) under(nemesis string) (count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.mu.taken {
		if name == nemesis {
			count++
		}
	}
	return count
}

func (s *scheduler) giveBack(m *member, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.taken, m.index)
	if away {
		s.mu.away--
	}
}

// onNode is a fault of one node.
func (s *scheduler) onNode(c chance, away bool, fault func(load, whole context.Context, c chance, m *member) error) func(load, whole context.Context) {
	m := s.take(c, away)
	if m == nil {
		s.skipped(c.nemesis)
		return nil
	}
	if away && c.span > 2*time.Second {
		s.countFall(m)
	}
	return func(load, whole context.Context) {
		defer s.giveBack(m, away)
		if err := fault(load, whole, c, m); err != nil {
			s.unavailable(c.nemesis)
			s.ledger.event("%s of %s: %v", c.nemesis, m.name(), err)
			return
		}
		s.done(c.nemesis)
	}
}

func (s *scheduler) countFall(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.falls[m.index]++
}

// worn reports whether some node has fallen so often that its next return would wait for minutes.
func (s *scheduler) worn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.mu.falls {
		if n >= 2 {
			return true
		}
	}
	return false
}

func (s *scheduler) kill(load, whole context.Context, c chance, m *member) error {
	if s.worn() {
		s.handOver(load, c) // a new primary counts anew
	}
	s.ledger.event("kill -9 %s for %v", m.name(), round(c.span))
	s.fleet.end(whole, m, syscall.SIGKILL, time.Minute)
	pause(load, c.span)
	return s.restart(whole, m)
}

// restart starts a node again and waits until it is ready, or for a while.
func (s *scheduler) restart(whole context.Context, m *member) error {
	if err := s.fleet.start(m, false); err != nil {
		return err
	}
	if err := s.fleet.awaitReady(whole, m, readyMax); err != nil && whole.Err() == nil {
		s.ledger.event("%v", err)
	}
	return nil
}

// killAll kills all nodes at once, as a power cut does, but for those under another fault.
func (s *scheduler) killAll(c chance) func(load, whole context.Context) {
	members := s.fleet.members()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.away > 0 || s.mu.lonely || len(s.mu.taken) > 0 {
		s.skipped(c.nemesis)
		return nil
	}
	for _, m := range members {
		s.mu.taken[m.index] = c.nemesis
	}
	s.mu.away += len(members)
	return func(_, whole context.Context) {
		s.ledger.event("kill -9 all %d nodes", len(members))
		var all sync.WaitGroup
		for _, m := range members {
			all.Go(func() { s.fleet.end(whole, m, syscall.SIGKILL, time.Minute) })
		}
		all.Wait()
		for _, m := range members {
			if err := s.fleet.start(m, false); err != nil {
				s.ledger.event("start %s: %v", m.name(), err)
			}
		}
		for _, m := range members {
			if err := s.fleet.awaitReady(whole, m, readyMax); err != nil && whole.Err() == nil {
				s.ledger.event("%v", err)
			}
			s.giveBack(m, true)
		}
		s.done(c.nemesis)
	}
}

func (s *scheduler) stop(load, _ context.Context, c chance, m *member) error {
	s.ledger.event("stop %s for %v", m.name(), round(c.span))
	if err := s.fleet.signal(m, syscall.SIGSTOP); err != nil {
		return err
	}
	pause(load, c.span)
	return s.fleet.signal(m, syscall.SIGCONT)
}

// partition cuts links of a node: all, all in one direction, those with one other node, one of those.
func (s *scheduler) partition(load, _ context.Context, c chance, m *member) error {
	members := s.fleet.members()
	other := members[int(c.other%uint32(len(members)))]
	in, out := true, true
	what := "both ways"
	switch c.flavour % 5 {
	case 1, 3:
		in, what = false, "what it sends"
	case 2:
		out, what = false, "what it receives"
	}
	single := c.flavour%5 >= 3 && other != m
	if single {
		what += ", and only " + other.name()
	}
	s.ledger.event("cut %s off for %v: %s", m.name(), round(c.span), what)
	set := func(cut bool) {
		for i := range nodesMax {
			if i == m.index || single && i != other.index {
				continue
			}
			if out {
				s.wire.links[m.index][i].cut.Store(cut)
			}
			if in {
				s.wire.links[i][m.index].cut.Store(cut)
			}
		}
	}
	set(true)
	pause(load, c.span)
	set(false)
	return nil
}

// disturb makes what a node sends or receives, or both, slow or lossy.
func (s *scheduler) disturb(load, _ context.Context, c chance, m *member) error {
	var delay time.Duration
	var loss int64
	if c.nemesis == nemesisSlow {
		delay = time.Duration(5+c.other%300) * time.Millisecond
		s.ledger.event("slow %s for %v: %v", m.name(), round(c.span), delay)
	} else {
		loss = int64(10 + c.other%200)
		s.ledger.event("lossy %s for %v: %.1f %%", m.name(), round(c.span), float64(loss)/10)
	}
	set := func(delay time.Duration, loss int64) {
		for i := range nodesMax {
			if i == m.index {
				continue
			}
			if c.flavour < 70 {
				s.wire.links[m.index][i].delay.Store(int64(delay))
				s.wire.links[m.index][i].loss.Store(loss)
			}
			if c.flavour >= 30 {
				s.wire.links[i][m.index].delay.Store(int64(delay))
				s.wire.links[i][m.index].loss.Store(loss)
			}
		}
	}
	set(delay, loss)
	pause(load, c.span)
	set(0, 0)
	return nil
}

// full fills a node's disk.
func (s *scheduler) full(load, _ context.Context, c chance, m *member) error {
	if s.rooms.why != nil {
		return s.rooms.why
	}
	leave := int64(c.other%16) << 20
	if c.flavour < 50 {
		leave = 0
	}
	s.ledger.event("fill %s for %v, but for %d MiB", m.name(), round(c.span), leave>>20)
	undo, err := fill(m.mountpath(), leave)
	if err == nil {
		pause(load, c.span)
	}
	if undo != nil {
		if e := undo(); e != nil && err == nil {
			err = fmt.Errorf("free it again: %w", e)
		}
	}
	return err
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
