package everywhere

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func sampleDeletes() []*ais.DeleteRequest {
	b := &ais.Bucket{ID: 300, Revision: 17}
	v, size := ais.VersionID{1, 2, 3}, int64(-1)
	return []*ais.DeleteRequest{
		{Bucket: b, Name: "a"},
		{Bucket: b, Name: "é/b", Version: &v, Condition: ais.Condition{IfMatch: []ais.ETag{{Sum: [16]byte{7}, Parts: 3}}, IfMatchAny: true,
			IfNoneMatch: []ais.ETag{{}}, IfNoneMatchAny: true, IfModifiedSince: 5, IfUnmodifiedSince: -6, IfSize: &size, IfModifiedTime: 1 << 40}},
	}
}

func sampleOutcomes() []ais.DeleteOutcome {
	return []ais.DeleteOutcome{
		{Result: ais.DeleteResult{Version: ais.VersionID{9}, DeleteMarker: true, Existed: true}},
		{Err: ais.NounErrorf(ais.Precondition, "If-Match", "it does not hold")},
		{},
	}
}

func sampleOpened() *opened {
	o := &opened{object: *objectOf("x", pattern(5)), parts: []int64{2, 3}, inline: pattern(5)}
	o.object.PartCount, o.object.DeleteMarker = 2, true
	o.object.Bucket, o.object.Name = 0, ""
	return o
}

// messages is one of each message, as it goes over the wire.
func messages() map[string][]byte {
	b, v := &ais.Bucket{ID: 1, Revision: 2}, ais.VersionID{3}
	return map[string][]byte{
		"delete":       appendDeletes(nil, sampleDeletes()),
		"outcomes":     appendOutcomes(nil, sampleOutcomes()),
		"abort":        appendAbort(nil, b, "n", ais.WriteID{5}),
		"open":         appendOpen(nil, b, "n", nil),
		"open version": appendOpen(nil, b, "n", &v),
		"opened":       sampleOpened().appendTo(nil),
		"range":        appendRange(nil, 1<<40, 1<<20),
	}
}

var update = flag.Bool("update", false, "write the golden file anew; only ever together with a new version of the messages")

// TestGoldenBytes: nodes of different versions must understand each other.
func TestGoldenBytes(t *testing.T) {
	var b strings.Builder
	all := messages()
	for _, name := range []string{"delete", "outcomes", "abort", "open", "open version", "opened", "range"} {
		fmt.Fprintf(&b, "%s\n%s", name, hex.Dump(all[name]))
	}
	file := filepath.Join("testdata", "messages.golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the bytes have changed: got\n%s, want\n%s", b.String(), want)
	}
}

func TestMessagesComeBack(t *testing.T) {
	ref, deletes, err := decodeDeletes(appendDeletes(nil, sampleDeletes()))
	if err != nil || ref != (bucketRef{300, 17}) {
		t.Fatalf("got %+v, %v", ref, err)
	}
	for i, r := range sampleDeletes() {
		r.Bucket = nil
		if got, want := fmt.Sprintf("%+v %v %v", *deletes[i], value(deletes[i].Version), value(deletes[i].Condition.IfSize)),
			fmt.Sprintf("%+v %v %v", *r, value(r.Version), value(r.Condition.IfSize)); clean(got) != clean(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	outcomes, err := decodeOutcomes(appendOutcomes(nil, sampleOutcomes()))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range sampleOutcomes() {
		got := outcomes[i]
		if got.Result != o.Result || (got.Err == nil) != (o.Err == nil) ||
			o.Err != nil && (ais.KindOf(got.Err) != ais.KindOf(o.Err) || ais.NounOf(got.Err) != ais.NounOf(o.Err) || got.Err.Error() != o.Err.Error()) {
			t.Errorf("got %+v, want %+v", got, o)
		}
	}
	o, err := decodeOpened(sampleOpened().appendTo(nil))
	if err != nil || fmt.Sprintf("%+v", *o) != fmt.Sprintf("%+v", *sampleOpened()) {
		t.Errorf("got %+v, %v, want %+v", o, err, sampleOpened())
	}
	long := appendOutcomes(nil, []ais.DeleteOutcome{{Err: errors.New(strings.Repeat("x", 1<<20))}})
	if len(long) > 2*messageOfErrorMax {
		t.Errorf("a long text takes %d bytes", len(long))
	}
}

// clean hides addresses.
func clean(s string) string {
	for {
		i := strings.Index(s, "0x")
		if i < 0 {
			return s
		}
		end := i + 2
		for end < len(s) && strings.IndexByte("0123456789abcdef", s[end]) >= 0 {
			end++
		}
		s = s[:i] + "*" + s[end:]
	}
}

func value[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// decodeAny reads a message by each decoder, and gives those that took it, encoded again.
func decodeAny(b []byte) (again [][]byte) {
	if ref, requests, err := decodeDeletes(b); err == nil && len(requests) > 0 {
		for _, r := range requests {
			r.Bucket = &ais.Bucket{ID: ref.id, Revision: ref.revision}
		}
		again = append(again, appendDeletes(nil, requests))
	}
	if o, err := decodeOutcomes(b); err == nil {
		again = append(again, appendOutcomes(nil, o))
	}
	if ref, name, id, err := decodeAbort(b); err == nil {
		again = append(again, appendAbort(nil, &ais.Bucket{ID: ref.id, Revision: ref.revision}, name, id))
	}
	if ref, name, v, err := decodeOpen(b); err == nil {
		again = append(again, appendOpen(nil, &ais.Bucket{ID: ref.id, Revision: ref.revision}, name, v))
	}
	if o, err := decodeOpened(b); err == nil {
		again = append(again, o.appendTo(nil))
	}
	if offset, size, err := decodeRange(b); err == nil {
		again = append(again, appendRange(nil, offset, size))
	}
	return again
}

// FuzzMessages: no bytes make a decoder panic, and what it takes is the same once more.
func FuzzMessages(f *testing.F) {
	for _, b := range messages() {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, once := range decodeAny(b) {
			found := false
			for _, twice := range decodeAny(once) {
				found = found || bytes.Equal(once, twice)
			}
			if !found {
				t.Fatalf("%x was read from %x, and is not read back", once, b)
			}
		}
	})
}

// TestMessagesThatAreCut are refused by their decoder, and so are those with a byte more.
func TestMessagesThatAreCut(t *testing.T) {
	decoders := map[string]func([]byte) error{
		"delete":       func(b []byte) error { _, _, err := decodeDeletes(b); return err },
		"outcomes":     func(b []byte) error { _, err := decodeOutcomes(b); return err },
		"abort":        func(b []byte) error { _, _, _, err := decodeAbort(b); return err },
		"open":         func(b []byte) error { _, _, _, err := decodeOpen(b); return err },
		"open version": func(b []byte) error { _, _, _, err := decodeOpen(b); return err },
		"opened":       func(b []byte) error { _, err := decodeOpened(b); return err },
		"range":        func(b []byte) error { _, _, err := decodeRange(b); return err },
	}
	for name, b := range messages() {
		if err := decoders[name](b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := range b {
			if err := decoders[name](b[:n]); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: %d of %d bytes: got %v, want kind Invalid", name, n, len(b), err)
			}
		}
		if err := decoders[name](append(bytes.Clone(b), 0)); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: a byte more: got %v, want kind Invalid", name, err)
		}
	}
}
