package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
)

// moving is a rebalance of three targets: one that only gives, one that is done, one that does not answer.
func moving() api.Xaction {
	began := time.Date(2026, 4, 28, 16, 5, 35, 0, time.Local)
	done := began.Add(90 * time.Second)
	return api.Xaction{ID: "g1", Kind: "rebalance", State: "running", Created: began, Started: &began, Percent: 58, Parts: []api.XactionPart{
		{Node: "181883t8089", State: "running", ObjectsSent: 1058, BytesSent: 1331691, Started: &began, SlotsTotal: 10, Slots: 3},
		{Node: "361179t8088", State: "completed", ObjectsReceived: 1058, BytesReceived: 1331691, Started: &began, Ended: &done},
		{Node: "840083t8086", State: "unknown", Error: "refused"}}}
}

// TestShowRebalance holds the table to its columns.
func TestShowRebalance(t *testing.T) {
	c := &canned{t: t, replies: map[string]any{"GET /v1/xactions?kind=rebalance": api.Xactions{Xactions: []api.Xaction{moving()}}}}
	const want = `DaemonID     RebID   ObjRcv  SizeRcv  ObjSent  SizeSent  StartTime       EndTime          Aborted
======       ======  ======  ======   ======   ======    ======          ======           ======
181883t8089  1       0       0B       1058     1.27MiB   04-28 16:05:35  <not completed>  false
361179t8088  1       1058    1.27MiB  0        0B        04-28 16:05:35  04-28 16:07:05   false
840083t8086  1       -       -        -        -         -               -                -
`
	code, got, stderr := c.run("", "show", "rebalance")
	if code != 0 || got != want {
		t.Errorf("got %d\n%s\nwant\n%s", code, got, want)
	}
	if want := "node 840083t8086 cannot be asked for its part of g1: refused\n"; stderr != want {
		t.Errorf("got %q on stderr, want %q", stderr, want)
	}
	if code, got, _ := c.run("", "show", "rebalance", "--json"); code != 0 || !strings.Contains(got, `    "objects_sent": 1058,`) && !strings.Contains(got, `"objects_sent": 1058`) {
		t.Errorf("as JSON: got %d\n%s", code, got)
	}
	// It is the newest by the map, not by the order of the register.
	old, last := moving(), moving()
	old.ID, last.ID, last.State, last.Parts = "g9", "g10", "aborted", nil
	c.replies = map[string]any{"GET /v1/xactions?kind=rebalance": api.Xactions{Xactions: []api.Xaction{last, old}}}
	if code, got, _ := c.run("", "show", "rebalance", "--no-headers"); code != 0 || strings.Join(strings.Fields(got), " ") != "- 10 0 0B - - 04-28 16:05:35 <not completed> true" {
		t.Errorf("the newest: got %d\n%s", code, got)
	}
}

// TestShowJobByParts gives each target its row.
func TestShowJobByParts(t *testing.T) {
	x := moving()
	x.ID = "g2"
	c := &canned{t: t, replies: map[string]any{"GET /v1/xactions": api.Xactions{Xactions: []api.Xaction{x}}}}
	const want = `NODE             ID      KIND            BUCKET  OBJECTS         BYTES           START           END            STATE
181883t8089      g2      rebalance       -       1058            1.27MiB         04-28 16:05:35  -              Running
361179t8088      g2      rebalance       -       1058            1.27MiB         04-28 16:05:35  04-28 16:07:05 Completed
840083t8086      g2      rebalance       -       -               -               -               -              Unknown
`
	if code, got, _ := c.run("", "show", "job", "xaction", "rebalance"); code != 0 || got != want {
		t.Errorf("got %d\n%s\nwant\n%s", code, got, want)
	}
}

func TestStartAndStop(t *testing.T) {
	x := moving()
	c := &canned{t: t, replies: map[string]any{"POST /v1/xactions": x}}
	if code, got, stderr := c.run("", "start", "rebalance"); code != 0 || got != "Started rebalance \"g1\", use 'ais show job xaction g1' to monitor the progress\n" {
		t.Errorf("start: got %d %q %q", code, got, stderr)
	}
	done := x
	done.ID, done.State = "g0", "completed"
	c.replies = map[string]any{"GET /v1/xactions": api.Xactions{Xactions: []api.Xaction{done, x}}, "POST /v1/xactions/g1/stop": x}
	if code, got, stderr := c.run("", "stop", "rebalance"); code != 0 || got != "Stopped rebalance \"g1\"\n" {
		t.Errorf("stop: got %d %q %q; want the one that runs stopped", code, got, stderr)
	}
	if code, got, _ := c.run("", "stop", "g1"); code != 0 || got != "Stopped rebalance \"g1\"\n" {
		t.Errorf("stop by id: got %d %q", code, got)
	}
	if code, got, stderr := c.run("", "stop", "resilver"); code != 1 || got != "" || !strings.Contains(stderr, `no job has the id "resilver"`) {
		t.Errorf("stop what does not run: got %d %q %q", code, got, stderr)
	}
}

func TestDryRuns(t *testing.T) {
	plan := api.MovePlan{Moves: []api.Move{
		{Node: "1a2b000000000001", SlotsIn: 21845, ObjectsIn: 50000, BytesIn: 3 << 30},
		{Node: "ffee000000000003", SlotsOut: 21845, ObjectsOut: 50000, BytesOut: 3 << 30}}, Notes: []string{"node 1a2c000000000002 cannot be asked"}}
	const want = `NODE              SLOTS-IN  OBJECTS-IN  SIZE-IN  SLOTS-OUT  OBJECTS-OUT  SIZE-OUT
1a2b000000000001  21845     50000       3GiB     0          0            0B
ffee000000000003  0         0           0B       21845      50000        3GiB

21845 slots, about 50000 objects and 3GiB would be moved; nothing was done
`
	c := &canned{t: t, replies: map[string]any{"GET /v1/cluster": three(), "POST /v1/xactions": plan, "GET /v1/cluster/nodes/ffee000000000003/moves": plan}}
	for _, line := range []string{"start rebalance --dry-run", "cluster decommission ffee --dry-run"} {
		code, got, stderr := c.run("", strings.Fields(line)...)
		if code != 0 || got != want || stderr != "node 1a2c000000000002 cannot be asked\n" {
			t.Errorf("%s: got %d\n%s%s\nwant\n%s", line, code, got, stderr, want)
		}
	}
}

func TestForget(t *testing.T) {
	const node = "/v1/cluster/nodes/1a2c000000000002"
	c := &canned{t: t, replies: map[string]any{"GET /v1/cluster": three(),
		"GET " + node + "/losses": api.Losses{Slots: 32768, Buckets: []api.BucketLoss{{Bucket: "single", Slots: 32768}}}}}
	const shown = "of 32768 slots no other node that is alive may hold what lies in them:\n  bucket single: 32768 slots\n"
	if code, got, stderr := c.run("", "cluster", "forget", "1a2c"); code != 1 || got != "" || !strings.HasPrefix(stderr, shown) || !strings.Contains(stderr, "--force") {
		t.Errorf("without force: got %d %q %q", code, got, stderr)
	}
	c.replies["POST "+node+"/forget?force=true"] = api.Changed{Map: api.MapSummary{Version: 13}}
	if code, got, stderr := c.run("", "cluster", "forget", "1a2c", "--force"); code != 0 || got != "node 1a2c000000000002 is forgotten (map version 13)\n" || stderr != shown {
		t.Errorf("with force: got %d %q %q", code, got, stderr)
	}
}

func TestAudit(t *testing.T) {
	began := time.Date(2026, 4, 28, 16, 5, 35, 0, time.UTC)
	a := api.Audit{Map: api.MapSummary{Generation: 1, Version: 12, Settled: 12, Cut: 12}, Proven: true, Deep: true, Findings: []api.AuditFinding{
		{Severity: "remark", Rule: "copies", Text: "2 targets are alive"}}, Began: began, Ended: began.Add(1500 * time.Millisecond),
		Targets: 3, Slots: 100, Copies: 200, Entries: 3000, Records: 4000, Volumes: 6, Bytes: 1 << 20}
	const want = `map      version 12, settled
asked    3 targets: 100 slots in 200 copies, 3000 entries
read     4000 records of 6 volumes, 1MiB
remark   copies: 2 targets are alive
proven   in 1.5s
`
	c := &canned{t: t, replies: map[string]any{"GET /v1/cluster/audit?deep=true": a, "GET /v1/cluster/audit": a}}
	if code, got, stderr := c.run("", "audit", "--deep"); code != 0 || got != want {
		t.Errorf("got %d\n%s%s\nwant\n%s", code, got, stderr, want)
	}
	a.Proven, a.Findings = false, append([]api.AuditFinding{{Severity: "wrong", Rule: "digest", Text: "slot 5: object \"b/n\" is older"}}, a.Findings...)
	c.replies["GET /v1/cluster/audit"] = a
	code, got, stderr := c.run("", "audit", "--no-headers")
	if code != 1 || got != "wrong    digest: slot 5: object \"b/n\" is older\nremark   copies: 2 targets are alive\n" || stderr != "ais: the cluster is not proven: 1 findings\n" {
		t.Errorf("what is wrong: got %d %q %q", code, got, stderr)
	}
	if code, got, _ := c.run("", "audit", "--json"); code != 1 || !strings.Contains(got, `    "proven": false,`) {
		t.Errorf("as JSON: got %d\n%s", code, got)
	}
}

// TestWaitRebalance: what the register and the map say decides, not a timer.
func TestWaitRebalance(t *testing.T) {
	m := func(version, settled, cut int64) api.MapSummary {
		return api.MapSummary{Generation: 1, Version: version, Settled: settled, Cut: cut}
	}
	stopped := moving()
	stopped.State, stopped.Error = "aborted", "stopped by an operator"
	enabled := api.Settings{Settings: []api.Setting{{Name: "rebalance.enabled", Value: "true"}}}
	disabled := api.Settings{Settings: []api.Setting{{Name: "rebalance.enabled", Value: "false"}}}
	for name, test := range map[string]struct {
		register api.Xactions
		settings api.Settings
		args     string
		code     int
		says     string
	}{
		"settled":      {api.Xactions{Map: m(5, 5, 5)}, enabled, "", 0, "map version 5 is settled\n"},
		"cut":          {api.Xactions{Map: m(5, 3, 5)}, enabled, "", 0, "every copy that there can be is whole (map version 5); it settles when no target is down or in maintenance\n"},
		"stopped":      {api.Xactions{Map: m(5, 3, 3), Xactions: []api.Xaction{stopped}}, enabled, "", 1, "rebalance g1 is aborted: stopped by an operator"},
		"disabled":     {api.Xactions{Map: m(5, 3, 3)}, disabled, "", 1, "rebalance.enabled is false"},
		"not in time":  {api.Xactions{Map: m(5, 3, 3), Xactions: []api.Xaction{moving()}}, enabled, "--timeout=50ms", 1, "rebalance has not ended within 50ms"},
		"nothing runs": {api.Xactions{Map: m(5, 3, 3)}, enabled, "--timeout=50ms", 1, "has not ended within"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &canned{t: t, replies: map[string]any{"GET /v1/xactions?kind=rebalance": test.register, "GET /v1/config": test.settings}}
			code, got, stderr := c.run("", append([]string{"wait", "rebalance"}, strings.Fields(test.args)...)...)
			if code != test.code || !strings.Contains(got+stderr, test.says) || code == 0 && got != test.says {
				t.Errorf("got %d %q %q, want %d %q", code, got, stderr, test.code, test.says)
			}
		})
	}
}

// TestWaitJob follows the events of a job, over a stream that is cut, to its end.
func TestWaitJob(t *testing.T) {
	streams := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/xactions":
			fmt.Fprint(w, `{"xactions": [{"id": "g7", "kind": "rebalance", "state": "running"}], "map": {}}`)
		case "/v1/xactions/g7/events":
			if streams++; streams == 1 {
				fmt.Fprint(w, ": still there\n\nevent: progress\ndata: {\"id\": \"g7\", \"kind\": \"rebalance\", \"state\": \"running\"}\n\n")
				return
			}
			fmt.Fprint(w, "event: end\ndata: {\"id\": \"g7\", \"kind\": \"rebalance\", \"state\": \"completed\"}\n\n")
		}
	}))
	defer server.Close()
	var out, errs strings.Builder
	code := Run(t.Context(), Surroundings{Stdout: &out, Stderr: &errs, Getenv: func(name string) string {
		return map[string]string{"AIS_ENDPOINT": server.URL, "AIS_ACCESS_KEY": "k", "AIS_SECRET_KEY": "secretsecret"}[name]
	}}, []string{"wait", "g7"})
	if code != 0 || out.String() != "rebalance \"g7\" is completed\n" || streams != 2 {
		t.Errorf("got %d %q %q after %d streams", code, out.String(), errs.String(), streams)
	}
}
