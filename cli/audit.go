package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

func newAudit(s Surroundings, g *globals) *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use:   "audit",
		Short: "Prove that every object lies where it should, on all its copies, with nothing left behind",
		Long: `Ask every target what it holds, and hold it to the cluster map: the newest map is settled; of every slot
all targets of its group, and nobody else, hold the same; nothing that was given up is still there;
every mountpath serves. It fails, with a line for each thing that is wrong or could not be proven.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			a, err := r.Audit(c.Context(), deep)
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(s.Stdout, a)
			} else {
				printAudit(s, g, a)
			}
			if err != nil || a.Proven {
				return err
			}
			bad := 0
			for _, f := range a.Findings {
				if f.Severity != "remark" {
					bad++
				}
			}
			return ais.Errorf(ais.Corrupt, "the cluster is not proven: %d findings", bad)
		},
	}
	c.Flags().BoolVar(&deep, "deep", false, "have every target read and verify every record, too")
	return c
}

func printAudit(s Surroundings, g *globals, a *api.Audit) {
	if !g.noHeaders {
		notice(s.Stdout, "map      %s", describeMap(a.Map))
		notice(s.Stdout, "asked    %d targets: %d slots in %d copies, %d entries", a.Targets, a.Slots, a.Copies, a.Entries)
		if a.Compared > 0 {
			notice(s.Stdout, "compared %d slots entry by entry", a.Compared)
		}
		if a.Deep {
			notice(s.Stdout, "read     %d records of %d volumes, %s", a.Records, a.Volumes, g.units.size(a.Bytes))
		}
	}
	for _, f := range a.Findings {
		notice(s.Stdout, "%-8s %s: %s", f.Severity, f.Rule, printable(f.Text))
	}
	if a.Proven {
		notice(s.Stdout, "proven   in %s", fmt.Sprintf("%.1fs", a.Ended.Sub(a.Began).Seconds()))
	}
}
