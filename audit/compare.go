package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
)

// Listed is all that one target lists of a slot, for one count of copies.
type Listed struct {
	Node  ais.NodeID
	Items []replica.Item
}

// thing is what an item is about; one thing has one state on a copy.
type thing struct {
	kind    replica.ItemKind
	bucket  ais.BucketID
	name    string
	version ais.VersionID
	upload  ais.WriteID
	part    uint32
}

func thingOf(i *replica.Item) thing {
	return thing{i.Kind, i.Bucket, i.Name, i.Version, i.Upload, i.Part}
}

func (t *thing) compare(o *thing) int {
	return cmp.Or(cmp.Compare(t.bucket, o.bucket), cmp.Compare(t.name, o.name), cmp.Compare(t.kind, o.kind), cmp.Compare(t.part, o.part),
		slices.Compare(t.version[:], o.version[:]), slices.Compare(t.upload[:], o.upload[:]))
}

// in words, for people; bucket says the name of one.
func (t *thing) in(bucket func(ais.BucketID) string) string {
	at := fmt.Sprintf("%s/%s", bucket(t.bucket), t.name)
	switch t.kind {
	case replica.ItemMarker:
		return fmt.Sprintf("delete marker %s of %q", t.version, at)
	case replica.ItemUpload:
		return fmt.Sprintf("upload %s to %q", t.upload, at)
	case replica.ItemPart:
		return fmt.Sprintf("part %d of upload %s to %q", t.part, t.upload, at)
	}
	return fmt.Sprintf("object %q", at)
}

// Difference is one thing that is not the same on two copies of a slot. It is comparable: what stays the
// same while it is looked at twice is no write under way.
type Difference struct {
	thing
	Slot   ais.Slot
	Node   ais.NodeID // which differs
	Home   ais.NodeID // from this one
	At     ais.Stamp  // what the home has; zero if nothing
	Other  ais.Stamp  // what the node has; zero if nothing
	AtHash uint64
	Hash   uint64
}

// Compare finds what lives on one copy of a slot and not, or in another state, on another. The first listed
// is the home. Tombstones are not compared: each copy drops them with the volume that they lie in, and one
// that is missing shows by what it does not hide.
func Compare(slot ais.Slot, listed []Listed) []Difference {
	if len(listed) == 0 {
		return nil
	}
	at := func(l *Listed) map[thing]*replica.Item {
		m := make(map[thing]*replica.Item, len(l.Items))
		for i := range l.Items {
			item := &l.Items[i]
			if item.Kind == replica.ItemTombstone || item.Kind == replica.ItemClosed {
				continue
			}
			if t := thingOf(item); m[t] == nil || m[t].Modified.Less(item.Modified) {
				m[t] = item
			}
		}
		return m
	}
	var differences []Difference
	home := at(&listed[0])
	for i := 1; i < len(listed); i++ {
		other := at(&listed[i])
		d := Difference{Slot: slot, Node: listed[i].Node, Home: listed[0].Node}
		for t, a := range home {
			d := d
			d.thing, d.At, d.AtHash = t, a.Modified, a.Hash
			if b := other[t]; b != nil {
				d.Other, d.Hash = b.Modified, b.Hash
			}
			if d.At != d.Other || d.AtHash != d.Hash {
				differences = append(differences, d)
			}
		}
		for t, b := range other {
			if home[t] == nil {
				d := d
				d.thing, d.Other, d.Hash = t, b.Modified, b.Hash
				differences = append(differences, d)
			}
		}
	}
	slices.SortFunc(differences, func(a, b Difference) int {
		return cmp.Or(a.thing.compare(&b.thing), cmp.Compare(a.Node, b.Node))
	})
	return differences
}

// Finding words a difference.
func (d *Difference) Finding(bucket func(ais.BucketID) string) Finding {
	f := Finding{Severity: Wrong, Rule: RuleDigest, Node: d.Node}
	what, none := d.in(bucket), ais.Stamp{}
	switch {
	case d.Other == none:
		f.Rule = RuleCopies
		f.Text = fmt.Sprintf("slot %d: %s is on node %s, its home, and not on node %s", d.Slot, what, d.Home, d.Node)
	case d.At == none:
		f.Text = fmt.Sprintf("slot %d: %s is on node %s, and not on node %s, its home", d.Slot, what, d.Node, d.Home)
	case d.At == d.Other:
		f.Text = fmt.Sprintf("slot %d: %s has another content on node %s than on node %s, its home", d.Slot, what, d.Node, d.Home)
	case d.At.Less(d.Other):
		f.Text = fmt.Sprintf("slot %d: %s is newer on node %s than on node %s, its home", d.Slot, what, d.Node, d.Home)
	default:
		f.Text = fmt.Sprintf("slot %d: %s is older on node %s than on node %s, its home", d.Slot, what, d.Node, d.Home)
	}
	return f
}

// Add adds a finding of no node.
func (v *Verdict) Add(s Severity, rule, format string, args ...any) {
	v.Findings = append(v.Findings, Finding{Severity: s, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// Differ adds differences, in order.
func (v *Verdict) Differ(differences map[Difference]bool, bucket func(ais.BucketID) string) {
	all := slices.SortedFunc(maps.Keys(differences), func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), a.thing.compare(&b.thing), cmp.Compare(a.Node, b.Node))
	})
	for i := range all {
		v.Findings = append(v.Findings, all[i].Finding(bucket))
	}
}
