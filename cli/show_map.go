package cli

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

func newShowMap(s Surroundings, g *globals) *cobra.Command {
	var diff bool
	c := &cobra.Command{
		Use:   "map [NODE]",
		Short: "Show the cluster map, or what each node believes it to be",
		Long: `Show the cluster map that a node goes by: the primary, unless another is named. With --diff every
node is asked for its map, and what differs from the primary's is told.`,
		Example: "  ais show map\n  ais show map --diff",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			cluster, err := r.Cluster(c.Context())
			if err != nil {
				return err
			}
			from := cluster.Primary // "": whoever is asked
			if len(args) == 1 {
				n, err := findNode(cluster.Nodes, args[0])
				if err != nil {
					return err
				}
				from = n.ID
			}
			m, err := r.Map(c.Context(), from)
			if err != nil {
				return err
			}
			if diff {
				return printBeliefs(s, g, from, m, askBeliefs(c.Context(), r, cluster.Nodes, m))
			}
			if g.json {
				return printJSON(s.Stdout, m)
			}
			return printMap(s, g, m)
		},
	}
	c.Flags().BoolVar(&diff, "diff", false, "ask every node for its map, and tell what differs")
	c.ValidArgsFunction = completeArgs(g, completeNode)
	return c
}

func printMap(s Surroundings, g *globals, m *cmap.Map) error {
	homes := map[ais.NodeID]int{}
	for slot := range ais.Slots {
		if id, ok := m.Home(ais.Slot(slot)); ok {
			homes[id]++
		}
	}
	if !g.noHeaders {
		notice(s.Stdout, "%s\n", describeMap(api.MapSummary{Generation: int64(m.Generation()), Version: int64(m.Version()), Settled: int64(m.Settled())}))
	}
	t := table{headers: []string{"NODE", "ROLES", "ZONE", "WEIGHT", "STATE", "SINCE", "EPOCH", "SEAT", "HOME OF", "ADDRESS"}}
	for _, n := range m.Nodes() {
		t.add(n.ID.String(), n.Roles.String(), orDash(n.Zone), strconv.FormatUint(uint64(n.Weight), 10), n.State.String(),
			strconv.FormatUint(uint64(n.Since), 10), strconv.FormatUint(uint64(n.Epoch), 10), n.Seat.String(),
			fmt.Sprintf("%d slots", homes[n.ID]), n.Addresses.Cluster)
	}
	return t.print(s.Stdout, !g.noHeaders)
}

// belief is what a node takes the map to be.
type belief struct {
	Node        string            `json:"node"`
	Version     ais.MapVersion    `json:"version,omitempty"`
	Settled     ais.MapVersion    `json:"settled,omitempty"`
	Differences []cmap.Difference `json:"differences"` // old is the first node's, new this one's
	Error       string            `json:"error,omitempty"`
}

// mapsAtOnce is how many nodes are asked for their maps at a time.
const mapsAtOnce = 8

// askBeliefs asks every node for its map and compares it with m.
func askBeliefs(ctx context.Context, r *remote, nodes []api.Node, m *cmap.Map) []belief {
	all := make([]belief, len(nodes))
	turn := make(chan struct{}, mapsAtOnce)
	var asks sync.WaitGroup
	for i, n := range nodes {
		b := &all[i]
		b.Node, b.Differences = n.ID, []cmap.Difference{}
		if n.State == cmap.Down.String() || n.State == cmap.Out.String() {
			b.Error = "it is " + n.State
			continue
		}
		turn <- struct{}{}
		asks.Go(func() {
			defer func() { <-turn }()
			its, err := r.Map(ctx, n.ID)
			if err != nil {
				b.Error = "it does not answer: " + err.Error()
				return
			}
			b.Version, b.Settled = its.Version(), its.Settled()
			b.Differences = append(b.Differences, cmap.Diff(m, its)...)
		})
	}
	asks.Wait()
	return all
}

// printBeliefs shows which version each node goes by, and behind that, in words, what differs from the
// map of from.
func printBeliefs(s Surroundings, g *globals, from string, m *cmap.Map, all []belief) error {
	if g.json {
		return printJSON(s.Stdout, all)
	}
	t := table{headers: []string{"NODE", "VERSION", "SETTLED", "DIFFERENCES"}}
	for _, b := range all {
		switch {
		case b.Error != "":
			t.add(b.Node, "-", "-", b.Error)
		case len(b.Differences) == 0:
			t.add(b.Node, fmt.Sprint(b.Version), fmt.Sprint(b.Settled), "none")
		default:
			t.add(b.Node, fmt.Sprint(b.Version), fmt.Sprint(b.Settled), strconv.Itoa(len(b.Differences)))
		}
	}
	if err := t.print(s.Stdout, !g.noHeaders); err != nil {
		return err
	}
	if from == "" {
		from = "the node that was asked"
	}
	for _, b := range all {
		for _, d := range b.Differences {
			notice(s.Stdout, "%s: %s", b.Node, printable(inWords(d, from)))
		}
	}
	return nil
}

// inWords says how a node's map differs from that of another.
func inWords(d cmap.Difference, other string) string {
	quote := func(s string) string {
		if s == "" {
			return `""`
		}
		return s
	}
	switch {
	case d.Node == 0:
		return fmt.Sprintf("its map has %s %s; that of %s has %s", d.Field, d.New, other, d.Old)
	case d.Field == "" && d.Old == "":
		return fmt.Sprintf("it knows node %s (%s); %s does not", d.Node, d.New, other)
	case d.Field == "":
		return fmt.Sprintf("it does not know node %s (%s); %s does", d.Node, d.Old, other)
	}
	return fmt.Sprintf("it takes %s of node %s to be %s; %s has %s", d.Field, d.Node, quote(d.New), other, quote(d.Old))
}
