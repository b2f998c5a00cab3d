package thrash

import (
	"strings"
	"testing"
	"time"
)

// Short forms of operations: from call to return, times of ten.
func wrote(v uint32, call, ret int64) *Op {
	return &Op{Kind: Write, Value: ID{1, v}, Outcome: Done, Call: call, Return: ret}
}
func maybe(o *Op) *Op             { o.Outcome, o.Return = Unknown, never; return o }
func ifAbsent(o *Op) *Op          { o.If = IfAbsent; return o }
func ifIs(v uint32, o *Op) *Op    { o.If, o.Is = IfIs, ID{1, v}; return o }
func is(c Outcome, o *Op) *Op     { o.Outcome = c; return o }
func deleted(call, ret int64) *Op { return &Op{Kind: Remove, Outcome: Done, Call: call, Return: ret} }
func saw(v uint32, call, ret int64) *Op {
	o := &Op{Kind: Read, Outcome: Done, Call: call, Return: ret}
	if v != 0 {
		o.Value = ID{1, v}
	}
	return o
}

func TestRegister(t *testing.T) {
	for _, c := range []struct {
		name string
		want Wrong // "": it is fine
		ops  []*Op
	}{
		{"nothing", "", nil},
		{"read back", "", []*Op{wrote(1, 0, 10), saw(1, 20, 30)}},
		{"old value while it is overwritten", "", []*Op{wrote(1, 0, 10), wrote(2, 20, 50), saw(1, 30, 40), saw(2, 60, 70)}},
		{"new value before the acknowledgement", "", []*Op{wrote(1, 0, 10), wrote(2, 20, 50), saw(2, 30, 40)}},
		{"a lost write", Lost, []*Op{wrote(1, 0, 10), saw(0, 20, 30)}},
		{"a lost overwrite", Lost, []*Op{wrote(1, 0, 10), wrote(2, 20, 30), saw(1, 40, 50)}},
		{"there and back", Lost, []*Op{wrote(1, 0, 10), wrote(2, 20, 90), saw(2, 30, 40), saw(1, 50, 60)}},
		{"resurrected", Resurrected, []*Op{wrote(1, 0, 10), deleted(20, 30), saw(0, 40, 50), saw(1, 60, 70)}},
		{"resurrected unseen", Resurrected, []*Op{wrote(1, 0, 10), deleted(20, 30), saw(1, 60, 70)}},
		{"deleted and written again", "", []*Op{wrote(1, 0, 10), deleted(20, 30), wrote(2, 35, 39), saw(2, 60, 70)}},
		{"an unknown write that came", "", []*Op{maybe(wrote(1, 0, 0)), saw(0, 10, 20), saw(1, 30, 40)}},
		{"an unknown write that never came", "", []*Op{maybe(wrote(1, 0, 0)), saw(0, 10, 20), saw(0, 30, 40)}},
		{"an unknown write that came over a later one", "", []*Op{maybe(wrote(1, 0, 0)), wrote(2, 10, 20), saw(2, 21, 29), saw(1, 30, 40)}},
		{"an unknown write that came twice", Lost, []*Op{maybe(wrote(1, 0, 0)), saw(1, 2, 5), wrote(2, 10, 20), saw(2, 21, 29), saw(1, 30, 40)}},
		{"an unknown write before it was sent", Lost, []*Op{saw(1, 10, 20), maybe(wrote(1, 30, 0))}},
		{"an unknown delete that came late", "", []*Op{maybe(deleted(0, 0)), wrote(1, 10, 20), saw(1, 30, 40), saw(0, 50, 60)}},
		{"an unknown delete undone", Lost, []*Op{wrote(1, 0, 5), maybe(deleted(10, 0)), saw(0, 20, 25), saw(1, 30, 40)}},
		{"two who both found nothing", Twice, []*Op{ifAbsent(wrote(1, 0, 10)), ifAbsent(wrote(2, 20, 30))}},
		{"two of whom one found nothing", "", []*Op{ifAbsent(wrote(1, 0, 30)), is(Failed, ifAbsent(wrote(2, 0, 30))), saw(1, 40, 50)}},
		{"refused though there is nothing", Twice, []*Op{is(Failed, ifAbsent(wrote(2, 0, 30)))}},
		{"absent between a delete and a write", "", []*Op{wrote(1, 0, 10), deleted(20, 30), ifAbsent(wrote(2, 40, 50)), saw(2, 60, 70)}},
		{"swapped", "", []*Op{wrote(1, 0, 10), ifIs(1, wrote(2, 20, 30)), is(Failed, ifIs(1, wrote(3, 40, 50))), saw(2, 60, 70)}},
		{"swapped twice", Twice, []*Op{wrote(1, 0, 10), ifIs(1, wrote(2, 20, 50)), ifIs(1, wrote(3, 20, 50))}},
		{"swapped away while it was deleted", "", []*Op{wrote(1, 0, 10), deleted(20, 30), is(Absent, ifIs(1, wrote(3, 40, 50)))}},
		{"absent though it is there", Twice, []*Op{wrote(1, 0, 10), is(Absent, ifIs(1, wrote(3, 40, 50)))}},
		{"an unknown swap that did nothing", "", []*Op{wrote(1, 0, 10), wrote(2, 20, 30), maybe(ifIs(1, wrote(3, 40, 0))), saw(2, 60, 70)}},
		{"an unknown swap that cannot have worked", Lost, []*Op{wrote(1, 0, 10), wrote(2, 20, 30), maybe(ifIs(1, wrote(3, 40, 0))), saw(3, 60, 70)}},
	} {
		for i, o := range c.ops {
			o.Worker = i
		}
		v := checkRegister("key", ID{}, c.ops, time.Minute)
		switch {
		case v == nil && c.want != "":
			t.Errorf("%s: was accepted, want %s", c.name, c.want)
		case v != nil && v.Kind != c.want:
			t.Errorf("%s: got %s (%s), want %q", c.name, v.Kind, v.Message, c.want)
		}
	}
}

// TestRegisterManyUnknown: the writes of a bad minute, of which nobody knows what became, are decided in time.
func TestRegisterManyUnknown(t *testing.T) {
	var ops []*Op
	for i := range uint32(24) {
		ops = append(ops, maybe(wrote(100+i, int64(i), 0)))
	}
	for i := range int64(60) {
		ops = append(ops, wrote(uint32(i)+1, 100+20*i, 110+20*i), saw(uint32(i)+1, 112+20*i, 118+20*i))
	}
	if v := checkRegister("key", ID{}, ops, checkMax); v != nil {
		t.Errorf("got %+v, want none", v)
	}
}

// TestRegisterUndecided: what cannot be decided in time is no pass.
func TestRegisterUndecided(t *testing.T) {
	var ops []*Op
	for i := range uint32(30) {
		ops = append(ops, wrote(i+1, 0, 1000), saw(i+1, 0, 1000))
	}
	ops = append(ops, saw(0, 2000, 2001))
	if v := checkRegister("key", ID{}, ops, time.Millisecond); v == nil || v.Kind != Undecided {
		t.Errorf("got %+v, want undecided", v)
	}
}

func TestHistoryCheck(t *testing.T) {
	h := newHistory("key", 0)
	h.allow(ID{1, 1}, SizeMin, "key")
	w := &Op{Kind: Write, Value: ID{1, 1}, Call: 10}
	h.begin(w)
	h.end(w, 20, Done)
	h.add(&Op{Kind: Read, Outcome: Done, Value: ID{9, 9}, Call: 30, Return: 40})
	if v := h.check(time.Minute); v == nil || v.Kind != WrongBytes || !strings.Contains(v.History, "w9.9") {
		t.Errorf("a value that nobody wrote: got %+v, want wrong, with the history", v)
	}
}

// TestHistoryForget: what may still happen outlives the history before it, and what cannot does not.
func TestHistoryForget(t *testing.T) {
	h := newHistory("key", 0)
	do := func(o *Op, out Outcome) {
		if o.Kind == Write {
			h.allow(o.Value, SizeMin, "key")
		}
		call := o.Call
		h.begin(o)
		h.end(o, call+5, out)
	}
	seen := &Op{Kind: Write, Value: ID{1, 1}, Call: 10}
	do(seen, Unknown)
	do(&Op{Kind: Write, Value: ID{1, 2}, Call: 20}, Unknown)
	do(&Op{Kind: Remove, Call: 30}, Unknown)
	do(&Op{Kind: Write, Value: ID{1, 3}, Call: 40}, Done)
	h.add(saw(1, 50, 51))
	h.add(saw(3, 60, 61))
	h.forget(ID{1, 3}, 70)
	if len(h.ops) != 2 || h.base != (ID{1, 3}) || h.values[ID{1, 1}] != nil || h.values[ID{1, 2}] == nil {
		t.Fatalf("got base %v, %d operations, values %v; want w1.3, the write that nobody saw, the delete", h.base, len(h.ops), h.values)
	}
	h.add(saw(2, 80, 81))
	if v := h.check(time.Minute); v != nil {
		t.Errorf("the write that nobody had seen came late: got %+v, want none", v)
	}
	h.add(saw(1, 90, 91))
	if v := h.check(time.Minute); v == nil {
		t.Error("a value that was overwritten is back, and nothing is found")
	}
}
