package authority

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/seed9b016523/ais"
)

// Peer is what a node's certificate says: which node of which cluster, in which roles.
type Peer struct {
	Node    ais.NodeID
	Roles   ais.Roles
	Cluster ais.ClusterID
}

// rolesAll is every role there is; more bits have no name in a certificate.
const rolesAll = ais.RoleProxy | ais.RoleTarget | ais.RoleWorker

// uri is the peer's name in its certificate: ais://<cluster>/node/<node>?roles=<roles>.
func (p Peer) uri() *url.URL {
	return &url.URL{
		Scheme:   "ais",
		Host:     p.Cluster.String(),
		Path:     "/node/" + p.Node.String(),
		RawQuery: "roles=" + p.Roles.String(),
	}
}

func (p Peer) String() string { return p.uri().String() }

// parsePeer reads what uri gives, and nothing else that might mean the same.
func parsePeer(u *url.URL) (p Peer, err error) {
	node, isNode := strings.CutPrefix(u.Path, "/node/")
	roles, hasRoles := strings.CutPrefix(u.RawQuery, "roles=")
	if u.Scheme != "ais" || !isNode || !hasRoles {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: %q names no node", u)
	}
	if err = p.Cluster.UnmarshalText([]byte(u.Host)); err == nil {
		if p.Node, err = ais.ParseNodeID(node); err == nil {
			p.Roles, err = ais.ParseRoles(roles)
		}
	}
	if err != nil {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: %q: %w", u, err)
	}
	if err := p.validate(); err != nil {
		return Peer{}, err
	}
	if p.String() != u.String() {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: %q: want %q", u, p)
	}
	return p, nil
}

func (p Peer) validate() error {
	if p.Node == 0 || p.Cluster == 0 || p.Roles == 0 || p.Roles&^rolesAll != 0 {
		return ais.Errorf(ais.Denied, "certificate: node %v of cluster %v with roles %q: want all three",
			p.Node, p.Cluster, p.Roles)
	}
	return nil
}

var _ fmt.Stringer = Peer{}
