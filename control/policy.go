package control

import (
	"context"

	"github.com/seed9b016523/ais"
)

// copiesUnsaid is how many copies a bucket has that names no policy. It is for ever: the objects of such a
// bucket lie by it. New buckets always name one, see Buckets.CreateBucket.
const copiesUnsaid = 2

// Copies is how many copies a bucket's objects have; of a policy with erasure coding, how many they have
// until they are coded. It never changes while the bucket is there.
func (v *View) Copies(b *ais.Bucket) int { return copiesOf(b.Policy) }

func copiesOf(policy string) int {
	p, err := ais.ParsePolicy(policy)
	if err != nil {
		return copiesUnsaid // "", which is the one that check lets through
	}
	return p.Copies
}

// MinCopies is how many copies must be there for a write to be taken: the bucket's own number, or one of up
// to two copies and one less than all of more.
func (v *View) MinCopies(b *ais.Bucket) int {
	if b.MinCopies > 0 {
		return b.MinCopies
	}
	return max(1, v.Copies(b)-1)
}

// CopiesMost is the most copies that any bucket has, or a new one would get.
func (v *View) CopiesMost() int {
	most := v.config.Get(BucketPolicy).Policy().Copies
	for _, b := range v.byName {
		most = max(most, v.Copies(b))
	}
	return most
}

// CheckState reports why c must not be proposed in the state of v, though the state could take it. A bucket
// keeps the number of its copies: what it holds lies, and is compared, by that number.
func CheckState(v *View, c Command) error {
	update, ok := c.(BucketUpdate)
	if !ok {
		return nil
	}
	old, ok := v.BucketByID(update.Bucket.ID)
	if !ok {
		return nil // the state will say so
	}
	if was, is := copiesOf(old.Policy), copiesOf(update.Bucket.Policy); was != is {
		return ais.NounErrorf(ais.Precondition, ais.NounBucket, "bucket %q has %d copies: their number cannot be changed to %d while it is there; copy its objects to a new bucket",
			old.Name, was, is)
	}
	return nil
}

// LossReport is what would be lost with a node, for an operator who is about to forget it.
type LossReport struct {
	Node    ais.NodeID   `json:"node"`
	Slots   int          `json:"slots"`   // that lose their last witness
	Buckets []BucketLoss `json:"buckets"` // by name; those that may have objects in these slots
}

// BucketLoss is the part of a LossReport that is about one bucket.
type BucketLoss struct {
	Bucket ais.BucketID `json:"bucket"`
	Name   string       `json:"name"`
	Copies int          `json:"copies"`
	Slots  int          `json:"slots"`
}

// Empty reports whether nothing would be lost.
func (r *LossReport) Empty() bool { return r.Slots == 0 }

// Losses finds out what would be lost with a node. The error is of kind Unavailable if it cannot be known.
type Losses func(ctx context.Context, node ais.NodeID) (LossReport, error)
