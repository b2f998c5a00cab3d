package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

// A row is a state, a column what it may become: x is yes. The order is that of the states.
const xactionTable = `
          pen ass run com fai abo stu dup
pending    .   x   x   .   x   x   .   x
assigned   x   x   x   .   x   x   x   x
running    x   x   x   x   x   x   x   .
completed  .   .   .   .   .   .   .   .
failed     .   .   .   .   .   .   .   .
aborted    .   .   .   .   .   .   .   .
stuck      x   x   x   x   x   x   .   .
duplicate  .   .   .   .   .   .   .   .
`

func TestXactionTransitions(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(xactionTable), "\n")[1:]
	if len(rows) != int(xactionStates) {
		t.Fatalf("the table has %d rows, want %d", len(rows), xactionStates)
	}
	base := scripted(t, 1)
	for from, row := range rows {
		cells := strings.Fields(row)
		if cells[0] != XactionState(from).String() {
			t.Errorf("row %d is %s, want %s", from, cells[0], XactionState(from))
		}
		for to, cell := range cells[1:] {
			v := *base
			v.xactions = []*Xaction{{ID: "a", State: XactionState(from), Revision: 1}}
			c := XactionUpdate{ID: "a", Revision: 1, State: XactionState(to), Time: 5}
			if c.State == XactionAssigned {
				c.Node = 7
			}
			next, result, err := v.Apply(2, c)
			if (cell == "x") != (err == nil) || err != nil && !ais.IsKind(err, ais.Precondition) {
				t.Errorf("%s becomes %s: got %v, want %q", cells[0], c.State, err, cell)
			}
			if x, _ := next.Xaction("a"); err == nil && (x != result.Xaction || x.State != c.State || x.Revision != 2) || err != nil && x.State != XactionState(from) {
				t.Errorf("%s becomes %s: the register has %+v", cells[0], c.State, x)
			}
		}
	}
}

func TestXactionLife(t *testing.T) {
	job := Xaction{ID: "g7", Key: "k", Kind: "rebalance", Created: 1, Parameters: map[string]string{"a": "b"}}
	other := job
	other.ID = "g8"
	v := walk(t, scripted(t, 1), []step{ // the first step is index 2
		{XactionCreate{job}, 0, ""},
		{XactionCreate{job}, ais.Exists, "xaction g7 exists"},
		{XactionCreate{other}, ais.Exists, "xaction g7 was made by the same request"},
		{XactionUpdate{ID: "g8", Revision: 2, State: XactionRunning}, ais.NotFound, "g8"},
		{XactionUpdate{ID: "g7", Revision: 1, State: XactionRunning}, ais.Precondition, "revision 2, not 1"},
		{XactionUpdate{ID: "g7", Revision: 2, State: XactionAssigned, Node: 5, Time: 10}, 0, ""},                                                   // 7
		{XactionUpdate{ID: "g7", Revision: 7, State: XactionRunning, Time: 20}, 0, ""},                                                             // 8
		{XactionUpdate{ID: "g7", Revision: 8, State: XactionRunning, Time: 30, Progress: &Progress{Objects: 3, Bytes: 9, Checkpoint: "c"}}, 0, ""}, // 9
		{XactionUpdate{ID: "g7", Revision: 9, State: XactionStuck, Time: 40, Error: "silent"}, 0, ""},                                              // 10
		{XactionForget{ID: "g7"}, ais.Precondition, "only a finished one"},
		{XactionUpdate{ID: "g7", Revision: 10, State: XactionAssigned, Node: 6, Time: 50}, 0, ""}, // 12
	})
	x, _ := v.Xaction("g7")
	if x.Node != 6 || x.Token != 12 || x.Started != 20 || x.Ended != 0 || x.Error != "silent" || x.Progress != (Progress{Objects: 3, Bytes: 9, Checkpoint: "c"}) {
		t.Errorf("handed on: got %+v, want node 6, token 12, started at 20, with its progress", x)
	}
	v = walk(t, v, []step{
		{XactionUpdate{ID: "g7", Revision: 12, State: XactionPending, Time: 60}, 0, ""},
		{XactionUpdate{ID: "g7", Revision: 13, State: XactionRunning, Time: 70}, 0, ""},
		{XactionUpdate{ID: "g7", Revision: 14, State: XactionCompleted, Time: 80}, 0, ""},
		{XactionUpdate{ID: "g7", Revision: 15, State: XactionRunning, Time: 90}, ais.Precondition, "is completed: it cannot become running"},
	})
	x, _ = v.Xaction("g7")
	if x.Node != 0 || x.Token != 12 || x.Started != 20 || x.Ended != 80 || x.Revision != 15 {
		t.Errorf("completed: got %+v, want no node, token 12, started at 20, ended at 80, revision 15", x)
	}
	v = walk(t, v, []step{{XactionForget{ID: "g7"}, 0, ""}, {XactionForget{ID: "g7"}, ais.NotFound, "g7"}, {XactionCreate{job}, 0, ""}})
	if len(v.Xactions()) != 1 {
		t.Errorf("the register has %d, want 1", len(v.Xactions()))
	}
}

// A create that comes again gives the xaction that there is.
func TestXactionOfTheSameRequest(t *testing.T) {
	v, _, _ := scripted(t, 1).Apply(2, XactionCreate{Xaction{ID: "a", Key: "k", Kind: "x"}})
	next, result, err := apply(t, v, bigID(1), XactionCreate{Xaction{ID: "b", Key: "k", Kind: "x"}})
	if !ais.IsKind(err, ais.Exists) || ais.NounOf(err) != NounXaction || result.Xaction == nil || result.Xaction.ID != "a" {
		t.Errorf("create: got %+v, %v, want Exists and xaction a", result, err)
	}
	if _, result, _ = apply(t, reread(t, next), bigID(1), XactionCreate{Xaction{ID: "b", Key: "k", Kind: "x"}}); result.Xaction == nil || result.Xaction.ID != "a" {
		t.Errorf("the same proposal again: got %+v, want xaction a", result)
	}
}

func TestTheRegisterIsBounded(t *testing.T) {
	v, at := scripted(t, 1), ais.ControlIndex(1)
	do := func(c Command) (*Xaction, error) {
		at++
		next, result, err := v.Apply(at, c)
		v = next
		return result.Xaction, err
	}
	for i := range xactionsFinishedMax + 5 {
		x, err := do(XactionCreate{Xaction{ID: fmt.Sprint(i), Kind: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			continue // it goes on
		}
		if _, err := do(XactionUpdate{ID: x.ID, Revision: x.Revision, State: XactionAborted}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(v.Xactions()); got != xactionsFinishedMax+1 {
		t.Errorf("the register has %d, want %d", got, xactionsFinishedMax+1)
	}
	for id, want := range map[string]bool{"0": false, "1": false, "2": true, "3": false, "4": false, "5": true, "1004": true} {
		if _, ok := v.Xaction(id); ok != want {
			t.Errorf("xaction %s is there: %v, want %v: those that ended first go", id, ok, want)
		}
	}
	for i := range xactionsActiveMax - 1 {
		if _, err := do(XactionCreate{Xaction{ID: fmt.Sprint("a", i), Kind: "x"}}); err != nil {
			t.Fatalf("active xaction %d: %v", i+2, err)
		}
	}
	_, err := do(XactionCreate{Xaction{ID: "last", Kind: "x"}})
	wantError(t, "one active xaction too many", err, ais.Exhausted, NounXaction)
}

func TestXactionsAreChecked(t *testing.T) {
	good := Xaction{ID: "a", Kind: "vacuum"}
	for what, change := range map[string]func(*Xaction){
		"no id":           func(x *Xaction) { x.ID = "" },
		"an odd id":       func(x *Xaction) { x.ID = "a b" },
		"a long id":       func(x *Xaction) { x.ID = strings.Repeat("a", xactionNameMax+1) },
		"no kind":         func(x *Xaction) { x.Kind = "" },
		"a long key":      func(x *Xaction) { x.Key = strings.Repeat("a", xactionKeyMax+1) },
		"an odd key":      func(x *Xaction) { x.Key = "\xff" },
		"odd parameters":  func(x *Xaction) { x.Parameters = map[string]string{"": "x"} },
		"huge parameters": func(x *Xaction) { x.Parameters = map[string]string{"a": strings.Repeat("x", xactionParametersMax)} },
		"a state":         func(x *Xaction) { x.State = XactionRunning },
		"a node":          func(x *Xaction) { x.Node = 1 },
		"a token":         func(x *Xaction) { x.Token = 1 },
		"progress":        func(x *Xaction) { x.Progress.Objects = 1 },
		"an end":          func(x *Xaction) { x.Ended = 1 },
		"a revision":      func(x *Xaction) { x.Revision = 1 },
	} {
		bad := good
		change(&bad)
		wantError(t, what, Check(XactionCreate{bad}), ais.Invalid, NounXaction)
	}
	for what, bad := range map[string]XactionUpdate{
		"assigned to nobody":   {State: XactionAssigned},
		"a runner while stuck": {State: XactionStuck, Node: 1},
		"a long error":         {State: XactionFailed, Error: strings.Repeat("x", xactionTextMax+1)},
		"an odd error":         {State: XactionFailed, Error: "\xff"},
		"a huge checkpoint":    {State: XactionRunning, Progress: &Progress{Checkpoint: strings.Repeat("x", checkpointMax+1)}},
		"negative progress":    {State: XactionRunning, Progress: &Progress{BytesTotal: -1}},
	} {
		wantError(t, what, Check(bad), ais.Invalid, NounXaction)
	}
	if err := Check(XactionCreate{good}); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
