package control

import (
	"bytes"
	"encoding/hex"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

// goldenCommands are the bytes of every kind of command: logs hold them, so they are read for ever.
var goldenCommands = []string{
	`{"v":1,"kind":"cluster.init","body":{"cluster":"00000000000000c1","hash_seed":"fedcba9876543210","created":1000}}`,
	`{"v":1,"kind":"key.put","body":{"key":{"access_key":"root-key","secret":"root-secret","root":true,"created":1000}}}`,
	`{"v":1,"kind":"bucket.create","body":{"bucket":{"id":0,"name":"photos","created":1000,"owner":"root-key","policy":"","versioning":0}}}`,
	`{"v":1,"kind":"bucket.update","body":{"bucket":{"id":3,"name":"photos","created":1000,"owner":"root-key","policy":"copies=3","versioning":1,"min_copies":2,"properties":{"cors":"é","lifecycle":"<a>&</a>"},"revision":3}}}`,
	`{"v":1,"kind":"config.set","body":{"values":{"bucket.policy":"copies=1","checksum.verify_get":"false"}}}`,
	`{"v":1,"kind":"config.set","body":{"node":"n1","values":{"volume.size":"64MiB"}}}`,
	`{"v":1,"kind":"bucket.delete","body":{"id":4,"revision":4}}`,
	`{"v":1,"kind":"bucket.undelete","body":{"id":4,"revision":10}}`,
	`{"v":1,"kind":"bucket.deleted","body":{"id":4,"revision":12}}`,
	`{"v":1,"kind":"key.delete","body":{"access_key":"second"}}`,
	`{"v":1,"kind":"config.unset","body":{"names":["checksum.verify_get"]}}`,
}

func TestCommandGolden(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range script() {
		b, err := Encode(c)
		if err != nil {
			t.Fatalf("encode %s: %v", c.Kind(), err)
		}
		seen[string(b)] = true
		back, err := Decode(b)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("decode %s: got %+v, %v, want %+v", b, back, err, c)
		}
	}
	for _, want := range goldenCommands {
		if !seen[want] {
			t.Errorf("no command encodes as the golden\n%s", want)
		}
		if _, err := Decode([]byte(want)); err != nil {
			t.Errorf("decode the golden %s: %v", want, err)
		}
	}
}

// The rows of a database, byte for byte.
func TestRowGolden(t *testing.T) {
	all := states(t)
	key := logKey(18)
	for name, c := range map[string]struct{ got, want []byte }{
		"log key":  {key, []byte("log/\x00\x00\x00\x00\x00\x00\x00\x12")},
		"log row":  {sealRow(key, encodeEntry(singleTerm, []byte(goldenCommands[9]))), unhex(t, "log-row")},
		"format":   {sealRow([]byte(formatKey), []byte(`{"format":1}`)), unhex(t, "format-row")},
		"snapshot": {append(all[len(all)-1], '\n'), file(t, "snapshot.json")},
		"empty":    {append(all[0], '\n'), file(t, "empty.json")},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: got\n%q (%x)\nwant\n%q", name, c.got, c.got, c.want)
		}
	}
	v, err := DecodeSnapshot(all[len(all)-1])
	if err != nil {
		t.Fatal(err)
	}
	if again := stateBytes(t, v); !bytes.Equal(again, all[len(all)-1]) {
		t.Errorf("snapshot read and written: got\n%s\nwant\n%s", again, all[len(all)-1])
	}
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Error(err)
	}
	return b
}

func unhex(t *testing.T, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSpace(string(file(t, name+".hex"))))
	if err != nil {
		t.Error(err)
	}
	return b
}

func TestDecodeRefuses(t *testing.T) {
	for b, says := range map[string]string{
		``:     "not readable",
		`null`: `unknown kind ""`,
		`{"v":1,"kind":"bucket.paint","body":{}}`:                                `unknown kind "bucket.paint"`,
		`{"v":2,"kind":"key.delete","body":{"access_key":"a","force":1}}`:        "version 2",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a","force":true}}`:     "force",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a"},"more":1}`:         "more",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a"}}{}`:                "after the end",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a"}} `:                 "canonical",
		`{"v":1,"kind":"key.delete","body":{"ACCESS_KEY":"a"}}`:                  "canonical",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a","access_key":"b"}}`: "canonical",
		"{\"v\":1,\"kind\":\"key.delete\",\"body\":{\"access_key\":\"\xff\"}}":   "canonical",
		`{"v":1,"kind":"key.delete","body":null}`:                                "canonical",
		`{"v":1,"kind":"bucket.delete","body":{"id":-1,"revision":1}}`:           "bucket.delete",
		strings.Repeat(" ", CommandMax+1):                                        "at most",
	} {
		c, err := Decode([]byte(b))
		if !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("decode %.100q: got %+v, %v, want kind Invalid with %q", b, c, err, says)
		}
	}
}

func TestEncodeBoundsTheCommand(t *testing.T) {
	c := ConfigSet{Values: map[string]string{"x": strings.Repeat("y", CommandMax)}}
	if b, err := Encode(c); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a command of %d bytes: got %v, want kind Invalid", len(b), err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range goldenCommands {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(c)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %q, which encodes as %q (%v)", b, again, err)
		}
		// Whatever was accepted can be checked and applied, refused or not, and leaves a state that can
		// be written and read.
		_ = c.check()
		v := NewView()
		for i, before := range script() {
			v, _, _ = v.Apply(ais.ControlIndex(i+1), before)
		}
		next, _, _ := v.Apply(100, c)
		snapshot, err := EncodeSnapshot(next)
		if err != nil {
			t.Fatalf("state after %q: %v", b, err)
		}
		back, err := DecodeSnapshot(snapshot)
		if err != nil {
			t.Fatalf("state after %q: snapshot %s: %v", b, snapshot, err)
		}
		if s, err := EncodeSnapshot(back); err != nil || !bytes.Equal(s, snapshot) {
			t.Fatalf("state after %q: snapshot\n%s\nread and written is\n%s (%v)", b, snapshot, s, err)
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	v := NewView()
	for i, c := range script() {
		v, _, _ = v.Apply(ais.ControlIndex(i+1), c)
		if b, err := EncodeSnapshot(v); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeSnapshot(b)
		if err != nil {
			return
		}
		if _, err := EncodeSnapshot(v); err != nil {
			t.Fatalf("accepted %q, which cannot be written: %v", b, err)
		}
	})
}
