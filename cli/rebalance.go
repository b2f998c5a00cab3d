package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

// rebalance is the kind of the one job that a user starts by hand.
const rebalance = "rebalance"

func newShowRebalance(s Surroundings, g *globals) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "rebalance [ID]",
		Short: "Show what each target has moved: in the rebalance that runs, or in the last one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			shown, err := findRebalances(c.Context(), r, args)
			if err != nil {
				return err
			}
			if last := len(shown) - 1; follow && last >= 0 && !ended(&shown[last]) {
				end, err := followJob(c.Context(), s, g, r, shown[last].ID)
				if err != nil {
					return err
				}
				shown[last] = *end
			}
			if g.json {
				return printJSON(s.Stdout, append([]api.Xaction{}, shown...))
			}
			return printRebalances(s, g, shown)
		},
		ValidArgsFunction: completeArgs(g, completeJob),
	}
	c.Flags().BoolVar(&follow, "progress", false, "follow it to its end, with a bar for each target on a terminal")
	return c
}

// findRebalances gives the one that is named, or the newest.
func findRebalances(ctx context.Context, r *remote, args []string) ([]api.Xaction, error) {
	if len(args) == 1 {
		x, err := r.Xaction(ctx, args[0])
		if err != nil {
			return nil, err
		}
		if x.Kind != rebalance {
			return nil, ais.Errorf(ais.Invalid, "%s is a job of kind %s", x.ID, x.Kind)
		}
		return []api.Xaction{*x}, nil
	}
	all, err := r.Xactions(ctx, rebalance)
	if newest := newestRebalance(all); newest != nil {
		all = []api.Xaction{*newest}
	}
	return all, err
}

// newestRebalance is that of the newest map version; nil if there is none.
func newestRebalance(all []api.Xaction) (newest *api.Xaction) {
	last := ais.MapVersion(0)
	for i := range all {
		if v, ok := api.RebalanceVersion(all[i].ID); ok && all[i].Kind == rebalance && v >= last {
			newest, last = &all[i], v
		}
	}
	return newest
}

// printRebalances prints a table whose layout is fixed: scripts cut it by columns.
func printRebalances(s Surroundings, g *globals, all []api.Xaction) error {
	t := table{headers: []string{"DaemonID", "RebID", "ObjRcv", "SizeRcv", "ObjSent", "SizeSent", "StartTime", "EndTime", "Aborted"}, underline: true}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	end := func(t *time.Time) string {
		if t == nil {
			return "<not completed>"
		}
		return shortMoment(t)
	}
	for i := range all {
		x := &all[i]
		id := strings.TrimPrefix(x.ID, "g")
		if len(x.Parts) == 0 { // the targets do not remember it
			t.add("-", id, number(x.Objects), g.units.size(x.Bytes), "-", "-", shortMoment(x.Started), end(x.Ended), strconv.FormatBool(x.State == "aborted"))
		}
		for _, p := range x.Parts {
			if p.State == api.StateUnknown {
				t.add(p.Node, id, "-", "-", "-", "-", "-", "-", "-")
				continue
			}
			t.add(p.Node, id, number(p.ObjectsReceived), g.units.size(p.BytesReceived), number(p.ObjectsSent), g.units.size(p.BytesSent),
				shortMoment(p.Started), end(p.Ended), strconv.FormatBool(p.State == "aborted"))
		}
	}
	if err := t.print(s.Stdout, !g.noHeaders); err != nil {
		return err
	}
	for i := range all {
		noteSilent(s, &all[i])
	}
	return nil
}

// printPlan prints what would move.
func printPlan(s Surroundings, g *globals, p *api.MovePlan) error {
	if g.json {
		return printJSON(s.Stdout, p)
	}
	t := table{headers: []string{"NODE", "SLOTS-IN", "OBJECTS-IN", "SIZE-IN", "SLOTS-OUT", "OBJECTS-OUT", "SIZE-OUT"}}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	var slots, objects, bytes int64
	for _, m := range p.Moves {
		t.add(m.Node, number(m.SlotsIn), number(m.ObjectsIn), g.units.size(m.BytesIn), number(m.SlotsOut), number(m.ObjectsOut), g.units.size(m.BytesOut))
		slots, objects, bytes = slots+m.SlotsIn, objects+m.ObjectsIn, bytes+m.BytesIn
	}
	if err := t.print(s.Stdout, !g.noHeaders); err != nil {
		return err
	}
	for _, note := range p.Notes {
		notice(s.Stderr, "%s", printable(note))
	}
	if !g.noHeaders {
		notice(s.Stdout, "\n%d slots, about %d objects and %s would be moved; nothing was done", slots, objects, g.units.size(bytes))
	}
	return nil
}
