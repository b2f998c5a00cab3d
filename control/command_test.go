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
	`{"v":1,"kind":"config.set","body":{"node":"00000000000000a1","values":{"volume.size":"64MiB"}}}`,
	`{"v":1,"kind":"bucket.delete","body":{"id":4,"revision":4}}`,
	`{"v":1,"kind":"bucket.undelete","body":{"id":4,"revision":10}}`,
	`{"v":1,"kind":"bucket.deleted","body":{"id":4,"revision":12}}`,
	`{"v":1,"kind":"key.delete","body":{"access_key":"second"}}`,
	`{"v":1,"kind":"config.unset","body":{"names":["checksum.verify_get"]}}`,
	`{"v":1,"kind":"primary.begin","body":{"node":"00000000000000a1","seat":"00000000000001a1","term":2}}`,
	`{"v":1,"kind":"cluster.secrets","body":{"ca_cert":"Y2VydGlmaWNhdGU=","ca_key":"a2V5","gossip_key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","ticket_key":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="}}`,
	`{"v":1,"kind":"node.join","body":{"node":{"id":"00000000000000a1","roles":"proxy,target","zone":"rack","weight":8,"state":"alive","since":0,"epoch":1,"seat":"00000000000001a1","addresses":{"public":"h:1","cluster":"h:2","gossip":"h:3"},"versions":{"format":1,"wire":1,"command":1,"program":"1.0 <é>"}}}}`,
	`{"v":1,"kind":"node.join","body":{"node":{"id":"00000000000000a2","roles":"proxy,target","zone":"rack","weight":8,"state":"alive","since":0,"epoch":1,"seat":"00000000000001a2","addresses":{"public":"h:1","cluster":"h:2","gossip":"h:3"},"versions":{"format":1,"wire":1,"command":1,"program":"1.0 <é>"}}}}`,
	`{"v":1,"kind":"node.join","body":{"node":{"id":"00000000000000a3","roles":"proxy","zone":"rack","weight":0,"state":"alive","since":0,"epoch":1,"seat":"00000000000001a3","addresses":{"public":"h:1","cluster":"h:2","gossip":"h:3"},"versions":{"format":1,"wire":1,"command":1,"program":"1.0 <é>"}}}}`,
	`{"v":1,"kind":"map.settle","body":{"version":4}}`,
	`{"v":1,"kind":"node.start","body":{"starts":[{"id":"00000000000000a2","epoch":2,"seat":"00000000000001a2","addresses":{"public":"h:4","cluster":"","gossip":""},"versions":{"format":1,"wire":1,"command":1,"program":"1.1"},"weight":0}]}}`,
	`{"v":1,"kind":"node.weight","body":{"changes":[{"id":"00000000000000a2","weight":16}]}}`,
	`{"v":1,"kind":"node.zone","body":{"id":"00000000000000a2","zone":"other"}}`,
	`{"v":1,"kind":"node.state","body":{"changes":[{"id":"00000000000000a2","epoch":2,"state":"down"},{"id":"00000000000000a3","epoch":0,"state":"out"}]}}`,
	`{"v":1,"kind":"map.cut","body":{"version":7}}`,
	`{"v":1,"kind":"node.remove","body":{"id":"00000000000000a3"}}`,
	`{"v":1,"kind":"xaction.create","body":{"xaction":{"id":"g4","key":"request-1","kind":"rebalance","scope":{},"state":"pending","progress":{"objects":0,"bytes":0},"created":3000,"revision":0}}}`,
	`{"v":1,"kind":"xaction.create","body":{"xaction":{"id":"NGxmOthtE","kind":"resilver","scope":{"bucket":3,"target":"00000000000000a2","mountpath":"000000000000000f","volume":"9223372036854775809"},"parameters":{"why":"<asked>"},"state":"pending","progress":{"objects":0,"bytes":0},"created":3000,"revision":0}}}`,
	`{"v":1,"kind":"xaction.update","body":{"id":"NGxmOthtE","revision":38,"state":"assigned","node":"00000000000000a2","time":4000}}`,
	`{"v":1,"kind":"xaction.update","body":{"id":"NGxmOthtE","revision":39,"state":"running","progress":{"objects":1,"bytes":2,"objects_total":3,"bytes_total":4,"checkpoint":"slot 7"},"time":4001}}`,
	`{"v":1,"kind":"xaction.update","body":{"id":"g4","revision":36,"state":"failed","error":"no source","time":5000}}`,
	`{"v":1,"kind":"xaction.forget","body":{"id":"g4"}}`,
	`{"v":2,"kind":"bucket.delete","body":{"id":15,"revision":43,"node":"00000000000000a1","epoch":1}}`,
	`{"v":1,"kind":"cluster.level","body":{"level":1}}`,
	`{"v":1,"kind":"map.touch","body":{}}`,
	`{"v":1,"kind":"node.forget","body":{"id":"00000000000000a2"}}`,
	`{"v":1,"kind":"node.unlease","body":{"ids":["00000000000000a4"]}}`,
}

func TestCommandGolden(t *testing.T) {
	seen := map[string]bool{}
	kinds := map[Kind]bool{}
	for _, c := range everyScript() {
		kinds[c.Kind()] = true
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
	for i := range knownKinds {
		if row := &knownKinds[i]; !kinds[row.kind] || row.level < 1 || row.version < 1 {
			t.Errorf("kind %s: want a golden, a level and a version", row.kind)
		}
	}
}

// Names of nodes were any text in logs of format 1.
func TestOldCommandsAreRead(t *testing.T) {
	old := `{"v":1,"kind":"config.set","body":{"node":"n1","values":{"volume.size":"64MiB"}}}`
	c, err := Decode([]byte(old))
	if want := (ConfigSet{Node: "n1", Values: map[string]string{"volume.size": "64MiB"}}); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("decode %s: got %+v, %v, want %+v", old, c, err, want)
	}
}

func file(t testing.TB, name string) []byte {
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
		`{"v":1,"kind":"bucket.paint","body":{}}`:                                                            `unknown kind "bucket.paint"`,
		`{"v":2,"kind":"key.delete","body":{"access_key":"a","force":1}}`:                                    "version 2",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a","force":true}}`:                                 "force",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a"},"more":1}`:                                     "more",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a"}}{}`:                                            "after the end",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a"}} `:                                             "canonical",
		`{"v":1,"kind":"key.delete","body":{"ACCESS_KEY":"a"}}`:                                              "canonical",
		`{"v":1,"kind":"key.delete","body":{"access_key":"a","access_key":"b"}}`:                             "canonical",
		"{\"v\":1,\"kind\":\"key.delete\",\"body\":{\"access_key\":\"\xff\"}}":                               "canonical",
		`{"v":1,"kind":"bucket.delete","body":{"id":1,"revision":1,"epoch":1}}`:                              "canonical",
		`{"v":2,"kind":"bucket.delete","body":{"id":1,"revision":1}}`:                                        "canonical",
		`{"v":3,"kind":"bucket.delete","body":{"id":1,"revision":1}}`:                                        "version 3",
		`{"v":0,"kind":"key.delete","body":{"access_key":"a"}}`:                                              "version 0",
		`{"v":1,"kind":"node.state","body":{"changes":[{"id":"00000000000000a1","epoch":0,"state":"ill"}]}}`: "node.state",
		`{"v":1,"kind":"xaction.update","body":{"id":"a","revision":1,"state":"done","time":1}}`:             "no state of an xaction",
		`{"v":1,"kind":"key.delete","body":null}`:                                                            "canonical",
		`{"v":1,"kind":"bucket.delete","body":{"id":-1,"revision":1}}`:                                       "bucket.delete",
		strings.Repeat(" ", CommandMax+1):                                                                    "at most",
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
	before := scripted(f, len(wholeScript()))
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
		next, _, _ := before.Apply(100, c)
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
