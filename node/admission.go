package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/transport/authority"
)

// secretBase is the file of the secret that joins are proved by.
const secretBase = "secret"

// openSecret finds the cluster's secret: as it was given, else as it lies in the node's directory. The
// first node of a cluster makes one up.
func (n *node) openSecret() error {
	name := filepath.Join(n.cfg.Dir, secretBase)
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ais.Errorf(ais.Unavailable, "the cluster's secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	switch {
	case n.cfg.Secret != "" && n.cfg.Secret != secret:
		secret = n.cfg.Secret
	case secret != "":
		n.secret = []byte(secret)
		return nil
	case n.joining():
		return ais.Errorf(ais.Invalid, "to join a cluster its secret is needed: set AIS_CLUSTER_SECRET, or copy DIR/%s of one of its nodes to %s", secretBase, name)
	default:
		var drawn [16]byte
		if _, err := rand.Read(drawn[:]); err != nil {
			return ais.Errorf(ais.Internal, "draw a secret: %w", err)
		}
		secret = hex.EncodeToString(drawn[:])
	}
	n.secret = []byte(secret)
	if err := disk.OS().WriteFileSync(name, []byte(secret+"\n")); err != nil {
		return ais.Errorf(ais.Unavailable, "the cluster's secret: %w", err)
	}
	return os.Chmod(name, 0o600)
}

// identityDir is where the node's key and certificates lie.
func (n *node) identityDir() string { return filepath.Join(n.cfg.Dir, identityBase) }

// certified reports whether this node has a certificate of its cluster, in its name and for its roles.
func (n *node) certified() bool {
	id, err := authority.Load(n.identityDir())
	if err != nil {
		if !ais.IsKind(err, ais.NotFound) {
			n.log.Warn("the node's certificate is of no use", "err", err)
		}
		return false
	}
	p, err := id.Peer()
	return err == nil && p.Node == n.record.Node && p.Roles == n.cfg.Roles && (n.record.Cluster == 0 || p.Cluster == n.record.Cluster)
}

// certify makes this node's certificate itself: it has the authority's key, as every node with the control
// state has.
func (n *node) certify() error {
	s := n.replica.View().Secrets()
	a, err := authority.Open(s.CACert, s.CAKey)
	if err != nil {
		return err
	}
	key, err := authority.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	id := &authority.Identity{CA: s.CACert, Key: key}
	id.Certificate, err = a.Issue(rand.Reader, publicKey(key), authority.Peer{Node: n.record.Node, Roles: n.cfg.Roles, Cluster: n.record.Cluster})
	if err != nil {
		return err
	}
	return n.saveIdentity(id)
}

func (n *node) saveIdentity(id *authority.Identity) error {
	if err := os.MkdirAll(n.identityDir(), 0o700); err != nil {
		return ais.Errorf(ais.Unavailable, "the node's certificate: %w", err)
	}
	return authority.Save(n.identityDir(), id)
}

// newSecrets draws what the nodes of a new cluster share.
func newSecrets(c ais.ClusterID) (*control.Secrets, error) {
	a, err := authority.New(rand.Reader, c)
	if err != nil {
		return nil, err
	}
	s := &control.Secrets{CACert: a.Certificate(), CAKey: a.Key(), GossipKey: make([]byte, 32), TicketKey: make([]byte, 32)}
	for _, key := range [...][]byte{s.GossipKey, s.TicketKey} {
		if _, err := rand.Read(key); err != nil {
			return nil, ais.Errorf(ais.Internal, "draw a key: %w", err)
		}
	}
	return s, nil
}
