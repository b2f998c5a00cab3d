package sim

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// proposals: what was acknowledged is agreed on and was applied exactly once, with the result that the
// client was told. It follows the agreed log by a model of buckets of its own.
type proposals struct {
	first   map[control.ProposalID]verdict
	byIndex map[ais.ControlIndex]control.ProposalID
	buckets map[string]bucketModel
	upTo    ais.ControlIndex
	init    bool // before there is a cluster everything is refused
}

// verdict is what the model made of a proposal where it came first in the log.
type verdict struct {
	index  ais.ControlIndex
	judged bool // the model knows the kind of command
	ok     bool
}

type bucketModel struct {
	id, revision ais.ControlIndex
	value        string
}

// valueProperty is the property of buckets that clients change.
const valueProperty = "sim.value"

func newProposals() *proposals {
	return &proposals{first: map[control.ProposalID]verdict{}, byIndex: map[ais.ControlIndex]control.ProposalID{}, buckets: map[string]bucketModel{}}
}

func (*proposals) name() string { return "proposals" }

func (p *proposals) see(w *world, what any) error {
	switch what := what.(type) {
	case committed:
		return p.follow(what.entry)
	case viewed:
		return p.compare(what)
	case acknowledged:
		return p.seeAnswer(what.o)
	case renewed:
		p.startFrom(what.view)
	case finished:
		for _, o := range w.operations {
			if _, taken := p.first[o.id]; taken && o.done() && o.outcome.Index == 0 {
				return fmt.Errorf("%s was refused, and is in the log: %w", o.command.Kind(), o.outcome.Err)
			}
		}
	}
	return nil
}

// startFrom begins anew with the state of a new generation.
func (p *proposals) startFrom(v *control.View) {
	*p = *newProposals()
	p.init, p.upTo = true, v.Index()
	for _, b := range v.Buckets() {
		p.buckets[b.Name] = bucketModel{ais.ControlIndex(b.ID), b.Revision, b.Properties[valueProperty]}
	}
}

// follow applies an entry to the model.
func (p *proposals) follow(e *raftpb.Entry) error {
	if age(e.GetIndex()) < age(uint64(p.upTo)) {
		return nil // of a generation that is over
	}
	p.upTo = ais.ControlIndex(e.GetIndex())
	if e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 {
		return nil
	}
	id, c, err := control.DecodeProposal(e.GetData())
	if err != nil {
		return fmt.Errorf("entry %d cannot be read: %w", e.GetIndex(), err)
	}
	if _, again := p.first[id]; again {
		return nil
	}
	v := verdict{index: p.upTo}
	if _, isInit := c.(control.ClusterInit); isInit {
		p.init = true
	}
	switch c := c.(type) {
	case control.BucketCreate:
		_, exists := p.buckets[c.Bucket.Name]
		v.judged, v.ok = true, p.init && !exists
		if v.ok {
			p.buckets[c.Bucket.Name] = bucketModel{p.upTo, p.upTo, c.Bucket.Properties[valueProperty]}
		}
	case control.BucketUpdate:
		b, exists := p.buckets[c.Bucket.Name]
		v.judged, v.ok = true, exists && b.revision == c.Bucket.Revision && b.id == ais.ControlIndex(c.Bucket.ID)
		if v.ok {
			p.buckets[c.Bucket.Name] = bucketModel{b.id, p.upTo, c.Bucket.Properties[valueProperty]}
		}
	}
	p.first[id] = v
	p.byIndex[p.upTo] = id
	return nil
}

// compare holds the state of a node to the model, where they are of one index.
func (p *proposals) compare(v viewed) error {
	if v.view.Index() != p.upTo {
		return nil // equal states of one index are the affair of another checker
	}
	if got, want := len(v.view.Buckets()), len(p.buckets); got != want {
		return fmt.Errorf("%s has %d buckets at index %d, the log makes %d", v.n.name, got, p.upTo, want)
	}
	for _, b := range v.view.Buckets() {
		m := p.buckets[b.Name]
		if m.revision != b.Revision || m.id != ais.ControlIndex(b.ID) || m.value != b.Properties[valueProperty] {
			return fmt.Errorf("%s has bucket %s at revision %d with %q, the log makes revision %d with %q",
				v.n.name, b.Name, b.Revision, b.Properties[valueProperty], m.revision, m.value)
		}
	}
	return nil
}

func (p *proposals) seeAnswer(o *operation) error {
	if o.outcome.Index == 0 || age(uint64(o.outcome.Index)) < age(uint64(p.upTo)) {
		return nil // not taken, or by a generation that is over
	}
	v, ok := p.first[o.id]
	switch {
	case !ok:
		return fmt.Errorf("%s was acknowledged at index %d, and is not agreed on", o.command.Kind(), o.outcome.Index)
	case v.index != o.outcome.Index || p.byIndex[v.index] != o.id:
		return fmt.Errorf("%s was acknowledged at index %d, it is in the log at %d", o.command.Kind(), o.outcome.Index, v.index)
	case v.judged && v.ok != (o.outcome.Err == nil):
		return fmt.Errorf("%s at index %d: by the log that it succeeds is %t, the answer was %q", o.command.Kind(), v.index, v.ok, fmt.Sprint(o.outcome.Err))
	}
	return nil
}
