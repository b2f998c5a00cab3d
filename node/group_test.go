package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// until is a part that ends with its phase, and notes that it has.
func until(ended chan<- string, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		ended <- name
		return nil
	}
}

func TestGroupStopsPhaseByPhase(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := newGroup(ctx)
	ended := make(chan string, 3)
	g.start("last", lastPhase, until(ended, "last"))
	g.start("store", storePhase, until(ended, "store"))
	g.start("front", frontPhase, until(ended, "front"))
	cancel()
	if err := g.wait(); err != nil {
		t.Errorf("an ordinary stop: got %v, want nil", err)
	}
	close(ended)
	var order []string
	for name := range ended {
		order = append(order, name)
	}
	if want := []string{"front", "store", "last"}; !slices.Equal(order, want) {
		t.Errorf("the parts ended in the order %v, want %v", order, want)
	}
}

func TestGroupEndsWithTheFirstFailure(t *testing.T) {
	g := newGroup(t.Context())
	ended := make(chan string, 1)
	g.start("store", storePhase, until(ended, "store"))
	broken := errors.New("disk on fire")
	g.start("front", frontPhase, func(context.Context) error { return broken })
	if err := g.wait(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "front") {
		t.Errorf("got %v, want what the front said, with its name", err)
	}
	if len(ended) != 1 {
		t.Error("the other part has not ended")
	}
}

func TestGroupMissesAPartThatEndsByItself(t *testing.T) {
	g := newGroup(t.Context())
	g.start("store", storePhase, func(context.Context) error { return nil })
	if err := g.wait(); err == nil || !strings.Contains(err.Error(), "store ended by itself") {
		t.Errorf("got %v, want that the store ended by itself", err)
	}
}
