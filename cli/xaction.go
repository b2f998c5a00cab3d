package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

func newStart(s Surroundings, g *globals) *cobra.Command {
	var dry bool
	c := &cobra.Command{
		Use:   "start KIND",
		Short: "Start a job: rebalance",
		Long: `Start a job. A rebalance has every target say anew that it is whole, and fill what it lacks; it
goes on where one that was stopped has ended.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			if dry {
				p, err := r.PlanXaction(c.Context(), args[0])
				if err != nil {
					return err
				}
				return printPlan(s, g, p)
			}
			x, err := r.StartXaction(c.Context(), args[0])
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(s.Stdout, x)
			}
			notice(s.Stdout, "Started %s %q, use 'ais show job xaction %s' to monitor the progress", x.Kind, x.ID, x.ID)
			return nil
		},
		ValidArgsFunction: completeArgs(g, func(context.Context, *globals, string) ([]string, cobra.ShellCompDirective) {
			return []string{rebalance}, cobra.ShellCompDirectiveNoFileComp
		}),
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would move")
	return c
}

func newStop(s Surroundings, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "stop KIND|ID",
		Short: "Stop a job, or all jobs of a kind",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			ids, err := runningOf(c.Context(), r, args[0])
			if err != nil {
				return err
			}
			stopped := []api.Xaction{}
			for _, id := range ids {
				x, err := r.StopXaction(c.Context(), id)
				if err != nil {
					return err
				}
				stopped = append(stopped, *x)
				if !g.json {
					notice(s.Stdout, "Stopped %s %q", x.Kind, x.ID)
				}
			}
			if g.json {
				return printJSON(s.Stdout, stopped)
			}
			return nil
		},
		ValidArgsFunction: completeArgs(g, completeJob),
	}
}

// runningOf is the ids of the jobs of a kind that are not finished; or the id itself, if it is one.
func runningOf(ctx context.Context, r *remote, name string) (ids []string, err error) {
	all, err := r.Xactions(ctx, "")
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(x api.Xaction) bool { return x.ID == name }) {
		return []string{name}, nil
	}
	for i := range all {
		if all[i].Kind == name && !ended(&all[i]) {
			ids = append(ids, all[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil, ais.Errorf(ais.NotFound, "no job has the id %q, and none of that kind runs", name)
	}
	return ids, nil
}

// ended reports whether a job is in a last state.
func ended(x *api.Xaction) bool {
	return slices.Contains([]string{"completed", "failed", "aborted", "duplicate"}, x.State)
}

func newWait(s Surroundings, g *globals) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait KIND|ID",
		Short: "Wait for the end of a job; for 'rebalance', until the newest map is settled or its run has ended",
		Long: `Wait for the end of a job. 'ais wait rebalance' returns when the newest map is settled, or when every
copy is whole that can be; it fails if the run was stopped, or cannot begin.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			ctx := c.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			var said string
			var x *api.Xaction
			if args[0] == rebalance {
				x, said, err = waitRebalance(ctx, s, g, r)
			} else {
				x, said, err = waitJobs(ctx, s, g, r, args[0])
			}
			if timeout > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ais.Errorf(ais.Unavailable, "%s has not ended within %s", args[0], timeout)
			}
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(s.Stdout, x)
			}
			notice(s.Stdout, "%s", said)
			return nil
		},
		ValidArgsFunction: completeArgs(g, completeJob),
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up after so long, such as 10m; 0 never")
	return c
}

// waitJobs waits for a job, or for all of a kind.
func waitJobs(ctx context.Context, s Surroundings, g *globals, r *remote, name string) (last *api.Xaction, said string, err error) {
	ids, err := runningOf(ctx, r, name)
	if err != nil {
		return nil, "", err
	}
	for _, id := range ids {
		if last, err = followJob(ctx, s, g, r, id); err != nil {
			return nil, "", err
		}
		if last.State != "completed" {
			return nil, "", endedBadly(last)
		}
	}
	return last, fmt.Sprintf("%s %q is %s", last.Kind, last.ID, last.State), nil
}

func endedBadly(x *api.Xaction) error {
	why := ""
	if x.Error != "" {
		why = ": " + x.Error
	}
	return ais.Errorf(ais.Canceled, "%s %s is %s%s", x.Kind, x.ID, x.State, why)
}

const (
	waitEvery   = 500 * time.Millisecond
	waitSilence = 30 * time.Second // a cluster that does not answer for so long is given up
	waitSure    = 4                // looks that must show the same before a run counts as ended early
)

// waitRebalance waits until the newest map is settled, or as whole as it can be, or its run has ended.
func waitRebalance(ctx context.Context, s Surroundings, g *globals, r *remote) (newest *api.Xaction, said string, err error) {
	var bars jobBars
	defer bars.stop()
	answered, same, version := time.Now(), 0, int64(0)
	for {
		all, err := r.Register(ctx, api.XactionQuery{Kind: rebalance})
		switch {
		case err == nil:
			answered = time.Now()
		case !ais.IsKind(err, ais.Unavailable) || time.Since(answered) > waitSilence || ctx.Err() != nil:
			return nil, "", err
		}
		if err == nil {
			newest = newestRebalance(all.Xactions)
			switch m := all.Map; {
			case m.Settled == m.Version:
				return newest, fmt.Sprintf("map version %d is settled", m.Version), nil
			case m.Cut == m.Version:
				return newest, fmt.Sprintf("every copy that there can be is whole (map version %d); it settles when no target is down or in maintenance", m.Version), nil
			case m.Version != version:
				same, version = 0, m.Version
			}
			if newest != nil && !ended(newest) {
				same = 0
				bars.show(s, g, newest)
			} else if same++; same >= waitSure {
				// Nothing runs, and nothing new has begun for a while.
				if err := runs(ctx, r); err != nil {
					return nil, "", err
				}
				if newest != nil && newest.State != "completed" {
					return nil, "", endedBadly(newest)
				}
			}
		}
		if !pause(ctx, waitEvery) {
			return nil, "", ctx.Err()
		}
	}
}

// runs is nil if rebalances run at all.
func runs(ctx context.Context, r *remote) error {
	settings, err := r.Config(ctx)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if s.Name == "rebalance.enabled" && s.Value == "false" {
			return ais.Errorf(ais.Precondition, "rebalance.enabled is false: nothing moves, and the newest map does not settle")
		}
	}
	return nil
}

// followJob shows the progress of a job until it ends.
func followJob(ctx context.Context, s Surroundings, g *globals, r *remote, id string) (*api.Xaction, error) {
	var bars jobBars
	defer bars.stop()
	answered := time.Now()
	for {
		last, err := r.WatchXaction(ctx, id, func(x *api.Xaction) {
			answered = time.Now()
			bars.show(s, g, x)
		})
		if last != nil || err != nil && (!ais.IsKind(err, ais.Unavailable) || time.Since(answered) > waitSilence || ctx.Err() != nil) {
			return last, err
		}
		if !pause(ctx, waitEvery) {
			return nil, ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
