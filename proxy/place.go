package proxy

import "github.com/seed9b016523/ais"

// Home is a node that answers for names.
type Home struct {
	Node    ais.NodeID
	Cluster string // host:port for requests that are passed on
	Public  string // host:port for clients; "" if they cannot reach it
	// Doubtful says that the map or gossip has it that the node may be down: no client is sent there.
	Doubtful bool
}

// Places tells who answers for what, by the map as this node has applied it. All of it is asked on every
// request, by many goroutines, and must answer from memory.
type Places interface {
	// Sole is the node that answers for every name there is, if there is no other target, nor was. It saves
	// reading names.
	Sole() (Home, bool)
	// Home is the node that answers for a name; false if there is none. For a bucket that does not exist
	// it is this node, which then says so.
	Home(bucket, name string) (Home, bool)
	// Copies are the nodes beside the home that hold the name, in the order in which they would take its place.
	// Each may answer a read of what is not being written.
	Copies(bucket, name string) []Home
	// Changed gives a channel that is closed when any of this may have become different.
	Changed() <-chan struct{}
}

// decide says who answers for a name: the home, and whether there is one.
func decide(places Places, s *subject) (Home, bool) {
	if home, ok := places.Sole(); ok {
		return home, true
	}
	return places.Home(s.bucket, s.name)
}
