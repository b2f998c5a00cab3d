package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/sim"
)

func newSim(s Surroundings) *cobra.Command {
	o := sim.Options{Seed: 1}
	c := &cobra.Command{
		Use:   "sim",
		Short: "Simulate a cluster under faults and hold it to its rules",
		Long: `Simulate a cluster under faults, in this process, with a clock of its own: nothing outside is
touched. A seed is a run: the same seed gives the same run with the same ais. If a rule is violated the
run is told event by event.`,
		Example: `  ais sim --seed 7
  ais sim --scenario pause`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return sim.Run(c.Context(), o, s.Stdout) },
	}
	c.Flags().Uint64Var(&o.Seed, "seed", o.Seed, "which run")
	c.Flags().StringVar(&o.Scenario, "scenario", "", "a story in place of random faults: "+strings.Join(sim.Scenarios(), ", "))
	c.Flags().BoolVar(&o.Trace, "trace", false, "tell every event of a run in which nothing is wrong, too")
	return c
}
