package api

import (
	"fmt"
	"time"

	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// rebalance is the rebalance that runs, or ran last, in a few words; nil where the register has none.
func (s *survey) rebalance(view *control.View, now time.Time) *RebalanceSummary {
	id, _ := view.Rebalance()
	x, ok := view.Xaction(id)
	if !ok {
		return nil
	}
	v, _ := rebalanceOf(x)
	var slots, total int64
	for i := range s.nodes {
		if r := s.nodes[i].report; r != nil && r.Rebalance != nil && r.Rebalance.Version == v {
			slots, total = slots+int64(r.Rebalance.SlotsDone), total+int64(r.Rebalance.SlotsTotal)
		}
	}
	out := &RebalanceSummary{ID: id, State: x.State.String(), Lacking: max(total-slots, 0)}
	out.Percent, out.EstimatedEnd = progress(x, slots, total, now)
	return out
}

// lacking is how many slots a target still lacks, as it says.
func (r *NodeReport) lacking() int64 {
	if r.Rebalance == nil || r.Whole == r.Map {
		return 0
	}
	return max(int64(r.Rebalance.SlotsTotal-r.Rebalance.SlotsDone), 0)
}

// settling says why the newest map is not settled.
func (s *survey) settling(view *control.View) (notes []string) {
	m := view.Map()
	if m.Settled() == m.Version() || len(m.Targets()) == 0 {
		return nil
	}
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	id, stopped := view.Rebalance()
	x, _ := view.Xaction(id)
	enabled := view.Config().Get(control.RebalanceEnabled).Bool()
	switch {
	case m.Cut() == m.Version():
		note("every copy that there can be is whole; the map settles once no target is down or in maintenance")
	case !enabled:
		note("rebalance.enabled is false: nothing moves, and objects that have not moved are read from where they were")
	case stopped:
		note("rebalance %s was stopped: what has not moved is read from where it was; 'ais start rebalance' goes on", id)
	case x != nil && !x.State.Finished():
		r := s.rebalance(view, time.Now())
		end := ""
		if r.EstimatedEnd != nil {
			end = ", until " + r.EstimatedEnd.Format(time.RFC3339) + " at this pace"
		}
		note("rebalance %s is %s: %d%%, %s lacking%s", id, r.State, r.Percent, plural(int(r.Lacking), "slot"), end)
	}
	return notes
}

// copies says which copies the policies want and cannot have.
func (s *survey) copies(view *control.View) (notes []string) {
	m, alive, mountpaths, asked := view.Map(), 0, 0, true
	for i := range s.nodes {
		n := &s.nodes[i]
		if !n.Member() || n.State != cmap.Alive {
			continue
		}
		alive++
		asked = asked && n.report != nil
		if n.report != nil {
			for _, p := range n.report.Mountpaths {
				if p.State == StateEnabled {
					mountpaths++
				}
			}
		}
	}
	if len(m.Members()) == 0 {
		return nil
	}
	policy := view.Config().Get(control.BucketPolicy).String()
	wanted, who := view.Config().Get(control.BucketPolicy).Policy().Copies, ""
	for _, b := range view.Buckets() {
		if c := view.Copies(b); c > wanted {
			wanted, policy, who = c, b.Policy, fmt.Sprintf(" of bucket %s", b.Name)
		}
	}
	switch {
	case wanted <= alive:
	case asked && mountpaths < wanted:
		notes = append(notes, fmt.Sprintf("%s in all, so an object has %s, whatever the policy%s (%s) says",
			plural(mountpaths, "mountpath"), plural(mountpaths, "copy"), who, policy))
	default:
		notes = append(notes, fmt.Sprintf("%s alive, so copies of an object lie on several disks of one node, whatever the policy%s (%s) says",
			isAre(alive, "target"), who, policy))
	}
	return notes
}

func isAre(n int, word string) string {
	if n == 1 {
		return "1 " + word + " is"
	}
	return plural(n, word) + " are"
}
