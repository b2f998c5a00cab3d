package node

import (
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed9b016523/ais"
)

// Role is what a node does in a cluster.
type Role string

const (
	RoleProxy  Role = "proxy"  // answers clients and holds the control state
	RoleTarget Role = "target" // holds objects
)

// Config is all that a node is told when it starts. What can be changed while it runs is in the
// control state instead. Start from Default; Validate fills what follows from the rest.
type Config struct {
	Dir        string   // the node's own state
	Roles      []Role   //
	Listen     string   // host:port of S3 and REST
	Admin      string   // host:port of metrics, health, profiles; "" is Listen's host, port + 3
	Mountpaths []string // where objects lie; none is Dir/mountpath

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

// adminOffset is how far behind the public port the admin port lies: the two between are for the
// traffic of a cluster.
const adminOffset = 3

// Default is the configuration of a node of which nothing is said. It lacks a Dir.
func Default() Config {
	return Config{Roles: []Role{RoleProxy, RoleTarget}, Listen: "127.0.0.1:8080", LogFormat: "text"}
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
	for _, r := range c.Roles {
		if r != RoleProxy && r != RoleTarget {
			return ais.Errorf(ais.Invalid, "roles: %q: want proxy,target", string(r))
		}
	}
	if !slices.Contains(c.Roles, RoleProxy) || !slices.Contains(c.Roles, RoleTarget) {
		return ais.Errorf(ais.Invalid, "roles: a node that runs alone needs both: proxy,target")
	}
	return nil
}

func (c *Config) validateAddresses() error {
	host, port, err := splitAddress(c.Listen)
	if err != nil {
		return ais.Errorf(ais.Invalid, "listen: %w", err)
	}
	if c.Admin == "" {
		if port == 0 || port > 65535-adminOffset {
			return ais.Errorf(ais.Invalid, "listen %q: the admin port is this port + %d, which does not exist; set --admin", c.Listen, adminOffset)
		}
		c.Admin = net.JoinHostPort(host, strconv.Itoa(port+adminOffset))
	}
	if _, _, err := splitAddress(c.Admin); err != nil {
		return ais.Errorf(ais.Invalid, "admin: %w", err)
	}
	return nil
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

// loopback reports whether only this machine reaches the address.
func loopback(address string) bool {
	host, _, err := splitAddress(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// parseRoles reads "proxy,target".
func parseRoles(s string) (roles []Role) {
	for f := range strings.SplitSeq(s, ",") {
		if r := Role(strings.TrimSpace(f)); !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return roles
}
