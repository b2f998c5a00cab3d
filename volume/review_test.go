package volume

import (
	"context"
	"testing"

	"github.com/seed9b016523/ais"
)

// Who has the latch of a name can drop what is held of it.
func TestDropNameUnderTheLatch(t *testing.T) {
	s := newSource(t)
	p := s.put("x", []byte("1"), false)
	tx, err := s.s.Begin(t.Context(), testBucket, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.DropName(p.Modified(), nil); err != nil {
		t.Fatalf("drop under the latch: %v", err)
	}
	waiting, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.s.DropName(waiting, testBucket, "x", p.Modified(), nil); !ais.IsKind(err, ais.Canceled) {
		t.Errorf("drop beside the latch: got error %v, want one of kind canceled: it waits for the latch", err)
	}
	tx.End()
	if items, err := s.s.NameItems(testBucket, "x"); err != nil || len(items) != 0 {
		t.Errorf("what is held of the name: got %v, %v, want nothing", items, err)
	}
}

// Records of a bucket that is not known here yet go to the log of the count of copies that its home knows.
func TestAdoptKeepsTheCountOfCopiesOfTheSender(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	p := src.put("x", []byte("1"), false)
	done := make(chan error, 1)
	const copies = 5
	b.s.Adopt(p.Records(), AdoptOptions{Copies: copies}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatalf("adopt: %v", err)
	}
	slot := b.s.opt.Slot(testBucket, "x")
	items, _, err := b.s.Log(slot, copies, ais.Stamp{}, 10)
	if err != nil || len(items) != 1 || items[0].Copies != copies {
		t.Errorf("log of %d copies: got %v, %v, want the entry", copies, items, err)
	}
	b.end()
}
