package cli

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/node"
)

func newCluster(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{Use: "cluster", Short: "Operate the cluster: maintenance, growth and loss of nodes", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newMaintenance(s, g), newDecommission(s, g), newSetPrimary(s, g), newForget(s, g), newExport(s, g), newForceNew(s, g))
	return c
}

// nodeVerb makes a command that does something about one node, and says what it did. Its argument is
// the node.
func nodeVerb(s Surroundings, g *globals, use, short, long string, verb api.NodeVerb, did string) *cobra.Command {
	return &cobra.Command{
		Use:   use + " NODE",
		Short: short,
		Long:  long,
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			n, err := r.node(c.Context(), args[0])
			if err != nil {
				return err
			}
			changed, err := r.ChangeNode(c.Context(), n.ID, verb)
			if err != nil {
				return err
			}
			return printChangedNode(s, g, did, n.ID, changed)
		},
		ValidArgsFunction: completeArgs(g, completeNode),
	}
}

// printChangedNode says what was done to a node; did has a place for its id.
func printChangedNode(s Surroundings, g *globals, did, id string, changed *api.Changed) error {
	if g.json {
		return printJSON(s.Stdout, changed)
	}
	notice(s.Stdout, did+" (map version %d)", id, changed.Map.Version)
	return nil
}

func newMaintenance(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{Use: "maintenance", Short: "Plan a node down, or take it back into service", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(
		nodeVerb(s, g, "start", "Plan a node down: it serves nothing, and nothing of it moves", "", api.Maintain, "node %s is in maintenance"),
		nodeVerb(s, g, "stop", "Take a node back into service", "", api.Activate, "node %s is back in service"))
	return c
}

// decommissioned says that a node is planned out.
const decommissioned = "node %s is being decommissioned"

func newDecommission(s Surroundings, g *globals) *cobra.Command {
	var dry, force bool
	c := nodeVerb(s, g, "decommission", "Plan a node out: what it holds moves to the others",
		`Plan a node out: it is dealt no slots any more, and what it holds moves to the others. 'ais wait
rebalance' returns when that is done, and the node leaves the map by itself; until then 'ais cluster
maintenance stop' takes the decision back. It is refused if fewer targets would be left than some bucket has
copies, or if what the node holds does not fit on them, unless it is forced.`, api.Decommission, decommissioned)
	do := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if !dry && !force {
			return do(c, args)
		}
		r, err := g.connect()
		if err != nil {
			return err
		}
		n, err := r.node(c.Context(), args[0])
		if err != nil {
			return err
		}
		if !dry {
			changed, err := r.ForceDecommission(c.Context(), n.ID)
			if err != nil {
				return err
			}
			return printChangedNode(s, g, decommissioned, n.ID, changed)
		}
		p, err := r.DecommissionPlan(c.Context(), n.ID)
		if err != nil {
			return err
		}
		return printPlan(s, g, p)
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would move")
	c.Flags().BoolVar(&force, "force", false, "do it though the others may not be able to carry what it holds")
	return c
}

func newSetPrimary(s Surroundings, g *globals) *cobra.Command {
	return nodeVerb(s, g, "set-primary", "Hand the primary's work to a node", "", api.MakePrimary, "node %s is the primary")
}

func newForget(s Surroundings, g *globals) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "forget NODE",
		Short: "Take a node that is out or decommissioned off the map for ever",
		Long: `Take a node that is out or decommissioned off the map for ever. As long as it may hold objects that no
other node has, that needs --force: what it holds counts as lost then, and comes back only as
reported orphans. What may be lost is shown first.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			n, err := r.node(c.Context(), args[0])
			if err != nil {
				return err
			}
			changed, err := forget(c.Context(), s, r, n, force)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(s.Stdout, changed)
			}
			notice(s.Stdout, "node %s is forgotten (map version %d)", n.ID, changed.Map.Version)
			return nil
		},
		ValidArgsFunction: completeArgs(g, completeNode),
	}
	c.Flags().BoolVar(&force, "force", false, "what the node holds counts as lost")
	return c
}

// forget shows what may be lost, and does it where that is nothing, or where the user wants it so.
func forget(ctx context.Context, s Surroundings, r *remote, n *api.Node, force bool) (*api.Changed, error) {
	lost, err := r.Losses(ctx, n.ID)
	if err != nil {
		return nil, err
	}
	if lost.Slots > 0 {
		notice(s.Stderr, "of %d slots no other node that is alive may hold what lies in them:", lost.Slots)
		for _, b := range lost.Buckets {
			notice(s.Stderr, "  bucket %s: %d slots", b.Bucket, b.Slots)
		}
	}
	switch {
	case force:
		return r.ForceForget(ctx, n.ID)
	case lost.Slots > 0:
		return nil, ais.Errorf(ais.Precondition, "node %s may hold objects that no other node has: nothing was done (--force gives them up)", n.ID)
	}
	return r.ChangeNode(ctx, n.ID, api.Forget)
}

func newExport(s Surroundings, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE|-",
		Short: "Save the control state: map, buckets, keys, configuration, secrets",
		Long: `Save the control state: map, buckets, keys, configuration, register of jobs, and the cluster's secrets.
'ais cluster force-new --snapshot' starts from such a file. Guard it as you guard the root key.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			state, err := r.Export(c.Context())
			if err != nil {
				return err
			}
			if args[0] == "-" {
				_, err = s.Stdout.Write(state)
				return err
			}
			if err := replaceFile(args[0], state, 0o600); err != nil {
				return err
			}
			notice(s.Stdout, "%s of control state saved as %s", g.units.size(int64(len(state))), args[0])
			return nil
		},
		ValidArgsFunction: completeArgs(g, completeFiles),
	}
}

func newForceNew(s Surroundings, g *globals) *cobra.Command {
	var snapshot string
	var yes bool
	c := &cobra.Command{
		Use:   "force-new [--endpoint URL | --dir DIR [--snapshot FILE]]",
		Short: "Start a new generation from a survivor of a lost majority",
		Long: `Start a new generation from a survivor of a majority that is lost for ever. That one node votes alone
from then on, and everything of the old generation is refused: nodes that were cut off, and come
back, are taken in again as what they are then. What only the lost nodes knew is lost.

Asked at --endpoint, the node that answers is the survivor. With --dir the survivor is a node that
does not run; --snapshot has it start from a saved control state ('ais cluster export', or
.ais/control on a mountpath) in place of its own.`,
		Example: "  ais cluster force-new --endpoint http://10.0.0.3:8080\n  ais cluster force-new --dir /var/lib/ais",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			confirm := func(question, want string) error { return askFor(s, yes, question, want) }
			if c.Flags().Changed("dir") || c.Flags().Changed("config") {
				cfg, err := readNodeConfig(c, s)
				if err != nil {
					return usageError{err}
				}
				return forceNewOffline(c.Context(), s, cfg, snapshot, confirm)
			}
			if snapshot != "" {
				return usagef("--snapshot goes with --dir: a node that runs has a control state of its own")
			}
			return forceNewOnline(c.Context(), s, g, confirm)
		},
	}
	nodeFlags(c)
	c.Flags().StringVar(&snapshot, "snapshot", "", "with --dir: start from this saved control state")
	c.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	return c
}

func forceNewOnline(ctx context.Context, s Surroundings, g *globals, confirm func(question, want string) error) error {
	r, err := g.connect()
	if err != nil {
		return err
	}
	cluster, err := r.Cluster(ctx)
	if err != nil {
		return err
	}
	alive := 0
	for _, n := range cluster.Nodes {
		if n.Started != nil {
			alive++
		}
	}
	if err := confirm(fmt.Sprintf("Cluster %s has %d nodes, %d of which answer; its primary: %s.\nThe node at %s will go on alone.",
		cluster.ID, len(cluster.Nodes), alive, describePrimary(cluster), g.endpoint), cluster.ID); err != nil {
		return err
	}
	changed, err := r.ForceNew(ctx, cluster.ID)
	if err != nil {
		return err
	}
	if changed.Map.Generation <= cluster.Map.Generation {
		notice(s.Stderr, "the node starts anew; that takes a full lease (cluster.lease) and a little more …")
		if changed.Map, err = awaitGeneration(ctx, r, cluster.Map.Generation); err != nil {
			return err
		}
	}
	if g.json {
		return printJSON(s.Stdout, changed)
	}
	notice(s.Stdout, "generation %d has begun (map version %d)", changed.Map.Generation, changed.Map.Version)
	return nil
}

// A node that starts a new generation does not answer for a while.
const (
	generationMax   = 3 * time.Minute
	generationAgain = 500 * time.Millisecond
)

// awaitGeneration waits until the node that is asked serves in a generation after old.
func awaitGeneration(ctx context.Context, r *remote, old int64) (api.MapSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, generationMax)
	defer cancel()
	again := time.NewTicker(generationAgain)
	defer again.Stop()
	var last error // what the node says, or how it does not answer
	for {
		cluster, err := r.Cluster(ctx)
		switch {
		case err == nil && cluster.Map.Generation > old && cluster.Primary != "":
			return cluster.Map, nil
		case err == nil:
			last = fmt.Errorf("it is in generation %d; its primary: %s", cluster.Map.Generation, describePrimary(cluster))
		case ctx.Err() == nil || last == nil:
			last = err
		}
		select {
		case <-ctx.Done():
			return api.MapSummary{}, ais.Errorf(ais.Unavailable, "no new generation after %s; the node's log has more: %w", generationMax, last)
		case <-again.C:
		}
	}
}

func forceNewOffline(ctx context.Context, s Surroundings, cfg node.Config, snapshot string, confirm func(question, want string) error) error {
	from := "its own control state"
	if snapshot != "" {
		from = snapshot
	}
	if err := confirm(fmt.Sprintf("The node in %s will go on alone, from %s.", cfg.Dir, from), "force-new"); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.Stderr, &slog.HandlerOptions{Level: max(cfg.LogLevel, slog.LevelWarn)}))
	if err := node.ForceNew(ctx, cfg, node.Surroundings{Log: log, Announce: s.Stdout, Version: thisBuild().Version}, snapshot); err != nil {
		return err
	}
	notice(s.Stdout, "a new generation has begun; start the node as before")
	return nil
}

// askFor has the user type want before something is done that cannot be undone.
func askFor(s Surroundings, yes bool, question, want string) error {
	if yes {
		return nil
	}
	fmt.Fprintf(s.Stderr, "%s\nThis cannot be undone. Type %s to go on: ", question, want)
	line, err := bufio.NewReader(s.Stdin).ReadString('\n')
	if strings.TrimSpace(line) != want {
		if err != nil {
			fmt.Fprintln(s.Stderr)
		}
		return ais.Errorf(ais.Canceled, "not confirmed: nothing was done (--yes does it without asking)")
	}
	return nil
}
