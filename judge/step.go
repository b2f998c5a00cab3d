package judge

import (
	"fmt"
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Step finds what follows from all that was heard. m is the newest map, l the leases of this term. A
// verdict that does not show in the map is given again after a while; one of Down stands until the map
// shows it, because the primary may have proposed it: until then the node gets no lease.
func (j *Judge) Step(now ais.Instant, m *cmap.Map, l Leases) (verdicts []Verdict) {
	j.follow(now, m)
	j.holds = j.holds[:0]
	nodes := j.all()
	j.forgetAccusations(now, nodes)
	held := j.held(now, nodes)
	if held != "" {
		j.hold("%s", held)
	} else if !l.MayReassign(now) {
		j.hold("nobody is put down: leases of an earlier primary may still be in force")
	}
	for _, n := range nodes {
		n.shunned = held == "" && n.state == cmap.Alive && j.convicted(now, n)
	}
	var withheld []ais.NodeID
	for _, n := range nodes {
		if v, ok := j.judge(now, n, nodes, l, held == ""); ok {
			verdicts = append(verdicts, v)
		}
		if n.outcast() {
			withheld = append(withheld, n.id)
		}
	}
	l.Withhold(withheld)
	return verdicts
}

// Shunned reports whether a node gets no lease: it stands convicted, or its fall is decided.
func (j *Judge) Shunned(id ais.NodeID) bool {
	n := j.nodes[id]
	return n != nil && n.outcast()
}

func (n *node) outcast() bool {
	return n.state == cmap.Alive && (n.shunned || n.verdict == cmap.Down)
}

// MayReturn reports whether a node may be alive again: not while it waits after falling too often. Ask it
// before a new process of a node that is down is recorded, since that makes it alive.
func (j *Judge) MayReturn(now ais.Instant, id ais.NodeID) bool {
	n := j.nodes[id]
	return n == nil || n.state != cmap.Down || now >= n.returnAt()
}

// Holds are the reasons for which something is not done, as of the last Step: a sentence each.
func (j *Judge) Holds() []string { return slices.Clone(j.holds) }

func (j *Judge) hold(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(j.holds, s) {
		j.holds = append(j.holds, s)
	}
}

// held is why nobody is judged now; empty if all may be.
func (j *Judge) held(now ais.Instant, nodes []*node) string {
	if now < j.stopped {
		return "nobody is judged: the primary itself stood still, less than one lease ago"
	}
	if j.settled {
		return ""
	}
	alive, renewed := 0, 0
	for _, n := range nodes {
		if n.target && n.state == cmap.Alive {
			alive++
			if n.inTerm {
				renewed++
			}
		}
	}
	longest := j.cfg.Lease + startGrace
	if 2*renewed >= alive || now-j.elected >= ais.Instant(longest) {
		j.settled = true
		return ""
	}
	return fmt.Sprintf("nobody is judged until half of the %d alive targets have renewed with this primary, or for %s after its election: %d have",
		alive, longest, renewed)
}

// judge is what follows for one node.
func (j *Judge) judge(now ais.Instant, n *node, nodes []*node, l Leases, may bool) (Verdict, bool) {
	state, reason := n.state, ""
	switch n.state {
	case cmap.Alive:
		switch {
		case n.verdict == cmap.Down:
			state, reason = cmap.Down, n.reason
		case n.hasGivenBack() && now >= l.Expiry(n.id):
			// The node's own word, and final: nothing need be waited for, whoever gave the lease.
			state, reason = cmap.Down, "gave its lease back"
		case may && l.MayReassign(now):
			state, reason = j.judgeAlive(now, n, l)
		}
		if !may && !n.hasGivenBack() {
			return Verdict{}, false
		}
	case cmap.Down:
		state, reason = j.judgeDown(now, n, nodes, may)
	case cmap.Out:
		if j.renews(now, n) && now >= n.returnAt() && !j.convicted(now, n) {
			state, reason = cmap.Alive, "was out, and renews its lease again"
		}
	}
	if state == n.state {
		n.verdict = state
		return Verdict{}, false
	}
	if state == n.verdict && now-n.given < ais.Instant(verdictLife) {
		return Verdict{}, false
	}
	n.verdict, n.given, n.reason = state, now, reason
	return Verdict{Node: n.id, Epoch: n.epoch, State: state, Reason: reason}, true
}

// judgeAlive finds whether a node is to be put down. Never while it may believe that it has a lease.
func (j *Judge) judgeAlive(now ais.Instant, n *node, l Leases) (cmap.State, string) {
	expiry, lease := l.Expiry(n.id), ais.Instant(j.cfg.Lease)
	// Who has just come, come back, or started, has had no lease, and as much time as one gives to get it.
	silent := max(expiry, n.since+lease) + lease
	switch {
	case now < expiry:
		return cmap.Alive, ""
	case n.shunned:
		return cmap.Down, "does not answer others, and its lease has run out"
	case now < silent:
		return cmap.Alive, ""
	case n.probe.answered && !n.probe.failing && now-n.probe.okAt < ais.Instant(probeFresh) && now < silent+lease:
		j.hold("node %s is put down one lease later: it does not renew, but answers the primary", n.id)
		return cmap.Alive, ""
	}
	return cmap.Down, "silent: its lease ran out a whole lease ago"
}

// renews reports whether a node that gets no lease asks for one, and did so since it was put where it is.
func (j *Judge) renews(now ais.Instant, n *node) bool {
	return n.inTerm && n.renewedEpoch == n.epoch && !n.gaveBack && now-n.renewed < ais.Instant(j.cfg.Lease) && n.renewed > n.entered
}

// judgeDown finds whether a node that is down returns, or is put out.
func (j *Judge) judgeDown(now ais.Instant, n *node, nodes []*node, may bool) (cmap.State, string) {
	if j.renews(now, n) {
		switch {
		case now < n.returnAt():
			j.hold("node %s returns %s after it went down: it has fallen too often within an hour", n.id, n.wait)
		case j.convicted(now, n):
			j.hold("node %s does not return while others say that it does not answer", n.id)
		default:
			return cmap.Alive, "renews its lease again"
		}
	}
	if !may || now-n.fell < ais.Instant(j.cfg.OutAfter) {
		return cmap.Down, ""
	}
	reason := fmt.Sprintf("down for %s", j.cfg.OutAfter)
	if !n.target {
		if n.inTerm && now-n.renewed < ais.Instant(j.cfg.OutAfter) {
			return cmap.Down, ""
		}
		return cmap.Out, reason
	}
	if fell, targets := j.fellTogether(n, nodes); fell >= 2 && fell*100/targets > j.cfg.Brake {
		j.hold("no target is put out: %d of %d went down within %s of one another, more than %d %%", fell, targets, j.cfg.OutAfter, j.cfg.Brake)
		return cmap.Down, ""
	}
	return cmap.Out, reason
}

// fellTogether counts the targets that went down within OutAfter of a node and have not come back, itself
// included, and the targets that there were.
func (j *Judge) fellTogether(n *node, nodes []*node) (fell, targets int) {
	for _, t := range nodes {
		if !t.target {
			continue
		}
		gone := t.state == cmap.Down || t.state == cmap.Out && t.judged
		apart := t.fell - n.fell
		together := gone && max(apart, -apart) < ais.Instant(j.cfg.OutAfter)
		if together {
			fell++
		}
		if together || t.state != cmap.Out && t.state != cmap.Decommission {
			targets++
		}
	}
	return fell, targets
}
