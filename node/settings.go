package node

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/seed9b016523/ais"
)

// Setting is one thing that a node can be told: on the command line as --name, in the environment as
// AIS_NAME, in the configuration file as name.
type Setting struct {
	Name     string
	Usage    string
	Repeated bool // may have several values: the flag several times, the key an array, the variable a list with commas
	Switch   bool // true or false; the flag alone means true
	Secret   bool // not on the command line, which every user of the machine can read
	apply    func(*Config, []string) error
}

// Variable is the setting's name in the environment.
func (s *Setting) Variable() string {
	return "AIS_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// one makes an apply for a setting with a single value.
func one(set func(*Config, string) error) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		if len(values) != 1 {
			return ais.Errorf(ais.Invalid, "%d values: want one", len(values))
		}
		return set(c, values[0])
	}
}

// text makes an apply for a setting that is taken as it is.
func text(field func(*Config) *string) func(*Config, []string) error {
	return one(func(c *Config, v string) error {
		*field(c) = v
		return nil
	})
}

// truth makes an apply for a switch.
func truth(field func(*Config) *bool) func(*Config, []string) error {
	return one(func(c *Config, v string) (err error) {
		if *field(c), err = strconv.ParseBool(v); err != nil {
			return ais.Errorf(ais.Invalid, "%q: want true or false", v)
		}
		return nil
	})
}

// Settings is the table of all settings.
func Settings() []Setting {
	return []Setting{
		{Name: "dir", Usage: "the node's own state; made if it does not exist", apply: text(func(c *Config) *string { return &c.Dir })},
		{Name: "roles", Usage: "what the node does (default: proxy,target)", apply: one(func(c *Config, v string) (err error) {
			c.Roles, err = ais.ParseRoles(v)
			return err
		})},
		{Name: "listen", Usage: "address of S3 and REST (default: 127.0.0.1:8080)", apply: text(func(c *Config) *string { return &c.Listen })},
		{Name: "join", Usage: "public address of a node of the cluster to join; may be repeated", Repeated: true,
			apply: func(c *Config, v []string) error {
				c.Join = v
				return nil
			}},
		{Name: "advertise", Usage: "host at which other machines reach this one (default: that of --listen)",
			apply: text(func(c *Config) *string { return &c.Advertise })},
		{Name: "cluster", Usage: "address of the traffic between nodes (default: the port of --listen + 1)",
			apply: text(func(c *Config) *string { return &c.Cluster })},
		{Name: "gossip", Usage: "address of gossip (default: the port of --listen + 2)",
			apply: text(func(c *Config) *string { return &c.Gossip })},
		{Name: "zone", Usage: "what fails together with this node, such as a rack; copies go to different zones",
			apply: text(func(c *Config) *string { return &c.Zone })},
		{Name: "cluster-secret", Usage: "what nodes prove to each other when one joins (default: DIR/secret)", Secret: true,
			apply: text(func(c *Config) *string { return &c.Secret })},
		{Name: "admin", Usage: "address of metrics, health and profiles (default: the port of --listen + 3)",
			apply: text(func(c *Config) *string { return &c.Admin })},
		{Name: "mountpath", Usage: "a directory for objects, each on a disk of its own; may be repeated (default: DIR/mountpath)", Repeated: true,
			apply: func(c *Config, v []string) error {
				c.Mountpaths = v
				return nil
			}},
		{Name: "allow-shared-filesystem", Usage: "take mountpaths that lie on one filesystem", Switch: true,
			apply: truth(func(c *Config) *bool { return &c.AllowSharedFilesystem })},
		{Name: "allow-missing-mountpath", Usage: "start although a mountpath of before is missing; what lies there is unavailable", Switch: true,
			apply: truth(func(c *Config) *bool { return &c.AllowMissing })},
		{Name: "root-access-key", Usage: "the first root key, at the first start only", Secret: true,
			apply: text(func(c *Config) *string { return &c.RootAccessKey })},
		{Name: "root-secret-key", Usage: "its secret", Secret: true,
			apply: text(func(c *Config) *string { return &c.RootSecretKey })},
		{Name: "log-format", Usage: "text or json (default: text)", apply: text(func(c *Config) *string { return &c.LogFormat })},
		{Name: "log-level", Usage: "debug, info, warn or error (default: info)", apply: one(func(c *Config, v string) error {
			return c.LogLevel.UnmarshalText([]byte(v))
		})},
	}
}

// Sources is where a configuration comes from, the first over the later: flags that were given, the
// environment, the file.
type Sources struct {
	Flags  map[string][]string // by name of the setting
	Getenv func(string) string
	File   string // path of a TOML file; "" is none
}

// ReadConfig lays the sources over Default, and validates the result.
func ReadConfig(src Sources) (Config, error) {
	c := Default()
	file, err := readFile(src.File)
	if err != nil {
		return c, err
	}
	for _, s := range Settings() {
		values, from := src.Flags[s.Name], "--"+s.Name
		if v := src.Getenv(s.Variable()); values == nil && v != "" {
			from = s.Variable()
			if values = []string{v}; s.Repeated {
				values = strings.Split(v, ",")
			}
		}
		if v, ok := file[s.Name]; ok && values == nil {
			values, from = v, src.File+": "+s.Name
		}
		if values == nil {
			continue
		}
		if err := s.apply(&c, values); err != nil {
			return c, ais.Errorf(ais.Invalid, "%s: %w", from, err)
		}
	}
	return c, c.Validate()
}

// readFile reads a TOML file into the texts of its settings. Keys that are no setting are errors: a
// misspelt one would otherwise be a default that nobody asked for.
func readFile(path string) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "configuration file: %w", err)
	}
	var keys map[string]any
	if err := toml.Unmarshal(b, &keys); err != nil {
		return nil, ais.Errorf(ais.Invalid, "configuration file %s: %w", path, err)
	}
	file := make(map[string][]string, len(keys))
	known := Settings()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		i := slices.IndexFunc(known, func(s Setting) bool { return s.Name == key })
		if i < 0 {
			return nil, ais.Errorf(ais.Invalid, "configuration file %s: unknown key %q", path, key)
		}
		if file[key], err = texts(keys[key], known[i].Repeated); err != nil {
			return nil, ais.Errorf(ais.Invalid, "configuration file %s: %s: %w", path, key, err)
		}
	}
	return file, nil
}

// texts gives a TOML value as the texts of a setting.
func texts(v any, repeated bool) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case int64, bool:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		all := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok || !repeated {
				break
			}
			all = append(all, s)
		}
		if len(all) == len(v) && len(v) > 0 {
			return all, nil
		}
	}
	if repeated {
		return nil, ais.Errorf(ais.Invalid, "want a string or an array of strings")
	}
	return nil, ais.Errorf(ais.Invalid, "want a string")
}
