package lease

import (
	"time"

	"github.com/seed9b016523/ais"
)

// Renewal asks the primary for a lease, and says how far the asker is.
type Renewal struct {
	Node       ais.NodeID
	Epoch      ais.Epoch        // the asker's incarnation
	Sent       ais.Instant      // on the asker's clock; comes back in the grant
	Generation ais.Generation   // of the asker's control state
	Term       ais.Term         // the highest that the asker knows
	Map        ais.MapVersion   // applied, durably
	Control    ais.ControlIndex // applied, durably

	// How a target stands with its slots. Nothing of a lease hangs on it: the primary settles by it.
	Whole  ais.MapVersion // the newest map under which all that it is to hold is whole here; 0: none
	Sealed ais.MapVersion // the newest map under which nothing goes on that began under an older one
}

// Grant is a lease. It counts from Sent, and only once the map and the control state that it names are
// applied, durably.
type Grant struct {
	Node       ais.NodeID
	Epoch      ais.Epoch
	Sent       ais.Instant // of the renewal that it answers, on the asker's clock
	Generation ais.Generation
	Term       ais.Term
	Map        ais.MapVersion   // the newest
	Control    ais.ControlIndex // the newest that changed the map, what is settled, buckets or keys
	Life       time.Duration    // as the primary counts it; Usable is what the holder counts
}

// Usable is how long a holder counts a lease: 5 % less than the primary does. So the holder is the first
// to see it end as long as their two clocks run at rates within 5 % of each other. Those of real machines are within
// a tenth of a percent; the rest of the margin is for clocks of virtual machines that are being disciplined.
func Usable(life time.Duration) time.Duration { return life - life/20 }

// LifeMax bounds a lease: a holder refuses a longer one. It is the most to which cluster.lease can be set.
const LifeMax = time.Minute

// Refusal is how often a message was refused for one reason.
type Refusal struct {
	Reason string
	Count  uint64
}
