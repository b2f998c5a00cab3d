package control

import (
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// three is a cluster of three targets and a proxy, all settled, with buckets of these policies.
func three(t *testing.T, policies ...string) *View {
	t.Helper()
	steps := []step{
		{NodeJoin{node(1, ais.RoleTarget, Level)}, 0, ""}, {NodeJoin{node(2, ais.RoleTarget, Level)}, 0, ""},
		{NodeJoin{node(3, ais.RoleTarget, Level)}, 0, ""}, {NodeJoin{node(9, ais.RoleProxy, Level)}, 0, ""}, {MapSettle{5}, 0, ""},
	}
	for _, p := range policies {
		steps = append(steps, step{BucketCreate{ais.Bucket{Name: "has-" + strings.ReplaceAll(p, "=", "-"), Policy: p}}, 0, ""})
	}
	return walk(t, scripted(t, 1), steps)
}

func TestCheckSpared(t *testing.T) {
	loads := []Load{{1, 100, 60}, {2, 100, 60}, {3, 100, 60}}
	full := []Load{{1, 100, 60}, {2, 100, -20}, {3, 100, 60}}
	one := func(s cmap.State) Command { return NodeState{[]cmap.StateChange{{ID: 1, State: s}}} }
	for _, c := range []struct {
		name     string
		policies []string
		state    cmap.State // of node 1
		id       ais.NodeID
		loads    []Load
		says     string // "" is spared
	}{
		{"two are left for two copies", []string{"copies=2"}, cmap.Alive, 3, loads, ""},
		{"two are left for three copies", []string{"copies=3", "copies=1"}, cmap.Alive, 3, loads, `are 2, and bucket "has-copies-3" wants 3 copies`},
		{"no bucket is there", nil, cmap.Alive, 3, loads, ""},
		{"one of the others is down", []string{"copies=2"}, cmap.Down, 3, loads, "alive are 1, and"},
		{"it holds more than fits", []string{"copies=1"}, cmap.Alive, 3, full, "holds 100 bytes, and the other targets have room for 60:"},
		{"one that does not answer has no room", []string{"copies=1"}, cmap.Alive, 3, loads[1:], "have room for 60:"},
		{"nobody knows what it holds", []string{"copies=1"}, cmap.Alive, 3, loads[:2], "does not say how much it holds"},
		{"it is down, and cannot say what it holds", []string{"copies=1"}, cmap.Down, 1, loads[1:], ""},
		{"it is out already", []string{"copies=3"}, cmap.Out, 1, nil, ""},
		{"a proxy", []string{"copies=3"}, cmap.Alive, 9, nil, ""},
	} {
		v := three(t, c.policies...)
		if c.state != cmap.Alive {
			v = walk(t, v, []step{{one(c.state), 0, ""}})
		}
		err := CheckSpared(v, c.id, c.loads)
		if c.says == "" && err != nil || c.says != "" && (!ais.IsKind(err, ais.Precondition) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
}
