package raftlog

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// unpack puts a directory of format 1, as its own program left it, onto a disk, durably.
func unpack(t *testing.T, name string) *disk.Mem {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	m := newDisk()
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		to := path.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = makeDir(m, to)
		} else {
			err = m.WriteFileSync(to, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// legacyModel is what the eight commands of the archives are in this format, with a snapshot of the
// first so many.
func legacyModel(t *testing.T, seat ais.SeatID, snapshot int) model {
	t.Helper()
	commands, err := os.ReadFile("testdata/format1-commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := model{
		hard:     [3]uint64{1, uint64(seat), 8},
		snapshot: Snapshot{Conf: &raftpb.ConfState{Voters: []uint64{uint64(seat)}}},
	}
	for i, command := range strings.Split(strings.TrimSpace(string(commands)), "\n") {
		if i >= snapshot {
			m.entries = append(m.entries, entry(uint64(i)+1, 1, command))
		}
	}
	if snapshot > 0 {
		m.snapshot.Index, m.snapshot.Term = uint64(snapshot), 1
		if m.snapshot.Data, err = os.ReadFile("testdata/format1-snapshot.json"); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// archives gives what there is of format 1, and how many commands its snapshot has.
func archives() map[string]int {
	return map[string]int{"format1-log.tar.gz": 0, "format1-snapshot.tar.gz": 5, "format1-killed.tar.gz": 5}
}

func TestFormat1Opens(t *testing.T) {
	for name, snapshot := range archives() {
		m := unpack(t, name)
		l, boot := mustOpen(t, m)
		want := legacyModel(t, boot.Seat, snapshot)
		if got := modelOf(boot).String(); got != want.String() || boot.Fresh || boot.Seat == 0 {
			t.Errorf("%s: fresh %v, seat %s, got\n%s\nwant\n%s", name, boot.Fresh, boot.Seat, got, want)
		}
		mustClose(t, l)
		if _, err := m.Stat(path.Join(dir, acknowledgedBase)); err != nil {
			t.Errorf("%s: opening it alone removed what format 1 needs: %v", name, err)
		}
		l, again := mustOpen(t, m)
		if again.Seat != boot.Seat || modelOf(again).String() != want.String() {
			t.Errorf("%s opened again: seat %s, was %s, got\n%s\nwant\n%s", name, again.Seat, boot.Seat, modelOf(again), want)
		}
		b := Batch{Hard: hard(2, uint64(boot.Seat), 8), Entries: []*raftpb.Entry{entry(9, 2, "new")}}
		mustWrite(t, l, b)
		mustClose(t, l)
		_, after := mustOpen(t, m)
		if want = want.after(b); modelOf(after).String() != want.String() || after.Seat != boot.Seat {
			t.Errorf("%s after the first batch: got\n%s\nwant\n%s", name, modelOf(after), want)
		}
		list, err := m.List(dir)
		if want := []string{databaseBase, promiseBase}; err != nil || !slices.Equal(list, want) {
			t.Errorf("%s after the first batch: files %v, %v, want %v", name, list, err, want)
		}
	}
}

func TestFormat1CrashAtEveryChange(t *testing.T) {
	m := unpack(t, "format1-snapshot.tar.gz")
	l, boot := mustOpen(t, m.Clone())
	mustClose(t, l)
	start := modelOf(boot)
	// The seat is drawn from bytes that a seed repeats, so every opening of a log that has none draws
	// the same.
	batches, states := history(rand.New(rand.NewPCG(9, 9)), start, 3)
	if points := crashEverywhere(t, "format 1", m, batches, states); points < 90 {
		t.Errorf("only %d crash points: the changes were not reached", points)
	}
}

func TestFormat1DamageIsRefused(t *testing.T) {
	for name, snapshot := range archives() {
		whole := unpack(t, name)
		refused := 0
		for _, file := range files(t, whole) {
			size, err := whole.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < size; off += max(1, size/16) {
				m := whole.Clone()
				if err := m.Corrupt(file, off, 4); err != nil {
					t.Fatal(err)
				}
				_, boot, err := openAndClose(m)
				if err != nil {
					if !ais.IsKind(err, ais.Corrupt) {
						t.Errorf("%s: %s damaged at %d: got kind %s, %v, want Corrupt", name, file, off, ais.KindOf(err), err)
					}
					refused++
				} else if want := legacyModel(t, boot.Seat, snapshot).String(); modelOf(boot).String() != want {
					t.Errorf("%s: %s damaged at %d: opened as\n%s\nwant\n%s", name, file, off, modelOf(boot), want)
				}
			}
		}
		if refused < 10 {
			t.Errorf("%s: only %d damages were refused", name, refused)
		}
	}
}

func TestFormat1LossIsRefused(t *testing.T) {
	opened := func(t *testing.T, m *disk.Mem) {
		l, _ := mustOpen(t, m)
		mustClose(t, l)
	}
	gone := func(name string) func(*testing.T, *disk.Mem) {
		return func(t *testing.T, m *disk.Mem) {
			if err := m.Rename(path.Join(dir, name), "/node/gone"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, lose := range map[string][]func(*testing.T, *disk.Mem){
		"the database":                                 {gone(databaseBase)},
		"the file acknowledged":                        {gone(acknowledgedBase)},
		"the database, opened before":                  {opened, gone(databaseBase)},
		"the database and acknowledged, opened before": {opened, gone(databaseBase), removed(acknowledgedBase)},
		"a database of format 2 for that of format 1":  {written, gone(databaseBase), putBack},
		"the promise that took the place of that file": {written, gone(promiseBase)},
	} {
		m := unpack(t, "format1-log.tar.gz")
		for _, step := range lose {
			step(t, m)
		}
		if _, _, err := openAndClose(m); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("lost: %s: got %v, want kind Corrupt", what, err)
		}
	}
}

func removed(name string) func(*testing.T, *disk.Mem) {
	return func(t *testing.T, m *disk.Mem) {
		if err := m.Remove(path.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// written makes the log format 2.
func written(t *testing.T, m *disk.Mem) {
	l, _ := mustOpen(t, m)
	mustWrite(t, l, Batch{Hard: hard(2, 1, 8)})
	mustClose(t, l)
}

// putBack puts the database of format 1 back from a copy.
func putBack(t *testing.T, m *disk.Mem) {
	copied := unpack(t, "format1-log.tar.gz")
	db := path.Join(dir, databaseBase)
	names, err := copied.List(db)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.MkdirAll(db); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := copied.ReadFile(path.Join(db, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteFileSync(path.Join(db, name), b); err != nil {
			t.Fatal(err)
		}
	}
}
