package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/transport/authority"
	"github.com/seed9b016523/ais/transport/join"
)

// announcement is what a machine that wants to be a node says of itself, within the handshake. It travels
// as JSON.
type announcement struct {
	Node  ais.NodeID `json:"node"`
	Roles ais.Roles  `json:"roles"`
	Key   []byte     `json:"key"` // Ed25519, the public half
}

// admitted is what it gets.
type admitted struct {
	Cluster     ais.ClusterID `json:"cluster"`
	CA          []byte        `json:"ca"`          // the authority's certificate, DER
	Certificate []byte        `json:"certificate"` // the node's, DER
	Peers       []peer        `json:"peers"`
}

const (
	joinTimeout = 5 * time.Second // of one message of the handshake
	joinReply   = 1 << 20         // bytes of an answer
	admitAgain  = 500 * time.Millisecond
)

func publicKey(k ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(k[ed25519.SeedSize:]) // as RFC 8032 and Go lay a private key out
}

// admission makes this node one that the others believe: with the certificate that it has, or with one
// that a node of the cluster gives it for its word that it knows the cluster's secret. It tries until it
// succeeds, or until it is refused.
func (n *node) admission(ctx context.Context) error {
	if n.certified() {
		id, err := authority.Load(n.identityDir())
		if err != nil {
			return err
		}
		p, err := id.Peer()
		if err != nil {
			return err
		}
		n.record.Cluster = p.Cluster
		return nil
	}
	secret, err := join.NewSecret(string(n.secret))
	if err != nil {
		return err
	}
	key, err := authority.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	announce, err := json.Marshal(announcement{Node: n.record.Node, Roles: n.cfg.Roles, Key: publicKey(key)})
	if err != nil {
		return ais.Errorf(ais.Internal, "encode: %w", err)
	}
	client := &http.Client{Timeout: joinTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	told := ""
	for {
		var last error
		for _, host := range n.publicHosts() {
			reply, err := join.Client(ctx, rand.Reader, secret, "http://"+host+join.Path, poster(client), announce)
			if err == nil {
				return n.admitted(reply, key)
			}
			if ais.IsKind(err, ais.Denied) || ais.IsKind(err, ais.Invalid) || ais.IsKind(err, ais.Precondition) {
				return ais.Errorf(ais.KindOf(err), "%s: %w", host, err)
			}
			last = err
		}
		if last != nil && last.Error() != told {
			told = last.Error()
			n.log.Warn("not admitted to the cluster yet", "err", last)
		}
		if err := wait(ctx, admitAgain); err != nil {
			return err
		}
	}
}

// publicHosts is where to ask for admission.
func (n *node) publicHosts() []string {
	hosts := append([]string{}, n.cfg.Join...)
	for _, p := range n.record.Peers {
		hosts = append(hosts, p.Addresses.Public)
	}
	return hosts
}

// clusterHosts is where to ask for a place in the map. A node that was here before, and is lost, has left
// this one's own address in the map: to ask oneself takes long, and leads nowhere.
func (n *node) clusterHosts() (hosts []string) {
	own := n.cfg.advertised(n.cfg.Cluster)
	for _, p := range n.record.Peers {
		if p.Addresses.Cluster != own {
			hosts = append(hosts, p.Addresses.Cluster)
		}
	}
	return hosts
}

// poster sends the messages of a handshake.
func poster(c *http.Client) join.Post {
	return func(ctx context.Context, url string, body []byte) (int, []byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return 0, nil, ais.Errorf(ais.Invalid, "%w", err)
		}
		resp, err := c.Do(req)
		if err != nil {
			return 0, nil, ais.Errorf(ais.Unavailable, "%w", err)
		}
		defer resp.Body.Close()
		reply, err := io.ReadAll(io.LimitReader(resp.Body, joinReply))
		if err != nil {
			return 0, nil, ais.Errorf(ais.Unavailable, "%w", err)
		}
		return resp.StatusCode, reply, nil
	}
}

// admitted keeps what the cluster has given this node.
func (n *node) admitted(reply []byte, key ed25519.PrivateKey) error {
	var a admitted
	if err := json.Unmarshal(reply, &a); err != nil {
		return ais.Errorf(ais.Invalid, "the answer to an admission is not readable: %w", err)
	}
	if n.record.Cluster != 0 && n.record.Cluster != a.Cluster {
		return ais.Errorf(ais.Invalid, "this node is of cluster %s: it cannot join cluster %s", n.record.Cluster, a.Cluster)
	}
	if err := n.saveIdentity(&authority.Identity{CA: a.CA, Certificate: a.Certificate, Key: key}); err != nil {
		return err
	}
	n.record.Cluster, n.record.Peers = a.Cluster, a.Peers
	return nil
}

// openJoins makes what admits others. The secret is stretched when the first of them comes, for that takes
// a tenth of a second.
func (n *node) openJoins() {
	n.joins = sync.OnceValues(func() (*join.Server, error) {
		secret, err := join.NewSecret(string(n.secret))
		if err != nil {
			return nil, err
		}
		server, err := join.NewServer(join.Options{Secret: secret, Random: rand.Reader, Admit: n.admit, Logger: n.log})
		n.joinServer.Store(server)
		return server, err
	})
}

// admit gives a machine that has proved the secret its certificate.
func (n *node) admit(_ context.Context, remote string, announced []byte) ([]byte, error) {
	var in announcement
	if err := json.Unmarshal(announced, &in); err != nil || in.Node == 0 || in.Roles == 0 {
		return nil, ais.Errorf(ais.Invalid, "join: the announcement of %s is not readable: %.100q", remote, announced)
	}
	view := n.replica.View()
	s := view.Secrets()
	a, err := authority.Open(s.CACert, s.CAKey)
	if err != nil {
		return nil, err
	}
	out := admitted{Cluster: view.Cluster().ID, CA: s.CACert}
	out.Certificate, err = a.Issue(rand.Reader, in.Key, authority.Peer{Node: in.Node, Roles: in.Roles, Cluster: out.Cluster})
	if err != nil {
		return nil, err
	}
	for _, other := range view.Map().Nodes() {
		if other.State != cmap.Out && other.ID != in.Node {
			out.Peers = append(out.Peers, peer{Node: other.ID, Addresses: other.Addresses})
		}
	}
	n.log.Info("machine admitted", "remote", remote, "node", in.Node, "roles", in.Roles)
	return json.Marshal(out)
}

// joiner implements api.Joiner.
type joiner struct{ *node }

// Join implements api.Joiner.
func (n joiner) Join(ctx context.Context, _ time.Time, remote string, body []byte) (int, []byte) {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		remote = host // failures are counted by machine
	}
	server, err := n.joins()
	if err != nil {
		n.log.Error("nobody can join", "err", err)
		return http.StatusServiceUnavailable, nil
	}
	return server.Handle(ctx, consensus.BootClock(), remote, body)
}
