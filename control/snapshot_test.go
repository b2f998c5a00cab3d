package control

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func TestSnapshotGolden(t *testing.T) {
	for name, v := range map[string]*View{
		"snapshot-2.json": scripted(t, len(wholeScript())),
		"empty-2.json":    NewView(),
	} {
		want := bytes.TrimSuffix(file(t, name), []byte("\n"))
		if got := stateBytes(t, v); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		back, err := DecodeSnapshot(want)
		if err != nil {
			t.Errorf("decode %s: %v", name, err)
			continue
		}
		if got := stateBytes(t, back); !bytes.Equal(got, want) {
			t.Errorf("%s read and written: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A state of format 1 has all that it had, and an empty map.
func TestSnapshotFormat1(t *testing.T) {
	empty, err := DecodeSnapshot(file(t, "empty-1.json"))
	if err != nil || !bytes.Equal(stateBytes(t, empty), stateBytes(t, NewView())) {
		t.Errorf("the empty snapshot of format 1: got %+v, %v, want the empty state", empty, err)
	}
	v, err := DecodeSnapshot(file(t, "snapshot-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := scripted(t, len(script()))
	want.setConfig("n1", want.set[testNode.String()]) // a node had any name then
	want.setConfig(testNode.String(), nil)
	if got := stateBytes(t, v); !bytes.Equal(got, stateBytes(t, want)) {
		t.Errorf("the snapshot of format 1: got\n%s\nwant\n%s", got, stateBytes(t, want))
	}
	if v.Index() != 20 || v.GrantIndex() != 20 || v.Level() != 1 || v.Map().Version() != 1 || v.Secrets() != nil {
		t.Errorf("the snapshot of format 1: index %d, grant index %d, level %d, map %d", v.Index(), v.GrantIndex(), v.Level(), v.Map().Version())
	}
	if next, _, err := v.Apply(21, BucketUndelete{ID: 15, Revision: 20}); err != nil || len(next.Buckets()) != 2 {
		t.Errorf("it does not go on: %v", err)
	}
}

func TestSnapshotRefuses(t *testing.T) {
	good := string(file(t, "snapshot-2.json"))
	for _, c := range []struct {
		what, old, new string
		kind           ais.Kind
		says           string
	}{
		{"a newer format", `"format":2`, `"format":3`, ais.Invalid, "newer ais"},
		{"no format", `"format":2`, `"format":0`, ais.Invalid, "format 0"},
		{"a higher level", `"level":1`, `"level":9`, ais.Invalid, "newer ais"},
		{"no level", `"level":1,`, ``, ais.Corrupt, "no level"},
		{"an unknown field", `"level":1,`, `"level":1,"colour":"red",`, ais.Corrupt, "colour"},
		{"no JSON", `{"format"`, `{format`, ais.Corrupt, "not readable"},
		{"a map that cannot be", `"settled":4`, `"settled":40`, ais.Corrupt, "cluster map"},
		{"no map", good[strings.Index(good, `"map"`):strings.Index(good, `,"buckets"`)], `"map":null`, ais.Corrupt, "no map"},
		{"a grant index ahead", `"grant_index":44`, `"grant_index":45`, ais.Corrupt, "grant index"},
		{"a bucket from the future", `"revision":44,"deleting"`, `"revision":45,"deleting"`, ais.Corrupt, "bucket"},
		{"a bucket twice", `"id":3,"name":"photos"`, `"id":3,"name":"archive"`, ais.Corrupt, "twice"},
		{"a delete of nothing", `"deletes":[{"bucket":15`, `"deletes":[{"bucket":16`, ais.Corrupt, "not being deleted"},
		{"a delete twice", `"deletes":[`, `"deletes":[{"bucket":15,"node":"00000000000000a1","epoch":1},`, ais.Corrupt, "twice"},
		{"an empty key", `"keys":[`, `"keys":[null,`, ais.Corrupt, "empty key"},
		{"keys out of order", `"keys":[`, `"keys":[{"access_key":"z","secret":"","created":0},`, ais.Corrupt, "out of order"},
		{"an empty xaction", `"xactions":[`, `"xactions":[null,`, ais.Corrupt, "xaction"},
		{"an xaction from the future", `"started":4001,"revision":40`, `"started":4001,"revision":45`, ais.Corrupt, "xaction"},
		{"an xaction in no state", `"state":"running"`, `"state":"walking"`, ais.Corrupt, "walking"},
		{"proposals out of order", `"index":21}`, `"index":23}`, ais.Corrupt, "out of order"},
		{"a proposal twice", `ee000000000000000000000000000015`, `ee000000000000000000000000000016`, ais.Corrupt, "proposal"},
		{"a proposal of id 0", `ee000000000000000000000000000015`, `00000000000000000000000000000000`, ais.Corrupt, "proposal"},
		{"an empty proposal", `"recent":[`, `"recent":[null,`, ais.Corrupt, "proposal"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Errorf("%s: %s is not in the golden snapshot", c.what, c.old)
		}
		_, err := DecodeSnapshot([]byte(bad))
		if !ais.IsKind(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want kind %s with %q", c.what, err, c.kind, c.says)
		}
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	for n := range len(everyScript()) + 1 {
		if b, err := EncodeSnapshot(scripted(f, n)); err == nil {
			f.Add(b)
		}
	}
	for _, name := range []string{"snapshot-1.json", "empty-1.json"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeSnapshot(b)
		if err != nil {
			return
		}
		first, err := EncodeSnapshot(v)
		if err != nil {
			t.Fatalf("accepted %q, which cannot be written: %v", b, err)
		}
		back, err := DecodeSnapshot(first)
		if err != nil {
			t.Fatalf("accepted %q, which is written as %q: %v", b, first, err)
		}
		if second, err := EncodeSnapshot(back); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("accepted %q, which is written as %q, then as %q (%v)", b, first, second, err)
		}
	})
}
