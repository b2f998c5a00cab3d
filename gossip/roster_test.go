package gossip

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// TestRosterStories steps a roster of node 1; each line is an event at a second, and the hint it gives.
func TestRosterStories(t *testing.T) {
	alive := func(id ais.NodeID, epoch ais.Epoch) func(*roster, time.Time) (Hint, bool) {
		return func(r *roster, now time.Time) (Hint, bool) {
			return r.alive(now, Meta{Node: id, Epoch: epoch}, "g")
		}
	}
	newMap := func(id ais.NodeID, epoch ais.Epoch) func(*roster, time.Time) (Hint, bool) {
		return func(r *roster, now time.Time) (Hint, bool) {
			return r.alive(now, Meta{Node: id, Epoch: epoch, Map: 9}, "g")
		}
	}
	accused := func(id ais.NodeID, epoch ais.Epoch) func(*roster, time.Time) (Hint, bool) {
		return func(r *roster, now time.Time) (Hint, bool) {
			return r.accused(now, notice{kind: noticeAccuse, by: 7, about: id, epoch: epoch})
		}
	}
	leaves := func(id ais.NodeID, epoch ais.Epoch) func(*roster, time.Time) (Hint, bool) {
		return func(r *roster, now time.Time) (Hint, bool) {
			return r.leaves(now, notice{kind: noticeLeave, by: id, about: id, epoch: epoch})
		}
	}
	lost := func(id ais.NodeID) func(*roster, time.Time) (Hint, bool) {
		return func(r *roster, now time.Time) (Hint, bool) { return r.lost(now, id) }
	}
	answered := func(id ais.NodeID) func(*roster, time.Time) (Hint, bool) {
		return func(r *roster, now time.Time) (Hint, bool) { return r.answered(now, id) }
	}
	type step struct {
		at    int
		event func(*roster, time.Time) (Hint, bool)
		hint  string // "" if none
		is    string // what node 2 is held for afterwards
	}
	for name, steps := range map[string][]step{
		"comes, changes, is lost, comes back": {
			{0, alive(2, 1), "seen", "alive"}, {1, alive(2, 1), "", "alive"}, {2, newMap(2, 1), "changed", "alive"},
			{3, lost(2), "lost", "dead"}, {4, lost(2), "", "dead"}, {5, alive(2, 1), "seen", "alive"},
		},
		"an accusation is told once, and ends by itself": {
			{0, alive(2, 1), "seen", "alive"}, {1, accused(2, 1), "suspected", "suspect"}, {2, accused(2, 1), "", "suspect"},
			{3, newMap(2, 1), "changed", "suspect"}, {7, answered(2), "", "alive"}, {8, accused(2, 1), "suspected", "suspect"},
		},
		"an answer ends a suspicion": {
			{0, alive(2, 1), "seen", "alive"}, {1, answered(2), "", "alive"}, {2, accused(2, 1), "suspected", "suspect"},
			{3, answered(2), "seen", "alive"},
		},
		"an old accusation does not touch the next incarnation": {
			{0, alive(2, 4), "seen", "alive"}, {1, accused(2, 3), "", "alive"}, {2, accused(2, 5), "suspected", "suspect"},
			{3, alive(2, 5), "seen", "alive"},
		},
		"leaving is not loss, and is for good until a new start": {
			{0, alive(2, 1), "seen", "alive"}, {1, leaves(2, 1), "gone", "left"}, {2, leaves(2, 1), "", "left"},
			{3, newMap(2, 1), "", "left"}, {4, lost(2), "", "left"}, {5, accused(2, 1), "", "left"}, {6, alive(2, 2), "seen", "alive"},
			{7, leaves(2, 1), "", "alive"},
		},
		"strangers and itself give no hints": {
			{0, accused(2, 1), "", ""}, {0, lost(2), "", ""}, {0, leaves(2, 1), "", ""}, {0, answered(2), "", ""}, {0, alive(1, 1), "", ""},
		},
	} {
		r := newRoster(1)
		start := time.Unix(1000, 0)
		for i, s := range steps {
			now := start.Add(time.Duration(s.at) * time.Second)
			hint, ok := s.event(r, now)
			got := ""
			if ok {
				got = hint.Kind.String()
			}
			if got != s.hint {
				t.Errorf("%s: step %d gave hint %q, want %q", name, i, got, s.hint)
			}
			is := ""
			for _, m := range r.list(now) {
				is = m.Liveness.String()
			}
			if is != s.is {
				t.Errorf("%s: after step %d node 2 is %q, want %q", name, i, is, s.is)
			}
		}
	}
}

func TestRosterIsBounded(t *testing.T) {
	r, now := newRoster(1), time.Unix(1000, 0)
	for id := range ais.NodeID(membersMax + 10) {
		r.alive(now, Meta{Node: id + 2}, "g")
	}
	if len(r.members) != membersMax {
		t.Fatalf("%d members, want %d", len(r.members), membersMax)
	}
	const late = membersMax + 100
	if r.admits(late) {
		t.Error("room for one more though nobody is dead")
	}
	r.lost(now.Add(2*time.Second), 5)
	r.lost(now.Add(time.Second), 6)
	if _, ok := r.alive(now.Add(3*time.Second), Meta{Node: late}, "g"); !ok {
		t.Error("no room for one more though two are dead")
	}
	if r.members[6] != nil || r.members[5] == nil || len(r.members) != membersMax {
		t.Errorf("want the one forgotten that is dead the longest; %d members", len(r.members))
	}
}

func TestHintsDropTheOldest(t *testing.T) {
	g, err := New(Config{Node: 1, Cluster: 1, Bind: "127.0.0.1:0", Key: testKey('k'), Logger: slog.New(slog.DiscardHandler),
		Meta: func() Meta { return Meta{Node: 1} }})
	if err != nil {
		t.Fatal(err)
	}
	for id := range ais.NodeID(HintsMax + 3) {
		g.publish(func(r *roster, now time.Time) (Hint, bool) { return r.alive(now, Meta{Node: id + 2}, "g") })
	}
	if first := <-g.Hints(); first.Member.Node != 5 {
		t.Errorf("the first hint is about %v, want 5: the oldest go", first.Member.Node)
	}
	if got := g.Stats().HintsDropped; got != 3 {
		t.Errorf("%d dropped, want 3", got)
	}
}

func TestLogLinesAreReadAndLimited(t *testing.T) {
	for line, want := range map[string]struct {
		level slog.Level
		text  string
		kind  lineKind
	}{
		"2026/01/02 03:04:05 [WARN] memberlist: Refuting a dead message (from: x)\n": {slog.LevelWarn, "Refuting a dead message (from: x)", lineOther},
		"2026/01/02 03:04:05 [DEBUG] memberlist: Stream connection from=1.2.3.4:5":   {slog.LevelDebug, "Stream connection from=1.2.3.4:5", lineOther},
		"[ERR] memberlist: Decrypt packet failed: no installed keys from=1":          {slog.LevelWarn, "Decrypt packet failed: no installed keys from=1", linePacketRefused},
		"[ERR] memberlist: discarding stream with unacceptable label \"x\": from=1":  {slog.LevelWarn, "discarding stream with unacceptable label \"x\": from=1", lineStreamRefused},
		"[INFO] memberlist: Suspect 0000000000000002 has failed, no acks received":   {slog.LevelInfo, "Suspect 0000000000000002 has failed, no acks received", lineSuspect},
		"no level at all": {slog.LevelInfo, "no level at all", lineOther},
		"[":               {slog.LevelInfo, "[", lineOther},
	} {
		level, text, kind := classify(line)
		if level != want.level || text != want.text || kind != want.kind {
			t.Errorf("%q: got %v %q %d, want %v %q %d", line, level, text, kind, want.level, want.text, want.kind)
		}
	}
	var lines logLines
	var accused []ais.NodeID
	w := &logWriter{ctx: t.Context(), logger: slog.New(slog.NewTextHandler(&lines, nil)), counts: &counts{},
		accuse: func(id ais.NodeID) { accused = append(accused, id) }}
	for i := range 1000 {
		fmt.Fprintf(w, "2026/01/02 03:04:05 [WARN] memberlist: line %d\n", i)
		fmt.Fprintf(w, "2026/01/02 03:04:05 [ERR] memberlist: Decrypt packet failed: %d\n", i)
	}
	if n := lines.with("line "); n < logLinesBurst || n > 2*logLinesBurst {
		t.Errorf("%d of 1000 lines were written, want about %d", n, logLinesBurst)
	}
	if n := lines.with("Decrypt"); n != 1 {
		t.Errorf("%d lines about refused packets, want 1", n)
	}
	if refused, dropped := w.counts.packetsRefused.Load(), w.counts.logDropped.Load(); refused != 1000 || dropped < 900 {
		t.Errorf("counted %d refused packets and %d dropped lines, want 1000 and over 900", refused, dropped)
	}
	fmt.Fprint(w, "[INFO] memberlist: Suspect 0000000000000002 has failed, no acks received\n")
	fmt.Fprint(w, "[INFO] memberlist: Suspect "+strings.Repeat("x", 20)+" has failed, no acks received\n")
	if len(accused) != 1 || accused[0] != 2 {
		t.Errorf("accused %v, want node 2", accused)
	}
}
