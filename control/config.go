package control

import (
	"maps"
	"slices"
)

// values is what is set, by the name of the key, as text.
type values map[string]string

// Config is the configuration that holds somewhere: defaults, what is set for the cluster, and what is
// set for a node, the later over the earlier. It is immutable.
type Config struct {
	current map[Name]Value // every registered key
	set     map[Name]bool  // those not at their default's mercy: set for the cluster or the node
	unknown []string       // set, but unknown to this ais or out of the bounds that it has; passed over
}

// newConfig lays the layers over the defaults. A key that this ais does not know, or a value that it
// would not take, was set by another version: it is kept in the state and passed over here.
func newConfig(layers ...values) *Config {
	c := &Config{current: make(map[Name]Value, len(settings)), set: make(map[Name]bool)}
	for i := range settings {
		v, err := settings[i].parse(settings[i].Default)
		if err != nil {
			panic(err) // the table is wrong
		}
		c.current[settings[i].Name] = v
	}
	for _, layer := range layers {
		for _, name := range slices.Sorted(maps.Keys(layer)) {
			s, ok := findSetting(name)
			if !ok {
				c.unknown = append(c.unknown, name)
				continue
			}
			v, err := s.parse(layer[name])
			if err != nil {
				c.unknown = append(c.unknown, name)
				continue
			}
			c.current[s.Name] = v
			c.set[s.Name] = true
		}
	}
	return c
}

// Get is the value of a key. It panics if there is no such key: names are constants.
func (c *Config) Get(name Name) Value {
	v, ok := c.current[name]
	if !ok {
		panic("control: no configuration key " + string(name))
	}
	return v
}

// IsSet reports whether the key is set, rather than left at its default.
func (c *Config) IsSet(name Name) bool { return c.set[name] }

// Unknown is the names of what is set but passed over, because this ais does not know the key or does
// not take the value.
func (c *Config) Unknown() []string { return slices.Clone(c.unknown) }
