package courier

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed9b016523/ais"
)

// TestGoldenParcels holds the bytes of a stream to those of docs/replication.md.
func TestGoldenParcels(t *testing.T) {
	var b []byte
	b = append(appendHead(b, parcelWrite, 0x0102030405060708, 3), "abc"...)
	b = append(appendHead(b, parcelExtent, 2, 1), 'x')
	b = appendHead(b, parcelStable, 0, 0)
	b = appendDone(b, 2, nil)
	b = appendDone(b, 3, fmt.Errorf("more: %w", ais.NounErrorf(ais.StaleMap, ais.NounBucket, "old")))
	const want = "03000000" + "01" + "0807060504030201" + "616263" +
		"01000000" + "02" + "0200000000000000" + "78" +
		"00000000" + "03" + "0000000000000000" +
		"00000000" + "04" + "0200000000000000" +
		"11000000" + "04" + "0300000000000000" + "06" + "06" + "6275636b6574" + "6d6f72653a206f6c64"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("parcels: got\n%s, want\n%s", got, want)
	}
}

// join gives the parcels of pieces.
func join(most int, pieces ...[]byte) (all []parcel, err error) {
	j := joiner{most: most}
	for _, piece := range pieces {
		for len(piece) > 0 {
			p, ok, err := j.next(&piece)
			if err != nil {
				return all, err
			}
			if ok {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

// TestJoin cuts a stream of parcels in every way: they come out whole.
func TestJoin(t *testing.T) {
	var stream []byte
	sizes := []int{0, 1, 100, 0, 13, 3}
	for i, size := range sizes {
		stream = append(appendHead(stream, parcelKind(i), uint64(i)<<40, size), bytes.Repeat([]byte{byte(i)}, size)...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 500 {
		var pieces [][]byte
		most := 1 + round%60
		for rest := stream; len(rest) > 0; {
			n := min(1+random.IntN(most), len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		got, err := join(100, pieces...)
		if err != nil || len(got) != len(sizes) {
			t.Fatalf("pieces of up to %d: got %d parcels, %v; want %d", most, len(got), err, len(sizes))
		}
		for i, p := range got {
			if p.kind != parcelKind(i) || p.id != uint64(i)<<40 || !bytes.Equal(p.body, bytes.Repeat([]byte{byte(i)}, sizes[i])) {
				t.Errorf("parcel %d came as %+v", i, p)
			}
		}
	}
	if _, err := join(99, stream); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a parcel too large: got %v, want Invalid", err)
	}
	if _, err := join(99, stream[:40], stream[40:41], stream[41:]); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a parcel too large, in pieces: got %v, want Invalid", err)
	}
}

// TestDone: errors come as they went, as far as the wire has room.
func TestDone(t *testing.T) {
	long := string(bytes.Repeat([]byte("m"), 5000))
	for _, want := range []*ais.Error{
		{Kind: ais.NotFound, Noun: ais.NounObject, Message: "gone"}, {Kind: ais.Internal}, {Kind: ais.Canceled, Message: long[:messageMost]},
	} {
		all, err := join(ParcelMax, appendDone(nil, 9, want))
		if err != nil || len(all) != 1 || all[0].id != 9 {
			t.Fatalf("%+v: got %v, %v", want, all, err)
		}
		got, bad := parseDone(all[0].body)
		if bad != nil || ais.KindOf(got) != want.Kind || ais.NounOf(got) != want.Noun || got.Error() != want.Message {
			t.Errorf("%+.50v: got %+.50v, %v", want, got, bad)
		}
	}
	if got, bad := parseDone([]byte{200, 0, 'x'}); bad != nil || !ais.IsKind(got, ais.Internal) {
		t.Errorf("a kind of the future: got %v, %v; want Internal", got, bad)
	}
	for _, b := range [][]byte{{1}, {1, 2, 'x'}, make([]byte, 2+nounMost+messageMost+1)} {
		if got, bad := parseDone(b); bad == nil {
			t.Errorf("%d bytes: got %v, want that they are no answer", len(b), got)
		}
	}
}

// FuzzJoin: any bytes in any pieces do no harm, and give the parcels that they give in one piece.
func FuzzJoin(f *testing.F) {
	f.Add(appendDone(append(appendHead(nil, parcelWrite, 1, 3), "abc"...), 2, ais.Errorf(ais.Invalid, "no")), uint8(5))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		at := min(int(cut), len(b))
		whole, wholeErr := join(1<<16, b)
		parts, partsErr := join(1<<16, b[:at], b[at:])
		if (wholeErr == nil) != (partsErr == nil) || len(whole) != len(parts) {
			t.Fatalf("cut at %d: got %d parcels, %v; in one piece %d, %v", at, len(parts), partsErr, len(whole), wholeErr)
		}
		for i := range whole {
			if whole[i].id != parts[i].id || !bytes.Equal(whole[i].body, parts[i].body) {
				t.Errorf("parcel %d: got %+v, in one piece %+v", i, parts[i], whole[i])
			}
			_, _ = parseDone(whole[i].body)
		}
	})
}
