package consensus

import (
	"fmt"
	"log/slog"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// durable goes on with what has been written: Raft may read it now, its messages may leave, and what is
// agreed on is applied.
func (m *Machine) durable() {
	rd := m.ready
	if rd == nil {
		return // the answer to a compaction
	}
	m.ready = nil
	if s := rd.Snapshot; s.GetMetadata().GetIndex() > 0 {
		m.install(s)
	}
	if err := m.storage.Append(rd.Entries); err != nil {
		m.fail(ais.Errorf(ais.Internal, "raft: append: %w", err))
		return
	}
	if rd.HardState != nil {
		if err := m.storage.SetHardState(rd.HardState); err != nil {
			m.fail(ais.Errorf(ais.Internal, "raft: hard state: %w", err))
			return
		}
		m.followTerm(rd.HardState)
	}
	if rd.SoftState != nil {
		m.followRole(rd.SoftState)
	}
	for _, msg := range rd.Messages {
		m.sendRaft(msg)
	}
	for _, e := range rd.CommittedEntries {
		if m.apply(e); m.failed != nil {
			return
		}
	}
	for _, r := range rd.ReadStates {
		m.roundDone(r)
	}
	m.raft.Advance(*rd)
	m.afterApply(len(rd.CommittedEntries) > 0)
	m.compact()
}

// install takes over a snapshot that the primary, or a peer that was asked, has sent.
func (m *Machine) install(s *raftpb.Snapshot) {
	view, err := control.DecodeSnapshot(s.GetData())
	if err != nil {
		m.fail(err)
		return
	}
	if err := m.storage.ApplySnapshot(s); err != nil {
		m.fail(ais.Errorf(ais.Internal, "raft: snapshot: %w", err))
		return
	}
	m.view, m.conf = view, s.GetMetadata().GetConfState()
	m.applied, m.compacted = s.GetMetadata().GetIndex(), s.GetMetadata().GetIndex()
	m.began = m.now // which lives of leases were set on the way there is not known, as after a start
	m.lives.Set(m.now, m.leaseLife())
	m.learnSeats()
	m.afterApply(true)
}

// apply applies one entry that is agreed on.
func (m *Machine) apply(e *raftpb.Entry) {
	if e.GetIndex() <= m.applied {
		return
	}
	m.applied = e.GetIndex()
	switch e.GetType() {
	case raftpb.EntryConfChange, raftpb.EntryConfChangeV2:
		m.applyConf(e)
		m.applyEntry(&raftpb.Entry{Index: e.Index}) // the state counts every entry
	default:
		m.applyEntry(e)
	}
	if m.office != nil && ais.Term(e.GetTerm()) == m.office.term {
		m.office.barrier = true
	}
}

func (m *Machine) applyConf(e *raftpb.Entry) {
	var change raftpb.ConfChangeI
	if e.GetType() == raftpb.EntryConfChange {
		cc := &raftpb.ConfChange{}
		if err := proto.Unmarshal(e.GetData(), cc); err != nil {
			m.fail(ais.Errorf(ais.Corrupt, "control: log entry %d: %w", e.GetIndex(), err))
			return
		}
		change = cc
	} else {
		cc := &raftpb.ConfChangeV2{}
		if err := proto.Unmarshal(e.GetData(), cc); err != nil {
			m.fail(ais.Errorf(ais.Corrupt, "control: log entry %d: %w", e.GetIndex(), err))
			return
		}
		change = cc
	}
	m.conf = m.raft.ApplyConfChange(change)
	if m.office != nil {
		m.office.confPending = 0
	}
	if len(m.conf.GetVotersOutgoing()) == 0 {
		m.log.Info("members changed", "voters", m.voters(), "learners", len(m.conf.GetLearners()))
	}
}

// applyEntry applies a command, or an entry without one, and tells whoever waits for it here.
func (m *Machine) applyEntry(e *raftpb.Entry) {
	view, result, err := m.view.ApplyEntry(ais.ControlIndex(e.GetIndex()), e.GetData())
	if view == nil {
		m.fail(err)
		return
	}
	m.view = view
	m.lives.Set(m.now, m.leaseLife()) // after each entry: a life that was set for a moment counts, too
	id := control.EntryID(e.GetData())
	if ticket, ok := m.tickets[id]; ok {
		delete(m.tickets, id)
		m.effects.Outcomes = append(m.effects.Outcomes, Outcome{Ticket: ticket, Index: result.Index, Result: result, Err: err})
	}
	if m.office != nil && m.office.proposed == id && len(e.GetData()) > 0 {
		m.office.proposed = control.ProposalID{}
		if err != nil {
			m.log.Warn("the primary's own command was refused", "err", err)
		}
	}
}

// afterApply does what a newer state calls for.
func (m *Machine) afterApply(changed bool) {
	if !changed {
		return
	}
	m.learnSeats()
	m.holder.Advance(m.generation(), m.term)
	if m.ahead.index > m.view.Index() {
		m.ahead.since = m.now
	}
	m.followOwnNode()
}

// compact writes the state whole after enough entries, and drops the log before it.
func (m *Machine) compact() {
	if m.applied-m.compacted < m.cfg.SnapshotEvery || m.failed != nil || m.effects.Persist != nil {
		return
	}
	entryTerm, err := m.storage.Term(m.applied)
	if err != nil {
		return // not durable yet; it will be by the next time
	}
	data, err := control.EncodeSnapshot(m.view)
	if err != nil {
		m.fail(err)
		return
	}
	if _, err := m.storage.CreateSnapshot(m.applied, m.conf, data); err != nil {
		m.fail(ais.Errorf(ais.Internal, "raft: snapshot: %w", err))
		return
	}
	if tail := m.applied - min(m.applied, logTail); tail > 0 {
		// An error says that it is compacted as far already.
		_ = m.storage.Compact(tail)
	}
	m.compacted = m.applied
	m.effects.Persist = &raftlog.Batch{Compact: &raftlog.Snapshot{Index: m.applied, Term: entryTerm,
		Conf: proto.Clone(m.conf).(*raftpb.ConfState), Data: data}}
}

// freshSnapshot is the state as of the newest entry applied, as it is sent to others; nil if it cannot be
// had now.
func (m *Machine) freshSnapshot() *raftpb.Snapshot {
	entryTerm, err := m.storage.Term(m.applied)
	if err != nil {
		return nil
	}
	data, err := control.EncodeSnapshot(m.view)
	if err != nil {
		m.fail(err)
		return nil
	}
	index := m.applied
	return &raftpb.Snapshot{Data: data, Metadata: &raftpb.SnapshotMetadata{ConfState: m.cloneConf(), Index: &index, Term: &entryTerm}}
}

func (m *Machine) fail(err error) {
	if m.failed == nil {
		m.failed = err
	}
}

// sendRaft sends a message of Raft to whoever has the seat.
func (m *Machine) sendRaft(msg *raftpb.Message) {
	to := ais.SeatID(msg.GetTo())
	node, ok := m.seats[to]
	if !ok {
		m.refuse("seat unknown")
		m.raft.ReportUnreachable(msg.GetTo())
		return
	}
	if msg.GetType() == raftpb.MsgSnap && m.office != nil {
		// Raft offers the last one written, which may be older than the membership of the one it is for:
		// that one would refuse it for ever.
		if msg.Snapshot = m.freshSnapshot(); msg.Snapshot == nil {
			return
		}
		m.office.snapshots[to] = m.now
	}
	m.send(Message{To: node, Raft: msg})
}

// followTerm notes a new term or vote, durable by now.
func (m *Machine) followTerm(h *raftpb.HardState) {
	if t := ais.Term(h.GetTerm()); t > m.term {
		m.term = t
		m.holder.Advance(m.generation(), t)
		m.heardPrimary()
	}
	if h.GetVote() != 0 && h.GetVote() != uint64(m.seat) {
		m.heardPrimary()
	}
}

// raftLogger passes on what Raft has to say, one step less loud: its elections are told by this package.
type raftLogger struct{ log *slog.Logger }

func (l raftLogger) Debug(v ...any)              {}
func (l raftLogger) Debugf(f string, v ...any)   {}
func (l raftLogger) Info(v ...any)               { l.log.Debug("raft", "says", fmt.Sprint(v...)) }
func (l raftLogger) Infof(f string, v ...any)    { l.log.Debug("raft", "says", fmt.Sprintf(f, v...)) }
func (l raftLogger) Warning(v ...any)            { l.log.Debug("raft", "says", fmt.Sprint(v...)) }
func (l raftLogger) Warningf(f string, v ...any) { l.log.Debug("raft", "says", fmt.Sprintf(f, v...)) }
func (l raftLogger) Error(v ...any)              { l.log.Warn("raft", "says", fmt.Sprint(v...)) }
func (l raftLogger) Errorf(f string, v ...any)   { l.log.Warn("raft", "says", fmt.Sprintf(f, v...)) }
func (l raftLogger) Fatal(v ...any)              { panic(fmt.Sprint(v...)) }
func (l raftLogger) Fatalf(f string, v ...any)   { panic(fmt.Sprintf(f, v...)) }
func (l raftLogger) Panic(v ...any)              { panic(fmt.Sprint(v...)) }
func (l raftLogger) Panicf(f string, v ...any)   { panic(fmt.Sprintf(f, v...)) }
