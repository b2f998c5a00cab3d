package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"slices"
	"testing"

	"github.com/seed9b016523/ais"
)

// The fuzz targets hold every decoder to three things: it does not panic; an error is of a kind that
// the package promises; and what it reads, encoded again, reads the same.

// checkKind holds a decoder's error to the kinds Corrupt, and Invalid around ErrUnknown.
func checkKind(t *testing.T, err error) {
	t.Helper()
	if k := ais.KindOf(err); k != ais.Corrupt && (k != ais.Invalid || !errors.Is(err, ErrUnknown)) {
		t.Errorf("got error %v of kind %v, want Corrupt, or Invalid around ErrUnknown", err, k)
	}
}

// FuzzDecodeHead reads b as it is, and again with a checksum that holds.
func FuzzDecodeHead(f *testing.F) {
	for _, typ := range sampleTypes {
		r, payload := sampleRecord(typ)
		b := encodeRecord(&r, payload)
		f.Add(b[:min(len(b), 4096)], uint64(sampleVolume), sampleOffset)
		f.Add(b[:100], uint64(0), int64(0))
		b[rhBlockLog]++
		f.Add(b[:r.HeadLen()], uint64(sampleVolume), sampleOffset)
	}
	f.Fuzz(func(t *testing.T, b []byte, volume uint64, off int64) {
		vol := ais.VolumeID(volume)
		checkHead(t, b, vol, off)
		n, ok := NeedHead(b)
		if ok && n <= len(b) && off >= 0 {
			b = bytes.Clone(b)
			off &^= Align - 1
			Place(b[:n], vol, off, uint64(off))
			checkHead(t, b, vol, off)
		}
		for p := NextCandidate(b, 0); p >= 0; p = NextCandidate(b, p+1) {
			if p%Align != 0 {
				t.Fatalf("got a candidate at %d, want multiples of %d only", p, Align)
			}
		}
	})
}

func checkHead(t *testing.T, b []byte, vol ais.VolumeID, off int64) {
	t.Helper()
	r, n, err := DecodeHead(b, vol, off)
	if err != nil {
		if err != ErrBad && err != ErrShort && (!errors.Is(err, ErrUnknown) || ais.KindOf(err) != ais.Invalid) {
			t.Errorf("got error %v, want ErrBad, ErrShort, or kind Invalid around ErrUnknown", err)
		}
		return
	}
	again := AppendHead(nil, &r)
	Place(again, vol, off, r.DurableTo)
	if !bytes.Equal(again, b[:n]) {
		t.Errorf("read and written again: got\n%x\nwant\n%x", again, b[:n])
	}
	if off+r.Size() > VolumeMax {
		t.Errorf("got a record of %d bytes at %d, past the end of any volume", r.Size(), off)
	}
	if err := VerifyPayload(&r, b[n:]); err != nil {
		checkKind(t, err)
	}
}

// FuzzDecodeVolumeHeader reads b as it is, and again as the beginning of a header whose magic and
// checksum hold.
func FuzzDecodeVolumeHeader(f *testing.F) {
	h := sampleHeader()
	f.Add(h.Encode()[:96])
	f.Add((&VolumeHeader{}).Encode()[:96])
	f.Add([]byte(volumeMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkVolumeHeader(t, b)
		whole := make([]byte, HeaderSize)
		copy(whole, b)
		copy(whole, volumeMagic)
		binary.LittleEndian.PutUint32(whole[vhCRC:], crc32.Checksum(whole[:vhCRC], castagnoli))
		checkVolumeHeader(t, whole)
	})
}

func checkVolumeHeader(t *testing.T, b []byte) {
	t.Helper()
	h, err := DecodeVolumeHeader(b)
	if err != nil {
		checkKind(t, err)
		return
	}
	if again, err := DecodeVolumeHeader(h.Encode()); err != nil || again != h {
		t.Errorf("read and written again: got %+v, error %v; want %+v", again, err, h)
	}
}

func FuzzDecodeMeta(f *testing.F) {
	m := sampleMeta()
	f.Add(AppendMeta(nil, &m))
	f.Add(AppendMeta(nil, &Meta{ModifiedUnix: 1, Attributes: ais.Attributes{User: []ais.Pair{{}, {Name: "a"}}}}))
	f.Add(entry(nil, 300|tagMust, []byte("x")))
	f.Add(bytes.Repeat(entry(nil, tagUser, []byte{0, 0}), 50))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMeta(b)
		if err != nil {
			checkKind(t, err)
			return
		}
		bytesAgain := AppendMeta(nil, &m)
		if len(bytesAgain) > len(b) {
			t.Errorf("written again metadata grew from %d to %d bytes", len(b), len(bytesAgain))
		}
		if again, err := DecodeMeta(bytesAgain); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("read and written again: got %+v, error %v; want %+v", again, err, m)
		}
	})
}

func FuzzDecodeCommit(f *testing.F) {
	f.Add(AppendCommit(nil, sampleParts()))
	f.Add(AppendCommit(nil, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, err := DecodeCommit(b)
		if err != nil {
			checkKind(t, err)
			return
		}
		if again := AppendCommit(nil, parts); !bytes.Equal(again, b) {
			t.Errorf("read and written again: got %x, want %x", again, b)
		}
	})
}

func FuzzDecodeSystem(f *testing.F) {
	for _, s := range sampleSystems() {
		f.Add(AppendSystem(nil, &s))
	}
	f.Add([]byte{4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSystem(b)
		if err != nil {
			checkKind(t, err)
			return
		}
		if again := AppendSystem(nil, &s); !bytes.Equal(again, b) {
			t.Errorf("read and written again: got %x, want %x", again, b)
		}
	})
}

func FuzzDecodeFooter(f *testing.F) {
	f.Add(AppendFooter(nil, sampleFooter()))
	f.Add(AppendFooter(nil, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := DecodeFooter(b)
		if err != nil {
			checkKind(t, err)
			return
		}
		if again := AppendFooter(nil, slices.Clone(entries)); !bytes.Equal(again, b) {
			t.Errorf("read and written again: got %x, want %x", again, b)
		}
	})
}
