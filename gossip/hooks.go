package gossip

import (
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/seed9b016523/ais"
)

// hooks is Gossip as memberlist calls it. Most calls come under memberlist's lock: none calls back.
type hooks Gossip

var (
	_ memberlist.Delegate      = (*hooks)(nil)
	_ memberlist.EventDelegate = (*hooks)(nil)
	_ memberlist.AliveDelegate = (*hooks)(nil)
	_ memberlist.PingDelegate  = (*hooks)(nil)
)

func (h *hooks) gossip() *Gossip { return (*Gossip)(h) }

func (h *hooks) NodeMeta(int) []byte { return h.gossip().encodedMeta() }

func (h *hooks) GetBroadcasts(overhead, limit int) [][]byte {
	return h.queue.GetBroadcasts(overhead, limit)
}

// LocalState and MergeRemoteState would carry more than Meta at joining; there is no more.
func (h *hooks) LocalState(bool) []byte        { return nil }
func (h *hooks) MergeRemoteState([]byte, bool) {}

func (h *hooks) AckPayload() []byte { return nil }

// NotifyPingComplete: a probe of this node was answered.
func (h *hooks) NotifyPingComplete(other *memberlist.Node, _ time.Duration, _ []byte) {
	if id, err := ais.ParseNodeID(other.Name); err == nil {
		h.gossip().publish(func(r *roster, now time.Time) (Hint, bool) { return r.answered(now, id) })
	}
}

// NotifyAlive refuses members that this node cannot place.
func (h *hooks) NotifyAlive(peer *memberlist.Node) error {
	m, err := memberMeta(peer)
	if err == nil {
		h.mu.Lock()
		if !h.mu.roster.admits(m.Node) {
			err = ais.Errorf(ais.Exhausted, "gossip: more than %d members", membersMax)
		}
		h.mu.Unlock()
	}
	if err != nil {
		h.counts.membersRefused.Add(1)
	}
	return err
}

func memberMeta(n *memberlist.Node) (Meta, error) {
	m, err := DecodeMeta(n.Meta)
	if err == nil && m.Node.String() != n.Name {
		err = ais.Errorf(ais.Invalid, "gossip: member %q says it is %v", n.Name, m.Node)
	}
	return m, err
}

func (h *hooks) NotifyJoin(n *memberlist.Node)   { h.alive(n) }
func (h *hooks) NotifyUpdate(n *memberlist.Node) { h.alive(n) }

func (h *hooks) alive(n *memberlist.Node) {
	if m, err := memberMeta(n); err == nil {
		address := n.Address()
		h.gossip().publish(func(r *roster, now time.Time) (Hint, bool) { return r.alive(now, m, address) })
	}
}

// NotifyLeave: memberlist holds a node for dead, or heard that it left.
func (h *hooks) NotifyLeave(n *memberlist.Node) {
	if id, err := ais.ParseNodeID(n.Name); err == nil {
		h.gossip().publish(func(r *roster, now time.Time) (Hint, bool) { return r.lost(now, id) })
	}
}

// NotifyMsg takes a notice of another node, and passes it on if it is news.
func (h *hooks) NotifyMsg(b []byte) {
	n, err := decodeNotice(b)
	if err != nil {
		h.counts.noticesRefused.Add(1)
		return
	}
	h.gossip().take(n)
}

func (g *Gossip) take(n notice) {
	fresh := g.publish(func(r *roster, now time.Time) (Hint, bool) {
		if n.kind == noticeLeave {
			return r.leaves(now, n)
		}
		return r.accused(now, n)
	})
	if fresh {
		g.pass(n)
	}
}

// accuse is called when a probe of this node was not answered.
func (g *Gossip) accuse(node ais.NodeID) {
	g.mu.Lock()
	var epoch ais.Epoch
	if e := g.mu.roster.members[node]; e != nil {
		epoch = e.member.Epoch
	}
	g.mu.Unlock()
	g.take(notice{kind: noticeAccuse, by: g.config.Node, about: node, epoch: epoch})
}
