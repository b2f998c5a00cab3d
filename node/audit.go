package node

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/cmap"
)

// An audit under a map that changes begins again. What two copies show of a slot may differ while it is
// written to: what differs is looked at again, and only what stays is told.
const (
	auditTries   = 5
	auditLooks   = 3
	auditPause   = 500 * time.Millisecond
	comparedMax  = 4096 // slots whose copies are listed; of more only the number is told
	differingMax = 200  // differences that are kept of them
)

// Audit implements api.Jobs.
func (n jobs) Audit(ctx context.Context, deep bool) (*cmap.Map, *audit.Verdict, error) {
	for try := 1; ; try++ {
		view := n.replica.View()
		m := view.Map()
		q := &audit.Question{Map: m, Copies: api.CopyCounts(view), Told: n.told(ctx, m, everySlot(), deep)}
		v := audit.Judge(q)
		err := n.compare(ctx, m, v)
		switch changed := !sameMap(n.replica.View().Map(), m) || answeredNewer(q) || try == 1 && unanswered(q); {
		case !changed && err == nil:
			v.Findings = audit.Bound(v.Findings)
			return m, v, nil
		case ctx.Err() != nil:
			return nil, nil, ais.Errorf(ais.Canceled, "audit: %w", ctx.Err())
		case !changed:
			return nil, nil, err
		case try == auditTries:
			return nil, nil, ais.Errorf(ais.Unavailable, "the map has changed during each of %d audits: let it come to rest", try)
		}
		if err := wait(ctx, auditPause); err != nil {
			return nil, nil, ais.Errorf(ais.Canceled, "audit: %w", err)
		}
	}
}

// sameMap reports whether two maps are the same, as far as targets tell them apart.
func sameMap(a, b *cmap.Map) bool {
	return a.Version() == b.Version() && a.Settled() == b.Settled() && a.Cut() == b.Cut()
}

// unanswered reports whether a target that is alive did not answer. One whose map just changes does not, either.
func unanswered(q *audit.Question) bool {
	return slices.ContainsFunc(q.Told, func(t audit.Told) bool {
		n, ok := q.Map.Node(t.Node)
		return ok && n.State == cmap.Alive && t.Err != nil
	})
}

// answeredNewer reports whether a target goes by a newer map than the one of the question.
func answeredNewer(q *audit.Question) bool {
	return slices.ContainsFunc(q.Told, func(t audit.Told) bool { return t.Stated != nil && t.Stated.Map > q.Map.Version() })
}

// compare lists the copies of the slots whose digests differ, and adds what differs in truth.
func (n jobs) compare(ctx context.Context, m *cmap.Map, v *audit.Verdict) error {
	if more := len(v.Suspects) - comparedMax; more > 0 {
		v.Add(audit.Open, audit.RuleDigest, "the digests of %d more slots differ between their copies; they were not compared", more)
		v.Suspects = v.Suspects[:comparedMax]
	}
	v.Proof.Compared = len(v.Suspects)
	left, stay := v.Suspects, map[audit.Difference]bool(nil)
	for look := range auditLooks {
		if len(left) == 0 {
			break
		}
		if look > 0 {
			if err := wait(ctx, auditPause); err != nil {
				return err
			}
		}
		seen, still := map[audit.Difference]bool{}, []audit.Suspect(nil)
		for _, s := range left {
			differences, err := n.differences(ctx, m, s)
			if err != nil {
				if look == 0 {
					v.Add(audit.Open, audit.RuleDigest, "slot %d: its copies cannot be compared: %v", s.Slot, err)
				}
				continue
			}
			if len(differences) > 0 {
				still = append(still, s)
			}
			for _, d := range differences {
				if (stay == nil || stay[d]) && len(seen) < differingMax {
					seen[d] = true
				}
			}
		}
		left, stay = still, seen
	}
	v.Differ(stay, func(id ais.BucketID) string { return n.bucketName(id) })
	if len(left) > 0 && len(stay) == 0 {
		v.Add(audit.Open, audit.RuleDigest, "%d slots are written to: their copies differ, but not twice in the same things", len(left))
	}
	return nil
}

// differences lists the copies of a slot.
func (n jobs) differences(ctx context.Context, m *cmap.Map, s audit.Suspect) ([]audit.Difference, error) {
	ctx, cancel := context.WithTimeout(ctx, toldMax)
	defer cancel()
	listed := make([]audit.Listed, len(s.Nodes))
	for i, node := range s.Nodes {
		items, err := n.scan(ctx, node, m.Version(), s.Slot, s.Copies)
		if err != nil {
			return nil, ais.Errorf(ais.KindOf(err), "node %s: %w", node, err)
		}
		listed[i] = audit.Listed{Node: node, Items: items}
	}
	return audit.Compare(s.Slot, listed), nil
}

func (n *node) bucketName(id ais.BucketID) string {
	if b, ok := n.replica.View().BucketByID(id); ok {
		return b.Name
	}
	return "bucket " + strconv.FormatUint(uint64(id), 10)
}
