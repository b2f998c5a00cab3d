package volume

import (
	"context"
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// stageBuffers are the buffers in which extents are made ready. There is a bound; who finds none free
// waits. The one given back last is taken first, so that a few writers keep a few buffers warm, and
// the others can be let go.
type stageBuffers struct {
	permits chan struct{}
	mu      sync.Mutex
	free    [][]byte
	unused  int // how many of free nobody has taken since the last trim
}

func newStageBuffers(n int) *stageBuffers {
	return &stageBuffers{permits: make(chan struct{}, n)}
}

// take waits for a buffer of stageBuffer bytes, or for the end of ctx.
func (b *stageBuffers) take(ctx context.Context) ([]byte, error) {
	select {
	case b.permits <- struct{}{}:
	case <-ctx.Done():
		return nil, ais.Errorf(ais.Canceled, "waiting for a buffer: %w", ctx.Err())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		b.unused = min(b.unused, n-1)
		return buf, nil
	}
	return disk.AlignedBuffer(stageBuffer), nil
}

func (b *stageBuffers) give(buf []byte) {
	b.mu.Lock()
	b.free = append(b.free, buf)
	b.mu.Unlock()
	<-b.permits
}

// trim lets go the buffers that nobody has needed since it was called last.
func (b *stageBuffers) trim() {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := copy(b.free, b.free[b.unused:])
	clear(b.free[kept:])
	b.free = b.free[:kept]
	b.unused = kept
}
