package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// order: what clients saw fits one order of their operations (linearizability): of the changes of each
// bucket, which compare revisions, and of the reads and writes of each slot.
type order struct{}

func (order) name() string { return "order" }

// orderLimit is how long one history is searched; one that takes longer is left undecided.
const orderLimit = 10 * time.Second

// historyMax bounds a history: the search is exponential in what overlaps.
const historyMax = 400

func (order) see(w *world, what any) error {
	if _, ok := what.(finished); !ok {
		return nil
	}
	for slot := range w.registers.slots {
		history := registerHistory(w.registers.ops[slot], w.now)
		if porcupine.CheckOperationsTimeout(registerModel(), history, orderLimit) == porcupine.Illegal {
			return fmt.Errorf("the %d reads and writes of slot %d fit no order:\n%s", len(history), w.registers.slots[slot], describe(history))
		}
	}
	if w.reference.Map().Generation() > 1 {
		return nil // the survivor of a lost quorum need not have had all
	}
	histories := bucketHistories(w)
	for _, bucket := range slices.Sorted(maps.Keys(histories)) {
		if porcupine.CheckOperationsTimeout(bucketOrder(), histories[bucket], orderLimit) == porcupine.Illegal {
			return fmt.Errorf("the %d changes of bucket %s fit no order:\n%s", len(histories[bucket]), bucket, describe(histories[bucket]))
		}
	}
	return nil
}

func describe(history []porcupine.Operation) (text string) {
	for _, o := range history {
		text += fmt.Sprintf("  client %d, %v to %v: %+v gave %+v\n", o.ClientId, time.Duration(o.Call), time.Duration(o.Return), o.Input, o.Output)
	}
	return text
}

type registerInput struct {
	write bool
	value uint64
}

type registerOutput struct {
	value uint64
	known bool
}

func registerHistory(actions []registerAction, end time.Duration) (history []porcupine.Operation) {
	for _, a := range actions {
		if a.back < 0 || !a.write && !a.known || len(history) == historyMax {
			continue
		}
		o := porcupine.Operation{ClientId: len(history), Call: int64(a.call), Return: int64(a.back),
			Input: registerInput{write: a.write, value: a.value}, Output: registerOutput{value: a.value, known: a.known}}
		if !a.known {
			o.Return = int64(end) + 1
		}
		history = append(history, o)
	}
	return history
}

// registerModel is a number that is read and written.
func registerModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, input, output any) (bool, any) {
			in, out := input.(registerInput), output.(registerOutput)
			if in.write {
				return true, in.value
			}
			return !out.known || state.(uint64) == out.value, state
		},
	}
}

type bucketInput struct {
	create   bool
	revision ais.ControlIndex // that the client saw
}

type bucketOutput struct {
	ok    bool
	index ais.ControlIndex
}

// bucketHistories are the changes of each bucket. Whether one without an answer happened, the agreed log
// says: it is then as if its answer came at the end.
func bucketHistories(w *world) map[string][]porcupine.Operation {
	histories := map[string][]porcupine.Operation{}
	for _, o := range w.operations {
		var name string
		var in bucketInput
		switch c := o.command.(type) {
		case control.BucketCreate:
			name, in = c.Bucket.Name, bucketInput{create: true}
		case control.BucketUpdate:
			name, in = c.Bucket.Name, bucketInput{revision: c.Bucket.Revision}
		default:
			continue
		}
		out, back := bucketOutput{ok: o.outcome.Err == nil, index: o.outcome.Index}, int64(o.back)
		if !o.done() {
			v := w.proposals.first[o.id]
			out, back = bucketOutput{ok: v.ok, index: v.index}, int64(w.now)+1
		}
		if out.index == 0 || len(histories[name]) == historyMax {
			continue
		}
		histories[name] = append(histories[name], porcupine.Operation{ClientId: len(histories[name]), Call: int64(o.call), Return: back, Input: in, Output: out})
	}
	return histories
}

// bucketOrder is the revision of a bucket: 0 before it is made.
func bucketOrder() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return ais.ControlIndex(0) },
		Step: func(state, input, output any) (bool, any) {
			revision, in, out := state.(ais.ControlIndex), input.(bucketInput), output.(bucketOutput)
			fits := in.create == (revision == 0) && (in.create || revision == in.revision)
			if out.ok {
				return fits && out.index > revision, out.index
			}
			return !fits, state
		},
	}
}
