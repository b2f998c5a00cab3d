package node

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// routeGeneration is the call by which a node asks for the proof that its cluster has gone on in a newer
// generation. The reply is a generationProof.
const routeGeneration = "/cluster/generation"

// generationProof is the word of the cluster's authority that a generation is the operator's doing.
// Without it anybody with a node's certificate could fence off a whole cluster.
type generationProof struct {
	Cluster    ais.ClusterID  `json:"cluster"`
	Generation ais.Generation `json:"generation"`
	Signature  []byte         `json:"signature"` // Ed25519, by the authority's key, of proofText
}

// proofText is what is signed: a label, the cluster, the generation, big-endian.
func proofText(c ais.ClusterID, g ais.Generation) []byte {
	b := binary.BigEndian.AppendUint64([]byte("ais generation, version 1\x00"), uint64(c))
	return binary.BigEndian.AppendUint16(b, uint16(g))
}

func (n *node) serveGeneration(context.Context, transport.Peer, []byte) ([]byte, error) {
	view := n.replica.View()
	s := view.Secrets()
	if s == nil || len(s.CAKey) != ed25519.SeedSize {
		return nil, ais.Errorf(ais.Unavailable, "this node has no control state yet")
	}
	p := generationProof{Cluster: view.Cluster().ID, Generation: view.Map().Generation()}
	p.Signature = ed25519.Sign(ed25519.NewKeyFromSeed(s.CAKey), proofText(p.Cluster, p.Generation))
	return json.Marshal(p)
}

// verify reports whether the authority vouches for the generation.
func (p *generationProof) verify(key ed25519.PublicKey, cluster ais.ClusterID, above ais.Generation) error {
	switch {
	case p.Cluster != cluster || p.Generation <= above:
		return ais.Errorf(ais.Denied, "a proof for generation %d of cluster %s: want more than %d of %s", p.Generation, p.Cluster, above, cluster)
	case !ed25519.Verify(key, proofText(p.Cluster, p.Generation), p.Signature):
		return ais.Errorf(ais.Denied, "the proof of generation %d is not signed by the cluster's authority", p.Generation)
	}
	return nil
}

// authorityKey is the key in the certificate of a cluster's authority.
func authorityKey(certificate []byte) (ed25519.PublicKey, error) {
	c, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "the authority's certificate: %w", err)
	}
	key, ok := c.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, ais.Errorf(ais.Corrupt, "the authority's certificate has a key of another kind: %T", c.PublicKey)
	}
	return key, nil
}

// outdated is why a node starts again as one that joins: it has been shown the proof of a newer generation.
type outdated struct{ newer ais.Generation }

func (e outdated) Error() string {
	return fmt.Sprintf("the cluster has gone on in generation %d", e.newer)
}

// current refuses a host that is of an older generation than this node has seen the proof of. Others that
// have not heard of the newer one would take it in again, and it would have to leave again.
func (n *node) current(ctx context.Context, host string) error {
	if n.record.Generation == 0 {
		return nil
	}
	b, err := n.endpoint.Call(ctx, transport.Address{Host: host}, routeGeneration, nil)
	if err != nil {
		return err
	}
	var p generationProof
	if err := json.Unmarshal(b, &p); err != nil {
		return ais.Errorf(ais.Internal, "%s answers with a proof that is none: %.100q", host, b)
	}
	if err := p.verify(n.authority, n.record.Cluster, n.record.Generation-1); err != nil {
		return ais.Errorf(ais.Unavailable, "%s has not heard of generation %d yet: %w", host, n.record.Generation, err)
	}
	return nil
}

// generationEvery is how often a node looks whether others speak of a newer generation.
const generationEvery = 500 * time.Millisecond

// followGeneration watches for a newer generation, and stops the node if there is one: it must not go on
// with the state of the old. It starts again as one that joins.
func (n *node) followGeneration(ctx context.Context) error {
	for {
		if err := wait(ctx, generationEvery); err != nil {
			return endOf(ctx, err)
		}
		s := n.replica.Status()
		if s.Newer <= s.Generation {
			continue
		}
		var p generationProof
		err := n.ask(ctx, s.NewerFrom, routeGeneration, &p)
		if err == nil {
			err = p.verify(n.authority, n.record.Cluster, s.Generation)
		}
		if err == nil {
			return outdated{p.Generation}
		}
		n.log.Warn("a node speaks of a newer generation", "node", s.NewerFrom, "generation", s.Newer, "err", err)
	}
}
