package consensus

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/term"
)

// rig is a cluster of machines on memory disks, whose messages arrive at once and in order, or not at all.
type rig struct {
	t     *testing.T
	now   ais.Instant
	nodes map[ais.NodeID]*member
	order []ais.NodeID
	cut   map[[2]ais.NodeID]bool
	queue []Message

	quietly bool      // machines log nothing
	roles   ais.Roles // of nodes that are added from now on; 0: proxy and target
	level   uint32    // of commands that they know; 0: all that there are
	stands  bool      // events tell how they stand with their slots; else they are whole at once
}

type member struct {
	id       ais.NodeID
	disk     *disk.Mem
	log      *raftlog.Log
	boot     *raftlog.Boot
	machine  *Machine
	epoch    ais.Epoch
	roles    ais.Roles
	level    uint32 // of commands that its program knows
	outcomes map[uint64]Outcome
	duties   []Duty
	holdTerm bool // duties are not done
}

func newRig(t *testing.T) *rig {
	return &rig{t: t, now: ais.Instant(time.Hour), nodes: map[ais.NodeID]*member{}, cut: map[[2]ais.NodeID]bool{}}
}

func (r *rig) add(id ais.NodeID, bootstrap bool) *member {
	m := &member{id: id, disk: disk.NewMem(disk.Options{}), outcomes: map[uint64]Outcome{},
		roles: ais.RoleProxy | ais.RoleTarget, level: control.Level}
	if r.roles != 0 {
		m.roles = r.roles
	}
	if r.level != 0 {
		m.level = r.level
	}
	if err := errors.Join(m.disk.MkdirAll("/d"), m.disk.SyncDir("/")); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(m.end)
	r.nodes[id] = m
	r.order = append(r.order, id)
	r.start(m, bootstrap)
	return m
}

// start starts a process of a node.
func (r *rig) start(m *member, bootstrap bool) {
	r.t.Helper()
	logger := slog.New(slog.NewTextHandler(testWriter{r.t, fmt.Sprint(m.id)[13:]}, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if r.quietly {
		logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if m.log, m.boot, err = raftlog.Open(raftlog.Options{FS: m.disk, Dir: "/d/control", Logger: logger, Random: seats(m)}); err != nil {
		r.t.Fatal(err)
	}
	m.epoch++
	m.machine, err = New(Config{Node: m.id, Roles: m.roles, Epoch: m.epoch, Start: m.start(), Bootstrap: bootstrap, Stands: r.stands,
		Random: rand.New(rand.NewPCG(uint64(m.id), uint64(m.epoch))), Logger: logger}, m.boot)
	if err != nil {
		r.t.Fatal(err)
	}
}

// seats draws the seats of a node's logs: the same in every run, for the order of seats decides here and there.
func seats(m *member) io.Reader {
	return rand.NewChaCha8([32]byte{byte(m.id), byte(m.epoch)})
}

// start is how a node of the common sort starts.
func start(id ais.NodeID) cmap.Start {
	return (&member{id: id, roles: ais.RoleProxy | ais.RoleTarget, level: control.Level}).start()
}

func (m *member) start() cmap.Start {
	s := cmap.Start{ID: m.id, Versions: cmap.Versions{Wire: WireVersion, Command: m.level}, Addresses: cmap.Addresses{Cluster: fmt.Sprintf("h%d:1", m.id)}}
	if m.roles.Has(ais.RoleTarget) {
		s.Weight = 10
	}
	return s
}

func (r *rig) node(id ais.NodeID) cmap.Node {
	m := r.nodes[id]
	s := m.start()
	return cmap.Node{ID: id, Roles: m.roles, Weight: s.Weight, Epoch: m.epoch, Seat: m.boot.Seat, Addresses: s.Addresses, Versions: s.Versions}
}

type testWriter struct {
	t    *testing.T
	name string
}

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s %s", w.name, b)
	return len(b), nil
}

func (r *rig) step(m *member, e Event) {
	if m.machine == nil {
		return
	}
	m.machine.Step(r.now, e)
	r.perform(m)
}

func (r *rig) perform(m *member) {
	r.t.Helper()
	for {
		e := m.machine.Effects()
		if e.Failed != nil {
			r.t.Fatalf("node %s: %v", m.id, e.Failed)
		}
		for _, o := range e.Outcomes {
			m.outcomes[o.Ticket] = o
		}
		if e.Persist != nil && len(e.Send) > 0 {
			r.t.Fatalf("node %s sends %d messages before it has written what they tell", m.id, len(e.Send))
		}
		r.queue = append(r.queue, e.Send...)
		m.duties = append(m.duties, e.Duties...)
		if e.Persist == nil {
			break
		}
		if err := m.log.Write(*e.Persist); err != nil {
			r.t.Fatalf("node %s: write: %v", m.id, err)
		}
		m.machine.Step(r.now, Durable{})
	}
	for len(m.duties) > 0 && !m.holdTerm {
		d := m.duties[0]
		m.duties = m.duties[1:]
		switch d.Kind {
		case DutyFence:
			r.step(m, Fenced{Term: d.Term})
		case DutyEnd:
			r.step(m, Ended{Term: d.Term})
		}
	}
}

// deliver brings all messages until none is left.
func (r *rig) deliver() {
	for len(r.queue) > 0 {
		msg := r.queue[0]
		r.queue = r.queue[1:]
		to := r.nodes[msg.To]
		if to == nil || r.cut[[2]ais.NodeID{msg.From, msg.To}] {
			continue
		}
		b, err := EncodeMessage(&msg)
		if err != nil {
			r.t.Fatal(err)
		}
		got, err := DecodeMessage(b)
		if err != nil {
			r.t.Fatal(err)
		}
		got.From, got.To = msg.From, msg.To
		r.step(to, Received{Message: *got})
	}
}

// run lets time pass.
func (r *rig) run(d time.Duration) {
	for end := r.now + ais.Instant(d); r.now < end; r.now += ais.Instant(TickDefault) {
		for _, id := range r.order {
			r.step(r.nodes[id], Tick{})
		}
		r.deliver()
	}
}

// until lets time pass until ok, a minute at most.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for range 1200 {
		if ok() {
			return
		}
		r.run(TickDefault)
	}
	for _, id := range r.order {
		if m := r.nodes[id]; m.machine != nil {
			r.t.Logf("%s: %+v", id, m.machine.Status())
		}
	}
	r.t.Fatalf("a minute has gone, and not: %s", what)
}

func (r *rig) primary() *member {
	for _, id := range r.order {
		if m := r.nodes[id]; m.machine != nil && m.machine.serving() {
			return m
		}
	}
	return nil
}

// propose has a command applied by the primary.
func (r *rig) propose(c control.Command) Outcome {
	r.t.Helper()
	r.until("a primary serves", func() bool { return r.primary() != nil })
	p := r.primary()
	ticket := uint64(r.now) + uint64(len(p.outcomes))
	r.step(p, Propose{Ticket: ticket, ID: newID(ticket), Command: c})
	r.until("the command is applied", func() bool { _, ok := p.outcomes[ticket]; return ok })
	return p.outcomes[ticket]
}

func newID(n uint64) (id control.ProposalID) {
	for i := range 8 {
		id[i] = byte(n >> (8 * i))
	}
	id[15] = 1
	return id
}

// form makes a cluster of n nodes.
func (r *rig) form(n int) {
	r.t.Helper()
	for i := range n {
		m := r.add(ais.NodeID(i+1), i == 0)
		if i == 0 {
			r.propose(control.ClusterInit{Cluster: 7, HashSeed: 8, CreatedUnix: 9})
		}
		if o := r.propose(control.NodeJoin{Node: r.node(m.id)}); o.Err != nil {
			r.t.Fatalf("join of %s: %v", m.id, o.Err)
		}
	}
	r.until("all have a lease", func() bool {
		for _, m := range r.nodes {
			if m.machine != nil && m.machine.LeaseDeadline() <= r.now {
				return false
			}
		}
		return true
	})
}

// kill ends a process, and the power of its machine.
func (r *rig) kill(m *member) {
	m.machine, m.disk = nil, m.disk.Crash(nil, disk.LoseAll)
	m.end() // what it writes now goes to the disk of before
}

// end frees what a process has open.
func (m *member) end() {
	if m.log != nil {
		_ = m.log.Close() // a disk that is gone may fail
	}
	m.log = nil
}

func TestOneNodeServesAtOnce(t *testing.T) {
	r := newRig(t)
	r.add(1, true)
	r.run(3 * TickDefault)
	if got := r.nodes[1].machine.Status().State; got != term.Serving {
		t.Fatalf("after three ticks a node alone is %s, want serving", got)
	}
	r.form2(t)
}

// form2 joins the only node to its own cluster, and wants its lease soon.
func (r *rig) form2(t *testing.T) {
	t.Helper()
	r.propose(control.ClusterInit{Cluster: 7, HashSeed: 8, CreatedUnix: 9})
	r.propose(control.NodeJoin{Node: r.node(1)})
	began := r.now
	r.until("the node has a lease", func() bool { return r.nodes[1].machine.LeaseDeadline() > r.now })
	if took := time.Duration(r.now - began); took > 200*time.Millisecond {
		t.Errorf("the first lease came after %s, want at most 200ms", took)
	}
}

func TestThreeNodesVote(t *testing.T) {
	r := newRig(t)
	r.form(3)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	if got := r.propose(control.KeyPut{Key: control.Key{AccessKey: "abcdef", Secret: "0123456789"}}); got.Err != nil {
		t.Fatalf("a command: %v", got.Err)
	}
	r.run(time.Second)
	for id, m := range r.nodes {
		if _, ok := m.machine.View().Key("abcdef"); !ok {
			t.Errorf("node %s does not know the key", id)
		}
	}
}

func TestPrimaryLost(t *testing.T) {
	r := newRig(t)
	r.form(3)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	old := r.primary()
	r.kill(old)
	began := r.now
	r.until("another serves", func() bool { return r.primary() != nil })
	if took := time.Duration(r.now - began); took > 1600*time.Millisecond {
		t.Errorf("another primary served after %s, want at most 1.6s", took)
	}
	r.until("the lost node is down", func() bool {
		n, _ := r.primary().machine.Map().Node(old.id)
		return n.State == cmap.Down
	})
	r.start(old, false)
	r.until("it is alive again", func() bool {
		n, _ := r.primary().machine.Map().Node(old.id)
		return n.State == cmap.Alive && n.Epoch == 2
	})
	r.until("it has a lease", func() bool { return old.machine.LeaseDeadline() > r.now })
}
