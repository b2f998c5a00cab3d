package judge

import (
	"maps"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// forgetAccusations drops what nobody has repeated, and what nodes have said that are not in the map.
func (j *Judge) forgetAccusations(now ais.Instant, nodes []*node) {
	for _, n := range nodes {
		maps.DeleteFunc(n.accusers, func(by ais.NodeID, a accusation) bool {
			return j.nodes[by] == nil || !j.fresh(now, a)
		})
	}
}

// convicted reports whether two say that the node does not answer: two others, or one and the primary
// itself. Of two that accuse each other only one is believed. What comes out must not hang on the order in
// which nodes are looked at, so it is counted from the bare accusations, not from who is convicted.
func (j *Judge) convicted(now ais.Instant, n *node) bool {
	believed := 0
	if n.probe.silent() {
		believed++
	}
	others := 0
	for by := range n.accusers {
		if j.stands(now, by, n) && !(j.stands(now, n.id, j.nodes[by]) && j.culprit(now, n, j.nodes[by]) != n) {
			others++
		}
	}
	return others > 0 && believed+others >= 2
}

// stands reports whether an accusation counts: it is fresh, and its author alive in the map.
func (j *Judge) stands(now ais.Instant, by ais.NodeID, whom *node) bool {
	a, ok := whom.accusers[by]
	author := j.nodes[by]
	return ok && j.fresh(now, a) && author != nil && author.state == cmap.Alive
}

// culprit is the one of two, who accuse each other, who is at fault: the one with more accusers, else
// the replica. That is who was accused first: a home speaks up when its write has waited too long, and
// what the replica says of the home comes after that. The larger id, if they spoke at the same instant.
func (j *Judge) culprit(now ais.Instant, a, b *node) *node {
	ofA, ofB := j.accusersOf(now, a), j.accusersOf(now, b)
	first, second := a.accusers[b.id].first, b.accusers[a.id].first
	switch {
	case ofA != ofB:
		if ofA > ofB {
			return a
		}
		return b
	case first != second:
		if first < second {
			return a
		}
		return b
	case a.id > b.id:
		return a
	}
	return b
}

// accusersOf counts those who say that a node does not answer; the primary is one of them if its own
// probes say so.
func (j *Judge) accusersOf(now ais.Instant, n *node) (count int) {
	for by := range n.accusers {
		if j.stands(now, by, n) {
			count++
		}
	}
	if n.probe.silent() {
		count++
	}
	return count
}

// silent reports whether probes have failed for so long that this counts like an accuser.
func (p *probe) silent() bool {
	return p.failing && p.failed-p.since >= ais.Instant(ProbeLimit)
}
