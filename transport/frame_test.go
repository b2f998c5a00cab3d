package transport

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"pgregory.net/rapid"
)

// TestGoldenFrames fixes the bytes of every kind of frame.
func TestGoldenFrames(t *testing.T) {
	for _, test := range []struct {
		f    frame
		want string
	}{
		{frame{kind: frameData, sequence: 1, header: []byte("hd"), payload: []byte("body")}, "0000000a" + "960101" + "0000" + "c4026864" + "04" + "626f6479"},
		{frame{kind: frameTake, sequence: 7, taken: 300, takenBytes: 70000}, "0000000e" + "960207" + "cd012c" + "ce00011170" + "c400" + "00"},
		{frame{kind: frameAsk, sequence: 7}, "00000008" + "960307" + "0000" + "c400" + "00"},
		{frame{kind: frameEnd, sequence: 7}, "00000008" + "960407" + "0000" + "c400" + "00"},
		{frame{kind: frameFail, sequence: 7, header: appendError(nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "no"))},
			"00000014" + "960507" + "0000" + "c40c" + "9301" + "a66275636b6574" + "a26e6f" + "00"},
	} {
		got := hex.EncodeToString(appendFrame(nil, &test.f))
		if got != test.want {
			t.Errorf("frame of kind %d:\n got %s\nwant %s", test.f.kind, got, test.want)
		}
	}
}

// TestBadFrames: what is not a frame is Invalid, before its payload is read.
func TestBadFrames(t *testing.T) {
	for what, text := range map[string]string{
		"no msgp part":           "00000000",
		"a huge msgp part":       "7fffffff",
		"five fields":            "00000008" + "950107" + "0000" + "c400" + "00",
		"bytes left over":        "00000009" + "960107" + "0000" + "c400" + "00" + "00",
		"kind 0":                 "00000008" + "960007" + "0000" + "c400" + "00",
		"kind 6":                 "00000008" + "960607" + "0000" + "c400" + "00",
		"a payload of 1 MiB + 1": "0000000c" + "960107" + "0000" + "c400" + "ce00100001",
		"an ask with a header":   "0000000a" + "960307" + "0000" + "c4026864" + "00",
		"an end with a payload":  "00000008" + "960407" + "0000" + "c400" + "01",
		"a failure with payload": "00000008" + "960507" + "0000" + "c400" + "01",
		"a map instead":          "00000001" + "80",
		"a header that is text":  "0000000a" + "960107" + "0000" + "a3686400" + "00",
		"a negative sequence":    "00000008" + "9601ff" + "0000" + "c400" + "00",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := readPart(bufio.NewReader(bytes.NewReader(b))); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want Invalid", what, err)
		}
	}
	whole := appendFrame(nil, &frame{kind: frameData, sequence: 1, header: []byte("hd")})
	for n := range whole {
		_, _, err := readPart(bufio.NewReader(bytes.NewReader(whole[:n])))
		if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[n == 0]; !errors.Is(err, want) {
			t.Errorf("frame cut after %d bytes: got %v, want %v", n, err, want)
		}
	}
}

// TestFrames: what is written is what is read, for all frames.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := frame{
			kind:       frameKind(rapid.IntRange(1, 5).Draw(t, "kind")),
			sequence:   rapid.Uint64().Draw(t, "sequence"),
			taken:      rapid.Uint64().Draw(t, "taken"),
			takenBytes: rapid.Uint64().Draw(t, "takenBytes"),
		}
		if want.kind == frameData || want.kind == frameFail {
			want.header = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "header")
		}
		if want.kind == frameData {
			want.payload = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")
		}
		r := bufio.NewReader(bytes.NewReader(appendFrame(nil, &want)))
		got, size, err := readPart(r)
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(r)
		if got.kind != want.kind || got.sequence != want.sequence || got.taken != want.taken || got.takenBytes != want.takenBytes ||
			!bytes.Equal(got.header, want.header) || size != len(rest) || !bytes.Equal(rest, want.payload) {
			t.Errorf("got %+v and %x, want %+v", got, rest, want)
		}
	})
}

// TestWireErrors: an error of a later program keeps its message.
func TestWireErrors(t *testing.T) {
	b, _ := hex.DecodeString("93" + "63" + "a0" + "a26e6f") // kind 99
	err, bad := parseError(b)
	if bad != nil || err.Kind != ais.Internal || err.Message != "no" {
		t.Errorf("error of kind 99: got %v, %v; want Internal", err, bad)
	}
	long := appendError(nil, ais.Errorf(ais.Denied, "%s", strings.Repeat("x", 10_000)))
	if err, bad := parseError(long); bad != nil || len(err.Message) != wireMessageMost {
		t.Errorf("a long message: got %v, want it cut to %d bytes", bad, wireMessageMost)
	}
}

func FuzzFrame(f *testing.F) {
	for k := frameData; k <= frameFail; k++ {
		f.Add(appendFrame(nil, &frame{kind: k, sequence: 3, taken: 2, takenBytes: 999}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, size, err := readPart(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if len(got.header) > HeaderBytesMax || size > FrameBytesMax {
			t.Errorf("frame with %d+%d bytes", len(got.header), size)
		}
		got.payload = make([]byte, size)
		again, sizeAgain, err := readPart(bufio.NewReader(bytes.NewReader(appendFrame(nil, &got))))
		if err != nil || sizeAgain != size || again.sequence != got.sequence || !bytes.Equal(again.header, got.header) {
			t.Errorf("written and read again: got %+v, %v; want %+v", again, err, got)
		}
	})
}

func FuzzError(f *testing.F) {
	f.Add(appendError(nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "no")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err, bad := parseError(b); bad == nil {
			if again, bad := parseError(appendError(nil, err)); bad != nil || *again != *err {
				t.Errorf("written and read again: got %v, %v; want %v", again, bad, err)
			}
		}
	})
}
