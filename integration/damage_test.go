package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// errFault is a reply that says honestly that the node cannot give the object: 5xx, or a connection
// that ends before the object does.
var errFault = errors.New("fault")

// readHonestly reads an object. nil: it is what was written; errFault: the node said that it cannot;
// anything else is a lie.
func readHonestly(ctx context.Context, c *raw, bucket string, v value) error {
	got, err := c.send(ctx, call{method: "GET", path: "/" + bucket + "/" + v.key})
	if err != nil {
		return fmt.Errorf("%w: %w", errFault, err)
	}
	defer got.Body.Close()
	if got.StatusCode >= 500 {
		return fmt.Errorf("%w: %s", errFault, got.Status)
	}
	if got.StatusCode != 200 {
		return fmt.Errorf("%q: got %s, want its bytes or a 5xx", v.key, got.Status)
	}
	body, readErr := io.ReadAll(got.Body)
	want := v.bytes()
	switch {
	case !bytes.HasPrefix(want, body):
		return fmt.Errorf("%q: %w: a corrupt byte was served, among %d bytes", v.key, errUnlike, len(body))
	case len(body) == len(want) && readErr == nil:
		return nil
	case readErr == nil:
		return fmt.Errorf("%q: %w: %d bytes of %d as if that were all", v.key, errUnlike, len(body), len(want))
	}
	return fmt.Errorf("%w: cut off after %d bytes", errFault, len(body))
}

// readAll reads all values and gives the keys of those that the node said it cannot give.
func readAll(t *testing.T, c *raw, bucket string, values []value) (faults []string) {
	t.Helper()
	for _, v := range values {
		if err := readHonestly(t.Context(), c, bucket, v); errors.Is(err, errFault) {
			faults = append(faults, v.key)
		} else if err != nil {
			t.Error(err)
		}
	}
	return faults
}

// storeValues puts small and large objects whose names begin with prefix.
func storeValues(t *testing.T, c *raw, bucket, prefix string) (all []value) {
	t.Helper()
	for i := range 60 {
		all = append(all, value{fmt.Sprintf("%s/small-%d", prefix, i), uint64(i), 500 + int64(i)*131})
	}
	for i := range 4 {
		all = append(all, value{fmt.Sprintf("%s/large-%d", prefix, i), uint64(i), 3<<20 + int64(i)})
	}
	for _, v := range all {
		c.putValue(t, bucket, v)
	}
	return all
}

// damagedNode is a stopped node with objects of two process lives.
func damagedNode(t *testing.T) (n *node, c *raw, first, second []value) {
	t.Helper()
	n = startNode(t)
	c = newRaw(n)
	c.makeBucket(t, "damage")
	first = storeValues(t, c, "damage", "first")
	n.stop()
	n.start()
	second = storeValues(t, c, "damage", "second")
	n.stop()
	return n, c, first, second
}

// findVolume gives the volume in which the bytes of v from offset lie, and where.
func findVolume(t *testing.T, n *node, v value, offset int64) (path string, at int64) {
	t.Helper()
	want := v.bytes()[offset : offset+64]
	for _, name := range regularFiles(t, n.mountpath()) {
		if filepath.Ext(name) != ".vol" {
			continue
		}
		path := filepath.Join(n.mountpath(), name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(content, want); at >= 0 {
			return path, int64(at)
		}
	}
	t.Fatalf("no volume holds %q", v.key)
	return "", 0
}

func flipBit(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// checkGoesOn shows that the node takes and gives objects, and tells of the damage.
func checkGoesOn(t *testing.T, n *node, c *raw) {
	t.Helper()
	v := value{"after the damage", 1, 5000}
	c.putValue(t, "damage", v)
	if err := c.checkValue(t.Context(), "damage", v); err != nil {
		t.Error(err)
	}
	if !n.running() {
		t.Error("the node has ended")
	}
	checkTold(t, n)
}

// checkTold wants the damage in the log and in the metrics, where operators look.
func checkTold(t *testing.T, n *node) {
	t.Helper()
	told := regexp.MustCompile(`(?i)corrupt|damage|quarantine|missing|broken`)
	if !told.MatchString(n.logText()) {
		t.Errorf("the log does not tell of the damage:\n%s", n.logTail(20))
	}
	counted := false
	for line := range strings.Lines(n.metrics()) {
		line = strings.TrimSpace(line)
		counted = counted || told.MatchString(line) && !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0")
	}
	if !counted {
		t.Error("no metric tells of the damage")
	}
}

// TestDamageFlippedBit flips one bit of a small and of a large object, under a running node and under
// a stopped one: those two are not served, every other one is, and an overwrite heals.
func TestDamageFlippedBit(t *testing.T) {
	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, "damage")
	values := storeValues(t, c, "damage", "first")
	small, large := values[59], values[61]
	path, at := findVolume(t, n, small, 1000)
	flipBit(t, path, at)
	path, at = findVolume(t, n, large, 2<<20+70_000)
	flipBit(t, path, at)
	want := fmt.Sprint([]string{small.key, large.key})
	if got := fmt.Sprint(readAll(t, c, "damage", values)); got != want {
		t.Errorf("running: got faults %s, want %s", got, want)
	}
	checkGoesOn(t, n, c)
	n.stop()
	n.start()
	if got := fmt.Sprint(readAll(t, c, "damage", values)); got != want {
		t.Errorf("after a restart: got faults %s, want %s", got, want)
	}
	small.number = 1000
	c.putValue(t, "damage", small)
	if err := c.checkValue(t.Context(), "damage", small); err != nil {
		t.Errorf("overwritten: %v", err)
	}
}

// TestDamageTruncatedVolume cuts a volume in half behind the node's back.
func TestDamageTruncatedVolume(t *testing.T) {
	n, c, first, second := damagedNode(t)
	lost := first[59] // the last small object of the first life
	path, at := findVolume(t, n, lost, 1000)
	if err := os.Truncate(path, at/2); err != nil {
		t.Fatal(err)
	}
	n.start()
	checkVolumeGone(t, n, c, lost, first, second)
}

// TestDamageMissingVolume removes a volume behind the node's back.
func TestDamageMissingVolume(t *testing.T) {
	n, c, first, second := damagedNode(t)
	lost := first[30]
	path, _ := findVolume(t, n, lost, 1000)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	n.start()
	checkVolumeGone(t, n, c, lost, first, second)
}

// checkVolumeGone wants honesty about what was lost, and all that lies elsewhere.
func checkVolumeGone(t *testing.T, n *node, c *raw, lost value, first, second []value) {
	t.Helper()
	faults := readAll(t, c, "damage", first)
	if !strings.Contains(fmt.Sprint(faults), lost.key) {
		t.Errorf("%q lay in the volume: got faults %v", lost.key, faults)
	}
	if faults := readAll(t, c, "damage", second); len(faults) > 0 {
		t.Errorf("objects of the second life lie in other volumes and are not served: %v", faults)
	}
	if got, want := len(c.list(t, "damage", true, 1000)), len(first)+len(second); got != want {
		t.Errorf("the listing has %d names, want all %d: what is lost is not forgotten", got, want)
	}
	checkGoesOn(t, n, c)
}

// TestDamageIndex flips bits in the files of the index, then takes the index away: the process
// lives, and the index is made anew from the volumes.
func TestDamageIndex(t *testing.T) {
	n, c, first, second := damagedNode(t)
	index := filepath.Join(n.mountpath(), ".ais", "index")
	flipped := 0
	for _, name := range regularFiles(t, index) {
		if filepath.Ext(name) == ".sst" {
			path := filepath.Join(index, name)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			flipBit(t, path, info.Size()/3)
			flipped++
		}
	}
	if flipped == 0 {
		t.Fatalf("no table of the index in %s: %v", index, regularFiles(t, index))
	}
	n.start()
	all := append(first, second...)
	eventually(t, time.Minute, "every object is served from a new index", func() error {
		if faults := readAll(t, c, "damage", all); len(faults) > 0 {
			return fmt.Errorf("%d objects are not served", len(faults))
		}
		return nil
	})
	if got := len(c.list(t, "damage", true, 1000)); got != len(all) {
		t.Errorf("the listing has %d names, want %d", got, len(all))
	}
	checkGoesOn(t, n, c)

	n.stop()
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	n.start()
	if faults := readAll(t, c, "damage", all); len(faults) > 0 {
		t.Errorf("without its old index the node does not serve %v", faults)
	}
	if got := len(c.list(t, "damage", true, 1000)); got != len(all)+1 {
		t.Errorf("the listing has %d names, want %d", got, len(all)+1)
	}
}
