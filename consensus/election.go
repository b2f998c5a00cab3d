package consensus

import (
	"time"

	"go.etcd.io/raft/v3"

	"github.com/seed9b016523/ais"
)

// How often a node renews its lease, how long it waits for news before it pulls, how long a primary lets
// a snapshot be on its way.
const (
	renewEvery    = ais.Instant(time.Second)
	goodbyeEvery  = ais.Instant(100 * time.Millisecond)
	officeAfter   = ais.Instant(time.Second) // a primary that leaves hands over by then, whatever the map says
	pullAfter     = ais.Instant(time.Second)
	snapshotAfter = ais.Instant(2 * time.Second)
)

// tick lets time pass.
func (m *Machine) tick() {
	gap := m.now - m.lastTick
	m.lastTick = m.now
	if m.role == raft.StateLeader {
		m.raft.Tick()
	} else {
		m.raft.TickQuiesced() // time passes for Raft; when to campaign is decided here
		m.maybeCampaign()
	}
	m.renew()
	m.pull()
	if m.office != nil {
		m.tickOffice(gap)
	}
}

// maybeCampaign starts an election if this voter has heard of no primary for long enough. The timeout is
// drawn here and not in Raft, so that the simulator can repeat it.
func (m *Machine) maybeCampaign() {
	m.quiet++
	if m.quiet < m.campaignAt && !m.soleVoter() {
		return
	}
	if !m.voter() || !m.duties.MayCampaign() || m.leaving {
		if m.leader != 0 {
			_ = m.raft.ForgetLeader() // whoever cannot campaign must not take it for alive for ever; no error: it is a follower
		}
		return
	}
	m.heardPrimary() // draws the next timeout
	if err := m.raft.Campaign(); err != nil {
		m.refuse("campaign refused by raft")
	}
}

// soleVoter reports whether this node alone is a quorum: it has nobody to wait for.
func (m *Machine) soleVoter() bool {
	return len(m.conf.GetVoters()) == 1 && len(m.conf.GetVotersOutgoing()) == 0 && m.voter()
}

// heardPrimary begins a new wait for a primary.
func (m *Machine) heardPrimary() {
	m.quiet = 0
	m.campaignAt = campaignTicks + m.cfg.Random.IntN(campaignSpread)
}
