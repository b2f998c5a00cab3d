package node

import (
	"context"
	"path/filepath"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// routeProbe is the call by which a primary finds out whether a node works: a target writes a small file
// to a disk before it answers.
const routeProbe = "/node/probe"

// probeBase is that file.
const probeBase = "probe"

// probe asks a node on behalf of the primary.
func (n *node) probe(ctx context.Context, id ais.NodeID) error {
	if id == n.record.Node {
		_, err := n.serveProbe(ctx, transport.Peer{}, nil)
		return err
	}
	host, ok := n.book.find(id)
	if !ok {
		return ais.Errorf(ais.NotFound, "there is no node %s", id)
	}
	_, err := n.network.Call(ctx, transport.Address{Node: id, Host: host}, routeProbe, nil)
	return err
}

// serveProbe answers once one mountpath has taken a write. A full disk, or one that is out of service, is
// an answer, too: the node lives.
func (n *node) serveProbe(context.Context, transport.Peer, []byte) ([]byte, error) {
	t := n.opened.Load()
	if t == nil {
		return nil, nil
	}
	for _, p := range n.disks.Paths() {
		if p.Err() == nil && p.FS.WriteFileSync(filepath.Join(p.Data(), probeBase), []byte("probe\n")) == nil {
			break
		}
	}
	return nil, nil
}
