package control

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

func TestProposalGolden(t *testing.T) {
	c := wholeScript()[20]
	b, err := EncodeProposal(proposalID(21), c)
	if want := unhex(t, "proposal"); err != nil || !bytes.Equal(b, want) {
		t.Errorf("proposal: got %x, %v, want %x", b, err, want)
	}
	id, back, err := DecodeProposal(unhex(t, "proposal"))
	if err != nil || id != proposalID(21) || !reflect.DeepEqual(back, c) {
		t.Errorf("decode the golden: got %s, %+v, %v, want %s, %+v", id, back, err, proposalID(21), c)
	}
	if got := EntryID(b); got != id {
		t.Errorf("id of the entry: got %s, want %s", got, id)
	}
	for _, none := range [][]byte{nil, []byte(goldenCommands[9]), b[:proposalHeader-1]} {
		if got := EntryID(none); got != (ProposalID{}) {
			t.Errorf("id of %q: got %s, want none", none, got)
		}
	}
	id, back, err = DecodeProposal([]byte(goldenCommands[9]))
	if err != nil || id != (ProposalID{}) || back.Kind() != KindKeyDelete {
		t.Errorf("a command alone, as format 1 has it: got %s, %+v, %v", id, back, err)
	}
}

func TestProposalRefuses(t *testing.T) {
	good := unhex(t, "proposal")
	for what, b := range map[string][]byte{
		"nothing":       {},
		"only a layout": {2},
		"no command":    good[:proposalHeader],
		"id 0":          append(append([]byte{2}, make([]byte, 16)...), good[proposalHeader:]...),
		"a new layout":  append([]byte{3}, good[1:]...),
		"text after":    append(bytes.Clone(good), ' '),
	} {
		if id, c, err := DecodeProposal(b); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %s, %+v, %v, want kind Invalid", what, id, c, err)
		}
	}
	for what, f := range map[string]func() ([]byte, error){
		"id 0":                   func() ([]byte, error) { return EncodeProposal(ProposalID{}, KeyDelete{}) },
		"a state without a name": func() ([]byte, error) { return EncodeProposal(proposalID(1), XactionUpdate{State: 99}) },
		"a node without roles":   func() ([]byte, error) { return EncodeProposal(proposalID(1), NodeJoin{}) },
		"a node state of no name": func() ([]byte, error) {
			return EncodeProposal(proposalID(1), NodeState{[]cmap.StateChange{{State: 99}}})
		},
	} {
		if b, err := f(); err == nil {
			t.Errorf("encode %s: got %q, want it refused: it could not be read", what, b)
		}
	}
}

func TestProposalIDText(t *testing.T) {
	var id ProposalID
	for _, bad := range []string{"", "ee", strings.Repeat("EE", 16), strings.Repeat("e", 33), strings.Repeat("x", 32)} {
		if err := id.UnmarshalText([]byte(bad)); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("id %q: got %s, %v, want kind Invalid", bad, id, err)
		}
	}
}

// apply applies a proposal at the index after v's.
func apply(t *testing.T, v *View, id ProposalID, c Command) (*View, Result, error) {
	t.Helper()
	entry, err := EncodeProposal(id, c)
	if err != nil {
		t.Fatal(err)
	}
	next, result, err := v.ApplyEntry(v.index+1, entry)
	if next == nil {
		t.Fatalf("apply %s: %v", c.Kind(), err)
	}
	return next, result, err
}

func bigID(i int) ProposalID { return ProposalID{1, 14: byte(i >> 8), 15: byte(i)} }

// What was proposed twice is applied once, and answered twice: by a state from a snapshot too.
func TestProposalsAreAppliedOnce(t *testing.T) {
	v := scripted(t, len(wholeScript()))
	v, first, err := apply(t, v, bigID(1), BucketCreate{ais.Bucket{Name: "new"}})
	if err != nil || first.Index != 45 || first.Bucket.ID != 45 {
		t.Fatalf("create: got %+v, %v, want bucket 45", first, err)
	}
	v, _, refused := apply(t, v, bigID(2), BucketCreate{ais.Bucket{Name: "new"}})
	wantError(t, "create again under another id", refused, ais.Exists, ais.NounBucket)
	for _, from := range []*View{v, reread(t, v)} {
		next, again, err := apply(t, from, bigID(1), BucketCreate{ais.Bucket{Name: "new"}})
		if err != nil || again.Index != 45 || again.Bucket == nil || again.Bucket.ID != 45 || next.index != 47 {
			t.Errorf("the same proposal again: got %+v, %v at %d, want what it gave at 45", again, err, next.index)
		}
		if next.GrantIndex() != 45 || len(next.Buckets()) != 3 {
			t.Errorf("the same proposal again: grant index %d, %d buckets, want nothing to change", next.GrantIndex(), len(next.Buckets()))
		}
		next, again, err = apply(t, next, bigID(2), BucketCreate{ais.Bucket{Name: "new"}})
		wantError(t, "a refused proposal again", err, ais.Exists, ais.NounBucket)
		if err.Error() != refused.Error() || again.Index != 46 {
			t.Errorf("a refused proposal again: got %q at %d, want %q at 46", err, again.Index, refused)
		}
		next, _, _ = apply(t, next, bigID(3), BucketDelete{ID: 45, Revision: 45})
		next, _, _ = apply(t, next, bigID(4), BucketDeleted{ID: 45, Revision: 49})
		if _, again, err := apply(t, next, bigID(1), BucketCreate{ais.Bucket{Name: "new"}}); err != nil || again.Bucket != nil {
			t.Errorf("the proposal of a bucket that is gone: got %+v, %v, want no bucket", again, err)
		}
	}
}

func TestTheLast1024ProposalsAreKnown(t *testing.T) {
	v := scripted(t, 1)
	set := ConfigSet{Values: map[string]string{"s3.region": "eu"}}
	for i := 1; i <= 1025; i++ {
		v, _, _ = apply(t, v, bigID(i), set)
	}
	if len(v.recent) != 1024 {
		t.Errorf("after 1,025 proposals: %d are known, want 1,024", len(v.recent))
	}
	before := v
	v, second, _ := apply(t, v, bigID(2), set)
	if second.Index != 3 || len(v.recent) != 1024 {
		t.Errorf("the second of 1,025, again: index %d, want 3", second.Index)
	}
	_, first, _ := apply(t, v, bigID(1), set)
	if first.Index != 1028 {
		t.Errorf("the first of 1,025, again: index %d, want it applied anew at 1,028", first.Index)
	}
	if before.recent[0].ID != bigID(2) || before.recent[1023].ID != bigID(1025) {
		t.Error("a later command changed what an earlier view knows")
	}
}

// Two states may follow one: neither changes what the other knows.
func TestViewsDoNotShareWhatGrows(t *testing.T) {
	v := scripted(t, len(wholeScript()))
	for i := range 3 {
		v, _, _ = apply(t, v, bigID(i+1), XactionCreate{Xaction{ID: fmt.Sprint("x", i), Kind: "vacuum"}})
		before := stateBytes(t, v)
		one, _, _ := apply(t, v, bigID(100), XactionUpdate{ID: fmt.Sprint("x", i), Revision: v.index, State: XactionRunning})
		want := stateBytes(t, one)
		two, _, _ := apply(t, v, bigID(101), XactionCreate{Xaction{ID: "other", Kind: "vacuum"}})
		if one.outcomeOf(bigID(100)) == nil || two.outcomeOf(bigID(101)) == nil || two.outcomeOf(bigID(100)) != nil {
			t.Error("a state knows the proposal of another")
		}
		if !bytes.Equal(stateBytes(t, one), want) || !bytes.Equal(stateBytes(t, v), before) {
			t.Errorf("a state changed after it was made: got\n%s\nwant\n%s", stateBytes(t, one), want)
		}
	}
}

func TestLongRefusalsAreCut(t *testing.T) {
	v := scripted(t, len(wholeScript()))
	v, _, err := apply(t, v, bigID(1), KeyDelete{AccessKey: strings.Repeat("é", 5000)})
	if len(err.Error()) < 5000 {
		t.Fatalf("the first answer: %q", err)
	}
	_, _, again := apply(t, reread(t, v), bigID(1), KeyDelete{})
	if n := len(again.Error()); n > messageMax || n < messageMax-3 || !strings.HasPrefix(err.Error(), again.Error()) || ais.KindOf(again) != ais.NotFound {
		t.Errorf("the second answer has %d bytes: %q, want %d of the first", n, again, messageMax)
	}
}

func TestEntriesThatAreNoProposals(t *testing.T) {
	v := scripted(t, 4)
	next, result, err := v.ApplyEntry(9, nil)
	if err != nil || next.index != 9 || result != (Result{}) || next.GrantIndex() != 4 {
		t.Errorf("an empty entry: got %+v, %v, index %d, want nothing but the index to change", result, err, next.index)
	}
	next, _, err = v.ApplyEntry(9, []byte(`{"v":9}`))
	if next != nil || !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), "entry 9") {
		t.Errorf("an entry that cannot be read: got %v, %v, want no view", next, err)
	}
	var e *ais.Error
	next, _, err = v.ApplyEntry(9, []byte(goldenCommands[0]))
	if next == nil || !errors.As(err, &e) || e.Kind != ais.Exists || next.index != 9 {
		t.Errorf("a refused command alone: got %v, want the view and the refusal", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an entry was applied out of order")
		}
	}()
	_, _, _ = v.ApplyEntry(4, nil)
}

func FuzzDecodeProposal(f *testing.F) {
	for i, c := range goldenCommands {
		f.Add([]byte(c))
		f.Add(append(append([]byte{2}, bytes.Repeat([]byte{byte(i + 1)}, 16)...), c...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		id, c, err := DecodeProposal(b)
		if err != nil {
			return
		}
		var again []byte
		if id == (ProposalID{}) {
			again, err = Encode(c)
		} else {
			again, err = EncodeProposal(id, c)
		}
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %s, which encodes as %s (%v)", hex.EncodeToString(b), hex.EncodeToString(again), err)
		}
	})
}

// reread is v written and read.
func reread(t testing.TB, v *View) *View {
	t.Helper()
	b, err := EncodeSnapshot(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeSnapshot(b)
	if err != nil {
		t.Fatal(fmt.Errorf("%w in %s", err, b))
	}
	return back
}
