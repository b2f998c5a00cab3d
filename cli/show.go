package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/api"
)

func newShowCluster(s Surroundings, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "cluster",
		Short: "Show the nodes and what the operator should know",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			cluster, err := r.Cluster(c.Context())
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(s.Stdout, cluster)
			}
			return printCluster(s, g, cluster)
		},
	}
}

func printCluster(s Surroundings, g *globals, cluster *api.Cluster) error {
	t := table{headers: []string{"NODE", "ROLES", "STATE", "MOUNTPATHS", "USED", "FREE", "STARTED", "VERSION", "ENDPOINT"}}
	for _, n := range cluster.Nodes {
		var used, free int64
		serving := 0
		for _, m := range n.Mountpaths {
			used += m.Used
			free = max(free, m.Free) // mountpaths may share a filesystem: their sum would promise too much
			if m.State == "enabled" {
				serving++
			}
		}
		t.add(n.ID, strings.Join(n.Roles, ","), n.State, fmt.Sprintf("%d/%d", serving, len(n.Mountpaths)),
			g.units.size(used), g.units.size(free), moment(n.Started), n.Version, n.Endpoint)
	}
	if err := t.print(s.Stdout, !g.noHeaders); err != nil {
		return err
	}
	if g.noHeaders {
		return nil
	}
	_, err := fmt.Fprintf(s.Stdout, "\ncluster %s is %s\n", cluster.ID, cluster.State)
	for _, note := range cluster.Notes {
		notice(s.Stdout, "  %s", note)
	}
	return err
}

func newShowStorage(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "storage [NODE]",
		Short: "Show the mountpaths: state and space",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			cluster, err := r.Cluster(c.Context())
			if err != nil {
				return err
			}
			nodes := cluster.Nodes
			if len(args) == 1 {
				if err := checkNode(c.Context(), r, args[0]); err != nil {
					return err
				}
				mountpaths, err := r.Mountpaths(c.Context(), args[0])
				if err != nil {
					return err
				}
				nodes = []api.Node{{ID: args[0], Mountpaths: mountpaths}}
			}
			return printStorage(s, g, nodes)
		},
	}
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return completeNothing(c, args, "")
		}
		return completeNodes(c.Context(), g), cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

func printStorage(s Surroundings, g *globals, nodes []api.Node) error {
	if g.json {
		all := map[string][]api.Mountpath{}
		for _, n := range nodes {
			all[n.ID] = n.Mountpaths
		}
		return printJSON(s.Stdout, all)
	}
	t := table{headers: []string{"NODE", "MOUNTPATH", "STATE", "USED", "FREE", "TOTAL", "ERROR"}}
	for _, n := range nodes {
		for _, m := range n.Mountpaths {
			t.add(n.ID, m.Path, m.State, g.units.size(m.Used), g.units.size(m.Free), g.units.size(m.Total), orDash(m.Error))
		}
	}
	return t.print(s.Stdout, !g.noHeaders)
}

// moment prints a time for a table, in the user's time zone.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
