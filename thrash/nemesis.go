package thrash

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The nemeses by name.
const (
	nemesisKill      = "kill"      // kill -9, and start again; seldom all nodes at once
	nemesisStop      = "stop"      // SIGSTOP for up to 20 s
	nemesisPartition = "partition" // a node is cut off from all others or from one, both ways or one way
	nemesisSlow      = "slow"      // what a node sends or receives is late
	nemesisLossy     = "lossy"     // what a node sends or receives is lost at times
	nemesisFull      = "full"      // a node's disk is full
	nemesisJoin      = "join"      // a new node
	nemesisLeave     = "leave"     // decommission, until it is gone
	nemesisLose      = "lose"      // a node's data is lost for ever, and it comes back as a new one
	nemesisAbort     = "abort"     // the rebalance is aborted, and started again later
	nemesisPrimary   = "primary"   // another node becomes primary
)

// weights say how often each comes, among those that were asked for.
var weights = [...]struct {
	name   string
	weight int
}{
	{nemesisKill, 6}, {nemesisStop, 4}, {nemesisPartition, 4}, {nemesisSlow, 2}, {nemesisLossy, 2}, {nemesisFull, 2},
	{nemesisJoin, 2}, {nemesisLeave, 2}, {nemesisLose, 1}, {nemesisAbort, 3}, {nemesisPrimary, 1},
}

// Nemeses are the names of all faults.
func Nemeses() (all []string) {
	for _, w := range weights {
		all = append(all, w.name)
	}
	return all
}

func needsNetwork(nemeses []string) bool {
	return slices.ContainsFunc(nemeses, func(n string) bool {
		return n == nemesisPartition || n == nemesisSlow || n == nemesisLossy
	})
}

// chance is a fault as the seed decides it: all but the moment, and whether the cluster can bear it then.
type chance struct {
	after   time.Duration // since the one before
	nemesis string
	node    uint32        // which node, modulo those there are
	other   uint32        // another one, likewise
	span    time.Duration // how long it lasts
	flavour int           // 0 to 99
}

// Bounds of a chance.
const (
	gapMax  = 6 * time.Second
	spanMax = 20 * time.Second
)

// chances gives the faults of a seed, one after the other.
type chances struct {
	random  *rand.Rand
	nemeses []string
	total   int
}

func newChances(seed uint64, nemeses []string) *chances {
	c := &chances{random: rand.New(rand.NewPCG(seed, 0)), nemeses: nemeses}
	for _, w := range weights {
		if slices.Contains(nemeses, w.name) {
			c.total += w.weight
		}
	}
	return c
}

// next draws a fault. Half of the spans are short: what is over before anybody has noticed is the harder
// case.
func (c *chances) next() chance {
	x := chance{after: time.Duration(c.random.Int64N(int64(gapMax))), node: c.random.Uint32(), other: c.random.Uint32(),
		flavour: c.random.IntN(100)}
	most := spanMax
	if c.random.IntN(2) == 0 {
		most = 3 * time.Second
	}
	x.span = time.Duration(c.random.Int64N(int64(most)))
	at := c.random.IntN(c.total)
	for _, w := range weights {
		if !slices.Contains(c.nemeses, w.name) {
			continue
		}
		if at -= w.weight; at < 0 {
			x.nemesis = w.name
			break
		}
	}
	return x
}
