package volume

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// counted is a name of which every write has a number: what is seen of it says which writes it had.
type counted struct{ started, acked atomic.Int64 }

// Of the numbers of a name every fifth is a delete, and some are too large for one record.
func countedBody(name int, n int64) []byte {
	size := 16 + int(n*37%3000)
	if (n+int64(name))%7 == 0 {
		size += 140_000
	}
	p := make([]byte, size)
	binary.LittleEndian.PutUint64(p, uint64(n))
	for i := 8; i < len(p); i++ {
		p[i] = byte(int64(i) + n)
	}
	return p
}

// TestCrashOfABusyStore: many clients, and all the goroutines of a running store with vacuum, while the
// disk crashes at arbitrary moments. Unlike in the decisive test nothing is in step, nor repeats.
func TestCrashOfABusyStore(t *testing.T) {
	crashes := 25
	if os.Getenv(longVariable) != "" {
		crashes = 1500
	}
	mem := disk.NewMem(disk.Options{})
	b := newBench(t, mem)
	b.config.VolumeSize = 1 << 20
	b.config.VacuumGarbage = 0.1
	b.config.StageBuffers = 16
	b.epoch = 1
	opt := b.options()
	opt.Clock = NewClock(2, b.epoch, 1, 1)
	opt.Now = func() int64 { return time.Now().UnixMilli() }
	opt.Events = nil
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	names := make([]counted, 40)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for w := range 8 {
		clients.Go(func() {
			for n := int64(1); ctx.Err() == nil; n++ {
				for i := w; i < len(names) && ctx.Err() == nil; i += 8 {
					if err := countedWrite(t.Context(), s, &names[i], i, n); err != nil {
						t.Errorf("write %d of name %d: %v", n, i, err)
						return
					}
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	moments := make(chan struct{}, 1)
	var skip atomic.Int64
	mem.SetHook(func(op disk.Op) error {
		if op.Kind.Changes() && skip.Add(-1) == 0 {
			moments <- struct{}{}
		}
		return nil
	})
	for i := range crashes {
		skip.Store(1 + rng.Int64N(400))
		<-moments
		if i%5 == 4 {
			if err := s.Purge(t.Context(), everySlot(s.opt.Clock.Stamp())); err != nil {
				t.Fatal(err)
			}
		}
		acked := make([]int64, len(names))
		for i := range names {
			acked[i] = names[i].acked.Load()
		}
		clone := mem.Clone()
		started := make([]int64, len(names))
		for i := range names {
			started[i] = names[i].started.Load()
		}
		mode := []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random}[i%3]
		if err := countedCheck(t.Context(), clone.Crash(rng, mode), acked, started, i%4 == 0); err != nil {
			t.Fatalf("crash %d, mode %d: %v", i, mode, err)
		}
	}
	mem.SetHook(nil)
	cancel()
	clients.Wait()
	b.exact()
	b.end()
	t.Logf("%d volumes vacuumed meanwhile", s.Stats().Vacuumed)
}

func countedWrite(ctx context.Context, s *Store, c *counted, name int, n int64) error {
	c.started.Store(n)
	key := fmt.Sprintf("n%d", name)
	if n%5 == 0 {
		tx, err := s.Begin(ctx, testBucket, key)
		if err != nil {
			return err
		}
		defer tx.End()
		if _, err := tx.Delete(ais.NullVersion, false, 1); err != nil {
			return err
		}
	} else if _, err := putObject(s, testBucket, key, countedBody(name, n), false); err != nil {
		return err
	}
	c.acked.Store(n)
	return nil
}

// countedCheck opens what a crash left: of each name a write is seen that is not older than the last one
// acknowledged before, nor newer than the last one begun.
func countedCheck(ctx context.Context, mem *disk.Mem, acked, started []int64, rebuild bool) error {
	l := &life{ctx: ctx, mem: mem, epoch: 1, now: 1, m: newModel()}
	if err := l.open(rebuild); err != nil {
		return err
	}
	for i := range acked {
		data, err := readObject(l.s, testBucket, fmt.Sprintf("n%d", i), nil)
		switch {
		case ais.IsKind(err, ais.NotFound):
			if last := started[i] / 5 * 5; acked[i] > 0 && last < acked[i] {
				return fmt.Errorf("name %d is not there: writes %d to %d may be seen", i, acked[i], started[i])
			}
		case err != nil:
			return fmt.Errorf("name %d: %w", i, err)
		default:
			n := int64(binary.LittleEndian.Uint64(data))
			if n < acked[i] || n > started[i] || string(data) != string(countedBody(i, n)) {
				return fmt.Errorf("name %d has write %d, %d bytes: writes %d to %d may be seen", i, n, len(data), acked[i], started[i])
			}
		}
	}
	if err := audit(l.s); err != nil {
		return err
	}
	return l.stop(false)
}
