package consensus

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/lease"
)

func pointer[T any](v T) *T { return &v }

// goldenMessages has one message of each kind, with another value in each field.
func goldenMessages() []struct {
	name string
	m    Message
	hex  string // a space between fields
} {
	start := &cmap.Start{ID: 5, Epoch: 6, Seat: 7, Addresses: cmap.Addresses{Public: "p:1", Cluster: "c:2", Gossip: "g:3"},
		Versions: cmap.Versions{Format: 1, Wire: 2, Command: 3, Program: "x"}, Weight: 8}
	l := lease.Renewal{Node: 0x1122334455667788, Epoch: 0x01020304, Sent: 0x0a0b0c0d0e0f, Generation: 3, Term: 4, Map: 5, Control: 0x10203}
	return []struct {
		name string
		m    Message
		hex  string
	}{
		{"raft", Message{Generation: 0x1234, Raft: &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), To: pointer(uint64(2)), From: pointer(uint64(1)),
			Term: pointer(uint64(9)), Commit: pointer(uint64(7)), Context: []byte("c")}},
			"94 01 cd1234 01 c40d 0808 1002 1801 2009 4007 620163"},
		{"renewal", Message{Generation: 1, Renewal: &Renewal{Lease: l}},
			"94 01 01 02 98 cf1122334455667788 ce01020304 d300000a0b0c0d0e0f 03 04 05 ce00010203 c400"},
		{"renewal of a new process", Message{Renewal: &Renewal{Lease: lease.Renewal{Node: 5, Epoch: 6, Sent: 1}, Start: start}},
			"94 01 00 02 98 05 06 01 00 00 00 00 c4bf " + hex.EncodeToString([]byte(
				`{"id":"0000000000000005","epoch":6,"seat":"0000000000000007","addresses":{"public":"p:1","cluster":"c:2","gossip":"g:3"},`+
					`"versions":{"format":1,"wire":2,"command":3,"program":"x"},"weight":8}`))},
		{"renewal of a target", Message{Generation: 1, Renewal: &Renewal{Lease: lease.Renewal{Node: 5, Epoch: 6, Sent: 1, Map: 9, Whole: 0x1234, Sealed: 8}}},
			"94 02 01 02 9a 05 06 01 00 00 09 00 c400 cd1234 08"},
		{"accusation", Message{Generation: 1, Accuse: &Accuse{Node: 0x1122334455667788}}, "94 02 01 06 cf1122334455667788"},
		{"grant", Message{Generation: 0xffff, Grant: &lease.Grant{Node: l.Node, Epoch: l.Epoch, Sent: l.Sent, Generation: 3, Term: 4, Map: 5, Control: l.Control, Life: 6 * time.Second}},
			"94 01 cdffff 03 98 cf1122334455667788 ce01020304 d300000a0b0c0d0e0f 03 04 05 ce00010203 d30000000165a0bc00"},
		{"goodbye", Message{Generation: 2, Goodbye: &Goodbye{Epoch: 0xffffffff}}, "94 01 02 04 ceffffffff"},
		{"pull", Message{Generation: 2, Pull: &Pull{Seat: 0xfedcba9876543210, After: 300}}, "94 01 02 05 92 cffedcba9876543210 cd012c"},
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// equal compares messages; those of Raft as Protocol Buffers.
func equal(a, b *Message) bool {
	if (a.Raft == nil) != (b.Raft == nil) || a.Raft != nil && !proto.Equal(a.Raft, b.Raft) {
		return false
	}
	x, y := *a, *b
	x.Raft, y.Raft = nil, nil
	return reflect.DeepEqual(x, y)
}

func TestGoldenMessages(t *testing.T) {
	for _, c := range goldenMessages() {
		want := unhex(t, c.hex)
		got, err := EncodeMessage(&c.m)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, got, want)
		}
		back, err := DecodeMessage(want)
		if err != nil {
			t.Errorf("%s: decode: %v", c.name, err)
		} else if !equal(back, &c.m) {
			t.Errorf("%s: decoded %+v, want %+v", c.name, back, c.m)
		}
	}
}

func TestNothingTravelsInAnEmptyMessage(t *testing.T) {
	if b, err := EncodeMessage(&Message{From: 1, To: 2}); err == nil {
		t.Errorf("a message without content: got %x, want an error", b)
	}
}

// TestMessagesCutShort has every message end at every byte, and go on after its end.
func TestMessagesCutShort(t *testing.T) {
	for _, c := range goldenMessages() {
		whole := unhex(t, c.hex)
		for n := range whole {
			if m, err := DecodeMessage(whole[:n]); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: %d of %d bytes: got %+v, %v, want Invalid", c.name, n, len(whole), m, err)
			}
		}
		for _, tail := range []string{"\x00", "\xc0", string(whole)} {
			if m, err := DecodeMessage(append(bytes.Clone(whole), tail...)); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s and %x after it: got %+v, %v, want Invalid", c.name, tail, m, err)
			}
		}
	}
}

func TestRefusedMessages(t *testing.T) {
	for _, c := range []struct{ name, hex, want string }{
		{"nothing", "", "message"},
		{"no array", "01", "message"},
		{"an array of three", "93 01 01 04", "array of 3: want 4"},
		{"an array of five", "95 01 01 04 01 01", "array of 5: want 4"},
		{"the next version", "94 03 01 04 01", "version 3"},
		{"version 0", "94 00 01 04 01", "version 0"},
		{"a version below zero", "94 ff 01 04 01", "message"},
		{"a generation of 17 bits", "94 01 ce00010000 04 01", "overflow"},
		{"kind 0", "94 01 01 00 01", "unknown kind 0"},
		{"kind 7", "94 02 01 07 01", "unknown kind 7"},
		{"an accusation of version 1", "94 01 01 06 01", "version 1: want 2"},
		{"a goodbye of version 2", "94 02 01 04 01", "version 2: want 1"},
		{"a renewal of version 2 that says nothing of slots", "94 02 01 02 9a 01 01 01 01 01 01 01 c400 00 00", "version 2: want 1"},
		{"a renewal of version 2 with eight", "94 02 01 02 98 01 01 01 01 01 01 01 c400", "array of 8: want 10"},
		{"an epoch of 33 bits", "94 01 01 04 cf0000000100000000", "overflow"},
		{"a renewal of seven", "94 01 01 02 97 01 01 01 01 01 01 01", "array of 7: want 8"},
		{"a pull of three", "94 01 01 05 93 01 01 01", "array of 3: want 2"},
		{"a start that is no JSON", "94 01 01 02 98 01 01 01 01 01 01 01 c4017b", "JSON"},
		{"a start that is no object", "94 01 01 02 98 01 01 01 01 01 01 01 c40131", "unmarshal"},
		{"a message of raft that is none", "94 01 01 01 c401ff", "message"},
		{"a text for the bytes of raft", "94 01 01 01 a161", "message"},
		{"4 GiB that are not there", "94 01 01 01 c6ffffffff", "message"},
		{"4 G fields that are not there", "dd ffffffff", "array of 4294967295"},
		{"a start of 4 GiB", "94 01 01 02 98 01 01 01 01 01 01 01 c6ffffffff", "message"},
	} {
		m, err := DecodeMessage(unhex(t, c.hex))
		if !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %+v, %v, want Invalid", c.name, m, err)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %q, want it to say %q", c.name, err, c.want)
		}
	}
}

// TestLengthsAllocateNothing: what a length promises and does not hold costs no memory.
func TestLengthsAllocateNothing(t *testing.T) {
	hostile := [][]byte{
		unhex(t, "94 01 01 01 c6ffffffff"),
		unhex(t, "94 01 01 02 98 01 01 01 01 01 01 01 c6ffffffff"),
		unhex(t, "94 01 01 01 c406 3affffffff0f"), // within Raft's own message: an entry of 4 GiB
		unhex(t, "dd ffffffff"),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, b := range hostile {
		if m, err := DecodeMessage(b); err == nil {
			t.Errorf("%x: got %+v, want an error", b, m)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("lengths of 4 GiB without content: %d bytes were allocated, want less than 1 MiB", got)
	}
}

// TestDecodedMessageIsItsOwn: the bytes of a message may be used again once it is decoded.
func TestDecodedMessageIsItsOwn(t *testing.T) {
	m := &Message{Raft: &raftpb.Message{Type: raftpb.MsgApp.Enum(), Context: []byte("context"), Entries: []*raftpb.Entry{{Data: []byte("command")}},
		Snapshot: &raftpb.Snapshot{Data: []byte("state")}}}
	b, err := EncodeMessage(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 0xee
	}
	if !equal(got, m) {
		t.Errorf("after its bytes were overwritten: %v, want %v", got.Raft, m.Raft)
	}
}

func drawHead(t *rapid.T) lease.Renewal {
	return lease.Renewal{
		Node: ais.NodeID(rapid.Uint64().Draw(t, "node")), Epoch: ais.Epoch(rapid.Uint32().Draw(t, "epoch")),
		Sent: ais.Instant(rapid.Int64().Draw(t, "sent")), Generation: ais.Generation(rapid.Uint16().Draw(t, "generation")),
		Term: ais.Term(rapid.Uint64().Draw(t, "term")), Map: ais.MapVersion(rapid.Uint64().Draw(t, "map")),
		Control: ais.ControlIndex(rapid.Uint64().Draw(t, "control")),
	}
}

func drawRaft(t *rapid.T) *raftpb.Message {
	number := func(name string) *uint64 { return pointer(rapid.Uint64().Draw(t, name)) }
	m := &raftpb.Message{Type: pointer(raftpb.MessageType(rapid.IntRange(0, 22).Draw(t, "type"))), To: number("to"), From: number("from"),
		Term: number("term"), LogTerm: number("log term"), Index: number("index"), Commit: number("commit"), Reject: pointer(rapid.Bool().Draw(t, "reject")),
		RejectHint: number("hint")}
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		m.Entries = append(m.Entries, &raftpb.Entry{Index: number("at"), Term: number("of"), Data: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")})
	}
	if rapid.Bool().Draw(t, "with snapshot") {
		m.Snapshot = &raftpb.Snapshot{Data: rapid.SliceOf(rapid.Byte()).Draw(t, "state"), Metadata: &raftpb.SnapshotMetadata{
			Index: number("as of"), Term: number("its term"), ConfState: &raftpb.ConfState{Voters: rapid.SliceOf(rapid.Uint64()).Draw(t, "voters")}}}
	}
	return m
}

func drawMessage(t *rapid.T) *Message {
	m := &Message{Generation: ais.Generation(rapid.Uint16().Draw(t, "sender's generation"))}
	switch rapid.IntRange(1, 6).Draw(t, "kind") {
	case kindRaft:
		m.Raft = drawRaft(t)
	case kindRenewal:
		m.Renewal = &Renewal{Lease: drawHead(t)}
		if rapid.Bool().Draw(t, "of a target") {
			m.Renewal.Lease.Whole = ais.MapVersion(rapid.Uint64().Draw(t, "whole"))
			m.Renewal.Lease.Sealed = ais.MapVersion(rapid.Uint64().Draw(t, "sealed"))
		}
		if rapid.Bool().Draw(t, "new process") {
			m.Renewal.Start = &cmap.Start{ID: m.Renewal.Lease.Node, Epoch: m.Renewal.Lease.Epoch, Seat: ais.SeatID(rapid.Uint64().Draw(t, "seat")),
				Addresses: cmap.Addresses{Public: rapid.String().Draw(t, "public")}, Weight: rapid.Uint32().Draw(t, "weight")}
		}
	case kindGrant:
		h := drawHead(t)
		m.Grant = &lease.Grant{Node: h.Node, Epoch: h.Epoch, Sent: h.Sent, Generation: h.Generation, Term: h.Term, Map: h.Map, Control: h.Control,
			Life: time.Duration(rapid.Int64().Draw(t, "life"))}
	case kindGoodbye:
		m.Goodbye = &Goodbye{Epoch: ais.Epoch(rapid.Uint32().Draw(t, "epoch"))}
	case kindAccuse:
		m.Accuse = &Accuse{Node: ais.NodeID(rapid.Uint64().Draw(t, "accused"))}
	case kindPull:
		m.Pull = &Pull{Seat: ais.SeatID(rapid.Uint64().Draw(t, "seat")), After: ais.ControlIndex(rapid.Uint64().Draw(t, "after"))}
	}
	return m
}

func TestMessagesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage(t)
		b, err := EncodeMessage(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeMessage(b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if !equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// FuzzDecodeMessage: what a peer sends never brings down a node, and what it decodes to is what it says.
func FuzzDecodeMessage(f *testing.F) {
	for _, c := range goldenMessages() {
		b, err := hex.DecodeString(strings.ReplaceAll(c.hex, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(b, 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			if m != nil || !ais.IsKind(err, ais.Invalid) {
				t.Fatalf("got %+v, %v, want nothing and Invalid", m, err)
			}
			return
		}
		again, err := EncodeMessage(m)
		if err != nil {
			t.Fatalf("%+v was decoded and cannot be encoded: %v", m, err)
		}
		back, err := DecodeMessage(again)
		if err != nil {
			t.Fatalf("%+v was encoded and cannot be decoded: %v", m, err)
		}
		if !equal(back, m) {
			t.Fatalf("%+v came back as %+v", m, back)
		}
	})
}
