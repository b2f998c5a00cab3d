package target

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume"
)

// TestFullDiskRecovers fills the disk under all mountpaths. Then puts are Exhausted, all else goes on,
// and after deletes there is room again without a restart.
func TestFullDiskRecovers(t *testing.T) {
	const size = 300_000
	r := newRig(t, 96<<20)
	r.config.FlushBytes = 1 << 20
	r.start()
	b := &ais.Bucket{ID: 1}
	ctx := context.Background()
	var names []string
	full := map[int]bool{}
	for i := 0; len(full) < len(r.mounts); i++ {
		name := fmt.Sprintf("o%d", i)
		_, err := r.Put(ctx, putRequest(b, name, noise(uint64(i), size)))
		switch {
		case err == nil:
			names = append(names, name)
		case ais.IsKind(err, ais.Exhausted):
			full[r.of(b, name)] = true
			r.wantNone(b, name, ais.NounObject)
		default:
			t.Fatalf("put %d onto a disk that fills: got error %v, want kind Exhausted", i, err)
		}
		if i > 1000 {
			t.Fatalf("%d bytes went onto a disk of %d, and %d of %d mountpaths are full", i*size, 96<<20, len(full), len(r.mounts))
		}
	}
	for i, name := range names {
		if _, err := r.Stat(ctx, b, name, nil); err != nil {
			t.Fatalf("stat %d of %d on a full disk: %v", i, len(names), err)
		}
	}
	for _, name := range names[:len(names)*3/4] {
		if x := r.delete(b, name, nil); !x.Existed {
			t.Fatalf("delete %q on a full disk: it did not exist", name)
		}
	}
	// Vacuum gives the space back volume by volume.
	patience, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for i := range r.mounts {
		name := r.nameOn(b, i, "after")
		for {
			_, err := r.Put(ctx, putRequest(b, name, noise(9, size)))
			if err == nil {
				break
			}
			wantError(t, "put while vacuum works", err, ais.Exhausted, "")
			for vacuumed := false; !vacuumed; {
				select {
				case e := <-r.events:
					vacuumed = e.Kind == volume.EventVacuumed
				case <-patience.Done():
					t.Fatalf("no room on mountpath %d, 30 s after deletes: %+v", i, r.Status()[i].Stats)
				}
			}
		}
		r.want(b, name, noise(9, size))
	}
	for _, name := range names[len(names)*3/4:] {
		if _, err := r.read(b, name, nil); err != nil {
			t.Fatalf("get %q after all that: %v", name, err)
		}
	}
	r.exact()
	r.end()
}

// TestRunLeavesNoGoroutine: when Run has returned, so has all that it started.
func TestRunLeavesNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := newRig(t, 0)
	r.start()
	b := &ais.Bucket{ID: 1}
	for i := range 20 {
		r.put(b, fmt.Sprint(i), noise(1, i*20_000))
	}
	r.end()
	goleak.VerifyNone(t, before)
	_, err := r.read(b, "1", nil)
	wantError(t, "get after the end", err, ais.Unavailable, "")
	_, err = r.Put(context.Background(), putRequest(b, "1", nil))
	wantError(t, "put after the end", err, ais.Unavailable, "")
}
