package thrash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

// Faults that change which nodes there are, and what is done about their rebalance.

// Bounds of what they wait for.
const (
	leaveMax    = 4 * time.Minute // a decommissioned node is drained, and gone
	wholeMax    = 4 * time.Minute // after a loss: every copy is whole again
	certainFor  = time.Second     // copies are whole, seen twice with this between
	startAgain  = 8 * time.Second // after an abort, at most
	refusalWait = 2 * time.Second
	verbLateMax = 15 * time.Second // a change of the cluster without an answer may still come
)

// join starts a new node; it stays.
func (s *scheduler) join(c chance) func(load, whole context.Context) {
	if len(s.fleet.members()) >= min(nodesMax, s.Nodes+2) {
		s.skipped(c.nemesis)
		return nil
	}
	m := s.fleet.add()
	s.mu.Lock()
	s.mu.taken[m.index] = c.nemesis
	s.mu.Unlock()
	return func(_, whole context.Context) {
		defer s.giveBack(m, false)
		err := s.launch(whole, m)
		if err != nil && whole.Err() == nil {
			s.ledger.event("%v", err)
		}
		s.ledger.event("%s has joined", m.name())
		s.done(c.nemesis)
	}
}

// launch starts a node that was not there before.
func (r *run) launch(ctx context.Context, m *member) error {
	if r.wire != nil {
		if err := r.wire.open(m); err != nil {
			return err
		}
	}
	if r.rooms.why == nil && slices.Contains(r.Nemeses, nemesisFull) {
		if err := r.rooms.mount(ctx, m.mountpath()); err != nil {
			return err
		}
	}
	if err := r.fleet.start(m, m.index == 0 && m.life == 0); err != nil {
		return err
	}
	if err := r.fleet.awaitReady(ctx, m, readyMax); err != nil {
		r.fleet.dump(ctx, m)
		return err
	}
	return nil
}

// leave decommissions a node, waits until it is gone, and ends it.
func (s *scheduler) leave(c chance) func(load, whole context.Context) {
	if !s.settles || len(s.fleet.members()) <= max(3, s.Nodes-1) {
		s.skipped(c.nemesis)
		return nil
	}
	m := s.take(c, false)
	if m == nil || s.fleet.idOf(m) == "" {
		s.skipped(c.nemesis)
		return nil
	}
	return func(load, whole context.Context) {
		defer s.giveBack(m, false)
		id := s.fleet.idOf(m)
		if err := s.verb(load, id, api.Decommission); err != nil && !s.leaving(whole, id) {
			s.ledger.event("%s may not leave: %v", m.name(), err)
			s.skipped(c.nemesis)
			return
		}
		began := time.Now()
		s.ledger.event("%s leaves", m.name())
		// It is waited for beyond the load: what has begun to leave must be able to end it.
		err := s.until(whole, leaveMax, m.name()+" is gone", func(c *api.Cluster) error { return hasLeft(c, id) })
		if err != nil {
			if whole.Err() == nil {
				s.ledger.violation(&Violation{Kind: Unhealed, Message: fmt.Sprintf("decommission: %v", err)})
				_ = s.verb(whole, id, api.Activate) // it stays
			}
			return
		}
		s.ledger.event("%s is gone after %v", m.name(), round(time.Since(began)))
		s.fleet.end(whole, m, syscall.SIGTERM, time.Minute)
		s.discard(m)
		s.fleet.remove(m)
		s.done(c.nemesis)
	}
}

// leaving reports whether a node leaves though whoever asked for it got no answer: what was asked may take
// effect a while later.
func (s *scheduler) leaving(ctx context.Context, id string) bool {
	err := s.until(ctx, verbLateMax, "it leaves", func(c *api.Cluster) error {
		for _, n := range c.Nodes {
			if n.ID == id && n.State != "decommission" && n.State != "out" {
				return fmt.Errorf("it is %s", n.State)
			}
		}
		return nil
	})
	return err == nil
}

// hasLeft has no objection if a node has left for good.
func hasLeft(c *api.Cluster, id string) error {
	for _, n := range c.Nodes {
		if n.ID == id && n.State != "out" {
			return fmt.Errorf("it is %s: %s", n.State, n.Why)
		}
	}
	return nil
}

// discard takes away all that a node had.
func (s *scheduler) discard(m *member) {
	if err := s.rooms.unmount(m.mountpath()); err != nil {
		s.ledger.event("unmount %s: %v", m.name(), err)
	}
	_ = os.Remove(m.mountpath() + ".img")
	if err := os.RemoveAll(m.dir); err != nil {
		s.ledger.event("remove %s: %v", m.name(), err)
	}
}

// lose takes a node's data away for ever while every copy is whole. It comes back as a new node.
func (s *scheduler) lose(c chance) func(load, whole context.Context) {
	if !s.settles {
		s.skipped(c.nemesis)
		return nil
	}
	m := s.take(c, true)
	if m == nil {
		s.skipped(c.nemesis)
		return nil
	}
	s.mu.Lock()
	s.mu.lonely = true
	s.mu.Unlock()
	return func(load, whole context.Context) {
		defer func() {
			s.mu.Lock()
			s.mu.lonely = false
			s.mu.Unlock()
			s.giveBack(m, true)
		}()
		if err := s.certain(load); err != nil {
			s.skipped(c.nemesis)
			return
		}
		s.ledger.event("%s loses all it has", m.name())
		s.fleet.end(whole, m, syscall.SIGKILL, time.Minute)
		old := s.fleet.idOf(m)
		s.discard(m)
		pause(load, c.span)
		if err := s.launch(whole, m); err != nil {
			s.ledger.event("%v", err)
		}
		began := time.Now()
		err := s.until(whole, wholeMax, "every copy is whole after the loss of "+m.name(), func(c *api.Cluster) error {
			if err := hasLeft(c, old); err != nil {
				return err
			}
			return settled(c)
		})
		if err != nil && whole.Err() == nil {
			s.ledger.violation(&Violation{Kind: Unhealed, Message: err.Error()})
		}
		s.ledger.event("every copy is whole %v after the loss", round(time.Since(began)))
		s.done(c.nemesis)
	}
}

// certain has no error if every copy is whole, and all nodes are alive, now and a moment ago.
func (s *scheduler) certain(ctx context.Context) error {
	for range 2 {
		c, err := s.cluster(ctx)
		if err != nil {
			return err
		}
		if err := settled(c); err != nil {
			return err
		}
		if err := allAlive(c, len(s.fleet.members())); err != nil {
			return err
		}
		if !pause(ctx, certainFor) {
			return ctx.Err()
		}
	}
	return nil
}

func (r *run) verb(ctx context.Context, id string, verb api.NodeVerb) error {
	return r.operate(ctx, func(c *api.Client) error {
		one, cancel := context.WithTimeout(ctx, clusterMax)
		defer cancel()
		_, err := c.ChangeNode(one, id, verb)
		return err
	})
}

// handOver makes another node primary.
func (s *scheduler) handOver(load context.Context, c chance) {
	running := s.fleet.running()
	if len(running) == 0 {
		s.skipped(nemesisPrimary)
		return
	}
	m := running[int(c.other%uint32(len(running)))]
	id := s.fleet.idOf(m)
	if id == "" {
		s.skipped(nemesisPrimary)
		return
	}
	if err := s.verb(load, id, api.MakePrimary); err != nil {
		s.skipped(nemesisPrimary)
		return
	}
	s.mu.Lock()
	clear(s.mu.falls)
	s.mu.Unlock()
	s.ledger.event("%s is to be primary", m.name())
	s.done(nemesisPrimary)
}

// abort stops the rebalance that runs, and starts it again later.
func (s *scheduler) abort(load, whole context.Context, c chance) {
	id, err := s.rebalance(load)
	if err != nil || id == "" {
		s.skipped(c.nemesis)
		return
	}
	r, err := s.post(load, "/v1/xactions/"+url.PathEscape(id)+"/stop", nil)
	switch {
	case err == nil && r.status < 300:
		s.ledger.event("rebalance %s is aborted", id)
		s.done(c.nemesis)
	case err == nil && (r.status == http.StatusNotFound || r.status == http.StatusNotImplemented || r.status == http.StatusMethodNotAllowed):
		s.unavailable(c.nemesis)
		return
	default:
		s.skipped(c.nemesis)
		return
	}
	s.mu.Lock()
	s.mu.aborted = true
	s.mu.Unlock()
	pause(load, c.span%startAgain)
	s.startAborted(whole)
}

// startAborted starts the rebalance again if it was aborted: nothing would settle without it.
func (s *scheduler) startAborted(ctx context.Context) {
	s.mu.Lock()
	aborted := s.mu.aborted
	s.mu.aborted = false
	s.mu.Unlock()
	for range 10 {
		if !aborted || ctx.Err() != nil {
			return
		}
		r, err := s.post(ctx, "/v1/xactions", map[string]string{"kind": "rebalance"})
		if err == nil && r.status < 300 {
			s.ledger.event("rebalance is started again")
			return
		}
		if err == nil {
			s.ledger.event("start rebalance: %d %.200s", r.status, r.body)
		}
		pause(ctx, refusalWait)
	}
}

// rebalance is the id of the one that runs; "" if there is none.
func (r *run) rebalance(ctx context.Context) (id string, err error) {
	err = r.operate(ctx, func(c *api.Client) error {
		all, err := c.Xactions(ctx, "rebalance")
		for _, x := range all {
			if x.State == "running" {
				id = x.ID
			}
		}
		return err
	})
	return id, err
}

// post sends a request of REST to some node that runs.
func (r *run) post(ctx context.Context, path string, body any) (*reply, error) {
	k := &call{method: http.MethodPost, path: path}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		k.body, k.header = b, map[string]string{"Content-Type": "application/json"}
	}
	last := error(ais.Errorf(ais.Unavailable, "no node runs"))
	for _, m := range r.fleet.running() {
		got, err := r.client.do(ctx, m.index, k)
		if err == nil && got.status < 500 {
			return got, nil
		}
		last = fmt.Errorf("%s: %s: %w", path, class(got, err), err)
		if err == nil {
			last = fmt.Errorf("%s: %s: %.200s", path, class(got, err), got.body)
		}
	}
	return nil, last
}
