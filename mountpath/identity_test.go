package mountpath

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func goldenIdentity() identity {
	return identity{
		Cluster: 0xc1, Target: 0xfedcba9876543210, Mountpath: 2, Epoch: 7,
		Mountpaths: []memberRecord{{ID: 1, Weight: 931, Path: "/mnt/a&b"}, {ID: 2, Weight: 1, Path: "/mnt/é"}},
	}
}

// The bytes on disk of format 1: they must be read for ever.
const goldenFile = `{
  "format": 1,
  "cluster": "00000000000000c1",
  "target": "fedcba9876543210",
  "mountpath": "0000000000000002",
  "epoch": 7,
  "mountpaths": [
    {
      "id": "0000000000000001",
      "weight": 931,
      "path": "/mnt/a&b"
    },
    {
      "id": "0000000000000002",
      "weight": 1,
      "path": "/mnt/é"
    }
  ],
  "crc32c": "9af56619"
}
`

func TestIdentityGolden(t *testing.T) {
	got, err := goldenIdentity().encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != goldenFile {
		t.Errorf("identity file: got\n%s\nwant\n%s", got, goldenFile)
	}
	id, err := decodeIdentity([]byte(goldenFile))
	if err != nil {
		t.Fatalf("read the golden file: %v", err)
	}
	if id.Epoch != 7 || id.Target != 0xfedcba9876543210 || id.member(2).Path != "/mnt/é" || id.member(3) != nil {
		t.Errorf("read the golden file: got %+v", id)
	}
}

func TestIdentityRefusesEveryChangedBit(t *testing.T) {
	for i := range len(goldenFile) {
		for bit := range 8 {
			b := []byte(goldenFile)
			b[i] ^= 1 << bit
			if id, err := decodeIdentity(b); err == nil {
				t.Errorf("bit %d of byte %d flipped: got %+v, want it refused", bit, i, id)
			}
		}
	}
	for n := range len(goldenFile) {
		if _, err := decodeIdentity([]byte(goldenFile[:n])); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
}

func TestIdentityRefusesWhatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*identity){
		"no cluster":         func(id *identity) { id.Cluster = 0 },
		"no target":          func(id *identity) { id.Target = 0 },
		"epoch too large":    func(id *identity) { id.Epoch = ais.EpochMax + 1 },
		"not of its set":     func(id *identity) { id.Mountpath = 3 },
		"member twice":       func(id *identity) { id.Mountpaths[1].ID = 1; id.Mountpath = 1 },
		"weight 0":           func(id *identity) { id.Mountpaths[0].Weight = 0 },
		"forming, on a disk": func(id *identity) { id.Forming = true },
		"too many members": func(id *identity) {
			for i := range membersMax {
				id.Mountpaths = append(id.Mountpaths, memberRecord{ID: ais.MountpathID(100 + i), Weight: 1})
			}
		},
	} {
		id := goldenIdentity()
		change(&id)
		if b, err := id.encode(); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("%s: encoded to %q, %v, want kind Corrupt", name, b, err)
		}
	}
	newer := strings.Replace(goldenFile, `"format": 1`, `"format": 2`, 1)
	if _, err := decodeIdentity([]byte(newer)); !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), "newer ais") {
		t.Errorf("format 2: got %v, want kind Invalid and a word about a newer ais", err)
	}
}

func FuzzDecodeIdentity(f *testing.F) {
	f.Add([]byte(goldenFile))
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(strings.Replace(goldenFile, "7", "8", 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := decodeIdentity(b)
		if err != nil {
			return
		}
		again, err := id.encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("accepted %q, which encodes as %q (%v)", b, again, err)
		}
	})
}
