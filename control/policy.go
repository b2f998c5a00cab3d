package control

import (
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
