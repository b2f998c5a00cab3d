package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// servesAgain is what Run logs once a mountpath whose index broke is back.
const servesAgain = "mountpath serves again with a new index"

// indexFault fails one change of the index of a mountpath, and holds its reopening until it is let go.
type indexFault struct {
	dir     string
	armed   atomic.Bool
	broke   chan struct{} // closed when the index was failed
	release chan struct{} // close it to let the store be opened anew
}

func (r *rig) failIndex(dir string) *indexFault {
	f := &indexFault{dir: dir + "/.ais/", broke: make(chan struct{}), release: make(chan struct{})}
	f.armed.Store(true)
	r.mem.SetHook(func(op disk.Op) error {
		switch {
		case strings.HasPrefix(op.Name, f.dir+"index") && (op.Kind == disk.OpWrite || op.Kind == disk.OpCreate):
			if f.armed.Swap(false) {
				close(f.broke)
				return syscall.EIO
			}
		case op.Kind == disk.OpMkdir && op.Name == f.dir+"volumes" && !f.armed.Load():
			<-f.release
		}
		return nil
	})
	return f
}

func serverFault(err error) bool {
	k := ais.KindOf(err)
	return err != nil && (k == ais.Internal || k == ais.Unavailable)
}

// TestBrokenIndexIsRebuiltInFlight breaks the index of one mountpath under writes. What was
// acknowledged is served again, without a restart; meanwhile the other mountpaths serve, and what
// needs this one is told that it is the server's fault.
func TestBrokenIndexIsRebuiltInFlight(t *testing.T) {
	r := newRig(t, 0)
	r.config.FlushBytes = 1 << 20
	r.start()
	b := &ais.Bucket{ID: 1}
	ctx := context.Background()
	broken := r.index("/mnt/b")
	u := r.createUpload(b, r.nameOn(b, broken, "upload"))
	r.putPart(b, u, 1, 3<<20, 'p')
	acknowledged := [5]map[string][]byte{{}}
	for i := range 100 {
		name, data := fmt.Sprint("before/", i), noise(uint64(i), i)
		r.put(b, name, data)
		acknowledged[0][name] = data
	}
	fault := r.failIndex("/mnt/b")

	// Four writers, each on names of its own, until the index has broken under one of them.
	var wg sync.WaitGroup
	for w := 1; w < len(acknowledged); w++ {
		mine := map[string][]byte{}
		acknowledged[w] = mine
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-fault.broke:
					return
				default:
				}
				name, size := fmt.Sprintf("%d/%d", w, n%500), 20_000
				if n%20 == 0 {
					size = ais.InlineMax + n
				}
				data := noise(uint64(4*n+w), size)
				_, err := r.Put(ctx, putRequest(b, name, data))
				switch {
				case err == nil:
					mine[name] = data
				case serverFault(err):
					delete(mine, name) // the outcome is unknown
				default:
					t.Errorf("put %s while the index breaks: got error %v, want kind Internal or Unavailable", name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	r.awaitLog("the index is broken and will be rebuilt")

	// It is being opened: its store is gone, and the hook holds its opening.
	ours, theirs := r.nameOn(b, broken, "new"), r.nameOn(b, r.index("/mnt/a"), "new")
	r.put(b, theirs, []byte("elsewhere"))
	r.want(b, theirs, []byte("elsewhere"))
	for what, do := range map[string]func() error{
		"get":           func() error { _, err := r.read(b, ours, nil); return err },
		"put":           func() error { _, err := r.Put(ctx, putRequest(b, ours, []byte("x"))); return err },
		"delete":        func() error { _, err := r.Delete(ctx, &ais.DeleteRequest{Bucket: b, Name: ours}); return err },
		"list":          func() error { _, err := r.List(ctx, &ais.ListRequest{Bucket: b, Limit: 1}); return err },
		"list uploads":  func() error { _, err := r.ListUploads(ctx, &ais.UploadListRequest{Bucket: b, Limit: 1}); return err },
		"put a part":    func() error { _, err := r.PutPart(ctx, partRequest(b, u, 2, 1, 'q')); return err },
		"complete":      func() error { _, err := r.Complete(ctx, completion(b, u, [2]byte{1, 'p'})); return err },
		"is it empty":   func() error { _, err := r.Empty(ctx, &ais.Bucket{ID: 99}); return err },
		"create upload": func() error { _, err := r.CreateUpload(ctx, b, ours, ais.Attributes{}); return err },
	} {
		wantError(t, what+" while the mountpath is being opened", do(), ais.Unavailable, "")
	}
	// Settings that change now hold for the store that is being opened, too.
	changed := r.config
	changed.VolumeSize *= 2
	if err := r.SetConfig(changed); err != nil {
		t.Fatalf("change the settings: %v", err)
	}
	close(fault.release)
	r.awaitLog(servesAgain)
	r.awaitReady()
	r.mem.SetHook(nil)
	all := r.Status()
	if got, want := all[broken].Stats.Reserve, all[r.index("/mnt/a")].Stats.Reserve; got != want {
		t.Errorf("the space reserve, which goes by the volume size: got %d on the mountpath that was away, want %d as elsewhere", got, want)
	}

	check := func() {
		t.Helper()
		for _, mine := range acknowledged {
			for name, data := range mine {
				r.want(b, name, data)
			}
		}
		r.exact()
	}
	check()
	r.put(b, ours, []byte("again"))
	r.want(b, ours, []byte("again"))
	if o, err := r.Complete(ctx, completion(b, u, [2]byte{1, 'p'})); err != nil || o.Size != 3<<20 {
		t.Errorf("completion of an upload from before: got %+v, %v", o, err)
	}
	r.end()
	r.start()
	check()
	r.want(b, ours, []byte("again"))
	r.end()
}

// TestIndexThatCannotBeRebuilt: where the reopening fails too, the mountpath is out of service, and
// the target goes on with the others.
func TestIndexThatCannotBeRebuilt(t *testing.T) {
	r := newRig(t, 0)
	r.config.FlushBytes = 1 << 20
	r.start()
	b := &ais.Bucket{ID: 1}
	broken := r.index("/mnt/c")
	name := r.nameOn(b, broken, "x")
	r.put(b, name, []byte("kept"))
	broke := errors.New("the disk is gone")
	r.mem.SetHook(func(op disk.Op) error {
		if strings.HasPrefix(op.Name, "/mnt/c/.ais/") && op.Kind.Changes() && strings.Contains(op.Name, "index") {
			return broke
		}
		return nil
	})
	var err error
	for n := uint64(0); err == nil && n < 10_000; n++ {
		_, err = r.Put(context.Background(), putRequest(b, r.nameOn(b, broken, fmt.Sprint(n)), noise(n, 100_000)))
	}
	if !serverFault(err) {
		t.Fatalf("put onto a disk that is gone: got error %v, want kind Internal or Unavailable", err)
	}
	r.awaitLog("mountpath is out of service")
	_, err = r.read(b, name, nil)
	wantError(t, "get", err, ais.Unavailable, "")
	if s := r.Status()[broken]; s.Err == nil {
		t.Errorf("status: got %+v, want the error", s)
	}
	other := r.nameOn(b, r.index("/mnt/a"), "x")
	r.put(b, other, []byte("y"))
	r.want(b, other, []byte("y"))
	r.end()
	r.mem.SetHook(nil)
	r.start()
	r.want(b, name, []byte("kept"))
	r.exact()
	r.end()
}
