package api_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/replica"
)

// primary is a control state whose primary notes at once which rebalances a touched map wants.
type primary struct{ *control.Memory }

func (p primary) Propose(ctx context.Context, c control.Command) (ais.ControlIndex, control.Result, error) {
	index, result, err := p.Memory.Propose(ctx, c)
	if _, touched := c.(control.MapTouch); touched && err == nil {
		for next := control.NextRebalance(p.View(), 1700000000000); next != nil; next = control.NextRebalance(p.View(), 1700000000000) {
			if _, _, err := p.Memory.Propose(ctx, next); err != nil {
				return 0, control.Result{}, err
			}
		}
	}
	return index, result, err
}

// visitJobs goes through the routes of jobs and audits, for TestDocument.
func visitJobs(t *testing.T, s *service, c *api.Client) {
	ctx := t.Context()
	x, err := c.StartXaction(ctx, "rebalance")
	if err != nil || x.State != "running" || x.ID != control.RebalanceID(s.state.View().Map().Version()) {
		t.Fatalf("start: got %+v, %v; want it running under the newest map", x, err)
	}
	if len(x.Parts) != 2 || x.Parts[0].State != "pending" {
		t.Errorf("parts: got %+v, want two targets that have not begun", x.Parts)
	}
	if r, err := c.Register(ctx, api.XactionQuery{Kind: "rebalance", State: "active", Node: nodeB.String()}); err != nil || len(r.Xactions) != 1 ||
		r.Map.Version != int64(s.state.View().Map().Version()) {
		t.Errorf("active rebalances: got %+v, %v; want the one that runs", r, err)
	}
	if x, err = c.StopXaction(ctx, x.ID); err != nil || x.State != "aborted" || x.Error == "" || x.Ended == nil {
		t.Errorf("stop: got %+v, %v; want it aborted", x, err)
	}
	if x, err = c.StopXaction(ctx, x.ID); err != nil || x.State != "aborted" {
		t.Errorf("stop again: got %+v, %v; want it to be no error", x, err)
	}
	_, err = c.StopXaction(ctx, "g99999")
	wantKind(t, "stop what is not there", err, ais.NotFound)
	var seen []string
	last, err := c.WatchXaction(ctx, x.ID, func(x *api.Xaction) { seen = append(seen, x.State) })
	if err != nil || last == nil || last.State != "aborted" || !slices.Equal(seen, []string{"aborted"}) {
		t.Errorf("events of what has ended: got %+v, %v, %q; want one", last, err, seen)
	}
	_, err = c.WatchXaction(ctx, "g99999", func(*api.Xaction) {})
	wantKind(t, "events of what is not there", err, ais.NotFound)
	if p, err := c.PlanXaction(ctx, "rebalance"); err != nil || len(p.Moves) != 2 || p.Moves[0].SlotsIn != 0 {
		t.Errorf("dry run: got %+v, %v; want two targets, and nothing to move", p, err)
	}
	if p, err := c.DecommissionPlan(ctx, nodeB.String()); err != nil || len(p.Moves) != 2 {
		t.Errorf("dry run of a decommission: got %+v, %v", p, err)
	}
	if l, err := c.Losses(ctx, nodeB.String()); err != nil || l.Buckets == nil {
		t.Errorf("losses: got %+v, %v", l, err)
	}
	if a, err := c.Audit(ctx, true); err != nil || !a.Proven || !a.Deep || a.Records != 7 {
		t.Errorf("audit: got %+v, %v; want it proven", a, err)
	}
}

// TestRebalanceShown: what the targets say is added up, and those who do not answer are marked.
func TestRebalanceShown(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, rootKey, rootSecret), t.Context()
	began := time.UnixMilli(1700000000000)
	x, err := c.StartXaction(ctx, "rebalance")
	if err != nil {
		t.Fatal(err)
	}
	v := s.state.View().Map().Version()
	s.fleet.mu.Lock()
	s.fleet.parts[nodeA] = map[ais.MapVersion]api.RebalanceStatus{v: {Version: v, ObjRcv: 30, SizeRcv: 3000, ObjSent: 5, SizeSent: 500,
		SlotsTotal: 100, SlotsDone: 50, Start: began}}
	s.fleet.parts[nodeB] = map[ais.MapVersion]api.RebalanceStatus{v: {Version: v, ObjRcv: 5, SizeRcv: 500, ObjSent: 30, SizeSent: 3000,
		SlotsTotal: 20, SlotsDone: 20, Start: began, End: began.Add(time.Second)}}
	s.fleet.mu.Unlock()
	if x, err = c.Xaction(ctx, x.ID); err != nil || x.Objects != 35 || x.Bytes != 3500 || x.Percent != 58 || x.EstimatedEnd == nil {
		t.Errorf("got %+v, %v; want 35 objects, 3500 bytes, 58%%, an estimate", x, err)
	}
	a, b := x.Parts[0], x.Parts[1]
	if a.Node != nodeA.String() || a.State != "running" || a.Ended != nil || a.ObjectsReceived != 30 || a.ObjectsSent != 5 || a.Slots != 50 {
		t.Errorf("first target: got %+v", a)
	}
	if b.State != "completed" || b.Ended == nil {
		t.Errorf("second target: got %+v", b)
	}
	cluster, err := c.Cluster(ctx)
	if err != nil || cluster.Rebalance == nil || cluster.Rebalance.ID != x.ID || cluster.Rebalance.State != "running" {
		t.Errorf("cluster: got %+v, %v; want the rebalance in it", cluster.Rebalance, err)
	}
	s.fleet.mu.Lock()
	s.fleet.silent[nodeB] = errors.New("refused")
	s.fleet.mu.Unlock()
	if x, err = c.Xaction(ctx, x.ID); err != nil || x.Parts[1].State != "unknown" || x.Parts[1].Error != "refused" || x.Percent != 50 {
		t.Errorf("with a silent target: got %+v, %v", x.Parts, err)
	}
}

// TestEventsFollow: progress is told as it comes, and the end ends the stream.
func TestEventsFollow(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, rootKey, rootSecret), t.Context()
	x, err := c.StartXaction(ctx, "rebalance")
	if err != nil {
		t.Fatal(err)
	}
	// The transport of the tests reads a reply whole, so this client has its own.
	own, err := api.NewClient(api.ClientOptions{Endpoint: s.endpoint, AccessKey: rootKey, Secret: rootSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	var states []string
	last, err := own.WatchXaction(ctx, x.ID, func(x *api.Xaction) {
		states = append(states, x.State)
		if len(states) == 1 {
			if _, err := c.StopXaction(ctx, x.ID); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
	if err != nil || last == nil || last.State != "aborted" || !slices.Equal(states, []string{"running", "aborted"}) {
		t.Errorf("got %+v, %v, %q; want running, then the end", last, err, states)
	}
}

func TestStartRefused(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, rootKey, rootSecret), t.Context()
	_, err := c.StartXaction(ctx, "dance")
	wantKind(t, "a kind that is none", err, ais.Invalid)
	off := "false"
	if _, err := c.ChangeConfig(ctx, api.SettingsChange{"rebalance.enabled": &off}); err != nil {
		t.Fatal(err)
	}
	before := s.state.View().Map().Version()
	if _, err = c.StartXaction(ctx, "rebalance"); !ais.IsKind(err, ais.Precondition) || !strings.Contains(err.Error(), "rebalance.enabled") {
		t.Errorf("while disabled: got %v, want Precondition with the key", err)
	}
	if now := s.state.View().Map().Version(); now != before {
		t.Errorf("the refused start made map version %d of %d", now, before)
	}
}

// TestPlanCounts: a target that leaves gives what it holds to the others.
func TestPlanCounts(t *testing.T) {
	s := start(t)
	m := s.state.View().Map()
	s.fleet.holds[nodeB] = &replica.Stated{Map: m.Version(), States: []replica.SlotState{
		{Slot: 3, Copies: 1, Sum: [2]uint64{1}, Count: 10}, {Slot: 4, Copies: 1, Sum: [2]uint64{2}, Count: 6}}}
	p, err := s.client(t, rootKey, rootSecret).DecommissionPlan(t.Context(), nodeB.String())
	if err != nil || len(p.Moves) != 2 {
		t.Fatalf("got %+v, %v", p, err)
	}
	if a := p.Moves[0]; a.SlotsIn != 2 || a.ObjectsIn != 16 || a.BytesIn != 1<<20 || a.SlotsOut != 0 {
		t.Errorf("who stays: got %+v, want 2 slots, 16 objects, 1 MiB in", a)
	}
	if b := p.Moves[1]; b.SlotsIn != 0 || b.SlotsOut != 2 || b.ObjectsOut != 16 {
		t.Errorf("who leaves: got %+v, want 2 slots, 16 objects out", b)
	}
}

// TestForgetByForce: the operator's word counts for a node that serves nothing, and for no other.
func TestForgetByForce(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, rootKey, rootSecret), t.Context()
	if _, err := c.CreateBucket(ctx, api.BucketCreate{Name: "single", Policy: "copies=1"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.ForceForget(ctx, nodeB.String())
	wantKind(t, "an alive node", err, ais.Precondition)
	s.fleet.propose(t, control.NodeState{Changes: []cmap.StateChange{{ID: nodeB, State: cmap.Down}}})
	l, err := c.Losses(ctx, nodeB.String())
	if err != nil || l.Slots == 0 || len(l.Buckets) != 1 || l.Buckets[0].Bucket != "single" || l.Buckets[0].Slots != l.Slots {
		t.Errorf("losses: got %+v, %v; want those of the bucket with one copy", l, err)
	}
	if _, err := c.ForceForget(ctx, nodeB.String()); err != nil {
		t.Errorf("a node that is down: %v", err)
	}
	if _, ok := s.state.View().Map().Node(nodeB); ok {
		t.Error("the forgotten node is still in the map")
	}
}

func TestAuditShown(t *testing.T) {
	s := start(t)
	s.fleet.verdict = &audit.Verdict{Findings: []audit.Finding{
		{Severity: audit.Wrong, Rule: audit.RuleDigest, Node: nodeB, Text: "they differ"},
		{Severity: audit.Remark, Rule: audit.RuleCopies, Text: "two targets"}}, Proof: audit.Proof{Targets: 2, Slots: 9}}
	a, err := s.client(t, rootKey, rootSecret).Audit(t.Context(), false)
	if err != nil || a.Proven || a.Deep || len(a.Findings) != 2 || a.Targets != 2 || a.Slots != 9 {
		t.Fatalf("got %+v, %v; want two findings, not proven", a, err)
	}
	if f := a.Findings[0]; f != (api.AuditFinding{Severity: "wrong", Rule: "digest", Node: nodeB.String(), Text: "they differ"}) {
		t.Errorf("got %+v", f)
	}
	if f := a.Findings[1]; f.Node != "" || f.Severity != "remark" {
		t.Errorf("got %+v", f)
	}
}
