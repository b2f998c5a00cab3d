package judge

import (
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Events of nodes that the newest map does not have change nothing: so what a judge keeps is bounded by
// the map.

// Renewed notes that a process asked for its lease, whether it gets it or not. Renewals of a process that
// is over, or has given its lease back, must not count: see lease.Action.ShowsLife.
func (j *Judge) Renewed(now ais.Instant, id ais.NodeID, epoch ais.Epoch) {
	n := j.nodes[id]
	if n == nil || epoch < n.epoch || n.gaveBack && epoch <= n.gaveEpoch {
		return
	}
	n.renewed, n.renewedEpoch, n.inTerm, n.gaveBack = now, epoch, true, false
}

// GaveBack notes that a process gives its lease back, because it is about to end.
func (j *Judge) GaveBack(_ ais.Instant, id ais.NodeID, epoch ais.Epoch) {
	n := j.nodes[id]
	if n == nil || epoch < n.epoch || n.inTerm && epoch < n.renewedEpoch {
		return
	}
	n.gaveBack, n.gaveEpoch = true, epoch
}

// Accused notes that by, the home of a write, does not get its answer from whom, a replica. It is to be
// repeated, once a second say, while that lasts.
func (j *Judge) Accused(now ais.Instant, by, whom ais.NodeID) {
	n := j.nodes[whom]
	if n == nil || by == whom || j.nodes[by] == nil {
		return
	}
	a, ok := n.accusers[by]
	if !ok || !j.fresh(now, a) {
		a.first = now
	}
	a.last = now
	n.accusers[by] = a
}

// fresh reports whether an accusation stands: it is forgotten after two leases, which is time enough
// for the lease of the accused to run out.
func (j *Judge) fresh(now ais.Instant, a accusation) bool {
	return now-a.last < ais.Instant(2*j.cfg.Lease)
}

// Suspected notes gossip's suspicion: the node is probed at once. Nothing else comes of it.
func (j *Judge) Suspected(_ ais.Instant, id ais.NodeID) {
	if n := j.nodes[id]; n != nil {
		n.probe.wanted = true
	}
}

// Probed notes how the primary's own probe of a node ended.
func (j *Judge) Probed(now ais.Instant, id ais.NodeID, ok bool) {
	n := j.nodes[id]
	if n == nil {
		return
	}
	p := &n.probe
	switch {
	case ok:
		p.failing, p.answered, p.okAt = false, true, now
	case p.failing:
		p.failed = now
	default:
		p.failing, p.failed, p.since = true, now, now
		if p.asked {
			p.since = p.askedAt
		}
	}
}

// Probes are the nodes that the primary should write to now, as a probe: those that are accused,
// suspected or silent. By id; each twice a second at most.
func (j *Judge) Probes(now ais.Instant) (ids []ais.NodeID) {
	for _, n := range j.all() {
		p := &n.probe
		if n.state != cmap.Alive && n.state != cmap.Down || p.asked && now-p.askedAt < ais.Instant(probeEvery) {
			continue
		}
		late := n.state == cmap.Alive && n.inTerm && now-n.renewed >= ais.Instant(j.cfg.Lease)
		if p.wanted || late || j.accused(now, n) {
			p.wanted, p.asked, p.askedAt = false, true, now
			ids = append(ids, n.id)
		}
	}
	return ids
}

func (j *Judge) accused(now ais.Instant, n *node) bool {
	for _, a := range n.accusers {
		if j.fresh(now, a) {
			return true
		}
	}
	return false
}

// PrimaryStopped says that the primary stood still for gap, until now: its own silence looks like that
// of all others. For one lease nobody is judged.
func (j *Judge) PrimaryStopped(now ais.Instant, gap time.Duration) {
	if gap <= 0 {
		return
	}
	j.stopped = now + ais.Instant(j.cfg.Lease)
	for _, n := range j.nodes {
		n.probe = probe{}
	}
}
