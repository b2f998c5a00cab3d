package consensus

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/lease"
	"github.com/seed9b016523/ais/term"
)

// Config makes a Machine.
type Config struct {
	Node  ais.NodeID
	Roles ais.Roles
	Epoch ais.Epoch // of this process; higher than that of every process of the node before

	// Start is how this process has started, for the map.
	Start cmap.Start

	// Stands says that events Stands tell how this target stands with its slots. Without it, the target
	// is whole and sealed under whatever map it has applied.
	Stands bool

	// Bootstrap makes a fresh log the first of a new cluster. A node with others to join never does.
	Bootstrap bool

	Tick          time.Duration // between two events Tick; TickDefault if 0
	SnapshotEvery uint64        // entries of the log after which the state is written whole; 1,024 if 0
	Random        *rand.Rand    // seeded by the simulator; election timeouts and ids come from it
	Logger        *slog.Logger
}

// The rhythm of elections. A heartbeat every 100 ms; a follower that has heard nothing for 0.8 to 1.4 s
// campaigns, and a primary that has heard from no quorum for 0.7 s steps down, so writes are back within a
// second and a half of the end of a primary as a rule, and a disk that stalls for half a second costs no
// election. That the least campaign timeout lies above electionTicks is what makes the first candidate's
// pre-vote succeed: by then no other voter takes the old primary for alive.
const (
	TickDefault    = 50 * time.Millisecond
	heartbeatTicks = 2
	electionTicks  = 14
	campaignTicks  = electionTicks + 2 // least; and as many as campaignSpread more
	campaignSpread = 12
)

// Bounds of what a machine holds.
const (
	snapshotEveryDefault = 1024
	proposalsMax         = 4096     // own proposals without an outcome; one more is refused
	messageMax           = 1 << 20  // bytes of entries in a message of Raft
	inflightMax          = 128      // messages of Raft on their way to one node
	uncommittedMax       = 64 << 20 // bytes of entries that a primary takes before they are agreed on
	logTail              = 1024     // entries kept in memory behind the snapshot, for nodes that lag
)

// Machine is one node's part in the agreement of the cluster. It is not safe for concurrent use.
type Machine struct {
	cfg  Config
	log  *slog.Logger
	seat ais.SeatID
	now  ais.Instant

	raft    *raft.RawNode
	storage *storage          // what is durable, as Raft reads it
	conf    *raftpb.ConfState // of the newest entry applied
	view    *control.View     // after the newest entry applied
	ready   *raft.Ready       // being written; nil while nothing is
	applied uint64            // index of the newest entry applied; v.Index() may lag: not every entry is a command

	// Of Raft's newest SoftState and HardState.
	role   raft.StateType
	leader ais.SeatID // 0: nobody known
	term   ais.Term

	quiet      int            // ticks since the primary, or a candidate that got the vote, was heard
	campaignAt int            // value of quiet at which this voter campaigns
	newer      ais.Generation // one above the own that others speak of; 0: none
	newerFrom  ais.NodeID     // who does

	// seats says which node sits where, as far as the map or messages tell.
	seats map[ais.SeatID]ais.NodeID

	// The node's own lease.
	holder     *lease.Holder
	lives      lease.Lives                // how long leases in force may be
	began      ais.Instant                // when this process did
	renewAt    ais.Instant                // when the next renewal is due
	mapVersion ais.MapVersion             // the newest that the holder was told
	stands     Stands                     // with its slots, as it was told last
	reported   map[ais.NodeID]ais.Instant // when the primary was told of replicas that do not answer

	// The primary's term. office is nil on a node that is not primary.
	duties term.Machine
	office *office

	tickets   map[control.ProposalID]uint64 // own proposals under way
	ahead     heard                         // news of a state newer than the own
	leaving   bool
	left      bool        // see Status.Left
	leftAt    ais.Instant // when leaving began
	lastTick  ais.Instant
	refused   map[string]uint64 // messages refused, by reason
	effects   Effects           // gathered since the last call of Effects
	local     []Message         // to this node itself
	lastView  *control.View     // the last one given out
	failed    error
	compacted uint64 // index of the snapshot
}

// heard is the newest state that this node has heard of and does not have.
type heard struct {
	index  ais.ControlIndex
	from   ais.NodeID
	since  ais.Instant // when the own state last came nearer, or the news came
	pulled ais.Instant // when it was asked for last; 0: not since the state was last as new as any heard of

	pulledFrom ais.NodeID // of whom
}

// New makes the machine of a process from what its log holds. boot belongs to the machine from then on.
func New(cfg Config, boot *raftlog.Boot) (*Machine, error) {
	if cfg.Tick == 0 {
		cfg.Tick = TickDefault
	}
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = snapshotEveryDefault
	}
	m := &Machine{cfg: cfg, log: cfg.Logger, seat: boot.Seat, storage: &storage{MemoryStorage: raft.NewMemoryStorage()},
		seats: map[ais.SeatID]ais.NodeID{boot.Seat: cfg.Node}, tickets: map[control.ProposalID]uint64{}, refused: map[string]uint64{},
		reported: map[ais.NodeID]ais.Instant{}}
	if err := m.restore(boot); err != nil {
		return nil, err
	}
	var err error
	m.raft, err = raft.NewRawNode(&raft.Config{
		ID: uint64(m.seat), ElectionTick: electionTicks, HeartbeatTick: heartbeatTicks,
		Storage: m.storage, Applied: m.applied,
		MaxSizePerMsg: messageMax, MaxInflightMsgs: inflightMax, MaxUncommittedEntriesSize: uncommittedMax,
		CheckQuorum: true, PreVote: true, ReadOnlyOption: raft.ReadOnlySafe,
		DisableProposalForwarding: true, Logger: raftLogger{cfg.Logger},
	})
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "raft: %w", err)
	}
	if cfg.Bootstrap && boot.Snapshot.Index == 0 && len(boot.Entries) == 0 {
		if err := m.raft.Bootstrap([]raft.Peer{{ID: uint64(m.seat)}}); err != nil {
			return nil, ais.Errorf(ais.Internal, "raft: bootstrap: %w", err)
		}
	}
	m.term = ais.Term(boot.Hard.GetTerm())
	m.holder = lease.NewHolder(cfg.Node, cfg.Epoch, m.generation(), m.term)
	m.heardPrimary()
	return m, nil
}

// restore brings what the log holds into memory.
func (m *Machine) restore(boot *raftlog.Boot) error {
	s := boot.Snapshot
	m.view, m.conf = control.NewView(), s.Conf
	m.storage.first = s.Conf
	if s.Index > 0 {
		view, err := control.DecodeSnapshot(s.Data)
		if err != nil {
			return err
		}
		m.view, m.conf, m.applied, m.compacted = view, s.Conf, s.Index, s.Index
		if err := m.storage.ApplySnapshot(raftSnapshot(&s)); err != nil {
			return ais.Errorf(ais.Internal, "raft: snapshot: %w", err)
		}
	}
	if err := m.storage.Append(boot.Entries); err != nil {
		return ais.Errorf(ais.Internal, "raft: entries: %w", err)
	}
	if boot.Hard != nil {
		if err := m.storage.SetHardState(boot.Hard); err != nil {
			return ais.Errorf(ais.Internal, "raft: hard state: %w", err)
		}
	}
	m.learnSeats()
	return nil
}

// storage is the durable log in memory. A log without a snapshot may have members all the same: one that a
// node wrote before it could be part of a cluster.
type storage struct {
	*raft.MemoryStorage
	first *raftpb.ConfState // before the first entry
}

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	hard, conf, err := s.MemoryStorage.InitialState()
	if len(conf.GetVoters()) == 0 && len(conf.GetLearners()) == 0 {
		conf = s.first
	}
	return hard, conf, err
}

func raftSnapshot(s *raftlog.Snapshot) *raftpb.Snapshot {
	return &raftpb.Snapshot{Data: s.Data, Metadata: &raftpb.SnapshotMetadata{ConfState: s.Conf, Index: &s.Index, Term: &s.Term}}
}

// Step takes one event. now is the node's own clock and never goes back.
func (m *Machine) Step(now ais.Instant, e Event) {
	if m.now == 0 {
		m.lastTick = now
		m.began = now
		m.lives = lease.NewLives(now, m.leaseLife(), 0)
	}
	m.now = max(m.now, now)
	if m.failed != nil {
		return
	}
	switch e := e.(type) {
	case Tick:
		m.tick()
	case Durable:
		m.durable()
	case Received:
		m.receive(&e.Message)
	case Propose:
		m.propose(e)
	case Fenced:
		if m.office != nil && m.office.term == e.Term {
			m.office.fenced = true
		}
	case Ended:
		m.duty(term.Ended{Term: e.Term})
	case SetPrimary:
		m.setPrimary(e.Node)
	case Heard:
		m.hear(e.From, e.Index)
	case Suspected:
		if m.presiding() {
			m.office.judge.Suspected(m.now, e.Node)
		}
	case Accused:
		if m.presiding() {
			m.office.judge.Accused(m.now, e.By, e.Node)
		}
	case Reports:
		m.report(e.Node)
	case Stands:
		m.stand(e)
	case Probed:
		if m.presiding() {
			m.office.judge.Probed(m.now, e.Node, e.OK)
		}
	case Leave:
		m.leave()
	}
	m.followOffice()
	m.deliverLocal()
}

// deliverLocal hands this node the messages that it sends to itself. Each may beget one more (a renewal
// begets a grant), never without end.
func (m *Machine) deliverLocal() {
	for len(m.local) > 0 {
		batch := m.local
		m.local = nil
		for i := range batch {
			m.receive(&batch[i])
		}
		m.followOffice()
	}
}

// Effects takes what is to be done.
func (m *Machine) Effects() Effects {
	m.takeReady()
	e := m.effects
	m.effects = Effects{}
	if m.view != m.lastView {
		e.View, m.lastView = m.view, m.view
	}
	e.Failed = m.failed
	if e.Persist != nil {
		// What was gathered to be sent goes after the write, with what Raft sends then.
		m.effects.Send, e.Send = e.Send, nil
	}
	return e
}

// takeReady takes the next work from Raft, unless the last is still being written.
func (m *Machine) takeReady() {
	for m.ready == nil && m.effects.Persist == nil && m.failed == nil && m.raft.HasReady() {
		rd := m.raft.Ready()
		m.ready = &rd
		batch := raftlog.Batch{Entries: rd.Entries, Hard: rd.HardState}
		if rd.Snapshot != nil && rd.Snapshot.GetMetadata().GetIndex() > 0 {
			s := rd.Snapshot
			batch.Snapshot = &raftlog.Snapshot{Index: s.GetMetadata().GetIndex(), Term: s.GetMetadata().GetTerm(),
				Conf: s.GetMetadata().GetConfState(), Data: s.GetData()}
		}
		if len(batch.Entries) == 0 && batch.Hard == nil && batch.Snapshot == nil {
			m.durable() // nothing to write
			m.followOffice()
			m.deliverLocal()
			continue
		}
		m.effects.Persist = &batch
	}
}

// View is the newest state.
func (m *Machine) View() *control.View { return m.view }

// Map is the newest cluster map.
func (m *Machine) Map() *cmap.Map { return m.view.Map() }

// LeaseDeadline is when the node's lease ends on its own clock; 0 if it has none. Whoever answers a
// request compares it with the clock when the answer is ready.
func (m *Machine) LeaseDeadline() ais.Instant { return m.holder.Deadline() }

// send puts a message on its way, to this node itself too.
func (m *Machine) send(msg Message) {
	msg.From, msg.Generation = m.cfg.Node, m.generation()
	switch msg.To {
	case 0:
		m.refuse("receiver unknown")
	case m.cfg.Node:
		m.local = append(m.local, msg)
	default:
		m.effects.Send = append(m.effects.Send, msg)
	}
}

// generation is that of the state; 0 before this node has one.
func (m *Machine) generation() ais.Generation {
	if m.view.Cluster().ID == 0 {
		return 0
	}
	return m.Map().Generation()
}

func (m *Machine) refuse(reason string) { m.refused[reason]++ }

// learnSeats takes over from the map who sits where, and forgets the seats that were given up once they
// are many.
func (m *Machine) learnSeats() {
	if len(m.seats) > len(m.Map().Nodes())+seatsUnknownMax/2 {
		maps.DeleteFunc(m.seats, func(s ais.SeatID, _ ais.NodeID) bool { return s != m.seat && s != m.leader && !m.memberSeat(s) })
	}
	for _, n := range m.Map().Nodes() {
		if n.Seat != 0 {
			m.seats[n.Seat] = n.ID
		}
	}
}

// memberSeat reports whether the newest configuration has a seat.
func (m *Machine) memberSeat(s ais.SeatID) bool {
	for _, ids := range [][]uint64{m.conf.GetVoters(), m.conf.GetVotersOutgoing(), m.conf.GetLearners(), m.conf.GetLearnersNext()} {
		if slices.Contains(ids, uint64(s)) {
			return true
		}
	}
	return false
}

// learnSeat believes a peer where its seat is, unless the map knows better.
func (m *Machine) learnSeat(seat ais.SeatID, node ais.NodeID) bool {
	if n, ok := m.Map().BySeat(seat); ok {
		return n.ID == node
	}
	if _, ok := m.seats[seat]; !ok && len(m.seats) > len(m.Map().Nodes())+seatsUnknownMax {
		return false
	}
	m.seats[seat] = node
	return true
}

// seatsUnknownMax bounds the seats that are believed without the map.
const seatsUnknownMax = 64

// voter reports whether this node votes under the newest configuration that it has applied.
func (m *Machine) voter() bool {
	return slices.Contains(m.conf.GetVoters(), uint64(m.seat)) || slices.Contains(m.conf.GetVotersOutgoing(), uint64(m.seat))
}

// primaryNode is the node of the primary, 0 if none is known.
func (m *Machine) primaryNode() ais.NodeID {
	if m.leader == 0 {
		return 0
	}
	return m.seats[m.leader]
}
