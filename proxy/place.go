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
	// Sole is the node that answers for every name there is, if that is one. It saves reading names.
	Sole() (Home, bool)
	// Home is the node that answers for a name; false if there is none. For a bucket that does not exist
	// it is this node, which then says so.
	Home(bucket, name string) (Home, bool)
	// Homes is all nodes that answer for names of a bucket, each once.
	Homes(bucket string) []Home
	// Changed gives a channel that is closed when any of this may have become different.
	Changed() <-chan struct{}
}

// verdict is what to do with a request.
type verdict uint8

const (
	serveHere verdict = iota
	sendTo            // the home
	nobody            // there is no home just now
	several           // there is more than one, and nobody can answer alone
)

// decide says who answers. It is pure but for asking places.
func decide(self ais.NodeID, places Places, s *subject) (verdict, Home) {
	if s.reach == reachNone {
		return serveHere, Home{}
	}
	home, ok := places.Sole()
	if !ok {
		var v verdict
		if home, v = homeOf(places, s); v != sendTo {
			return v, Home{}
		}
	}
	if home.Node == self {
		return serveHere, home
	}
	return sendTo, home
}

func homeOf(places Places, s *subject) (Home, verdict) {
	if s.reach == reachBucket {
		homes := places.Homes(s.bucket)
		switch len(homes) {
		case 0:
			return Home{}, nobody
		case 1:
			return homes[0], sendTo
		}
		return Home{}, several
	}
	home, ok := places.Home(s.bucket, s.name)
	if !ok {
		return Home{}, nobody
	}
	if s.sourceName == "" {
		return home, sendTo
	}
	source, ok := places.Home(s.sourceBucket, s.sourceName)
	switch {
	case !ok:
		return Home{}, nobody
	case source.Node != home.Node:
		return Home{}, several
	}
	return home, sendTo
}
