package mutants

// towns are the tests with seeds.
const towns = "^TestTown$"

// table is the rules that are taken out, one at a time.
func table() []mutation {
	return []mutation{
		{"an acknowledged write is on the whole group", "target/group.go",
			"if !w.local || slices.ContainsFunc(all, func(m member) bool { return !w.held[m] }) {", "if !w.local {", towns},
		{"no acknowledgement before nobody answers by an older group", "target/group.go",
			"w.tn.open = w.tn.open || w.t.mayTakeOver(w.tn.st)", "w.tn.open = true", towns},
		{"what a copy had under an older map does not count", "target/group.go",
			"if !w.sameLives() || moved {", "if false {", towns},
		{"messages are fenced by the epoch of the slot", "target/receive.go",
			"case w.Epoch < tn.first:", "case false:", towns},
		{"messages are fenced by the incarnation of the sender", "target/receive.go",
			"case !ok || w.Incarnation < node.Epoch:", "case !ok:", towns},
		{"a home that serves takes nothing that was stamped before", "target/receive.go",
			"case w.HandedOn && tn.st.Home() == t.opt.Self && (s.ready || t.mayTakeOver(replica.Stand(s.m, s.slot, t.copiesMost()))):", "case false:", towns},
		{"a home waits for all who may still answer", "target/seal.go",
			"	for _, id := range st.Before(t.opt.Self) {\n", "	for _, id := range st.Before(t.opt.Self)[:0] {\n", "^TestTwoQuickJoins$|" + towns},
		{"who says that it is sealed has ended what it did", "target/seal.go",
			"	for i := range t.slots {\n", "	for i := range t.slots[:0] {\n", towns},
		{"a home asks the other copies before it serves", "target/takeover.go",
			"func (t *Target) equalEverywhere(c *candidate) bool {\n", "func (t *Target) equalEverywhere(c *candidate) bool {\n	if c != nil {\n		return true\n	}\n", towns},
		{"a new process serves once the map knows it", "target/takeover.go",
			"me.Epoch != t.clock.Epoch() ||", "", towns},
		{"a delete in a slot that is not whole leaves a tombstone", "target/objects.go",
			"always := !t.whole(o.s, o.copies) || len(o.s.writes) > 0 || o.s.m.Settled() != o.s.m.Version()", "always := false", "^TestDeleteOfAnObjectNotYetMoved$"},
		{"a copy answers for what is on the whole group only", "target/objects.go",
			"		if stable.Less(items[i].Modified) {\n			return ais.Errorf(ais.StaleMap, \"a write", "		if false {\n			return ais.Errorf(ais.StaleMap, \"a write", towns},
		{"a look asks a witness of every group", "replica/standing.go",
			"func (q *Inquiry) Final() bool { return !slices.Contains(q.heard, false) }", "func (q *Inquiry) Final() bool { return true }", "^TestNeighbourDiesWhileItIsNeeded$"},
		{"a former member speaks for the group that it was in, and for no later one", "replica/standing.go",
			"case marked && s.end(i) <= c.Whole.Version() && i+1 < len(s.Chain):", "case marked:", "^TestWrongNodeSaysNoneNewer$|" + towns},
		{"a look is beside no write of the name", "target/look.go",
			"	if o.tx == nil {\n", "	if o.tx == nil && len(o.name) > 1<<20 {\n", "^TestReadsDoNotUndoWritesBesideThem$|" + towns},
		{"a copy speaks for counts of copies that it holds", "target/fill.go",
			"		if !slices.Contains(m.Group(slot, class), id) {\n", "		if false {\n", "^TestCopiesOfOtherCounts$|" + towns},
		{"what a whole copy does not have was never acknowledged", "target/slotfill.go",
			"	for k, it := range f.have {\n		if !f.seen[k]", "	for k, it := range f.have {\n		if true || !f.seen[k]", "^TestTailThatNobodyElseHas$|" + towns},
		{"a copy that is filled is filled from a whole home", "target/slotfill.go",
			"if !f.first.Whole || !f.first.Home {", "if false {", towns},
		{"what others hold now is given up when a map is settled", "target/seal.go",
			"	if m.Settled() == 0 {\n", "	if m != nil {\n", "^TestLeftoversAtAnOldHolder$"},
		{"tombstones are needed while somebody is away", "target/stable.go",
			"if m.Settled() != m.Version() || t.WholeUnder() != m.Version() || t.opt.Lease() != nil {", "if t.opt.Lease() != nil {", "^TestReturnAfterMissingOverwritesAndDeletes$"},
		{"a copy that is not whole takes no stable stamp", "target/receive.go",
			" && t.whole(s, int(x.Copies))\n", "\n", towns},
	}
}
