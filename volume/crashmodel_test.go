package volume

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// Two buckets: in one names have the null version only, in the other any mixture.
const (
	plainBucket     ais.BucketID = 9
	versionedBucket ais.BucketID = 10
)

// nameKey is a name of a bucket: what one operation works on.
type nameKey struct {
	bucket ais.BucketID
	name   string
}

// modelVersion is one version of a name; the id of a write that has not returned is not known.
type modelVersion struct {
	id     ais.VersionID
	known  bool
	marker bool
	data   []byte
}

// modelUpload is an open upload.
type modelUpload struct {
	id    ais.WriteID
	known bool
	parts map[int][]byte
}

// modelName is all that should be seen of a name: versions newest first, uploads in order of id. It is
// never changed: an operation makes a new one.
type modelName struct {
	versions []modelVersion
	uploads  []modelUpload
}

func (n *modelName) clone() *modelName {
	if n == nil {
		return &modelName{}
	}
	return &modelName{slices.Clone(n.versions), slices.Clone(n.uploads)}
}

func (n *modelName) empty() bool { return n == nil || len(n.versions) == 0 && len(n.uploads) == 0 }

func (n *modelName) live() bool {
	return n != nil && len(n.versions) > 0 && !n.versions[0].marker
}

// put gives n with a new version on top; the null version takes the place of the one before.
func (n *modelName) put(v modelVersion) *modelName {
	c := n.clone()
	if v.known && v.id.IsNull() {
		c.versions = slices.DeleteFunc(c.versions, func(o modelVersion) bool { return o.known && o.id.IsNull() })
	}
	c.versions = slices.Insert(c.versions, 0, v)
	return c
}

func (n *modelName) without(id ais.VersionID) *modelName {
	c := n.clone()
	c.versions = slices.DeleteFunc(c.versions, func(o modelVersion) bool { return o.id == id })
	return c
}

func (n *modelName) withoutUpload(id ais.WriteID) *modelName {
	c := n.clone()
	c.uploads = slices.DeleteFunc(c.uploads, func(o modelUpload) bool { return o.id == id })
	return c
}

func (n *modelName) withPart(id ais.WriteID, number int, data []byte) *modelName {
	c := n.clone()
	for i := range c.uploads {
		if c.uploads[i].id == id {
			c.uploads[i].parts = maps.Clone(c.uploads[i].parts)
			c.uploads[i].parts[number] = data
		}
	}
	return c
}

func (n *modelName) withUpload(u modelUpload) *modelName {
	c := n.clone()
	c.uploads = append(c.uploads, u)
	return c
}

// same tells how a name as it is seen differs from what it should be: "" if it does not. What the
// model does not know of it, it learns.
func (n *modelName) same(seen *modelName) (learnt *modelName, differs string) {
	if n == nil {
		n = &modelName{}
	}
	if seen == nil {
		seen = &modelName{}
	}
	if len(n.versions) != len(seen.versions) {
		return nil, fmt.Sprintf("%d versions, want %d", len(seen.versions), len(n.versions))
	}
	if len(n.uploads) != len(seen.uploads) {
		return nil, fmt.Sprintf("%d open uploads, want %d", len(seen.uploads), len(n.uploads))
	}
	for i := range n.versions {
		w, g := &n.versions[i], &seen.versions[i]
		if w.marker != g.marker || w.known && w.id != g.id {
			return nil, fmt.Sprintf("version %d is %s (marker %v), want %s (marker %v)", i, g.id, g.marker, w.id, w.marker)
		}
		if !bytes.Equal(w.data, g.data) {
			return nil, fmt.Sprintf("version %d has other content: %d bytes, want %d", i, len(g.data), len(w.data))
		}
	}
	for i := range n.uploads {
		w, g := &n.uploads[i], &seen.uploads[i]
		if w.known && w.id != g.id {
			return nil, fmt.Sprintf("upload %d is %s, want %s", i, g.id, w.id)
		}
		if !maps.EqualFunc(w.parts, g.parts, bytes.Equal) {
			return nil, fmt.Sprintf("upload %s has parts %v, want %v", g.id, slices.Sorted(maps.Keys(g.parts)), slices.Sorted(maps.Keys(w.parts)))
		}
	}
	return seen, ""
}

// model is what a store should hold. Of a name with an operation in flight either state is right.
type model struct {
	mu     sync.Mutex
	names  map[nameKey]*modelName
	flight map[nameKey]*modelName
	// marks are those of slots, marking what they will be after what is in flight: zero for none.
	marks, marking map[ais.Slot]Mark
}

func newModel() *model {
	return &model{names: map[nameKey]*modelName{}, flight: map[nameKey]*modelName{}}
}

func (m *model) clone() *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &model{names: maps.Clone(m.names), flight: maps.Clone(m.flight), marks: maps.Clone(m.marks), marking: maps.Clone(m.marking)}
}

func (m *model) name(k nameKey) *modelName {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names[k]
}

func (m *model) begin(k nameKey, after *modelName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flight[k] = after
}

// end notes that an operation has returned: from now on only the new state is right.
func (m *model) end(k nameKey, after *modelName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.flight, k)
	if after.empty() {
		delete(m.names, k)
	} else {
		m.names[k] = after
	}
}

// resolve holds what is seen to the model and takes it over where the model allowed more than one.
func (m *model) resolve(seen map[nameKey]*modelName) error {
	keys := map[nameKey]bool{}
	for _, l := range []map[nameKey]*modelName{m.names, m.flight, seen} {
		for k := range l {
			keys[k] = true
		}
	}
	for k := range keys {
		got, differs := m.names[k].same(seen[k])
		if after, ok := m.flight[k]; ok && differs != "" {
			var or string
			if got, or = after.same(seen[k]); or == "" {
				differs = ""
			} else {
				differs += ", or with what was in flight: " + or
			}
		}
		if differs != "" {
			return fmt.Errorf("bucket %d, name %q: %s", k.bucket, k.name, differs)
		}
		m.names[k] = got
		if got.empty() {
			delete(m.names, k)
		}
	}
	m.flight = map[nameKey]*modelName{}
	return nil
}

// observe reads all that a store shows, through its lists, and verifies every byte of it.
func observe(s *Store, page int) (map[nameKey]*modelName, error) {
	seen := map[nameKey]*modelName{}
	for _, id := range []ais.BucketID{plainBucket, versionedBucket} {
		if err := observeVersions(s, id, page, seen); err != nil {
			return nil, err
		}
		if err := observeUploads(s, id, page, seen); err != nil {
			return nil, err
		}
		if err := observeNames(s, id, page, seen); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

func at(seen map[nameKey]*modelName, k nameKey) *modelName {
	if seen[k] == nil {
		seen[k] = &modelName{}
	}
	return seen[k]
}

func observeVersions(s *Store, id ais.BucketID, page int, seen map[nameKey]*modelName) error {
	r := ais.ListRequest{Bucket: &ais.Bucket{ID: id}, Versions: true, Limit: page}
	last := ""
	for {
		p, err := s.List(&r, nil)
		if err != nil {
			return fmt.Errorf("list versions: %w", err)
		}
		for _, e := range p.Entries {
			if e.Name < last {
				return fmt.Errorf("list versions: %q behind %q", e.Name, last)
			}
			last = e.Name
			n := at(seen, nameKey{id, e.Name})
			v := modelVersion{id: e.Version, known: true, marker: e.DeleteMarker}
			if e.Latest != (len(n.versions) == 0) {
				return fmt.Errorf("list versions: %q version %s: latest is %v as number %d", e.Name, e.Version, e.Latest, len(n.versions))
			}
			if !v.marker {
				if v.data, err = readObject(s, id, e.Name, &e.Version); err != nil {
					return fmt.Errorf("get %q version %s: %w", e.Name, e.Version, err)
				}
				if int64(len(v.data)) != e.Size {
					return fmt.Errorf("get %q version %s: %d bytes, the list says %d", e.Name, e.Version, len(v.data), e.Size)
				}
			}
			n.versions = append(n.versions, v)
		}
		if !p.Truncated {
			return nil
		}
		r.After, r.AfterVersion = p.Next, &p.NextVersion
	}
}

// observeNames holds the list of current versions to that of all versions.
func observeNames(s *Store, id ais.BucketID, page int, seen map[nameKey]*modelName) error {
	var want, got []string
	for k, n := range seen {
		if k.bucket == id && n.live() {
			want = append(want, k.name)
		}
	}
	slices.Sort(want)
	r := ais.ListRequest{Bucket: &ais.Bucket{ID: id}, Limit: page}
	for {
		p, err := s.List(&r, nil)
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		for _, e := range p.Entries {
			got = append(got, e.Name)
		}
		if !p.Truncated {
			break
		}
		r.After = p.Next
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("list of bucket %d: %q, the list of versions says %q", id, got, want)
	}
	return nil
}

func observeUploads(s *Store, id ais.BucketID, page int, seen map[nameKey]*modelName) error {
	r := ais.UploadListRequest{Bucket: &ais.Bucket{ID: id}, Limit: page}
	for {
		p, err := s.Uploads(&r, nil)
		if err != nil {
			return fmt.Errorf("list uploads: %w", err)
		}
		for _, u := range p.Uploads {
			g := modelUpload{id: u.ID, known: true, parts: map[int][]byte{}}
			err := s.forParts(s.db, u.ID, 0, func(number uint32, p *partRow) bool {
				g.parts[int(number)], err = readPart(s, p)
				return err == nil
			})
			if err != nil {
				return fmt.Errorf("upload %s of %q: %w", u.ID, u.Name, err)
			}
			n := at(seen, nameKey{id, u.Name})
			n.uploads = append(n.uploads, g)
			slices.SortFunc(n.uploads, func(a, b modelUpload) int { return cmp.Compare(string(a.id[:]), string(b.id[:])) })
		}
		if !p.Truncated {
			return nil
		}
		r.AfterName, r.AfterUpload = p.NextName, p.NextUpload
	}
}

// readPart reads the bytes of a part of an open upload.
func readPart(s *Store, p *partRow) ([]byte, error) {
	rd := &Reader{s: s, object: ais.Object{Size: p.Size}, row: row{Kind: rowCommit},
		parts: []format.CommitPart{{Write: p.Write, Extents: extentsOf(p.Size), ExtentSize: ais.ExtentMax, Size: uint64(p.Size)}}}
	var out bytes.Buffer
	err := rd.WriteRange(context.Background(), &out, 0, p.Size)
	return out.Bytes(), err
}

var _ io.Writer = (*bytes.Buffer)(nil)
