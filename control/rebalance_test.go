package control

import (
	"fmt"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// registered brings the register in line with the map, as the primary does, and tells what it did.
func registered(t *testing.T, v *View) (*View, string) {
	t.Helper()
	text := ""
	for range 20 {
		c := NextRebalance(v, 7)
		if c == nil {
			return v, text
		}
		if err := Check(c); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		next, r, err := v.Apply(v.Index()+1, c)
		if err != nil {
			t.Fatalf("%+v is refused: %v", c, err)
		}
		v, text = next, text+fmt.Sprintf("%s %s; ", r.Xaction.ID, r.Xaction.State)
	}
	t.Fatalf("the register never comes to rest: %s", text)
	return nil, ""
}

// TestRebalances goes through the life of rebalances, command by command.
func TestRebalances(t *testing.T) {
	both := ais.RoleProxy | ais.RoleTarget
	state := func(id ais.NodeID, s cmap.State) Command {
		return NodeState{[]cmap.StateChange{{ID: id, State: s}}}
	}
	enable := func(value string) Command {
		return ConfigSet{Values: map[string]string{string(RebalanceEnabled): value}}
	}
	stop := func(v *View) Command {
		id, _ := v.Rebalance()
		x, _ := v.Xaction(id)
		return XactionUpdate{ID: id, Revision: x.Revision, State: XactionAborted, Error: "stopped by an operator", Time: 9}
	}
	v := scripted(t, 1)
	for i, c := range []struct {
		command func(*View) Command
		want    string // of the register
		newest  string
		aborted bool
	}{
		{func(*View) Command { return NodeJoin{node(1, both, Level)} }, "", "", false},
		{func(*View) Command { return NodeJoin{node(2, both, Level)} }, "g3 pending; g3 running; ", "g3", false},
		{func(*View) Command { return NodeJoin{node(3, both, Level)} }, "g3 aborted; g4 pending; g4 running; ", "g4", false},
		{func(*View) Command { return NodeJoin{node(9, ais.RoleProxy, Level)} }, "", "g4", false},
		{stop, "", "g4", true},
		{func(*View) Command { return NodeJoin{node(8, ais.RoleProxy, Level)} }, "", "g4", true},
		{func(*View) Command { return MapTouch{} }, "g7 pending; g7 running; ", "g7", false},
		{func(*View) Command { return MapSettle{Version: 7} }, "g7 completed; ", "g7", false},
		{func(*View) Command { return MapTouch{} }, "g8 pending; g8 running; ", "g8", false},
		{func(*View) Command { return enable("false") }, "", "g8", false},
		{func(*View) Command { return state(3, cmap.Down) }, "", "g8", false},
		{func(*View) Command { return state(3, cmap.Out) }, "g8 aborted; ", "g8", false},
		{func(*View) Command { return enable("true") }, "g10 pending; g10 running; ", "g10", false},
		{func(*View) Command { return MapCut{Version: 10} }, "g10 completed; ", "g10", false},
		{func(*View) Command { return enable("false") }, "", "g10", false},
		{func(*View) Command { return state(3, cmap.Alive) }, "", "g10", false},
		{func(*View) Command { return MapSettle{Version: 11} }, "", "g10", false},
		{func(*View) Command { return enable("true") }, "", "g10", false},
	} {
		next, _, err := v.Apply(v.Index()+1, c.command(v))
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		var did string
		v, did = registered(t, next)
		newest, aborted := v.Rebalance()
		if did != c.want || newest != c.newest || aborted != c.aborted {
			t.Errorf("step %d (map %d): %q, newest %q, aborted %v, want %q, %q, %v", i, v.Map().Version(), did, newest, aborted, c.want, c.newest, c.aborted)
		}
	}
	if x, _ := v.Xaction("g3"); x.Error != "pre-empted by g4" || x.Started != 7 || x.Ended != 7 {
		t.Errorf("the first rebalance: %+v, want it pre-empted by g4", x)
	}
}

// One that the map ends before anybody ran it ends as completed, too; those of other kinds are left alone.
func TestARebalanceThatNobodyRan(t *testing.T) {
	v := walk(t, scripted(t, 1), []step{
		{NodeJoin{node(1, ais.RoleTarget, Level)}, 0, ""},
		{XactionCreate{Xaction{ID: "g2", Kind: KindRebalance, Created: 1}}, 0, ""},
		{XactionCreate{Xaction{ID: "g9", Kind: "vacuum", Created: 1}}, 0, ""},
		{XactionCreate{Xaction{ID: "again", Kind: KindRebalance, Created: 1}}, 0, ""},
	})
	v, did := registered(t, v)
	if want := "g2 running; g2 completed; "; did != want {
		t.Errorf("got %q, want %q", did, want)
	}
	if id, aborted := v.Rebalance(); id != "g2" || aborted {
		t.Errorf("the newest rebalance: %q, aborted %v", id, aborted)
	}
}
