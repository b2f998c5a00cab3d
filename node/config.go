package node

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/seed9b016523/ais"
)

// Config is all that a node is told when it starts. What can be changed while it runs is in the
// control state instead. Start from Default; Validate fills what follows from the rest.
type Config struct {
	Dir        string    // the node's own state
	Roles      ais.Roles //
	Listen     string    // host:port of S3 and REST
	Cluster    string    // host:port of the traffic between nodes; "" is Listen's host, port + 1
	Gossip     string    // host:port of gossip; "" is Listen's host, port + 2
	Admin      string    // host:port of metrics, health, profiles; "" is Listen's host, port + 3
	Advertise  string    // host at which other machines reach this one; "" is that of each address
	Mountpaths []string  // where objects lie, on a node that is a target; none is Dir/mountpath

	// Join is public addresses of nodes of the cluster that this node is to be part of. A node that has any
	// never makes a cluster of its own.
	Join []string
	Zone string // what fails together with this node: a rack, a room
	// Secret is what nodes prove to each other when one joins. "": that of Dir/secret, or a new one.
	Secret string

	// AllowSharedFilesystem takes mountpaths that share a filesystem: fine for trying things out, no
	// protection against a dead disk. AllowMissing starts without mountpaths that were here before.
	AllowSharedFilesystem bool
	AllowMissing          bool

	// The first root key; it counts at the first start only. Both empty: generated.
	RootAccessKey string
	RootSecretKey string

	LogFormat string // "text" or "json"
	LogLevel  slog.Level
}

// How far behind the public port the others lie.
const (
	clusterOffset = 1
	gossipOffset  = 2
	adminOffset   = 3
)

// Default is the configuration of a node of which nothing is said. It lacks a Dir.
func Default() Config {
	return Config{Roles: ais.RoleProxy | ais.RoleTarget, Listen: "127.0.0.1:8080", LogFormat: "text"}
}

// Validate checks the configuration, makes paths absolute, and fills in what follows from the rest.
// Its errors are of kind Invalid and name the setting.
func (c *Config) Validate() error {
	if c.Dir == "" {
		return ais.Errorf(ais.Invalid, "dir: say where the node keeps its state, for example --dir /var/lib/ais")
	}
	if err := c.validateRoles(); err != nil {
		return err
	}
	if err := c.validateAddresses(); err != nil {
		return err
	}
	if err := c.validatePaths(); err != nil {
		return err
	}
	if (c.RootAccessKey == "") != (c.RootSecretKey == "") {
		return ais.Errorf(ais.Invalid, "root-access-key and root-secret-key: give both or neither")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return ais.Errorf(ais.Invalid, "log-format %q: want text or json", c.LogFormat)
	}
	return nil
}

func (c *Config) validateRoles() error {
	if c.Roles == 0 {
		return ais.Errorf(ais.Invalid, "roles: want some of proxy, target, worker")
	}
	if len(c.Join) == 0 && !c.Roles.Has(ais.RoleProxy) {
		return ais.Errorf(ais.Invalid, "roles %s: a node that is no proxy needs a cluster: give --join", c.Roles)
	}
	return nil
}

func (c *Config) validateAddresses() error {
	host, port, err := splitAddress(c.Listen)
	if err != nil {
		return ais.Errorf(ais.Invalid, "listen: %w", err)
	}
	for _, other := range [...]struct {
		address *string
		name    string
		offset  int
	}{{&c.Cluster, "cluster", clusterOffset}, {&c.Gossip, "gossip", gossipOffset}, {&c.Admin, "admin", adminOffset}} {
		if *other.address == "" {
			if port == 0 || port > 65535-other.offset {
				return ais.Errorf(ais.Invalid, "listen %q: the %s port is this port + %d, which does not exist; set --%s", c.Listen, other.name, other.offset, other.name)
			}
			*other.address = net.JoinHostPort(host, strconv.Itoa(port+other.offset))
		}
		if _, _, err := splitAddress(*other.address); err != nil {
			return ais.Errorf(ais.Invalid, "%s: %w", other.name, err)
		}
	}
	for _, j := range c.Join {
		if _, _, err := splitAddress(j); err != nil {
			return ais.Errorf(ais.Invalid, "join: %w", err)
		}
	}
	if c.Secret != "" && len(c.Secret) < secretMin {
		return ais.Errorf(ais.Invalid, "the cluster's secret has %d characters: want at least %d", len(c.Secret), secretMin)
	}
	return nil
}

// secretMin is the least length of a cluster's secret: who listens to a join may guess at it.
const secretMin = 16

// advertised is where other machines reach one of this node's addresses.
func (c *Config) advertised(address string) string {
	host, port, err := splitAddress(address)
	if err != nil {
		return address // Validate has seen it
	}
	if c.Advertise != "" {
		host = c.Advertise
	} else if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func splitAddress(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, ais.Errorf(ais.Invalid, "%q: the port must be a number of at most 65535", s)
	}
	return host, int(n), nil
}

func (c *Config) validatePaths() error {
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return ais.Errorf(ais.Invalid, "dir %q: %w", c.Dir, err)
	}
	if !c.Roles.Has(ais.RoleTarget) {
		if len(c.Mountpaths) > 0 {
			return ais.Errorf(ais.Invalid, "mountpath: a node with the roles %s holds no objects", c.Roles)
		}
		return nil
	}
	if len(c.Mountpaths) == 0 {
		c.Mountpaths = []string{filepath.Join(c.Dir, "mountpath")}
	}
	c.Mountpaths = slices.Clone(c.Mountpaths)
	for i, p := range c.Mountpaths {
		if c.Mountpaths[i], err = filepath.Abs(p); err != nil || p == "" {
			return ais.Errorf(ais.Invalid, "mountpath %q: not a path", p)
		}
		if slices.Contains(c.Mountpaths[:i], c.Mountpaths[i]) {
			return ais.Errorf(ais.Invalid, "mountpath %s: named twice", c.Mountpaths[i])
		}
	}
	return nil
}
