package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/api"
)

func newShow(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{Use: "show", Short: "Show the cluster, its map, configuration, jobs, disks", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newShowCluster(s, g), newShowMap(s, g), newShowConfig(s, g), newShowRebalance(s, g), newShowJob(s, g), newShowStorage(s, g))
	return c
}

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
	if !g.noHeaders {
		notice(s.Stdout, "cluster  %s is %s", cluster.ID, cluster.State)
		notice(s.Stdout, "primary  %s", describePrimary(cluster))
		notice(s.Stdout, "map      %s", describeMap(cluster.Map))
		if r := cluster.Rebalance; r != nil && r.State != "completed" {
			notice(s.Stdout, "job      rebalance %s is %s: %d%%, %d slots lacking", r.ID, r.State, r.Percent, r.Lacking)
		}
		for _, note := range cluster.Notes {
			notice(s.Stdout, "note     %s", printable(note))
		}
		for _, n := range cluster.Nodes {
			if n.Why != "" {
				notice(s.Stdout, "note     node %s is %s: %s", n.ID, n.State, printable(n.Why))
			}
		}
		notice(s.Stdout, "")
	}
	t := table{headers: []string{"NODE", "ROLES", "STATE", "VOTE", "ZONE", "EPOCH", "ADDRESS", "CAPACITY", "USED", "VERSION"}}
	for _, n := range cluster.Nodes {
		capacity, used := fill(g, n.Mountpaths)
		t.add(n.ID, strings.Join(n.Roles, ","), n.State, vote(cluster, &n), orDash(n.Zone), strconv.FormatInt(n.Epoch, 10),
			n.Addresses.Public, capacity, used, orDash(n.Version))
	}
	return t.print(s.Stdout, !g.noHeaders)
}

func describePrimary(cluster *api.Cluster) string {
	if cluster.Primary == "" {
		return "none answers"
	}
	at := ""
	if n, err := findNode(cluster.Nodes, cluster.Primary); err == nil {
		at = " at " + n.Addresses.Public
	}
	return fmt.Sprintf("%s%s, %s, term %d", cluster.Primary, at, cluster.Term.State, cluster.Term.Number)
}

func describeMap(m api.MapSummary) string {
	text := fmt.Sprintf("version %d, ", m.Version)
	switch m.Settled {
	case 0:
		text += "nothing settled"
	case m.Version:
		text += "settled"
	default:
		text += fmt.Sprintf("settled at %d", m.Settled)
	}
	if m.Cut > m.Settled {
		text += fmt.Sprintf(", cut at %d", m.Cut)
	}
	if m.Generation > 1 {
		text += fmt.Sprintf(", generation %d", m.Generation)
	}
	return text
}

// vote is a node's part in the control state.
func vote(cluster *api.Cluster, n *api.Node) string {
	switch {
	case n.ID == cluster.Primary:
		return "primary"
	case n.Vote:
		return "voter"
	}
	return "learner"
}

// fill is the size of the filesystems under the mountpaths, each counted once, and how full they are.
func fill(g *globals, mountpaths []api.Mountpath) (capacity, used string) {
	var total, free float64
	for _, m := range mountpaths {
		share := float64(max(m.Sharing, 1))
		total += float64(m.Total) / share
		free += float64(m.Free) / share
	}
	if total == 0 {
		return "-", "-"
	}
	return g.units.size(int64(math.Round(total))), strconv.FormatFloat(100*(total-free)/total, 'f', 0, 64) + "%"
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
				n, err := findNode(nodes, args[0])
				if err != nil {
					return err
				}
				if n.Mountpaths, err = r.Mountpaths(c.Context(), n.ID); err != nil {
					return err
				}
				nodes = []api.Node{*n}
			}
			return printStorage(s, g, nodes)
		},
	}
	c.ValidArgsFunction = completeArgs(g, completeNode)
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
