package judge

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/lease"
)

// story is a cluster as its primary sees it: real leases, a real map, a judge. Nodes renew every second;
// the judge steps twice a second, and what it says is in the map at once unless the story says otherwise.
type story struct {
	t       *testing.T
	now     ais.Instant
	cfg     Config
	m       *cmap.Map
	grantor *lease.Grantor
	judge   *Judge
	term    ais.Term

	epochs   map[ais.NodeID]ais.Epoch // of the processes as they run
	silent   map[ais.NodeID]bool      // does not renew
	mute     map[ais.NodeID]bool      // does not answer the primary's probes
	accusers map[[2]ais.NodeID]bool   // who accuses whom, every second
	lost     bool                     // verdicts do not get into the map
	holds    string
	out      strings.Builder
}

const tick = ais.Instant(500 * time.Millisecond)

// TestStories runs testdata: each file is a story. The commands are
//
//	cluster [targets=N] [proxies=N] [out=D]  the nodes 1 to N, proxies after the targets; all new
//	run for=D                                lets time go by, and tells what happens
//	kill|revive node=…                       all that follows, at once
//	silent|speak node=…                      stop or begin to renew
//	mute|answer node=…                       stop or begin to answer probes
//	accuse|absolve by=… whom=…               begin or stop to accuse, once a second
//	suspect node=…                           gossip suspects
//	goodbye node=…                           give the lease back, and end
//	restart node=…                           start a new process, if it may
//	stop for=D                               the primary stands still, the others go on
//	elect                                    a new primary
//	lose on|off                              verdicts are lost on their way to the map
//	state node=… to=…                        an operator's word
//	map                                      shows the states, and who gets no lease
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			s.out.Reset()
			s.command(d)
			if s.out.Len() == 0 {
				return "ok"
			}
			return s.out.String()
		})
	})
}

func (s *story) command(d *datadriven.TestData) {
	switch d.Cmd {
	case "cluster":
		s.begin(d)
	case "run":
		s.run(s.span(d, "for"))
	case "kill", "revive":
		set(s.silent, s.nodes(d, "node"), d.Cmd == "kill")
		set(s.mute, s.nodes(d, "node"), d.Cmd == "kill")
	case "silent", "speak":
		set(s.silent, s.nodes(d, "node"), d.Cmd == "silent")
	case "mute", "answer":
		set(s.mute, s.nodes(d, "node"), d.Cmd == "mute")
	case "accuse", "absolve":
		for _, by := range s.nodes(d, "by") {
			for _, whom := range s.nodes(d, "whom") {
				s.accusers[[2]ais.NodeID{by, whom}] = d.Cmd == "accuse"
			}
		}
	case "suspect":
		for _, id := range s.nodes(d, "node") {
			s.judge.Suspected(s.now, id)
			s.say("probes: %v", s.probes())
		}
	case "goodbye":
		for _, id := range s.nodes(d, "node") {
			s.silent[id], s.mute[id] = true, true
			s.grantor.GivenBack(id, s.epochs[id])
			s.judge.GaveBack(s.now, id, s.epochs[id])
		}
	case "restart":
		for _, id := range s.nodes(d, "node") {
			s.restart(id)
		}
	case "stop":
		gap := s.span(d, "for")
		s.now += ais.Instant(gap)
		s.grantor.Stopped(s.now, gap)
		s.judge.PrimaryStopped(s.now, gap)
	case "elect":
		s.elect()
	case "lose":
		s.lost = d.HasArg("on")
	case "state":
		var to string
		d.ScanArgs(s.t, "to", &to)
		var state cmap.State
		if err := state.UnmarshalText([]byte(to)); err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		for _, id := range s.nodes(d, "node") {
			s.change([]cmap.StateChange{{ID: id, State: state}})
		}
	case "map":
		for _, n := range s.m.Nodes() {
			line := fmt.Sprintf("node %d: %s, epoch %d", n.ID, n.State, n.Epoch)
			if s.judge.Shunned(n.ID) {
				line += ", gets no lease"
			}
			s.out.WriteString(line + "\n")
		}
	default:
		d.Fatalf(s.t, "unknown command")
	}
}

func set(of map[ais.NodeID]bool, ids []ais.NodeID, value bool) {
	for _, id := range ids {
		of[id] = value
	}
}

func (s *story) nodes(d *datadriven.TestData, key string) (ids []ais.NodeID) {
	for _, arg := range d.CmdArgs {
		if arg.Key != key {
			continue
		}
		for _, v := range arg.Vals {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				d.Fatalf(s.t, "%v", err)
			}
			ids = append(ids, ais.NodeID(n))
		}
	}
	return ids
}

func (s *story) span(d *datadriven.TestData, key string) time.Duration {
	var text string
	d.ScanArgs(s.t, key, &text)
	span, err := time.ParseDuration(text)
	if err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	return span
}

func (s *story) begin(d *datadriven.TestData) {
	targets, proxies, out := 0, 0, "10m"
	d.MaybeScanArgs(s.t, "targets", &targets)
	d.MaybeScanArgs(s.t, "proxies", &proxies)
	d.MaybeScanArgs(s.t, "out", &out)
	outAfter, err := time.ParseDuration(out)
	if err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	*s = story{t: s.t, cfg: Config{Lease: 6 * time.Second, OutAfter: outAfter, Brake: 33}, m: cmap.New(1),
		epochs: map[ais.NodeID]ais.Epoch{}, silent: map[ais.NodeID]bool{}, mute: map[ais.NodeID]bool{}, accusers: map[[2]ais.NodeID]bool{}}
	for i := range targets + proxies {
		n := cmap.Node{ID: ais.NodeID(i + 1), Seat: ais.SeatID(i + 1), Epoch: 1, Roles: ais.RoleProxy}
		if i < targets {
			n.Roles, n.Weight = ais.RoleTarget, 1
		}
		if s.m, err = s.m.Join(n); err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		s.epochs[n.ID] = 1
	}
	s.elect()
}

func (s *story) elect() {
	s.term++
	s.grantor = lease.NewGrantor(s.now, 1, s.term, s.cfg.Lease)
	s.judge = New(s.now, s.cfg, s.m)
}

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(&s.out, "%7.1fs  %s\n", time.Duration(s.now).Seconds(), fmt.Sprintf(format, args...))
}

func (s *story) run(span time.Duration) {
	for end := s.now + ais.Instant(span); s.now < end; {
		s.now += tick
		if s.now%ais.Instant(time.Second) == 0 {
			s.second()
		}
		s.step()
	}
}

// second is what happens every second: renewals, a round, accusations, the answers to probes.
func (s *story) second() {
	for _, n := range s.m.Nodes() {
		if s.silent[n.ID] {
			continue
		}
		a := s.grantor.Receive(s.now, lease.Renewal{Node: n.ID, Epoch: s.epochs[n.ID], Sent: s.now, Generation: 1, Term: s.term, Map: s.m.Version()}, s.m)
		if a.ShowsLife() {
			s.judge.Renewed(s.now, n.ID, s.epochs[n.ID])
		}
		if a == lease.NeedsStart {
			s.start(n.ID)
		}
	}
	if round, ok := s.grantor.Begin(s.now); ok {
		s.grantor.Confirm(s.now, round, s.m, 1, s.cfg.Lease)
	}
	for _, by := range s.m.Nodes() {
		for _, whom := range s.m.Nodes() {
			// Nobody writes to a node that the map does not have alive, so nobody accuses it.
			if s.accusers[[2]ais.NodeID{by.ID, whom.ID}] && whom.State == cmap.Alive {
				s.judge.Accused(s.now, by.ID, whom.ID)
			}
		}
	}
}

func (s *story) probes() []ais.NodeID {
	ids := s.judge.Probes(s.now)
	for _, id := range ids {
		s.judge.Probed(s.now, id, !s.mute[id])
	}
	return ids
}

func (s *story) step() {
	s.probes()
	var changes []cmap.StateChange
	for _, v := range s.judge.Step(s.now, s.m, s.grantor) {
		s.say("node %d → %s: %s", v.Node, v.State, v.Reason)
		if v.State == cmap.Down && !s.grantor.LeaseOut(s.now, v.Node) {
			s.t.Errorf("node %d is put down while it may hold a lease", v.Node)
		}
		changes = append(changes, cmap.StateChange{ID: v.Node, Epoch: v.Epoch, State: v.State})
	}
	if holds := strings.Join(s.judge.Holds(), "\n"); holds != s.holds {
		s.holds = holds
		for _, h := range s.judge.Holds() {
			s.say("held: %s", short(h))
		}
		if holds == "" {
			s.say("nothing is held any more")
		}
	}
	if len(changes) > 0 && !s.lost {
		s.change(changes)
	}
}

// short shortens the ids of nodes to numbers.
func short(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if id, err := ais.ParseNodeID(w); err == nil {
			words[i] = strconv.FormatUint(uint64(id), 10)
		}
	}
	return strings.Join(words, " ")
}

func (s *story) change(changes []cmap.StateChange) {
	m, err := s.m.SetStates(changes)
	if err != nil {
		s.say("refused: %v", err)
		return
	}
	s.m = m
}

func (s *story) restart(id ais.NodeID) {
	s.epochs[id]++
	s.silent[id], s.mute[id] = false, false
	s.start(id)
}

// start records a new process in the map. A process that may not return asks again every second.
func (s *story) start(id ais.NodeID) {
	if !s.judge.MayReturn(s.now, id) {
		return
	}
	m, err := s.m.Start([]cmap.Start{{ID: id, Epoch: s.epochs[id], Seat: ais.SeatID(id)}})
	if err != nil {
		s.say("refused: %v", err)
		return
	}
	s.m = m
	n, _ := m.Node(id)
	s.say("node %d has started: %s, epoch %d", id, n.State, n.Epoch)
}
