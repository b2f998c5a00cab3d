package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

func newConfig(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Change the configuration", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newConfigCluster(s, g), newConfigNode(s, g))
	return c
}

func newConfigCluster(s Surroundings, g *globals) *cobra.Command {
	var reset bool
	c := &cobra.Command{
		Use:   "cluster KEY=VALUE…  |  cluster --reset KEY…",
		Short: "Set configuration keys of the cluster, all or none",
		Long:  "Set configuration keys of the cluster, all or none. 'ais show config cluster' lists them.",
		Example: `  ais config cluster checksum.verify_get=false
  ais config cluster --reset checksum.verify_get`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			change, err := parseConfigChange(args, reset)
			if err != nil {
				return err
			}
			r, err := g.connect()
			if err != nil {
				return err
			}
			settings, err := r.ChangeConfig(c.Context(), change)
			return printChanged(s, g, change, settings, err)
		},
	}
	c.Flags().BoolVar(&reset, "reset", false, "take the keys back to their defaults")
	c.ValidArgsFunction = func(c *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return completeKeys(c.Context(), g, toComplete, !reset, false)
	}
	return c
}

func newConfigNode(s Surroundings, g *globals) *cobra.Command {
	var reset bool
	c := &cobra.Command{
		Use:   "node NODE KEY=VALUE…  |  node NODE --reset KEY…",
		Short: "Set configuration keys of a node over those of the cluster, all or none",
		Long: `Set configuration keys of a node over those of the cluster, all or none. 'ais show config NODE' lists
what holds there.`,
		Example: `  ais config node 1a2b limits.requests=8192
  ais config node 10.0.0.7:8080 --reset limits.requests`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			change, err := parseConfigChange(args[1:], reset)
			if err != nil {
				return err
			}
			r, err := g.connect()
			if err != nil {
				return err
			}
			n, err := r.node(c.Context(), args[0])
			if err != nil {
				return err
			}
			settings, err := r.ChangeNodeConfig(c.Context(), n.ID, change)
			return printChanged(s, g, change, settings, err)
		},
	}
	c.Flags().BoolVar(&reset, "reset", false, "take the keys back to the cluster's values")
	c.ValidArgsFunction = func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeNode(c.Context(), g, toComplete)
		}
		return completeKeys(c.Context(), g, toComplete, !reset, true)
	}
	return c
}

// printChanged confirms a change, and names the keys that it does not reach at once.
func printChanged(s Surroundings, g *globals, change api.SettingsChange, settings []api.Setting, err error) error {
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(s.Stdout, nested(settings))
	}
	notice(s.Stdout, "config successfully updated")
	for _, set := range settings {
		if _, changed := change[set.Name]; changed && set.AtStart {
			notice(s.Stdout, "%s takes effect when a node is started again", set.Name)
		}
	}
	return nil
}

func parseConfigChange(args []string, reset bool) (api.SettingsChange, error) {
	change := api.SettingsChange{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		switch {
		case key == "" || ok == reset:
			if reset {
				return nil, usagef("%q: want KEY alone with --reset", arg)
			}
			return nil, usagef("%q: want KEY=VALUE", arg)
		case reset:
			change[key] = nil
		default:
			change[key] = &value
		}
	}
	return change, nil
}

func newShowConfig(s Surroundings, g *globals) *cobra.Command {
	var help bool
	c := &cobra.Command{
		Use:     "config cluster|NODE [SECTION|KEY]",
		Short:   "Show the configuration of the cluster or of a node",
		Example: "  ais show config cluster\n  ais show config cluster limits --describe",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			settings, err := r.configOf(c.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				if settings = section(settings, args[1]); len(settings) == 0 {
					return ais.NounErrorf(ais.NotFound, ais.NounConfig, "no configuration key or section %q; 'ais show config cluster' lists them", args[1])
				}
			}
			if g.json {
				return printJSON(s.Stdout, nested(settings))
			}
			return printConfig(s, g, settings, help)
		},
	}
	c.Flags().BoolVar(&help, "describe", false, "say what each key does")
	c.ValidArgsFunction = func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return append(completeNodes(c.Context(), g), "cluster"), cobra.ShellCompDirectiveNoFileComp
		}
		return completeKeys(c.Context(), g, toComplete, false, false)
	}
	return c
}

// configOf gives the configuration of "cluster", or the one that holds on a node.
func (r *remote) configOf(ctx context.Context, whose string) ([]api.Setting, error) {
	if whose == "cluster" {
		return r.Config(ctx)
	}
	n, err := r.node(ctx, whose)
	if err != nil {
		return nil, err
	}
	return r.NodeConfig(ctx, n.ID)
}

// section is the keys that are named so or lie under the name.
func section(all []api.Setting, name string) (some []api.Setting) {
	for _, s := range all {
		if s.Name == name || strings.HasPrefix(s.Name, strings.TrimSuffix(name, ".")+".") {
			some = append(some, s)
		}
	}
	return some
}

// The layout of the configuration table is fixed: scripts cut it by columns.
const (
	configNameWidth = 33
	configGap       = 3
)

// printConfig shows values, and where they are not at their default, the default beside them.
func printConfig(s Surroundings, g *globals, settings []api.Setting, describe bool) error {
	t := table{headers: []string{"PROPERTY", "VALUE", "DEFAULT"}, width: []int{configNameWidth}, gap: configGap}
	if describe {
		t.headers = append(t.headers, "DESCRIPTION")
	}
	for _, set := range settings {
		def := "-"
		if set.Value != set.Default {
			def = orDash(set.Default)
		}
		row := []string{set.Name, orDash(set.Value), def}
		if describe {
			row = append(row, set.Description)
		}
		t.add(row...)
	}
	return t.print(s.Stdout, !g.noHeaders)
}

// nested turns dotted names into objects within objects, values into what JSON has for them.
func nested(settings []api.Setting) map[string]any {
	root := map[string]any{}
	for _, s := range settings {
		at := root
		parts := strings.Split(s.Name, ".")
		for _, p := range parts[:len(parts)-1] {
			next, ok := at[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[p] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = plainValue(s)
	}
	return root
}

func plainValue(s api.Setting) any {
	switch s.Type {
	case "bool":
		if v, err := strconv.ParseBool(s.Value); err == nil {
			return v
		}
	case "int":
		if v, err := strconv.ParseInt(s.Value, 10, 64); err == nil {
			return v
		}
	}
	return s.Value
}

// sections is the first parts of all names, in order.
func sections(settings []api.Setting) []string {
	set := map[string]bool{}
	for _, s := range settings {
		first, _, _ := strings.Cut(s.Name, ".")
		set[first] = true
	}
	return slices.Sorted(maps.Keys(set))
}
