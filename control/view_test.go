package control

import "testing"

func TestLookingUpDoesNotAllocate(t *testing.T) {
	v := scripted(t, len(wholeScript()))
	b := NewBuckets(NewMemory(v), nil, nil)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := b.Bucket("photos"); err != nil {
			t.Fatal(err)
		}
		v.BucketByID(3)
		v.Secret("root-key")
		v.Config().Get(ChecksumVerifyGet).Bool()
		v.Map().Node(testNode)
		v.Xaction("NGxmOthtE")
	}); n != 0 {
		t.Errorf("looking up allocates %v times, want 0", n)
	}
}
