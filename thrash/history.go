package thrash

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
)

// Kind is what an operation does to a key.
type Kind uint8

const (
	Read   Kind = iota // GET, HEAD
	Write              // PUT, a completed multipart upload, a copy onto the key
	Remove             // DELETE
)

// Condition is what an operation asks of the key's state.
type Condition uint8

const (
	Always   Condition = iota
	IfAbsent           // If-None-Match: *
	IfIs               // If-Match: the ETag of Op.Is
)

// Outcome is what the answer says.
type Outcome uint8

const (
	Unknown Outcome = iota // no answer, or one of 5xx: it may take effect at any time from Call on, or never
	Done                   // a read saw Op.Value (zero: 404); a change was acknowledged
	Failed                 // 412: the condition does not hold, and the key exists
	Absent                 // 404 to a conditional change: the key does not exist
	Nothing                // it was not sent, or refused: without effect, and it says nothing
)

// never is the return of an operation whose outcome is not known.
const never = math.MaxInt64

// Op is one operation on one key. Call and Return are nanoseconds since the run began.
type Op struct {
	Kind    Kind
	If      Condition
	Outcome Outcome
	Value   ID // of a write: what it writes; of a read: what it saw
	Is      ID // of IfIs
	Call    int64
	Return  int64 // never as long as it is under way
	Worker  int
	Node    int    // that was asked; -1 where it does not matter
	How     string // for people: "GET", "copy", "503 …"
}

func (o *Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s–", stamp(o.Call))
	if o.Return == never {
		b.WriteString("…        ")
	} else {
		b.WriteString(stamp(o.Return))
	}
	fmt.Fprintf(&b, "  client %-3d node %d  %-9s", o.Worker, o.Node, o.How)
	switch o.Kind {
	case Write:
		fmt.Fprintf(&b, " write %v", o.Value)
	case Remove:
		b.WriteString(" delete")
	case Read:
		fmt.Fprintf(&b, " saw %v", o.Value)
	}
	switch o.If {
	case IfAbsent:
		b.WriteString(" if absent")
	case IfIs:
		fmt.Fprintf(&b, " if it is %v", o.Is)
	}
	if o.Kind != Read || o.Outcome != Done {
		fmt.Fprintf(&b, " → %s", [...]string{"unknown", "done", "condition fails", "absent", "nothing"}[o.Outcome])
	}
	return b.String()
}

func stamp(ns int64) string { return fmt.Sprintf("%9.4f", time.Duration(ns).Seconds()) }

// written is what is known of a value that was written to a key.
type written struct {
	size int64
	from string // key of which its bytes are; another than the key's own name for a copy
	etag string // "" as long as nobody has seen it
}

// History is what happened to one key. Lock it for all but name.
type History struct {
	name string

	sync.Mutex
	base   ID    // what the key held at baseAt, when nothing was under way
	baseAt int64 //
	ops    []*Op // since
	values map[ID]*written
	open   int  // changes under way
	held   int  // by how many it is used
	closed bool // no more changes
	bad    bool // a violation was found already
}

func newHistory(name string, now int64) *History {
	return &History{name: name, baseAt: now, values: map[ID]*written{}}
}

// begin notes that a change is sent. Reads are noted by add when they have been answered: before that they
// say nothing.
func (h *History) begin(o *Op) {
	h.Lock()
	defer h.Unlock()
	o.Return = never
	h.open++
	h.ops = append(h.ops, o)
}

// add notes a read that was answered.
func (h *History) add(o *Op) {
	h.Lock()
	defer h.Unlock()
	h.ops = append(h.ops, o)
}

// end notes the answer.
func (h *History) end(o *Op, now int64, outcome Outcome) {
	h.Lock()
	defer h.Unlock()
	h.open--
	o.Outcome = outcome
	if outcome != Unknown {
		o.Return = now
	}
}

// pending counts the changes that may still take effect, those under way among them.
func (h *History) pending() (n int) {
	for _, o := range h.ops {
		if o.Kind != Read && o.Return == never {
			n++
		}
	}
	return n
}

// settledReturns is when an operation had taken effect at the latest: a write of which nobody knows the
// outcome was there when somebody had seen its value.
func settledReturns(ops []*Op) map[ID]int64 {
	seen := map[ID]int64{}
	for _, o := range ops {
		if o.Kind == Read && o.Outcome == Done && o.Value != (ID{}) {
			if at, ok := seen[o.Value]; !ok || o.Return < at {
				seen[o.Value] = o.Return
			}
		}
	}
	return seen
}

// snapshot copies the operations, so that they can be judged while others are added. Those that were
// refused, and reads without an answer, say nothing and are left out.
func (h *History) snapshot() (base ID, baseAt int64, ops []*Op) {
	h.Lock()
	defer h.Unlock()
	for _, o := range h.ops {
		if o.Outcome == Nothing || o.Kind == Read && o.Outcome != Done {
			continue
		}
		c := *o
		ops = append(ops, &c)
	}
	return h.base, h.baseAt, ops
}

// forget makes what the key holds now the beginning of its history. Nothing must be under way; seen is what
// a read saw just now, and changes of unknown outcome that nobody has seen stay.
func (h *History) forget(seen ID, now int64) {
	h.Lock()
	defer h.Unlock()
	observed := settledReturns(h.ops)
	var left []*Op
	values := map[ID]*written{}
	keep := func(id ID) {
		if w, ok := h.values[id]; ok {
			values[id] = w
		}
	}
	keep(seen)
	for _, o := range h.ops {
		if o.Kind == Read || o.Outcome != Unknown {
			continue
		}
		if _, ok := observed[o.Value]; ok && o.Kind == Write {
			continue
		}
		left = append(left, o)
		keep(o.Value)
		if o.If == IfIs {
			keep(o.Is)
		}
	}
	h.base, h.baseAt, h.ops, h.values = seen, now, left, values
}

// tell writes the history for people.
func (h *History) tell() string {
	h.Lock()
	defer h.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v at %s\n", h.name, h.base, stamp(h.baseAt))
	for _, o := range h.ops {
		fmt.Fprintf(&b, "  %v\n", o)
	}
	return b.String()
}
