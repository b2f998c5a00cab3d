package consensus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/disk"
)

// story is a rig that tells what can be seen of it from outside, as it changes.
type story struct {
	*rig
	out  strings.Builder
	seen sight
}

// sight is what was told last.
type sight struct {
	primary ais.NodeID
	term    ais.Term
	voters  string
	level   uint32
	nodes   map[ais.NodeID]string
	leases  map[ais.NodeID]bool
}

// TestStories runs testdata/stories: each file is a story. Nodes are numbers; the first is of a new
// cluster. The commands are
//
//	form N [targets=N]             N nodes of both roles, and targets that are no proxies after them
//	join N [target] [level=L]      a node that is new, or that has lost its log, joins
//	run D                          lets time go by, and tells what happens
//	propose NAME                   an access key, by the primary
//	have NAME                      who knows it
//	config KEY=VALUE               sets a value of the whole cluster
//	state N WORD                   an operator's word about a node
//	remove N                       takes a node from the map
//	set-primary N                  hands the office over
//	leave N                        ends a process in good order
//	kill N... | start N...         ends processes and the power under them; starts new ones
//	upgrade N...                   ends processes, and starts them with the newest program
//	stall N D                      a process stands still, while the others go on
//	lose N                         as kill, and its disk is gone
//	cut A B [oneway] | heal        parts A from B; makes the network whole
//	gossip                         every node hears how far the others are
//	hold | release                 duties of a term are not done; those that wait are
//	status                         how things stand
func TestStories(t *testing.T) { runStories(t, "testdata/stories") }

func runStories(t *testing.T, dir string) {
	datadriven.Walk(t, dir, func(t *testing.T, path string) {
		s := &story{rig: newRig(t)}
		s.quietly = true
		s.seen.nodes, s.seen.leases = map[ais.NodeID]string{}, map[ais.NodeID]bool{}
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
	case "form":
		s.begin(d)
	case "join":
		s.join(d, s.node1(d))
	case "run":
		s.pass(s.span(d))
	case "propose":
		s.outcome(control.KeyPut{Key: control.Key{AccessKey: d.CmdArgs[0].Key, Secret: "0123456789"}})
	case "have":
		s.have(d.CmdArgs[0].Key)
	case "config":
		s.outcome(control.ConfigSet{Values: map[string]string{d.CmdArgs[0].Key: d.CmdArgs[0].Vals[0]}})
	case "state":
		s.operate(d)
	case "remove":
		s.outcome(control.NodeRemove{ID: s.node1(d)})
	case "set-primary":
		s.step(s.primary(), SetPrimary{Node: s.node1(d)})
	case "leave":
		s.bye(s.nodes[s.node1(d)])
	case "kill", "start", "lose", "upgrade":
		for i := range d.CmdArgs {
			s.power(d.Cmd, s.nodes[s.number(d.CmdArgs[i].Key)])
		}
	case "stall":
		m := s.nodes[s.node1(d)]
		machine := m.machine
		m.machine = nil
		span, err := time.ParseDuration(d.CmdArgs[1].Key)
		if err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		s.rig.run(span)
		m.machine = machine
		s.look()
	case "cut", "heal":
		s.network(d)
	case "gossip":
		s.gossip()
	case "hold", "release":
		s.duties(d.Cmd == "hold")
	case "status":
		s.status()
	default:
		d.Fatalf(s.t, "no such command")
	}
}

func (s *story) number(text string) ais.NodeID {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return ais.NodeID(n)
}

func (s *story) node1(d *datadriven.TestData) ais.NodeID { return s.number(d.CmdArgs[0].Key) }

func (s *story) span(d *datadriven.TestData) time.Duration {
	span, err := time.ParseDuration(d.CmdArgs[0].Key)
	if err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	return span
}

func (s *story) tell(format string, args ...any) {
	fmt.Fprintf(&s.out, "%7.2fs  ", time.Duration(s.now-ais.Instant(time.Hour)).Seconds())
	fmt.Fprintf(&s.out, format+"\n", args...)
}

// begin makes a cluster.
func (s *story) begin(d *datadriven.TestData) {
	proxies, targets := int(s.node1(d)), 0
	d.MaybeScanArgs(s.t, "targets", &targets)
	for i := range proxies + targets {
		id := ais.NodeID(i + 1)
		if i >= proxies {
			s.roles = ais.RoleTarget
		}
		s.join(d, id)
	}
	s.pass(2 * time.Second)
}

// join adds a node if it is new, and has it in the map.
func (s *story) join(d *datadriven.TestData, id ais.NodeID) {
	if d.HasArg("target") {
		s.roles = ais.RoleTarget
	}
	m, level := s.nodes[id], 1
	d.MaybeScanArgs(s.t, "level", &level)
	if m == nil {
		s.level = uint32(level)
		m = s.add(id, id == 1)
		if id == 1 {
			s.must(control.ClusterInit{Cluster: 7, HashSeed: 8, CreatedUnix: 9})
		}
	}
	s.outcome(control.NodeJoin{Node: s.node(m.id)})
	s.roles, s.level = 0, 0
	s.look()
}

func (s *story) must(c control.Command) {
	s.t.Helper()
	if o := s.propose(c); o.Err != nil {
		s.t.Fatalf("%s: %v", c.Kind(), o.Err)
	}
}

// pass lets time go by.
func (s *story) pass(span time.Duration) {
	for end := s.now + ais.Instant(span); s.now < end; {
		s.rig.run(TickDefault)
		s.look()
	}
}

// outcome has a command applied, and tells what became of it.
func (s *story) outcome(c control.Command) {
	if err := control.Check(c); err != nil { // as Replica does
		s.tell("refused: %s: %v", ais.KindOf(err), err)
		return
	}
	if s.primary() == nil {
		s.tell("nobody takes commands")
		return
	}
	if o := s.propose(c); o.Err != nil {
		s.tell("refused: %s: %v", ais.KindOf(o.Err), o.Err)
	}
	s.look()
}

func (s *story) operate(d *datadriven.TestData) {
	var state cmap.State
	if err := state.UnmarshalText([]byte(d.CmdArgs[1].Key)); err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	s.outcome(control.NodeState{Changes: []cmap.StateChange{{ID: s.node1(d), State: state}}})
}

// have tells who knows an access key.
func (s *story) have(key string) {
	var with, without []string
	for _, id := range s.order {
		m := s.nodes[id]
		if m.machine == nil {
			continue
		}
		if _, ok := m.machine.View().Key(key); ok {
			with = append(with, name(id))
		} else {
			without = append(without, name(id))
		}
	}
	fmt.Fprintf(&s.out, "known: %s; not known: %s\n", orNone(with), orNone(without))
}

// bye ends a process as one does that has the time for it.
func (s *story) bye(m *member) {
	s.step(m, Leave{})
	began := s.now
	for !m.machine.Status().Left {
		if s.pass(TickDefault); s.now-began > ais.Instant(5*time.Second) {
			s.tell("%s: nobody takes its goodbye", name(m.id))
			break
		}
	}
	s.tell("%s ends", name(m.id))
	s.power("kill", m)
}

func (s *story) power(what string, m *member) {
	switch what {
	case "kill":
		s.kill(m)
	case "lose":
		s.kill(m)
		m.disk = disk.NewMem(disk.Options{})
		if err := m.disk.MkdirAll("/d"); err != nil {
			s.t.Fatal(err)
		}
	case "upgrade":
		s.kill(m)
		m.level = control.Level
		s.start(m, false)
	case "start":
		s.start(m, false)
	}
	s.look()
}

func (s *story) network(d *datadriven.TestData) {
	if d.Cmd == "heal" {
		clear(s.rig.cut)
		return
	}
	a, b := s.node1(d), s.number(d.CmdArgs[1].Key)
	s.rig.cut[[2]ais.NodeID{a, b}] = true
	if !d.HasArg("oneway") {
		s.rig.cut[[2]ais.NodeID{b, a}] = true
	}
}

// gossip tells every node how far the others are, where the network lets it.
func (s *story) gossip() {
	for _, to := range s.order {
		for _, from := range s.order {
			if m := s.nodes[from]; to != from && m.machine != nil && !s.rig.cut[[2]ais.NodeID{from, to}] {
				s.step(s.nodes[to], Heard{From: from, Index: m.machine.View().Index()})
			}
		}
	}
}

func (s *story) duties(hold bool) {
	for _, id := range s.order {
		m := s.nodes[id]
		if m.holdTerm = hold; !hold && m.machine != nil {
			s.perform(m)
		}
	}
	s.deliver()
	s.look()
}

func name(id ais.NodeID) string { return fmt.Sprintf("n%d", uint64(id)) }

func names(ids []ais.NodeID) []string {
	var out []string
	for _, id := range ids {
		out = append(out, name(id))
	}
	return out
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " ")
}

// look tells what has changed since the last look, as the node sees it that has the newest state.
func (s *story) look() {
	newest := s.newest()
	if newest == nil || newest.view.Index() == 0 {
		return // of those that start now none has looked into its log
	}
	if p := s.primary(); p != nil && (p.id != s.seen.primary || p.machine.term != s.seen.term) {
		s.seen.primary, s.seen.term = p.id, p.machine.term
		s.tell("%s serves as primary of term %d", name(p.id), p.machine.term)
	} else if p == nil && s.seen.primary != 0 {
		s.seen.primary = 0
		s.tell("nobody serves as primary")
	}
	if voters := orNone(names(newest.Status().Voters)); voters != s.seen.voters && newest.view.Cluster().ID != 0 {
		s.seen.voters = voters
		s.tell("voters: %s", voters)
	}
	if level := newest.view.Level(); level != s.seen.level {
		s.seen.level = level
		s.tell("command level %d", level)
	}
	s.lookAtNodes(newest)
}

func (s *story) lookAtNodes(newest *Machine) {
	for _, id := range s.order {
		state := "not in the map"
		if n, ok := newest.Map().Node(id); ok {
			state = fmt.Sprintf("%s, epoch %d", n.State, n.Epoch)
			if n.Unleased {
				state += ", without a lease"
			}
		}
		if old := s.seen.nodes[id]; old != state && (old != "" || state != "not in the map") {
			s.tell("%s: %s", name(id), state)
		}
		s.seen.nodes[id] = state
		lease := s.leased(id)
		if lease != s.seen.leases[id] {
			s.tell("%s has %s lease", name(id), map[bool]string{true: "a", false: "no"}[lease])
		}
		s.seen.leases[id] = lease
	}
}

func (s *story) leased(id ais.NodeID) bool {
	m := s.nodes[id].machine
	return m != nil && m.LeaseDeadline() > s.now
}

// newest is the machine with the newest state.
func (s *story) newest() (newest *Machine) {
	for _, id := range s.order {
		if m := s.nodes[id].machine; m != nil && (newest == nil || m.view.Index() > newest.view.Index()) {
			newest = m
		}
	}
	return newest
}

// status tells how each node stands.
func (s *story) status() {
	newest := s.newest()
	for _, id := range s.order {
		m := s.nodes[id]
		if m.machine == nil {
			fmt.Fprintf(&s.out, "%s: does not run\n", name(id))
			continue
		}
		st := m.machine.Status()
		var words []string
		if st.State.String() != "idle" {
			words = append(words, st.State.String())
		}
		if slices.Contains(st.Voters, id) {
			words = append(words, "votes")
		} else {
			words = append(words, "learns")
		}
		if s.leased(id) {
			words = append(words, "lease")
		}
		if lag := newest.view.Index() - m.machine.view.Index(); lag > 0 {
			words = append(words, "lags")
		}
		primary := "none"
		if st.Primary != 0 {
			primary = name(st.Primary)
		}
		fmt.Fprintf(&s.out, "%s: term %d, primary %s, %s\n", name(id), st.Term, primary, strings.Join(words, ", "))
	}
}
