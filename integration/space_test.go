package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk fills a small file system: writes end with 507 and nothing that was acknowledged is
// lost; deletes work, space comes back, and the node goes on.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		inNamespace(t)
		return
	}
	const size = 512 << 20
	small := t.TempDir()
	mountTmpfs(t, small, size)
	n := startNode(t, "--mountpath", filepath.Join(small, "m"))
	c := newRaw(n)
	c.makeBucket(t, "full")

	values := fill(t, c, "full")
	stored := totalSize(values)
	t.Logf("full after %d objects of %d MiB; %d MiB free", len(values), stored>>20, freeSpace(t, small)>>20)
	if stored < size/2 {
		t.Errorf("full after %d MiB, want at least half of %d MiB", stored>>20, size>>20)
	}
	checkAll(t, c, "full", values)

	n.kill()
	n.start()
	checkAll(t, c, "full", values)

	// A quarter goes, evenly: no volume is mostly dead, and space must come back all the same.
	var kept []value
	gone := int64(0)
	for i, v := range values {
		if i%4 != 0 {
			kept = append(kept, v)
			continue
		}
		c.must(t, call{method: "DELETE", path: "/full/" + v.key})
		gone += v.size
	}
	eventually(t, 2*time.Minute, "half of what was deleted can be written again", func() error {
		v := value{fmt.Sprintf("again/%d", len(kept)), 9, 1 << 20}
		r, err := c.do(t.Context(), call{method: "PUT", path: "/full/" + v.key, stream: v.reader(), size: v.size})
		if err == nil && r.status == http.StatusOK {
			kept = append(kept, v)
		} else if err != nil || r.status != http.StatusInsufficientStorage {
			t.Fatalf("PUT: got %v, error %v, want 200 or 507", r, err)
		}
		if again := totalSize(kept) - (stored - gone); again < gone/2 {
			return fmt.Errorf("deleted %d MiB, written again %d MiB, last reply %v", gone>>20, again>>20, r)
		}
		return nil
	})
	checkAll(t, c, "full", kept)
	got := names(c.list(t, "full", true, 1000))
	var want []string
	for _, v := range kept {
		want = append(want, v.key)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("listing: got %d names, want %d; %s", len(got), len(want), firstDifference(got, want))
	}
}

// fill puts objects of several sizes until none fits; any other refusal than 507 fails the test.
func fill(t *testing.T, c *raw, bucket string) (all []value) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			refused := 0
			for i := 0; refused < 5; i++ {
				v := value{fmt.Sprintf("fill/%d/%d", w, i), uint64(i), []int64{1 << 20, 4 << 10, 100 << 10, 3 << 20, 0}[i%5]}
				r, err := c.do(t.Context(), call{method: "PUT", path: "/" + bucket + "/" + v.key, stream: v.reader(), size: v.size})
				switch {
				case err == nil && r.status == http.StatusOK:
					refused = 0
					mu.Lock()
					all = append(all, v)
					mu.Unlock()
				case err == nil && r.status == http.StatusInsufficientStorage:
					refused++
				default:
					t.Errorf("PUT %q on a disk that fills: got %v, error %v, want 200 or 507", v.key, r, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

func checkAll(t *testing.T, c *raw, bucket string, values []value) {
	t.Helper()
	for _, v := range values {
		if err := c.checkValue(t.Context(), bucket, v); err != nil {
			t.Fatal(err)
		}
	}
}

func totalSize(values []value) (n int64) {
	for _, v := range values {
		n += v.size
	}
	return n
}

func freeSpace(t *testing.T, dir string) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

func mountTmpfs(t *testing.T, dir string, size int64) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// inNamespace runs the test again as root of a user namespace, where it may mount.
func inNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "AIS_BIN="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as root of a namespace: %v\n%s", err, out)
	}
	t.Logf("as root of a namespace:\n%s", out)
}
