package volume

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
)

// RawListRequest asks for all that a store holds of a bucket in name order, tombstones too.
type RawListRequest struct {
	Bucket   ais.BucketID
	Prefix   string
	After    string              // names behind it
	Versions bool                // all versions and delete markers; else of each name the newest of them
	Uploads  bool                // open uploads instead of entries
	Limit    int                 // names
	Keep     func(ais.Slot) bool // only names in these slots; nil: all
}

// RawEntry is one row of a raw list.
type RawEntry struct {
	Item   Item
	Entry  ais.ListEntry // of entries and markers; Name and Version as in Item
	Upload *ais.Upload   // of uploads
}

// ListRaw gives a page of names in order with all their rows: of a name its versions newest first, then its
// tombstones. If more is set nothing is said of names behind next, which is the last one looked at; it is not
// among the entries if it is in no slot asked for, and there may be no entries at all.
func (s *Store) ListRaw(r RawListRequest) (entries []RawEntry, next string, more bool, err error) {
	if err := s.enter(); err != nil {
		return nil, "", false, err
	}
	defer s.leave()
	if r.Limit <= 0 {
		return nil, "", false, nil
	}
	v := s.newSieve(r.Bucket, r.Keep)
	snap := s.db.NewSnapshot()
	w := &rawWalk{s: s, r: &r, snap: snap, v: v}
	err = w.walk()
	if e := snap.Close(); err == nil {
		err = s.indexError(e)
	}
	if err != nil {
		return nil, "", false, s.readError(err)
	}
	return w.entries, w.last, w.more, nil
}

// rawWalk makes one page of a raw list.
type rawWalk struct {
	s       *Store
	r       *RawListRequest
	snap    *pebble.Snapshot
	v       *sieve
	entries []RawEntry
	names   int    // shown
	last    string // looked at
	more    bool
	sources []*rawSource
}

// rawSource is one key space of a bucket, in name order.
type rawSource struct {
	space byte
	base  []byte
	it    *pebble.Iterator
	name  []byte // of the key where it stands; nil: at its end
	rest  []byte
}

func (w *rawWalk) walk() (err error) {
	spaces := []byte{spaceCurrent, spaceVersion, spaceTomb}
	if w.r.Uploads {
		spaces = []byte{spaceUpload}
	}
	defer func() {
		for _, x := range w.sources {
			if e := x.it.Close(); err == nil {
				err = w.s.indexError(e)
			}
		}
	}()
	for _, space := range spaces {
		base := appendBucket(nil, space, w.r.Bucket)
		it, err := w.snap.NewIter(&pebble.IterOptions{LowerBound: base, UpperBound: successor(bytes.Clone(base))})
		if err != nil {
			return w.s.indexError(err)
		}
		x := &rawSource{space: space, base: base, it: it}
		w.sources = append(w.sources, x)
		from := w.r.Prefix
		if w.r.After >= w.r.Prefix && w.r.After != "" {
			from = w.r.After + "\x00"
		}
		k := append(bytes.Clone(base), from...)
		if space != spaceCurrent {
			k = appendEscaped(bytes.Clone(base), from)
			k = k[:len(k)-2]
		}
		if err := x.at(it.SeekGE(k)); err != nil {
			return err
		}
	}
	return w.fill()
}

// at reads the key where the source stands.
func (x *rawSource) at(valid bool) error {
	x.name = nil
	if !valid {
		return x.it.Error()
	}
	k := x.it.Key()[len(x.base):]
	if x.space == spaceCurrent {
		x.name = append(make([]byte, 0, len(k)), k...)
		return nil
	}
	name, rest, ok := cutEscaped(k)
	if !ok {
		return ais.Errorf(ais.Corrupt, "key %x does not decode", x.it.Key())
	}
	x.name, x.rest = append([]byte{}, name...), rest
	return nil
}

// next gives the lowest name at which a source stands.
func (w *rawWalk) next() (name []byte) {
	for _, x := range w.sources {
		if x.name != nil && (name == nil || bytes.Compare(x.name, name) < 0) {
			name = x.name
		}
	}
	return name
}

func (w *rawWalk) fill() error {
	for {
		name := w.next()
		if name == nil || !bytes.HasPrefix(name, []byte(w.r.Prefix)) {
			return nil
		}
		if w.names == w.r.Limit || w.v.skips >= skipsMax {
			w.more = true
			return nil
		}
		w.last = string(name)
		slot := w.s.opt.Slot(w.r.Bucket, w.last)
		if w.r.Keep != nil && !w.r.Keep(slot) {
			w.v.skips++
			if err := w.pass(name, nil); err != nil {
				return err
			}
			continue
		}
		n := len(w.entries)
		if err := w.pass(name, func(x *rawSource) error { return w.show(x, slot) }); err != nil {
			return err
		}
		if len(w.entries) > n {
			w.newestFirst(n)
			w.names++
		} else {
			w.v.skips++
		}
	}
}

// pass goes behind a name in all sources, and calls fn for each of its rows; nil passes over them.
func (w *rawWalk) pass(name []byte, fn func(*rawSource) error) error {
	for _, x := range w.sources {
		if x.name == nil || !bytes.Equal(x.name, name) {
			continue
		}
		if fn == nil && x.space != spaceCurrent {
			if err := x.at(x.it.SeekGE(successor(appendEscaped(bytes.Clone(x.base), string(name))))); err != nil {
				return err
			}
			continue
		}
		for x.name != nil && bytes.Equal(x.name, name) {
			if fn != nil {
				if err := fn(x); err != nil {
					return err
				}
			}
			if err := x.at(x.it.Next()); err != nil {
				return err
			}
		}
	}
	return nil
}

// show adds the row where a source stands, unless it lies below a floor.
func (w *rawWalk) show(x *rawSource, slot ais.Slot) error {
	if x.space == spaceUpload {
		return w.showUpload(x, slot)
	}
	row, err := decodeRow(x.it.Value())
	if err != nil {
		return err
	}
	if w.v.drops && w.s.below(slot, w.r.Bucket, x.name, row.LSN, row.Modified) {
		return nil
	}
	e := RawEntry{Item: rowItem(w.r.Bucket, w.last, &row)}
	if row.Kind != rowTomb {
		e.Entry = entryOf(&row)
		e.Entry.Name, e.Entry.Latest = w.last, false
	}
	w.entries = append(w.entries, e)
	return nil
}

func (w *rawWalk) showUpload(x *rawSource, slot ais.Slot) error {
	if len(x.rest) != 16 {
		return ais.Errorf(ais.Corrupt, "upload key %x does not decode", x.it.Key())
	}
	id := ais.WriteID(x.rest)
	u, ok, err := w.s.uploadAt(w.snap, id)
	if err != nil || !ok || u.State != uploadOpen || w.v.drops && w.s.below(slot, u.Bucket, x.name, u.LSN, u.Modified) {
		return err
	}
	full, err := w.s.Upload(u.Bucket, u.Name, id)
	if ais.IsKind(err, ais.NotFound) {
		return nil // closed since
	}
	if err != nil {
		return err
	}
	w.entries = append(w.entries, RawEntry{Item: (&logged{kind: logUpload, id: id, upload: u}).item(), Upload: full})
	return nil
}

// newestFirst ends a name whose rows are the entries from n on: the newest of its versions is its latest, and
// alone is shown if not all are asked for. Sources give the current version first, then the others newest
// first, then tombstones.
func (w *rawWalk) newestFirst(n int) {
	l := w.entries[n:]
	versions := 0
	for versions < len(l) && l[versions].Item.Kind != ItemTombstone && !w.r.Uploads {
		versions++
	}
	if versions == 0 {
		return
	}
	newest := 0
	for i := range l[:versions] {
		if l[newest].Item.Created.Less(l[i].Item.Created) {
			newest = i
		}
	}
	first := l[newest]
	copy(l[1:newest+1], l[:newest])
	l[0] = first
	l[0].Entry.Latest = true
	if !w.r.Versions {
		w.entries = append(w.entries[:n+1], l[versions:]...)
	}
}
