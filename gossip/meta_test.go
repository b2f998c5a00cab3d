package gossip

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed9b016523/ais"
)

func metas() map[string]Meta {
	return map[string]Meta{
		"9801010000a0000000": {Node: 1},
		"9801cf00112233445566770203ad31302e302e302e313a38303831cd123407cc80": {
			Node: 0x0011223344556677, Seat: 2, Epoch: 3, Cluster: "10.0.0.1:8081", Map: 0x1234, Control: 7, Term: 128},
	}
}

func TestMetaBytes(t *testing.T) {
	for golden, m := range metas() {
		b, err := m.Encode()
		if err != nil || hex.EncodeToString(b) != golden {
			t.Errorf("Encode(%+v): got %x, %v, want %s", m, b, err, golden)
		}
		if got, err := DecodeMeta(b); err != nil || got != m {
			t.Errorf("DecodeMeta(%s): got %+v, %v, want %+v", golden, got, err, m)
		}
	}
}

// later is m as a version to come might write it: with two more fields.
func later(t *testing.T, m Meta) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b[0], b[1] = 0x90|metaFields+2, 2
	return msgp.AppendString(msgp.AppendMapStrStr(b, map[string]string{"a": "b"}), "x")
}

func TestMetaOfLaterVersionIsRead(t *testing.T) {
	m := Meta{Node: 5, Map: 6}
	if got, err := DecodeMeta(later(t, m)); err != nil || got != m {
		t.Errorf("got %+v, %v, want %+v", got, err, m)
	}
}

func TestMetaRefusals(t *testing.T) {
	whole, _ := Meta{Node: 1, Cluster: "a:1"}.Encode()
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(whole)) }
	for name, b := range map[string][]byte{
		"empty":         nil,
		"cut":           whole[:len(whole)-1],
		"longer":        append(bytes.Clone(whole), 0),
		"too long":      make([]byte, MetaBytesMax+1),
		"version 0":     change(func(b []byte) []byte { b[1] = 0; return b }),
		"no node":       change(func(b []byte) []byte { b[2] = 0; return b }),
		"fewer fields":  change(func(b []byte) []byte { b[0]--; return b[:len(b)-1] }),
		"more fields":   change(func(b []byte) []byte { b[0]++; return append(b, 0) }),
		"endless array": {0xdd, 0xff, 0xff, 0xff, 0xff, 1, 1},
		"epoch too big": change(func(b []byte) []byte {
			return append(append(bytes.Clone(b[:4]), 0xce, 1, 0, 0, 0), b[5:]...)
		}),
		"long address": func() []byte {
			b := msgp.AppendString(bytes.Clone(whole[:5]), strings.Repeat("a", 256))
			return append(b, 0, 0, 0)
		}(),
	} {
		if m, err := DecodeMeta(b); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %+v, %v, want an error of kind Invalid", name, m, err)
		}
	}
	for name, m := range map[string]Meta{
		"no node":      {},
		"long address": {Node: 1, Cluster: strings.Repeat("a", 256)},
	} {
		if _, err := m.Encode(); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("Encode, %s: got %v, want an error of kind Invalid", name, err)
		}
	}
	most := ^uint64(0)
	b, err := Meta{Node: ais.NodeID(most), Seat: ais.SeatID(most), Epoch: ais.EpochMax, Cluster: strings.Repeat("a", 255),
		Map: ais.MapVersion(most), Control: ais.ControlIndex(most), Term: ais.Term(most)}.Encode()
	if err != nil || len(b) > MetaBytesMax {
		t.Errorf("the longest metadata: %d bytes, %v, want at most %d", len(b), err, MetaBytesMax)
	}
}

func TestNoticeBytes(t *testing.T) {
	for golden, n := range map[string]notice{
		"01010000000000000002000000000000000300000004": {kind: noticeAccuse, by: 2, about: 3, epoch: 4},
		"0102000000000000000a000000000000000a00ffffff": {kind: noticeLeave, by: 10, about: 10, epoch: ais.EpochMax},
	} {
		b := n.encode()
		if hex.EncodeToString(b) != golden {
			t.Errorf("%+v: got %x, want %s", n, b, golden)
		}
		if got, err := decodeNotice(b); err != nil || got != n {
			t.Errorf("decode %s: got %+v, %v, want %+v", golden, got, err, n)
		}
	}
	for name, text := range map[string]string{
		"empty":             "",
		"long":              "0101000000000000000200000000000000030000000400",
		"version":           "02010000000000000002000000000000000300000004",
		"kind":              "01030000000000000002000000000000000300000004",
		"accuses itself":    "01010000000000000002000000000000000200000004",
		"leave of another":  "01020000000000000002000000000000000300000004",
		"by nobody":         "01010000000000000000000000000000000300000004",
		"epoch of 32 bits":  "01010000000000000002000000000000000301000000",
		"leave of node 0":   "01020000000000000000000000000000000000000004",
		"accuses node zero": "01010000000000000002000000000000000000000004",
	} {
		b, _ := hex.DecodeString(text)
		if n, err := decodeNotice(b); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %+v, %v, want an error of kind Invalid", name, n, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	for golden := range metas() {
		b, _ := hex.DecodeString(golden)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMeta(b)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatalf("%x gave %+v, which cannot be encoded: %v", b, m, err)
		}
		if got, err := DecodeMeta(again); err != nil || got != m {
			t.Fatalf("%x gave %+v, encoded again %+v, %v", b, m, got, err)
		}
	})
}

func FuzzNotice(f *testing.F) {
	f.Add(notice{kind: noticeAccuse, by: 1, about: 2, epoch: 3}.encode())
	f.Add(notice{kind: noticeLeave, by: 2, about: 2}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := decodeNotice(b); err == nil && !bytes.Equal(n.encode(), b) {
			t.Fatalf("%x gave %+v, which is encoded as %x", b, n, n.encode())
		}
	})
}
