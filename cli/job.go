package cli

import (
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

func newShowJob(s Surroundings, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "job [xaction] [KIND|ID]",
		Short: "Show the jobs of the cluster: those that run, and those that ended last",
		Args:  cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == "xaction" {
				args = args[1:]
			}
			if len(args) > 1 {
				return usagef("%q: want one kind or id", args[1])
			}
			r, err := g.connect()
			if err != nil {
				return err
			}
			jobs, err := r.Xactions(c.Context(), "")
			if err != nil {
				return err
			}
			if len(args) == 1 {
				all := len(jobs)
				jobs = slices.DeleteFunc(jobs, func(x api.Xaction) bool { return x.ID != args[0] && x.Kind != args[0] })
				if len(jobs) == 0 {
					return ais.Errorf(ais.NotFound, "none of %d jobs has the id or kind %q", all, args[0])
				}
			}
			if g.json {
				return printJSON(s.Stdout, append([]api.Xaction{}, jobs...)) // [] where there is none, not null
			}
			return printJobs(s, g, jobs)
		},
		ValidArgsFunction: completeArgs(g, completeJob, completeJob),
	}
}

// The layout of the table of jobs is fixed: scripts cut it by columns.
func jobTable() table {
	return table{headers: []string{"NODE", "ID", "KIND", "BUCKET", "OBJECTS", "BYTES", "START", "END", "STATE"},
		width: []int{17, 8, 16, 8, 16, 16, 16, 8}, gap: 1}
}

// printJobs gives a row to each job, or to each target's part of it.
func printJobs(s Surroundings, g *globals, jobs []api.Xaction) error {
	t := jobTable()
	for i := range jobs {
		x := &jobs[i]
		row := func(node, objects, bytes string, began, ended *time.Time, state string) {
			t.add(orDash(node), x.ID, x.Kind, orDash(x.Bucket), objects, bytes, shortMoment(began), shortMoment(ended), capital(state))
		}
		if len(x.Parts) == 0 {
			row(x.Node, strconv.FormatInt(x.Objects, 10), g.units.size(x.Bytes), x.Started, x.Ended, x.State)
		}
		for _, p := range x.Parts {
			if p.State == api.StateUnknown {
				row(p.Node, "-", "-", nil, nil, p.State)
				continue
			}
			row(p.Node, strconv.FormatInt(p.ObjectsReceived+p.ObjectsSent, 10), g.units.size(p.BytesReceived+p.BytesSent), p.Started, p.Ended, p.State)
		}
	}
	if err := t.print(s.Stdout, !g.noHeaders); err != nil {
		return err
	}
	for i := range jobs {
		noteSilent(s, &jobs[i])
	}
	return nil
}

// noteSilent says which targets could not be asked for their parts of a job.
func noteSilent(s Surroundings, x *api.Xaction) {
	for _, p := range x.Parts {
		if p.State == api.StateUnknown {
			notice(s.Stderr, "node %s cannot be asked for its part of %s: %s", p.Node, x.ID, printable(p.Error))
		}
	}
}

// shortMoment prints a time without its year, in the user's time zone.
func shortMoment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format("01-02 15:04:05")
}

// capital is a word of ASCII with its first letter large.
func capital(word string) string {
	if word == "" || word[0] < 'a' || word[0] > 'z' {
		return word
	}
	return string(word[0]-'a'+'A') + word[1:]
}
