package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A node that ends answers what it has begun, and begins nothing more.
func TestPassedDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p passed
		if !p.enter() || !p.enter() {
			t.Fatal("a request is not taken before the end")
		}
		drained := make(chan struct{})
		go func() {
			p.drain(t.Context())
			close(drained)
		}()
		synctest.Wait()
		if p.enter() {
			t.Error("a request is taken after the end has begun")
		}
		p.leave()
		synctest.Wait()
		select {
		case <-drained:
			t.Error("drained while a request is served")
		default:
		}
		p.leave()
		<-drained
		p.drain(t.Context()) // nobody is there any more

		var stuck passed
		stuck.enter()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck.drain(short)
		if short.Err() == nil {
			t.Error("drained with a request that never ends")
		}
	})
}
