package sim

import (
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
)

// weather is how a network treats messages. The zero value is one that delivers at once.
type weather struct {
	loss      int           // of 1,000 messages so many are lost
	doubled   int           // and so many come twice
	late      int           // and so many come late
	delay     time.Duration // of a message at most; each draws its own, so they overtake each other
	lateDelay time.Duration // of a late one at most
}

// calm is a good local network.
func calm() weather { return weather{delay: 2 * time.Millisecond} }

// path is one direction between two nodes.
type path struct{ from, to ais.NodeID }

// network carries messages between nodes. It keeps no order.
type network struct {
	w       *world
	weather weather
	cut     map[path]int // how many faults keep a path shut
}

func newNetwork(w *world) network {
	return network{w: w, weather: calm(), cut: map[path]int{}}
}

// shut closes paths until open is called as often.
func (n *network) shut(paths ...path) {
	for _, p := range paths {
		n.cut[p]++
	}
}

func (n *network) open(paths ...path) {
	for _, p := range paths {
		if n.cut[p]--; n.cut[p] <= 0 {
			delete(n.cut, p)
		}
	}
}

// heal ends all faults of the network.
func (n *network) heal() {
	clear(n.cut)
	n.weather = calm()
}

// between are all paths from one set of nodes to the other.
func between(from, to []*node) (paths []path) {
	for _, a := range from {
		for _, b := range to {
			if a != b {
				paths = append(paths, path{a.id, b.id})
			}
		}
	}
	return paths
}

// send puts a message on its way.
func (n *network) send(msg consensus.Message) {
	w := n.w
	p := path{msg.From, msg.To}
	to := w.node(msg.To)
	if to == nil || n.cut[p] > 0 || w.rng.IntN(1000) < n.weather.loss {
		w.trace.event("lost", uint64(msg.From), uint64(msg.To))
		return
	}
	copies := 1
	if w.rng.IntN(1000) < n.weather.doubled {
		copies = 2
	}
	if w.encode {
		msg = w.rewritten(msg)
	}
	for range copies {
		w.after(n.delay(), func() { to.deliver(consensus.Received{Message: msg}) })
	}
}

func (n *network) delay() time.Duration {
	d := 50 * time.Microsecond
	if n.weather.delay > 0 {
		d += time.Duration(n.w.rng.Int64N(int64(n.weather.delay)))
	}
	if n.weather.late > 0 && n.w.rng.IntN(1000) < n.weather.late {
		d += time.Duration(n.w.rng.Int64N(int64(n.weather.lateDelay)))
	}
	return d
}

// rewritten is a message as it comes out of its wire form.
func (w *world) rewritten(msg consensus.Message) consensus.Message {
	b, err := consensus.EncodeMessage(&msg)
	if err != nil {
		w.fail("a message cannot be encoded: %v", err)
		return msg
	}
	decoded, err := consensus.DecodeMessage(b)
	if err != nil {
		w.fail("a message cannot be decoded: %v", err)
		return msg
	}
	decoded.From, decoded.To = msg.From, msg.To
	return *decoded
}
