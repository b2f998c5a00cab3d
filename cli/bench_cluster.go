package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/thrash"
)

func newBenchCluster(s Surroundings, g *globals) *cobra.Command {
	o := thrash.DefaultFigures()
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Measure how a cluster on this machine bears a join, a leave, a loss, a restart, as a markdown table",
		Long: `Run a cluster of real processes on this machine, store objects in it, and measure its changes: a
target joins while no client asks; one leaves under a light load; one is killed under a light load
of reads and writes and is put out; all are killed and started again. After each, ais audit has to
prove that every copy is in its place and nothing is left behind.

A line for each step goes to stderr, the table to stdout.`,
		Example: `  ais bench cluster
  ais bench cluster --objects 10000 --size 64KiB --dir /data/figures --set rebalance.multiplier=4`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Progress = s.Stderr
			if err := thisProgram(&o.Program); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return usageError{err}
			}
			r, err := thrash.Measure(c.Context(), o)
			if r == nil {
				return err
			}
			if g.json {
				return joinErrors(err, json.NewEncoder(s.Stdout).Encode(r))
			}
			return joinErrors(err, r.Print(s.Stdout))
		},
	}
	f := c.Flags()
	f.IntVar(&o.Nodes, "nodes", o.Nodes, "targets to begin with; a gateway that is primary comes on top")
	f.IntVar(&o.Objects, "objects", o.Objects, "objects that are stored first")
	f.Var(bytesFlag{&o.Size}, "size", "size of an object")
	f.IntVar(&o.Copies, "copies", o.Copies, "copies of each object")
	f.IntVar(&o.Conns, "conns", o.Conns, "requests at once while objects are stored")
	f.IntVar(&o.Rate, "rate", o.Rate, "requests a second of the light load")
	f.DurationVar(&o.Idle, "idle", o.Idle, "how long the light load runs while nothing changes, to compare with")
	f.DurationVar(&o.OutAfter, "out-after", o.OutAfter, "cluster.out_after")
	f.StringArrayVar(&o.Settings, "set", nil, "KEY=VALUE of the cluster's configuration; may be repeated")
	f.StringVar(&o.Dir, "dir", "", "where the nodes keep data and logs, kept after the run (default: a temporary folder)")
	f.StringVar(&o.Program, "ais", "", "the program that runs as node (default: this one)")
	return c
}
