package volume

import (
	"bytes"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
)

// seeksMax bounds the seeks over common prefixes in one page, so that a page costs about the same
// whatever lies in the bucket. A page cut by it is Truncated.
const seeksMax = 4096

// skipsMax bounds the names that one page looks at and does not show, because they lie in slots that are not
// asked for. A page cut by it is Truncated, and may be empty; Next is then the last name looked at.
const skipsMax = 16384

// sieve says which names a list shows: those in slots that keep wants, and of slots that are being emptied only
// what lies above their floor.
type sieve struct {
	s      *Store
	bucket ais.BucketID
	keep   func(ais.Slot) bool
	drops  bool
	skips  int
}

// newSieve must come before the look at the index: what is being emptied then is not shown, even if it has gone
// meanwhile.
func (s *Store) newSieve(bucket ais.BucketID, keep func(ais.Slot) bool) *sieve {
	return &sieve{s: s, bucket: bucket, keep: keep, drops: s.drops.left.Load() > 0}
}

// open reports whether all names are shown.
func (v *sieve) open() bool { return v.keep == nil && !v.drops }

// shows reports whether the entry of a name with this row is shown; one that is not is counted.
func (v *sieve) shows(name, value []byte) (bool, error) {
	if v.open() {
		return true, nil
	}
	slot := v.s.opt.Slot(v.bucket, string(name))
	if v.keep != nil && !v.keep(slot) {
		v.skips++
		return false, nil
	}
	if !v.drops {
		return true, nil
	}
	// Whether the slot is still being emptied does not matter: the list may look at rows that have gone meanwhile.
	x, err := decodeRow(value)
	if err != nil {
		return false, err
	}
	if v.s.below(slot, v.bucket, name, x.LSN, x.Modified) {
		v.skips++
		return false, nil
	}
	return true, nil
}

// spent reports whether a page has looked at as many names as it may, the last of them this one. A name that
// is a common prefix does not end a page: the next one would begin behind all that it folds.
func (v *sieve) spent(name []byte, r *ais.ListRequest) bool {
	return v.skips >= skipsMax && (r.Delimiter == "" || !isCommonPrefix(string(name), r))
}

// List gives one page of a bucket in name order: of the names in slots that keep accepts, nil: of all.
func (s *Store) List(r *ais.ListRequest, keep func(ais.Slot) bool) (*ais.ListPage, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if r.Limit <= 0 {
		return &ais.ListPage{}, nil
	}
	if r.Versions {
		return s.listVersions(r, keep)
	}
	base := appendBucket(nil, spaceCurrent, r.Bucket.ID)
	lower := append(bytes.Clone(base), r.Prefix...)
	upper := successor(bytes.Clone(lower))
	if r.After >= r.Prefix && r.After != "" {
		lower = startAfter(bytes.Clone(base), r)
		if lower == nil {
			return &ais.ListPage{}, nil
		}
	}
	v := s.newSieve(r.Bucket.ID, keep)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, s.readError(s.indexError(err))
	}
	page, err := fillPage(it, len(base), base, r, v)
	if e := it.Close(); err == nil && e != nil {
		err = s.indexError(e)
	}
	return page, s.readError(err)
}

// startAfter gives the first key that a page after r.After may have: nil if there is none.
func startAfter(base []byte, r *ais.ListRequest) []byte {
	if isCommonPrefix(r.After, r) {
		return successor(append(base, r.After...))
	}
	return append(append(base, r.After...), 0)
}

// isCommonPrefix reports whether a list would fold names into this one.
func isCommonPrefix(name string, r *ais.ListRequest) bool {
	rest, ok := strings.CutPrefix(name, r.Prefix)
	if !ok || r.Delimiter == "" {
		return false
	}
	i := strings.Index(rest, r.Delimiter)
	return i >= 0 && i+len(r.Delimiter) == len(rest)
}

// fillPage walks the current rows of a bucket. Names of a page share one string.
func fillPage(it *pebble.Iterator, skip int, base []byte, r *ais.ListRequest, v *sieve) (*ais.ListPage, error) {
	page := &ais.ListPage{}
	var names []byte
	ends := make([]int, 0, min(r.Limit, 1000))
	seeks := 0
	seek := make([]byte, 0, 256)
	valid := it.First()
	for valid {
		name := it.Key()[skip:]
		if len(page.Entries) == r.Limit || seeks > seeksMax {
			page.Truncated = true
			break
		}
		if !v.open() {
			shown, err := v.shows(name, it.Value())
			if err != nil {
				return nil, err
			}
			if !shown {
				if v.spent(name, r) {
					page.Truncated, page.Next = true, string(name)
					break
				}
				valid = it.Next()
				continue
			}
		}
		if r.Delimiter != "" {
			if i := bytes.Index(name[len(r.Prefix):], []byte(r.Delimiter)); i >= 0 {
				prefix := name[:len(r.Prefix)+i+len(r.Delimiter)]
				names = append(names, prefix...)
				ends = append(ends, len(names))
				page.Entries = append(page.Entries, ais.ListEntry{IsPrefix: true})
				seek = append(append(seek[:0], base...), prefix...)
				next := successor(seek)
				if next == nil {
					break
				}
				seeks++
				valid = it.SeekGE(next)
				continue
			}
		}
		e, err := listEntry(it.Value())
		if err != nil {
			return nil, err
		}
		names = append(names, name...)
		ends = append(ends, len(names))
		page.Entries = append(page.Entries, e)
		valid = it.Next()
	}
	if err := it.Error(); err != nil {
		return nil, ais.Errorf(ais.Internal, "list: %w", err)
	}
	all, from := string(names), 0
	for i := range page.Entries {
		page.Entries[i].Name = all[from:ends[i]]
		from = ends[i]
	}
	if n := len(page.Entries); page.Truncated && page.Next == "" && n > 0 {
		page.Next = page.Entries[n-1].Name
	}
	return page, nil
}

// listEntry decodes what a listing shows of a row.
func listEntry(v []byte) (ais.ListEntry, error) {
	r, err := decodeRow(v)
	if err != nil {
		return ais.ListEntry{}, err
	}
	return entryOf(&r), nil
}

func entryOf(r *row) ais.ListEntry {
	return ais.ListEntry{DeleteMarker: r.Kind == rowMarker, Latest: true, Version: r.version(), Size: r.Size,
		ModifiedUnix: r.ModifiedUnix, ETag: r.ETag, Checksum: r.Checksum, Composite: r.Composite, StorageClass: r.StorageClass}
}

// listVersions walks current rows and noncurrent versions side by side: within a name newest first.
func (s *Store) listVersions(r *ais.ListRequest, keep func(ais.Slot) bool) (*ais.ListPage, error) {
	w := &versionWalk{s: s, r: r, sieve: s.newSieve(r.Bucket.ID, keep), curBase: appendBucket(nil, spaceCurrent, r.Bucket.ID), verBase: appendBucket(nil, spaceVersion, r.Bucket.ID)}
	if err := w.open(); err != nil {
		return nil, s.readError(err)
	}
	err := w.fill()
	for _, it := range []*pebble.Iterator{w.cur, w.ver} {
		if e := it.Error(); err == nil && e != nil {
			err = s.indexError(e)
		}
		if e := it.Close(); err == nil && e != nil {
			err = s.indexError(e)
		}
	}
	if err != nil {
		return nil, s.readError(err)
	}
	return &w.page, nil
}

type versionWalk struct {
	s                *Store
	r                *ais.ListRequest
	sieve            *sieve
	curBase, verBase []byte
	cur, ver         *pebble.Iterator
	page             ais.ListPage
	seeks            int
}

func (w *versionWalk) open() (err error) {
	r := w.r
	bounds := func(base []byte) *pebble.IterOptions {
		return &pebble.IterOptions{LowerBound: base, UpperBound: successor(bytes.Clone(base))}
	}
	if w.cur, err = w.s.db.NewIter(bounds(bytes.Clone(w.curBase))); err != nil {
		return w.s.indexError(err)
	}
	if w.ver, err = w.s.db.NewIter(bounds(bytes.Clone(w.verBase))); err != nil {
		_ = w.cur.Close()
		return w.s.indexError(err)
	}
	from := r.Prefix
	if r.After == "" || r.After < r.Prefix {
		w.seek(from)
		return nil
	}
	// A common prefix has no versions to go on in: callers that hand back what ended a page name one.
	if r.AfterVersion != nil && !isCommonPrefix(r.After, r) {
		return w.seekVersion(r.After, *r.AfterVersion)
	}
	key := startAfter(bytes.Clone(w.curBase), r)
	if key == nil {
		key = successor(bytes.Clone(w.curBase))
	}
	w.cur.SeekGE(key)
	if key := startAfter(nil, r); key == nil {
		w.ver.SeekGE(successor(bytes.Clone(w.verBase)))
	} else {
		w.ver.SeekGE(w.escapedFrom(key))
	}
	return nil
}

// escapedFrom is the least version key of a name that is not below name.
func (w *versionWalk) escapedFrom(name []byte) []byte {
	k := appendEscaped(bytes.Clone(w.verBase), string(name))
	return k[:len(k)-2] // without the end mark: everything that begins so or sorts behind
}

func (w *versionWalk) seek(name string) {
	w.cur.SeekGE(append(bytes.Clone(w.curBase), name...))
	w.ver.SeekGE(w.escapedFrom([]byte(name)))
}

// seekVersion goes behind one version of a name.
func (w *versionWalk) seekVersion(name string, v ais.VersionID) error {
	x, at, cur, hasCur, err := w.s.find(w.s.db, nil, w.r.Bucket.ID, name, v)
	if err != nil {
		return err
	}
	created := ais.Stamp(v)
	if at != asCurrent && at != asVersion && v.IsNull() {
		// The null version at which the page before ended is gone, and its place with it: the name is
		// begun again, for a version twice is better than one missing.
		w.seek(name)
		return nil
	}
	if at == asCurrent || at == asVersion {
		created = x.Created
	}
	if hasCur && cur.Created.Less(created) {
		w.cur.SeekGE(append(bytes.Clone(w.curBase), name...))
	} else {
		w.cur.SeekGE(append(append(bytes.Clone(w.curBase), name...), 0))
	}
	w.ver.SeekGE(append(versionKey(nil, w.r.Bucket.ID, name, created), 0))
	return nil
}

func (w *versionWalk) fill() error {
	r := w.r
	shown := "" // the name whose newest version has been shown
	if r.AfterVersion != nil {
		shown = r.After
	}
	for {
		var curName, verName []byte
		if w.cur.Valid() {
			curName = w.cur.Key()[len(w.curBase):]
		}
		if w.ver.Valid() {
			n, _, ok := cutEscaped(w.ver.Key()[len(w.verBase):])
			if !ok {
				return ais.Errorf(ais.Corrupt, "version key %x does not decode", w.ver.Key())
			}
			verName = n
		}
		if curName == nil && verName == nil {
			return nil
		}
		name, it := curName, w.cur
		if curName == nil || verName != nil && bytes.Compare(verName, curName) < 0 {
			name, it = verName, w.ver
		}
		if !bytes.HasPrefix(name, []byte(r.Prefix)) {
			return nil
		}
		if len(w.page.Entries) == r.Limit || w.seeks > seeksMax {
			w.page.Truncated = true
			if n := len(w.page.Entries); n > 0 {
				w.page.Next = w.page.Entries[n-1].Name
				w.page.NextVersion = w.page.Entries[n-1].Version
			}
			return nil
		}
		if !w.sieve.open() {
			shown, err := w.sieve.shows(name, it.Value())
			if err != nil {
				return err
			}
			if !shown {
				if w.sieve.spent(name, r) {
					w.page.Truncated, w.page.Next, w.page.NextVersion = true, string(name), ais.NullVersion
					return nil
				}
				if it == w.ver { // behind all its versions: a page must not end among them
					it.SeekGE(successor(versionPrefix(nil, r.Bucket.ID, string(name))))
				} else {
					it.Next()
				}
				continue
			}
		}
		if r.Delimiter != "" {
			if i := bytes.Index(name[len(r.Prefix):], []byte(r.Delimiter)); i >= 0 {
				prefix := string(name[:len(r.Prefix)+i+len(r.Delimiter)])
				w.page.Entries = append(w.page.Entries, ais.ListEntry{Name: prefix, IsPrefix: true})
				next := successor([]byte(prefix))
				if next == nil {
					return nil
				}
				w.seeks++
				w.seek(string(next))
				continue
			}
		}
		e, err := listEntry(it.Value())
		if err != nil {
			return err
		}
		e.Name = string(name)
		e.Latest = e.Name != shown
		shown = e.Name
		w.page.Entries = append(w.page.Entries, e)
		it.Next()
	}
}
