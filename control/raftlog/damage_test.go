package raftlog

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// files gives the names of all files of the log.
func files(t *testing.T, m *disk.Mem) (names []string) {
	t.Helper()
	for _, d := range []string{dir, path.Join(dir, databaseBase)} {
		list, err := m.List(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			if name = path.Join(d, name); name != path.Join(dir, databaseBase) {
				names = append(names, name)
			}
		}
	}
	return names
}

// wrote is a disk with a log after the batches of a seed, and what it holds. The last batch promises
// something: a commit alone may be forgotten.
func wrote(t *testing.T, seed uint64, reopened bool) (*disk.Mem, model) {
	t.Helper()
	m := newDisk()
	l, boot := mustOpen(t, m)
	batches, states := history(rand.New(rand.NewPCG(seed, 3)), modelOf(boot), 12)
	for i, b := range batches {
		if reopened && i == len(batches)/2 {
			mustClose(t, l)
			l, _ = mustOpen(t, m)
		}
		mustWrite(t, l, b)
	}
	now := states[len(states)-1]
	index, _ := now.last()
	term := now.hard[0] + 1
	final := Batch{Entries: []*raftpb.Entry{entry(index+1, term, "the last")}, Hard: hard(term, 3, now.hard[2])}
	mustWrite(t, l, final)
	mustClose(t, l)
	if reopened {
		l, _ = mustOpen(t, m)
		mustClose(t, l)
	}
	return m, now.after(final)
}

// holds opens a damaged log: it is what it was, or it is refused with kind Corrupt.
func holds(t *testing.T, m *disk.Mem, want model, what string, args ...any) (refused bool) {
	t.Helper()
	got, _, err := openAndClose(m)
	switch {
	case err == nil && got != want.String():
		t.Errorf(what+": opened as\n%s\nwant it refused, or\n%s", append(args, got, want)...)
	case err != nil && !ais.IsKind(err, ais.Corrupt):
		t.Errorf(what+": got kind %s, %v, want Corrupt", append(args, ais.KindOf(err), err)...)
	case err != nil && !strings.Contains(err.Error(), dir):
		t.Errorf(what+": %v does not name the directory", append(args, err)...)
	}
	return err != nil
}

func TestDamagedBytesAreRefused(t *testing.T) {
	refused := 0
	for _, reopened := range []bool{false, true} {
		m, want := wrote(t, 1, reopened)
		for _, name := range files(t, m) {
			size, err := m.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < size; off += max(1, size/32) {
				damaged := m.Clone()
				if err := damaged.Corrupt(name, off, 1<<(off%8)); err != nil {
					t.Fatal(err)
				}
				if holds(t, damaged, want, "%s: a bit flipped at %d", name, off) {
					refused++
				}
			}
		}
	}
	if refused < 50 {
		t.Errorf("only %d damages were refused", refused)
	}
}

func TestShortAndLostFilesAreRefused(t *testing.T) {
	refused := 0
	for _, reopened := range []bool{false, true} {
		m, want := wrote(t, 2, reopened)
		for _, name := range files(t, m) {
			size, err := m.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < size; off += max(1, size/24) {
				damaged := m.Clone()
				if err := damaged.Truncate(name, off); err != nil {
					t.Fatal(err)
				}
				if holds(t, damaged, want, "%s cut to %d bytes", name, off) {
					refused++
				}
			}
			damaged := m.Clone()
			if err := damaged.Remove(name); err != nil {
				t.Fatal(err)
			}
			if holds(t, damaged, want, "without %s", name) {
				refused++
			}
		}
		damaged := m.Clone()
		if err := damaged.Rename(path.Join(dir, databaseBase), "/node/gone"); err != nil {
			t.Fatal(err)
		}
		if !holds(t, damaged, want, "without the database") {
			t.Errorf("without the database: opened, want it refused")
		}
	}
	if refused < 40 {
		t.Errorf("only %d losses were refused", refused)
	}
}

// A database put back from a copy is behind the promise, and a database of another node is not this
// log's.
func TestOldCopiesAreRefused(t *testing.T) {
	for what, last := range map[string]Batch{
		"an entry":               {Entries: []*raftpb.Entry{entry(3, 2, "c")}},
		"a tail made shorter":    {Entries: []*raftpb.Entry{entry(2, 2, "b")}},
		"a vote":                 {Hard: hard(2, 9, 1)},
		"a term":                 {Hard: hard(3, 0, 1)},
		"a snapshot":             {Compact: &Snapshot{Index: 1, Term: 1, Conf: &raftpb.ConfState{Voters: []uint64{9}}}},
		"a received snapshot":    {Snapshot: &Snapshot{Index: 9, Term: 2, Conf: &raftpb.ConfState{Voters: []uint64{9}}}},
		"an entry and its votes": {Entries: []*raftpb.Entry{entry(3, 2, "c")}, Hard: hard(2, 4, 2)},
	} {
		m := newDisk()
		l, _ := mustOpen(t, m)
		mustWrite(t, l, Batch{Hard: hard(2, 0, 1), Entries: []*raftpb.Entry{entry(1, 1, "a"), entry(2, 1, "b")}})
		old := m.Clone()
		mustWrite(t, l, last)
		mustClose(t, l)
		promise, err := m.ReadFile(path.Join(dir, promiseBase))
		if err != nil {
			t.Fatal(err)
		}
		if err := old.WriteFileSync(path.Join(dir, promiseBase), promise); err != nil {
			t.Fatal(err)
		}
		_, _, err = openAndClose(old)
		if !ais.IsKind(err, ais.Corrupt) || !strings.Contains(err.Error(), "behind") {
			t.Errorf("a database that lost %s: got %v, want Corrupt, behind its promise", what, err)
		}
	}
}

func TestForeignDatabaseIsRefused(t *testing.T) {
	var promises [2][]byte
	var disks [2]*disk.Mem
	for i := range disks {
		disks[i] = newDisk()
		o := options(disks[i])
		o.Random = chacha(byte(i))
		l, _, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, l, Batch{Hard: hard(2, 0, 0)})
		mustClose(t, l)
		if promises[i], err = disks[i].ReadFile(path.Join(dir, promiseBase)); err != nil {
			t.Fatal(err)
		}
	}
	if err := disks[0].WriteFileSync(path.Join(dir, promiseBase), promises[1]); err != nil {
		t.Fatal(err)
	}
	_, _, err := openAndClose(disks[0])
	if !ais.IsKind(err, ais.Corrupt) || !strings.Contains(err.Error(), "not of one log") {
		t.Errorf("the promise of another log: got %v, want Corrupt", err)
	}
}

// Rows that are whole, but cannot be.
func TestImpossibleRowsAreRefused(t *testing.T) {
	good := record{seat: 5, sequence: 2, term: 3, vote: 4, commit: 2, last: 3, lastTerm: 2}
	changed := func(change func(*record)) string {
		r := good
		change(&r)
		return string(r.encode())
	}
	row := func(e *raftpb.Entry) string { return string(encodeEntry(e)) }
	for name, c := range map[string]struct {
		key, value string // value without its checksum; "" removes the row
		kind       ais.Kind
		says       string
	}{
		"as it was":          {string(logKey(2)), row(entry(2, 1, "2")), ais.Internal, ""},
		"newer format":       {formatKey, `{"format":3}`, ais.Invalid, "newer ais"},
		"unreadable format":  {formatKey, `{"format":"x"}`, ais.Corrupt, `row "format"`},
		"no format":          {formatKey, "", ais.Corrupt, `row "format" is gone`},
		"no state":           {stateKey, "", ais.Corrupt, `row "state" is gone`},
		"newer state":        {stateKey, "\x02" + string(good.encode()[1:]), ais.Invalid, "newer ais"},
		"short state":        {stateKey, string(good.encode()[:20]), ais.Corrupt, "20 bytes"},
		"commit past end":    {stateKey, changed(func(r *record) { r.commit = 4 }), ais.Corrupt, "commit 4"},
		"term too low":       {stateKey, changed(func(r *record) { r.term = 1 }), ais.Corrupt, "term 1 below"},
		"log too long":       {stateKey, changed(func(r *record) { r.last, r.lastTerm = 2, 1 }), ais.Corrupt, "last entry is 3 of term 2"},
		"no snapshot":        {stateKey, changed(func(r *record) { r.snapshotIndex, r.snapshotTerm = 1, 1 }), ais.Corrupt, `row "snapshot"`},
		"seat of Raft's own": {stateKey, changed(func(r *record) { r.seat = 0 }), ais.Corrupt, "no log can have"},
		"gap in the log":     {string(logKey(2)), "", ais.Corrupt, "row log/3 follows entry 1"},
		"lost tail":          {string(logKey(3)), "", ais.Corrupt, "last entry is 2"},
		"term goes down":     {string(logKey(1)), row(entry(1, 2, "1")), ais.Corrupt, "row log/2 has term 1"},
		"unknown layout":     {string(logKey(2)), "\x02" + row(entry(2, 1, ""))[1:], ais.Invalid, "layout 2"},
		"unknown type":       {string(logKey(2)), "\x01\x07" + row(entry(2, 1, ""))[2:], ais.Invalid, "type 7"},
		"short entry":        {string(logKey(2)), "\x01", ais.Corrupt, "log entry 2"},
		"newer snapshot":     {snapshotKey, "\x02", ais.Invalid, "layout 2"},
		"unreadable members": {snapshotKey, string(encodeSnapshot(Snapshot{Index: 1, Term: 1})[:20]), ais.Corrupt, "members"},
		"unknown row":        {"paint", "red", ais.Corrupt, `"paint"`},
		"not an entry":       {"log/\x7fx", "x", ais.Corrupt, "none of a control log's"},
	} {
		m := newDisk()
		s := rawStore(t, m)
		set := func(key, value string) {
			if err := s.db.Set([]byte(key), sealRow([]byte(key), []byte(value)), nil); err != nil {
				t.Fatal(err)
			}
		}
		set(formatKey, `{"format":2}`)
		set(stateKey, string(good.encode()))
		for i, term := range []uint64{1, 1, 2} {
			set(string(logKey(uint64(i)+1)), row(entry(uint64(i)+1, term, "x")))
		}
		if c.value == "" {
			if err := s.db.Delete([]byte(c.key), nil); err != nil {
				t.Fatal(err)
			}
		} else {
			set(c.key, c.value)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		p, err := makePromise(m, dir, record{seat: good.seat, sequence: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		_, _, err = openAndClose(m)
		switch {
		case c.says == "" && err == nil:
		case c.says == "" || err == nil:
			t.Errorf("%s: got %v", name, err)
		case ais.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), dir):
			t.Errorf("%s: got kind %s, %q, want %s, with %q and the directory", name, ais.KindOf(err), err, c.kind, c.says)
		}
	}
}

// rawStore is the database of a log without its rules.
func rawStore(t *testing.T, m *disk.Mem) *store {
	t.Helper()
	if err := makeDir(m, dir); err != nil {
		t.Fatal(err)
	}
	s, err := openStore(m, dir, options(m).Logger)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The slots of the promise take turns: where the newest is lost the one before it counts, not one of
// long ago.
func TestTornPromiseIsTheOneBefore(t *testing.T) {
	for batches := uint64(2); batches <= 5; batches++ {
		m := newDisk()
		l, _ := mustOpen(t, m)
		for term := range batches {
			mustWrite(t, l, Batch{Hard: hard(term+1, 1, 0)})
		}
		mustClose(t, l)
		newest, _, err := readPromise(m, dir)
		if err != nil || newest.term != batches {
			t.Fatalf("after %d batches: promised %v, %v", batches, newest, err)
		}
		for slot := range int64(2) {
			torn := m.Clone()
			if err := torn.Corrupt(path.Join(dir, promiseBase), slot*slotDistance+40, 0xff); err != nil {
				t.Fatal(err)
			}
			left, _, err := readPromise(torn, dir)
			if err != nil || left.sequence+1 < newest.sequence {
				t.Errorf("after %d batches, slot %d torn: promised %v, %v, want batch %d or %d", batches, slot, left, err, newest.sequence-1, newest.sequence)
			}
		}
	}
}
