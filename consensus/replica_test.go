package consensus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/transport"
)

// fleet is replicas with all that is around them, on a network and disks in memory, in a bubble of time.
type fleet struct {
	t      *testing.T
	memory *transport.Memory
	nodes  map[ais.NodeID]*process
	drawn  uint64
}

// process is a node and its present process.
type process struct {
	id      ais.NodeID
	disk    *disk.Mem
	epoch   ais.Epoch
	seat    ais.SeatID
	replica *Replica
	post    *Postman
	cancel  context.CancelFunc
	ended   chan error

	// lose, if it is set, is told of what is forwarded from here, before and after; an error of its own
	// is what becomes of it.
	lose func(before bool, to ais.NodeID) error
	opt  func(*Options) // changes the options of the next process
}

// inFleet runs a test with so many nodes that form a cluster, and wants nothing left over at the end.
func inFleet(t *testing.T, nodes int, test func(t *testing.T, f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		defer f.stopAll()
		for i := range nodes {
			f.add(ais.NodeID(i+1), i == 0)
		}
		f.form()
		test(t, f)
	})
}

func newFleet(t *testing.T) *fleet {
	return &fleet{t: t, memory: transport.NewMemory(), nodes: map[ais.NodeID]*process{}}
}

func (f *fleet) add(id ais.NodeID, bootstrap bool) *process {
	p := f.prepare(id)
	f.start(p, bootstrap)
	return p
}

// prepare makes a node that does not run yet.
func (f *fleet) prepare(id ais.NodeID) *process {
	p := &process{id: id, disk: disk.NewMem(disk.Options{})}
	if err := p.disk.MkdirAll("/d"); err != nil {
		f.t.Fatal(err)
	}
	f.nodes[id] = p
	return p
}

func host(id ais.NodeID) string { return fmt.Sprintf("h%d:1", id) }

func testBook(id ais.NodeID) (string, bool) { return host(id), true }

// testClock is the clock of the bubble.
func testClock() ais.Instant { return ais.Instant(time.Now().UnixNano()) }

func (f *fleet) newID() control.ProposalID {
	f.drawn++
	return newID(f.drawn)
}

// lossy is a forwarder whose calls and replies may get lost.
type lossy struct {
	Forwarder
	p *process
}

func (l lossy) Forward(ctx context.Context, to ais.NodeID, id control.ProposalID, c control.Command) (ais.ControlIndex, control.Result, error) {
	lose := l.p.lose
	if lose == nil {
		return l.Forwarder.Forward(ctx, to, id, c)
	}
	if err := lose(true, to); err != nil {
		return 0, control.Result{}, err
	}
	index, result, err := l.Forwarder.Forward(ctx, to, id, c)
	if lost := lose(false, to); lost != nil {
		return 0, control.Result{}, lost
	}
	return index, result, err
}

// start starts a process.
func (f *fleet) start(p *process, bootstrap bool) {
	f.t.Helper()
	logger := slog.New(slog.DiscardHandler)
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(p.id))
	log, boot, err := raftlog.Open(raftlog.Options{FS: p.disk, Dir: "/d/control", Logger: logger, Random: rand.NewChaCha8(seed)})
	if err != nil {
		f.t.Fatal(err)
	}
	p.epoch++
	p.seat = boot.Seat
	mux := transport.NewMux()
	endpoint, err := f.memory.Endpoint(host(p.id), transport.Peer{Node: p.id, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: 7}, transport.Options{Config: transport.Default(), Mux: mux})
	if err != nil {
		f.t.Fatal(err)
	}
	p.post = NewPostman(endpoint, testBook, logger)
	s := start(p.id)
	s.Addresses.Cluster = host(p.id)
	o := Options{Config: Config{Node: p.id, Roles: ais.RoleProxy | ais.RoleTarget, Epoch: p.epoch, Start: s, Bootstrap: bootstrap,
		Random: rand.New(rand.NewPCG(uint64(p.id), uint64(p.epoch))), Logger: logger},
		Boot: boot, Log: log, Sender: p.post, Forwarder: lossy{NewForwarder(endpoint, testBook), p}, Clock: testClock, NewID: f.newID}
	if p.opt != nil {
		p.opt(&o)
	}
	if p.replica, err = NewReplica(o); err != nil {
		f.t.Fatal(err)
	}
	replica := p.replica
	mux.HandleStream(RouteMessages, transport.Rule{}, func(ctx context.Context, from transport.Peer, s transport.Stream) error {
		return Receive(ctx, from, s, p.id, replica.Deliver)
	})
	mux.Handle(RoutePropose, transport.Rule{MaxBytes: ProposeBytesMax}, replica.ServePropose)
	f.launch(p, endpoint)
}

// launch runs what belongs to a process.
func (f *fleet) launch(p *process, endpoint *transport.Endpoint) {
	port, err := f.memory.Listen(host(p.id))
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan error, 1)
	parts, post, replica := make(chan error, 3), p.post, p.replica
	go func() { parts <- endpoint.Run(ctx, port) }()
	go func() { parts <- post.Run(ctx) }()
	go func() { parts <- replica.Run(ctx) }()
	ended := p.ended
	go func() { ended <- errors.Join(<-parts, <-parts, <-parts) }()
}

// stop ends a process, and waits for all of it.
func (f *fleet) stop(p *process) {
	f.t.Helper()
	if err := f.end(p); err != nil {
		f.t.Errorf("node %d ended with %v, want nil", p.id, err)
	}
}

func (f *fleet) stopAll() {
	for _, p := range f.nodes {
		f.stop(p)
	}
}

func (f *fleet) end(p *process) error {
	if p.cancel == nil {
		return nil
	}
	p.cancel()
	p.cancel = nil
	return <-p.ended
}

// kill ends a process and the power under it. What it has not synced is lost.
func (f *fleet) kill(p *process) {
	f.t.Helper()
	survivor := p.disk.Crash(nil, disk.LoseAll)
	_ = f.end(p) // it finds its disk gone
	p.disk = survivor
}

// wait lets time pass until ok, a minute at most.
func (f *fleet) wait(what string, ok func() bool) {
	f.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 6000 {
		if ok() {
			return
		}
		<-tick.C
	}
	for id, p := range f.nodes {
		f.t.Logf("%d: %+v", id, p.replica.Status())
	}
	f.t.Fatalf("a minute has gone, and not: %s", what)
}

// form joins all nodes, and waits until each has a lease.
func (f *fleet) form() {
	f.t.Helper()
	f.must(f.nodes[1], control.ClusterInit{Cluster: 7, HashSeed: 8, CreatedUnix: 9})
	for i := range len(f.nodes) {
		p := f.nodes[ais.NodeID(i+1)]
		s := start(p.id)
		s.Addresses.Cluster = host(p.id)
		f.must(f.nodes[1], control.NodeJoin{Node: cmap.Node{ID: p.id, Roles: ais.RoleProxy | ais.RoleTarget, Weight: 10, Epoch: p.epoch, Seat: p.seat,
			Addresses: s.Addresses, Versions: s.Versions}})
	}
	f.wait("all have a lease", func() bool {
		for _, p := range f.nodes {
			if p.replica.LeaseDeadline() <= testClock() {
				return false
			}
		}
		return true
	})
	want := votersFor(len(f.nodes))
	f.wait("the voters vote", func() bool { return len(f.nodes[1].replica.Status().Voters) == want })
	// On the way from one voter to three both sorts of majority count. What is applied now comes after that.
	if index, _, err := f.nodes[1].replica.Propose(f.t.Context(), control.NodeRemove{ID: 99}); index == 0 {
		f.t.Fatal(err)
	}
}

func (f *fleet) must(p *process, c control.Command) ais.ControlIndex {
	f.t.Helper()
	index, _, err := p.replica.Propose(f.t.Context(), c)
	if err != nil || index == 0 {
		f.t.Fatalf("%s by node %d: index %d, %v", c.Kind(), p.id, index, err)
	}
	return index
}

// primary is the node that all that run take for the primary.
func (f *fleet) primary() *process {
	f.t.Helper()
	var found *process
	f.wait("all know one primary", func() bool {
		found = nil
		for _, p := range f.nodes {
			if p.cancel == nil {
				continue
			}
			of := f.nodes[p.replica.Status().Primary]
			if of == nil || of.cancel == nil || found != nil && of != found {
				return false
			}
			found = of
		}
		return found != nil && found.replica.Status().State.String() == "serving"
	})
	return found
}

func keyPut(name string) control.Command {
	return control.KeyPut{Key: control.Key{AccessKey: name, Secret: "0123456789"}}
}

func knows(p *process, name string) bool {
	_, ok := p.replica.View().Key(name)
	return ok
}
