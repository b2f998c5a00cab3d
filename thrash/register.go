package thrash

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Wrong is a kind of violation.
type Wrong string

const (
	Lost        Wrong = "lost"        // 404 for a key that has an acknowledged value, or an older value than the acknowledged one
	Resurrected Wrong = "resurrected" // what an acknowledged delete took away is back
	WrongBytes  Wrong = "wrong"       // corrupt, torn or mixed bytes; another key's; what nobody wrote
	Twice       Wrong = "condition"   // a condition was taken to hold, or to fail, where it cannot
	Missing     Wrong = "missing"     // a listing lacks a key
	Extra       Wrong = "extra"       // a listing shows a key that is deleted, twice, or out of order
	Disagree    Wrong = "disagree"    // nodes answer differently where nothing is under way
	Undecided   Wrong = "undecided"   // a history could not be checked in time
	Unhealed    Wrong = "unhealed"    // after all faults the cluster did not come right
	Audit       Wrong = "audit"       // ais audit found something
)

// Wrongs are all kinds, in the order of the table.
var Wrongs = [...]Wrong{Lost, Resurrected, WrongBytes, Twice, Missing, Extra, Disagree, Undecided, Unhealed, Audit}

// Violation is what must not be.
type Violation struct {
	Kind    Wrong  `json:"kind"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	History string `json:"history,omitempty"`
}

// checkMax is how long one history may take to check, each time that it is tried.
const checkMax = 20 * time.Second

// registerModel is a key as an atomic register: its state is the ID of the value that it holds.
func registerModel(start ID) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, _ any) (bool, any) { return step(state.(ID), input.(*Op)) },
	}
}

// step says whether an operation can be answered so in a state, and what the state is then.
func step(state ID, o *Op) (bool, ID) {
	if o.Kind == Read {
		return o.Value == state, state
	}
	holds := true
	switch o.If {
	case IfAbsent:
		holds = state == ID{}
	case IfIs:
		holds = state == o.Is
	}
	after := ID{}
	if o.Kind == Write {
		after = o.Value
	}
	switch {
	case o.Outcome == Unknown && holds:
		return true, after // it may as well take effect at the end, where nobody sees it: never
	case o.Outcome == Unknown:
		return true, state
	case o.Outcome == Done:
		return holds, after
	case o.Outcome == Failed:
		return !holds && state != ID{}, state
	case o.Outcome == Absent:
		return o.If == IfIs && state == ID{}, state
	}
	return true, state
}

// checkRegister holds a history to the register. nil: it is linearizable.
func checkRegister(name string, base ID, ops []*Op, limit time.Duration) *Violation {
	seen := settledReturns(ops)
	var all, observed []porcupine.Operation
	for _, o := range ops {
		p := porcupine.Operation{ClientId: o.Worker, Input: o, Call: o.Call, Return: o.Return}
		known := o.Outcome != Unknown
		if at, ok := seen[o.Value]; !known && ok && o.Kind == Write {
			p.Return, known = max(at, o.Call), true
		}
		all = append(all, p)
		if known || o.Kind == Remove {
			observed = append(observed, p)
		}
	}
	// A write that nobody has seen may have had no effect. If that explains the rest, there is no need to
	// try all that it might have done.
	model := registerModel(base)
	if porcupine.CheckOperationsTimeout(model, observed, limit) == porcupine.Ok {
		return nil
	}
	result, info := porcupine.CheckOperationsVerbose(model, all, limit)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return &Violation{Kind: Undecided, Key: name, Message: fmt.Sprintf("a history of %d operations was not checked within %v", len(all), limit)}
	}
	culprit := firstLeft(info.PartialLinearizationsOperations(), all)
	return &Violation{Kind: classify(culprit, ops), Key: name,
		Message: fmt.Sprintf("no order of the operations explains: %v", culprit)}
}

// firstLeft is the operation at which the longest explanation ends: of those that it leaves out, the first
// that was answered.
func firstLeft(partial [][][]porcupine.Operation, all []porcupine.Operation) *Op {
	placed := map[*Op]bool{}
	for _, part := range partial {
		if len(part) == 0 {
			continue // not even one operation can come first
		}
		longest := slices.MaxFunc(part, func(a, b []porcupine.Operation) int { return len(a) - len(b) })
		for _, p := range longest {
			placed[p.Input.(*Op)] = true
		}
	}
	var left *Op
	for _, p := range all {
		if o := p.Input.(*Op); !placed[o] && (left == nil || o.Return < left.Return) {
			left = o
		}
	}
	return left
}

// classify says what has gone wrong, judging by the answer that cannot be explained.
func classify(o *Op, ops []*Op) Wrong {
	if o == nil || o.Kind != Read {
		return Twice
	}
	if o.Value == (ID{}) {
		return Lost
	}
	i := slices.IndexFunc(ops, func(w *Op) bool { return w.Kind == Write && w.Value == o.Value })
	for _, d := range ops {
		if d.Kind == Remove && d.Outcome == Done && d.Return < o.Call && (i < 0 || ops[i].Outcome == Unknown || d.Call > ops[i].Return) {
			return Resurrected
		}
	}
	return Lost
}

// unknownValues finds reads of values that were never written to the key.
func unknownValues(base ID, ops []*Op) []*Op {
	var odd []*Op
	for _, o := range ops {
		if o.Kind != Read || o.Value == (ID{}) || o.Value == base {
			continue
		}
		if !slices.ContainsFunc(ops, func(w *Op) bool { return w.Kind == Write && w.Value == o.Value && w.Call <= o.Return }) {
			odd = append(odd, o)
		}
	}
	return odd
}

// Check judges one history by itself.
func (h *History) check(limit time.Duration) *Violation {
	base, _, ops := h.snapshot()
	if odd := unknownValues(base, ops); len(odd) > 0 {
		return &Violation{Kind: WrongBytes, Key: h.name, Message: fmt.Sprintf("a value that was never written to this key, or not yet: %v", odd[0]), History: h.tell()}
	}
	v := checkRegister(h.name, base, ops, limit)
	if v != nil {
		v.History = strings.TrimRight(h.tell(), "\n")
	}
	return v
}
