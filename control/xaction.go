package control

import (
	"slices"
	"strconv"

	"github.com/seed9b016523/ais"
)

// NounXaction is the noun of errors about xactions.
const NounXaction ais.Noun = "xaction"

// Limits of the register of xactions. Those of numbers are part of apply: they are for ever.
const (
	xactionsActiveMax   = 4096 // not finished; one more is refused (Exhausted)
	xactionsFinishedMax = 1000 // finished; the one that ended first goes

	xactionNameMax       = 64       // bytes of an id or a kind
	xactionKeyMax        = 128      // bytes of an idempotency key
	xactionParametersMax = 8 << 10  // bytes of parameters, names and values together
	xactionTextMax       = 4 << 10  // bytes of an error
	checkpointMax        = 16 << 10 // bytes of a checkpoint
)

// XactionState is how far an xaction has come.
type XactionState uint8

const (
	XactionPending   XactionState = iota // in the register, nobody does it yet
	XactionAssigned                      // a runner was chosen
	XactionRunning                       // the runner, or the fleet, is at work
	XactionCompleted                     // done
	XactionFailed                        // ended by an error
	XactionAborted                       // ended by command
	XactionStuck                         // no progress for too long
	XactionDuplicate                     // folded into another that does the same

	xactionStates
)

func xactionStateNames() [xactionStates]string {
	return [...]string{"pending", "assigned", "running", "completed", "failed", "aborted", "stuck", "duplicate"}
}

func (s XactionState) String() string {
	if s < xactionStates {
		return xactionStateNames()[s]
	}
	return "XactionState(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText is the name.
func (s XactionState) MarshalText() ([]byte, error) {
	if s >= xactionStates {
		return nil, ais.Errorf(ais.Invalid, "%s is no state of an xaction", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText gives.
func (s *XactionState) UnmarshalText(b []byte) error {
	names := xactionStateNames()
	i := slices.Index(names[:], string(b))
	if i < 0 {
		return ais.Errorf(ais.Invalid, "%.100q is no state of an xaction", b)
	}
	*s = XactionState(i)
	return nil
}

// Finished reports whether the state is a last one.
func (s XactionState) Finished() bool {
	switch s {
	case XactionCompleted, XactionFailed, XactionAborted, XactionDuplicate:
		return true
	}
	return false
}

// mayBecome reports whether an xaction may go from s to t. An assigned or running one may be handed on
// to another runner, and a running or stuck one reports progress by staying or becoming running.
func (s XactionState) mayBecome(t XactionState) bool {
	set := func(states ...XactionState) bool { return slices.Contains(states, t) }
	switch s {
	case XactionPending:
		return set(XactionAssigned, XactionRunning, XactionFailed, XactionAborted, XactionDuplicate)
	case XactionAssigned:
		return set(XactionPending, XactionAssigned, XactionRunning, XactionFailed, XactionAborted, XactionStuck, XactionDuplicate)
	case XactionRunning:
		return set(XactionPending, XactionAssigned, XactionRunning, XactionCompleted, XactionFailed, XactionAborted, XactionStuck)
	case XactionStuck:
		return set(XactionPending, XactionAssigned, XactionRunning, XactionCompleted, XactionFailed, XactionAborted)
	}
	return false
}

// XactionScope is what an xaction is about. The zero value is the whole cluster.
type XactionScope struct {
	Bucket    ais.BucketID    `json:"bucket,omitempty"`
	Target    ais.NodeID      `json:"target,omitempty"`
	Mountpath ais.MountpathID `json:"mountpath,omitempty"`
	Volume    ais.VolumeID    `json:"volume,omitempty,string"` // a decimal number as text
}

// Progress is how much of an xaction is done, over all runs of it.
type Progress struct {
	Objects      int64  `json:"objects"`
	Bytes        int64  `json:"bytes"`
	ObjectsTotal int64  `json:"objects_total,omitempty"` // as estimated; 0 is not known
	BytesTotal   int64  `json:"bytes_total,omitempty"`
	Checkpoint   string `json:"checkpoint,omitempty"` // where the next runner goes on; its form is the kind's affair
}

// Xaction is a job in the register. Times are Unix milliseconds, 0 is not yet.
type Xaction struct {
	ID         string            `json:"id"`            // given by the proposer: nine letters, or "g" and a map version
	Key        string            `json:"key,omitempty"` // idempotency: there is one xaction of a key
	Kind       string            `json:"kind"`          // rebalance, resilver, vacuum, ...
	Scope      XactionScope      `json:"scope"`
	Parameters map[string]string `json:"parameters,omitempty"`

	State    XactionState `json:"state"`
	Node     ais.NodeID   `json:"node,omitempty"`  // the runner; 0 is none, or every target does its part
	Token    uint64       `json:"token,omitempty"` // fences runners: larger at every assignment, the index of the command
	Progress Progress     `json:"progress"`
	Created  int64        `json:"created"`
	Started  int64        `json:"started,omitempty"` // first running
	Ended    int64        `json:"ended,omitempty"`
	Error    string       `json:"error,omitempty"`

	// Revision is the index of the last command that changed it; a change names the one that it saw.
	Revision ais.ControlIndex `json:"revision"`
}

// The commands about xactions.
type (
	// XactionCreate puts an xaction into the register. What the register gives (state, node, token,
	// progress, started, ended, error, revision) is zero in it.
	XactionCreate struct {
		Xaction Xaction `json:"xaction"`
	}

	// XactionUpdate moves an xaction on. Revision is the one that the caller saw.
	XactionUpdate struct {
		ID       string           `json:"id"`
		Revision ais.ControlIndex `json:"revision"`
		State    XactionState     `json:"state"`
		Node     ais.NodeID       `json:"node,omitempty"`     // the runner, if State is assigned
		Progress *Progress        `json:"progress,omitempty"` // nil leaves it
		Error    string           `json:"error,omitempty"`    // "" leaves it
		Time     int64            `json:"time"`               // of the change: started or ended
	}

	// XactionForget takes a finished xaction out of the register.
	XactionForget struct {
		ID string `json:"id"`
	}
)

func (XactionCreate) Kind() Kind { return KindXactionCreate }
func (XactionUpdate) Kind() Kind { return KindXactionUpdate }
func (XactionForget) Kind() Kind { return KindXactionForget }

// Xactions is the register, in the order of creation: all that is not finished, and what finished
// last.
func (v *View) Xactions() []*Xaction { return v.xactions }

// Xaction finds an xaction by its id. It walks through the register: an id is looked up by people.
func (v *View) Xaction(id string) (*Xaction, bool) {
	i := slices.IndexFunc(v.xactions, func(x *Xaction) bool { return x.ID == id })
	if i < 0 {
		return nil, false
	}
	return v.xactions[i], true
}
