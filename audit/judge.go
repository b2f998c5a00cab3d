package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
)

// Judge holds what the targets say to the map.
func Judge(q *Question) *Verdict {
	j := &judge{q: q, m: q.Map, v: &Verdict{}, silent: map[ais.NodeID]bool{}}
	j.targets()
	j.settled()
	j.shortage()
	for i := range q.Told {
		j.stores(&q.Told[i])
	}
	j.slots()
	j.v.Findings = Bound(j.v.Findings)
	return j.v
}

type judge struct {
	q      *Question
	m      *cmap.Map
	v      *Verdict
	silent map[ais.NodeID]bool // who did not answer, or not by this map
}

func (j *judge) find(s Severity, rule string, node ais.NodeID, format string, args ...any) {
	j.v.Findings = append(j.v.Findings, Finding{s, rule, node, fmt.Sprintf(format, args...)})
}

// targets says who could not be asked.
func (j *judge) targets() {
	asked := map[ais.NodeID]bool{}
	for i := range j.q.Told {
		t := &j.q.Told[i]
		asked[t.Node] = true
		switch {
		case t.Err != nil:
			j.silent[t.Node] = true
			j.find(Open, RuleAsked, t.Node, "node %s cannot be asked: %v", t.Node, t.Err)
		case t.Stated == nil || t.Stated.Map != j.m.Version():
			j.silent[t.Node] = true
			j.find(Open, RuleAsked, t.Node, "node %s does not answer by map version %d", t.Node, j.m.Version())
		default:
			j.v.Proof.Targets++
		}
	}
	for _, n := range j.m.Targets() {
		if asked[n.ID] {
			continue
		}
		j.silent[n.ID] = true
		if n.State == cmap.Out {
			j.find(Remark, RuleAsked, n.ID, "node %s is out: what lies on it is not looked at", n.ID)
		} else {
			j.find(Open, RuleAsked, n.ID, "node %s is %s and was not asked", n.ID, n.State)
		}
	}
}

// settled says what the newest map lacks to be settled.
func (j *judge) settled() {
	if settled := j.m.Settled(); settled != j.m.Version() {
		why := ""
		if j.m.Cut() == j.m.Version() {
			why = "; every copy that can be is whole"
		}
		j.find(Wrong, RuleSettled, 0, "map version %d is not settled: the last that was is %d%s", j.m.Version(), settled, why)
	}
	for i := range j.q.Told {
		t := &j.q.Told[i]
		if j.silent[t.Node] || t.Stated.Lacking == nil {
			continue
		}
		if n := t.Stated.Lacking.Count(); n > 0 {
			j.find(Wrong, RuleSettled, t.Node, "node %s is not whole: it lacks %s", t.Node, count(n, "slot"))
		}
	}
}

// shortage says which copies there cannot be.
func (j *judge) shortage() {
	alive := 0
	for _, n := range j.m.Members() {
		if n.State == cmap.Alive {
			alive++
		}
	}
	for _, c := range slices.Sorted(slices.Values(j.q.Copies)) {
		if int(c) > alive {
			j.find(Remark, RuleCopies, 0, "%s: what is to have %d copies is on no more targets than that", aliveTargets(alive), c)
		}
	}
}

func (j *judge) stores(t *Told) {
	if t.Err != nil {
		return
	}
	for i := range t.Stores {
		s := &t.Stores[i]
		where := fmt.Sprintf("mountpath %s of node %s", s.Dir, t.Node)
		if s.Error != "" {
			j.find(Wrong, RuleDisks, t.Node, "%s is out of service: %s", where, line(s.Error))
			continue
		}
		if s.Quarantined > 0 {
			j.find(Wrong, RuleDisks, t.Node, "%s has %s in quarantine", where, count(s.Quarantined, "volume"))
		}
		if s.Missing > 0 {
			j.find(Wrong, RuleDisks, t.Node, "%s misses %s", where, count(s.Missing, "volume"))
		}
		if s.Dropping > 0 {
			j.find(Open, RuleReclaim, t.Node, "%s is still dropping %s that it has given up", where, count(s.Dropping, "slot"))
		}
		if s.Check == nil {
			continue
		}
		j.v.Proof.Records += s.Check.Records
		j.v.Proof.Bytes += s.Check.Bytes
		j.v.Proof.Volumes += s.Check.Volumes
		for _, f := range s.Check.Findings {
			j.find(Wrong, RuleRecords, t.Node, "%s: %s", where, line(f))
		}
	}
}

// held is one row of all that was said: what a target holds of a slot, for one count of copies.
type held struct {
	node  ais.NodeID
	state *replica.SlotState
}

func (h held) compare(o held) int {
	return cmp.Or(cmp.Compare(h.state.Slot, o.state.Slot), cmp.Compare(h.state.Copies, o.state.Copies), cmp.Compare(h.node, o.node))
}

// slots holds every slot of which anybody holds anything to its group.
func (j *judge) slots() {
	var all []held
	for i := range j.q.Told {
		t := &j.q.Told[i]
		if j.silent[t.Node] {
			continue
		}
		for k := range t.Stated.States {
			if s := &t.Stated.States[k]; s.Count > 0 || s.Sum != [2]uint64{} {
				all = append(all, held{t.Node, s})
				j.v.Proof.Entries += int64(s.Count)
			}
		}
	}
	j.v.Proof.Copies = int64(len(all))
	slices.SortFunc(all, held.compare)
	w := walk{judge: j, strays: map[ais.NodeID]*stray{}, unproven: map[ais.NodeID]int{}, lacking: map[ais.NodeID]*ais.SlotSet{}}
	for i := range j.q.Told {
		if t := &j.q.Told[i]; !j.silent[t.Node] {
			w.lacking[t.Node] = t.Stated.Lacking
		}
	}
	last := -1
	for len(all) > 0 {
		first, n := all[0].state, 1
		for n < len(all) && all[n].state.Slot == first.Slot && all[n].state.Copies == first.Copies {
			n++
		}
		w.class(first.Slot, first.Copies, all[:n])
		if int(first.Slot) != last {
			last = int(first.Slot)
			j.v.Proof.Slots++
		}
		all = all[n:]
	}
	w.sumUp()
}

// walk goes through the slots, and remembers what is said once per node.
type walk struct {
	*judge
	strays   map[ais.NodeID]*stray
	unproven map[ais.NodeID]int // slots of which a silent node is to have a copy
	lacking  map[ais.NodeID]*ais.SlotSet
	group    []ais.NodeID
}

type stray struct {
	slots   int
	entries uint64
	first   ais.Slot
}

// class judges one slot for one count of copies, of which holders hold something.
func (w *walk) class(slot ais.Slot, copies uint8, holders []held) {
	w.group = w.m.AppendGroup(w.group[:0], slot, int(copies))
	for _, h := range holders {
		if slices.Contains(w.group, h.node) {
			continue
		}
		s := w.strays[h.node]
		if s == nil {
			s = &stray{first: slot}
			w.strays[h.node] = s
		}
		s.slots++
		s.entries += h.state.Count
	}
	var seen []ais.NodeID
	var sums [][2]uint64
	for _, node := range w.group {
		if w.silent[node] {
			w.unproven[node]++
			continue
		}
		if lacking := w.lacking[node]; lacking != nil && lacking.Has(slot) {
			continue // that is told already, and no copy yet
		}
		seen = append(seen, node)
		var sum [2]uint64
		if i := slices.IndexFunc(holders, func(h held) bool { return h.node == node }); i >= 0 {
			sum = holders[i].state.Sum
		}
		sums = append(sums, sum)
	}
	for _, sum := range sums {
		if sum != sums[0] {
			w.v.Suspects = append(w.v.Suspects, Suspect{Slot: slot, Copies: copies, Nodes: seen})
			return
		}
	}
}

func (w *walk) sumUp() {
	for i := range w.q.Told {
		node := w.q.Told[i].Node
		if s := w.strays[node]; s != nil {
			severity, why := Wrong, ""
			if w.m.Settled() != w.m.Version() {
				severity, why = Open, "; it gives them up once the map is settled"
			}
			w.find(severity, RulePlacement, node, "node %s holds %s of %s that it is in no group of (slot %d is the first)%s",
				node, count(int(s.entries), "entry"), count(s.slots, "slot"), s.first, why)
		}
	}
	for _, node := range slices.Sorted(func(yield func(ais.NodeID) bool) {
		for id := range w.unproven {
			if !yield(id) {
				return
			}
		}
	}) {
		w.find(Open, RuleCopies, node, "the copies of %s that node %s is to have are not proven", count(w.unproven[node], "slot"), node)
	}
}

// Bound sorts findings, the worst first, and leaves of each rule and severity as many as a person reads.
func Bound(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) })
	kept, seen := []Finding{}, map[Finding]int{}
	for _, f := range all {
		of := Finding{Severity: f.Severity, Rule: f.Rule}
		if seen[of]++; seen[of] <= linesMax {
			kept = append(kept, f)
		}
	}
	more := map[Finding]bool{}
	for _, f := range slices.Clone(kept) {
		of := Finding{Severity: f.Severity, Rule: f.Rule}
		if n := seen[of] - linesMax; n > 0 && !more[of] {
			more[of] = true
			of.Text = fmt.Sprintf("and %d more of this rule", n)
			kept = append(kept, of)
		}
	}
	slices.SortStableFunc(kept, func(a, b Finding) int { return cmp.Compare(a.Severity, b.Severity) })
	return kept
}

// Failed reports whether findings are more than remarks.
func Failed(all []Finding) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return f.Severity != Remark })
}

// line is text without what would begin a second line.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if strings.HasSuffix(word, "y") && !strings.HasSuffix(word, "ay") {
		return fmt.Sprintf("%d %sies", n, word[:len(word)-1])
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func aliveTargets(n int) string {
	if n == 1 {
		return "1 target is alive"
	}
	return fmt.Sprintf("%d targets are alive", n)
}
