package mountpath

import (
	"context"
	"errors"
	"testing"
	"time"
)

// What comes when nobody waits for it any more is let go of.
func TestALateAnswerIsLetGoOf(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hang, late := make(chan struct{}), make(chan int, 1)
	if _, err := within(ctx, time.Minute, func(v int) { late <- v }, func() int { <-hang; return 7 }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that it was canceled", err)
	}
	close(hang)
	if got := <-late; got != 7 {
		t.Errorf("the late answer is %d, want 7", got)
	}
}
