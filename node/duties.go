package node

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/transport"
)

// routeFence is the call by which a new primary makes its term known. Whoever has answered takes nothing
// from an older one.
const routeFence = "/primary/fence"

// fencePatience is how long a new primary waits for those that do not answer. It is a courtesy, and
// nothing rests on it: leases and terms keep an old primary out.
const fencePatience = 300 * time.Millisecond

type fenceNotice struct {
	Node ais.NodeID `json:"node"`
	Term ais.Term   `json:"term"`
}

// fence makes the new term known to all nodes that are up, the old primary above all.
func (n *node) fence(ctx context.Context, t ais.Term) error {
	notice, err := json.Marshal(fenceNotice{Node: n.record.Node, Term: t})
	if err != nil {
		return ais.Errorf(ais.Internal, "encode: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fencePatience)
	defer cancel()
	var calls sync.WaitGroup
	for _, other := range n.replica.View().Map().Nodes() {
		if other.ID == n.record.Node || other.State == cmap.Out || other.State == cmap.Down {
			continue
		}
		host, _ := n.book.find(other.ID)
		calls.Go(func() {
			if _, err := n.network.Call(ctx, transport.Address{Node: other.ID, Host: host}, routeFence, notice); err != nil {
				n.log.Debug("node not told of the new term", "node", other.ID, "err", err)
			}
		})
	}
	calls.Wait()
	return nil
}

// serveFence waits until this node knows of the term: Raft brings it, durably.
func (n *node) serveFence(ctx context.Context, from transport.Peer, request []byte) ([]byte, error) {
	var notice fenceNotice
	if err := json.Unmarshal(request, &notice); err != nil || notice.Node != from.Node {
		return nil, ais.Errorf(ais.Invalid, "node %s sends a notice that is none: %.100q", from.Node, request)
	}
	for n.replica.Status().Term < notice.Term {
		if err := wait(ctx, leasePoll); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// servePrimary is what a primary does beside its machine while it serves.
func (n *node) servePrimary(ctx context.Context, _ ais.Term) {
	var work sync.WaitGroup
	work.Go(func() { n.recoverDeletes(ctx) })
	work.Go(func() { n.registerRebalances(ctx) })
	work.Wait()
}

// registerAgain is how long the primary waits after a command about a rebalance that was not taken.
const registerAgain = 200 * time.Millisecond

// registerRebalances keeps the register in line with what the map says about rebalances.
func (n *node) registerRebalances(ctx context.Context) {
	for ctx.Err() == nil {
		changed := n.replica.Changed()
		c := control.NextRebalance(n.replica.View(), time.Now().UnixMilli())
		if c == nil {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		// A refusal says that the state has moved on meanwhile, or that the register is full.
		if _, _, err := n.replica.Propose(ctx, c); err != nil && ctx.Err() == nil {
			n.log.Info("a rebalance is not in the register yet", "err", err)
			_ = wait(ctx, registerAgain) // an error is the end of ctx
		}
	}
}

// recoverDeletes ends the deletes of buckets whose node is gone, whenever the map may say so.
func (n *node) recoverDeletes(ctx context.Context) {
	for {
		version := n.replica.View().Map().Version()
		if err := n.buckets.Recover(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("deletes of buckets that were cut short are not ended yet", "err", err)
			version = 0
		}
		for ctx.Err() == nil {
			changed := n.replica.Changed()
			if n.replica.View().Map().Version() != version {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
		if wait(ctx, deletesEvery) != nil {
			return
		}
	}
}

// deletesEvery is how often deletes of buckets that were cut short are looked at.
const deletesEvery = time.Second

// endDeletes takes back the deletes that this node began and found no primary to end.
func (n *node) endDeletes(ctx context.Context) error {
	for {
		if err := wait(ctx, deletesEvery); err != nil {
			return endOf(ctx, err)
		}
		if err := n.buckets.EndDeletes(ctx); err != nil && ctx.Err() == nil {
			n.log.Info("deletes of buckets that were cut short are not ended yet", "err", err)
		}
	}
}
