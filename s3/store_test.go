package s3

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/seed9b016523/ais"
)

// memory is the smallest store that keeps the contract of store.go, for tests of this package alone:
// no versions, everything in maps, blocks written in pieces so that readers see short writes.
type memory struct {
	mu      sync.Mutex
	clock   int64 // milliseconds; one second more at each write
	next    uint64
	buckets map[string]*ais.Bucket
	objects map[string]map[string]*stored // by bucket, by name
	uploads map[ais.WriteID]*openUpload
	fault   error // what Put and Open answer, if set
}

type stored struct {
	ais.Object
	data  []byte
	parts []int64
}

type openUpload struct {
	ais.Upload
	bucket string
	parts  map[int]*storedPart
}

type storedPart struct {
	ais.PartInfo
	data []byte
}

func newMemory() *memory {
	return &memory{clock: 1_700_000_000_000, buckets: map[string]*ais.Bucket{},
		objects: map[string]map[string]*stored{}, uploads: map[ais.WriteID]*openUpload{}}
}

func (m *memory) tick() int64 {
	m.clock += 1000
	return m.clock
}

func (m *memory) Bucket(name string) (*ais.Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.buckets[name]; b != nil {
		return b, nil
	}
	return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "bucket %q does not exist", name)
}

func (m *memory) Buckets() []*ais.Bucket {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*ais.Bucket
	for _, b := range m.buckets {
		all = append(all, b)
	}
	return all
}

func (m *memory) CreateBucket(_ context.Context, b ais.Bucket) (*ais.Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buckets[b.Name] != nil {
		return nil, ais.NounErrorf(ais.Exists, ais.NounBucket, "bucket %q exists", b.Name)
	}
	m.next++
	b.ID, b.CreatedUnix = ais.BucketID(m.next), m.tick()
	m.buckets[b.Name] = &b
	m.objects[b.Name] = map[string]*stored{}
	return &b, nil
}

func (m *memory) DeleteBucket(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.objects[name]) > 0 {
		return ais.NounErrorf(ais.Exists, ais.NounBucket, "bucket %q is not empty", name)
	}
	delete(m.buckets, name)
	return nil
}

func (m *memory) current(b *ais.Bucket, name string) *ais.Object {
	if o := m.objects[b.Name][name]; o != nil {
		return &o.Object
	}
	return nil
}

func (m *memory) Put(_ context.Context, r *ais.PutRequest) (*ais.Object, error) {
	if m.fault != nil {
		return nil, m.fault
	}
	data, err := readSized(r.Body, r.Size)
	if err != nil {
		return nil, err
	}
	a, err := r.Seal()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := r.Condition.Check(m.current(r.Bucket, r.Name)); err != nil {
		return nil, err
	}
	return m.keep(r.Bucket, r.Name, data, nil, a), nil
}

func (m *memory) keep(b *ais.Bucket, name string, data []byte, parts []int64, a ais.Attributes) *ais.Object {
	s := &stored{data: data, parts: parts, Object: ais.Object{Bucket: b.ID, Name: name, Latest: true,
		Size: int64(len(data)), ModifiedUnix: m.tick(), PartCount: len(parts), Attributes: a}}
	m.objects[b.Name][name] = s
	o := s.Object
	return &o
}

// readSized reads a body as a store does: exactly size bytes, or to the end.
func readSized(r io.Reader, size int64) ([]byte, error) {
	if size < 0 {
		return io.ReadAll(r)
	}
	data := make([]byte, size)
	if n, err := io.ReadFull(r, data); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, ais.NounErrorf(ais.Invalid, ais.NounBody, "body of %d bytes ended after %d", size, n)
		}
		return nil, ais.Errorf(ais.KindOf(err), "read body: %w", err)
	}
	return data, nil
}

func (m *memory) find(b *ais.Bucket, name string, v *ais.VersionID) (*stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.objects[b.Name][name]
	if v != nil && (o == nil || !v.IsNull()) {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounVersion, "no version %v", v)
	}
	if o == nil {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounObject, "%q does not exist", name)
	}
	return o, nil
}

func (m *memory) Open(_ context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	if m.fault != nil {
		return nil, m.fault
	}
	o, err := m.find(b, name, v)
	if err != nil {
		return nil, err
	}
	return &memoryReader{o}, nil
}

func (m *memory) Stat(_ context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error) {
	o, err := m.find(b, name, v)
	if err != nil {
		return nil, err
	}
	return &o.Object, nil
}

type memoryReader struct{ o *stored }

func (r *memoryReader) Object() *ais.Object { return &r.o.Object }
func (r *memoryReader) Close() error        { return nil }

func (r *memoryReader) Inline() []byte {
	if r.o.Size <= 4<<10 {
		return append([]byte{}, r.o.data...)
	}
	return nil
}

func (r *memoryReader) Part(n int) (offset, size int64, ok bool) {
	if len(r.o.parts) == 0 {
		return 0, r.o.Size, n == 1
	}
	if n > len(r.o.parts) {
		return 0, 0, false
	}
	for _, s := range r.o.parts[:n-1] {
		offset += s
	}
	return offset, r.o.parts[n-1], true
}

func (r *memoryReader) WriteRange(_ context.Context, w io.Writer, offset, size int64) error {
	for p := r.o.data[offset : offset+size]; len(p) > 0; {
		n := min(len(p), 1000)
		if _, err := w.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (m *memory) Delete(_ context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.current(r.Bucket, r.Name)
	if err := r.Condition.Check(o); err != nil {
		return ais.DeleteResult{}, err
	}
	delete(m.objects[r.Bucket.Name], r.Name)
	return ais.DeleteResult{Existed: o != nil}, nil
}

func (m *memory) List(_ context.Context, r *ais.ListRequest) (*ais.ListPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.objects[r.Bucket.Name] {
		names = append(names, name)
	}
	slices.Sort(names)
	page := &ais.ListPage{}
	skip := ""
	if common := commonPrefix(r.After, r.Prefix, r.Delimiter); common == r.After {
		skip = common
	}
	for _, name := range names {
		if !strings.HasPrefix(name, r.Prefix) || name <= r.After || skip != "" && strings.HasPrefix(name, skip) {
			continue
		}
		e := ais.ListEntry{Name: name}
		if common := commonPrefix(name, r.Prefix, r.Delimiter); common != "" {
			skip = common
			e = ais.ListEntry{Name: common, IsPrefix: true}
		} else {
			o := m.objects[r.Bucket.Name][name]
			e = ais.ListEntry{Name: name, Latest: true, Size: o.Size, ModifiedUnix: o.ModifiedUnix, ETag: o.Attributes.ETag,
				Checksum: o.Attributes.Checksum.Algorithm, Composite: o.Attributes.Checksum.Composite,
				StorageClass: o.Attributes.StorageClass, Owner: o.Attributes.Owner}
		}
		if len(page.Entries) == r.Limit {
			page.Truncated, page.Next = true, page.Entries[r.Limit-1].Name
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// commonPrefix is the part of name up to the first delimiter behind prefix; "" if there is none.
func commonPrefix(name, prefix, delimiter string) string {
	rest, ok := strings.CutPrefix(name, prefix)
	if i := strings.Index(rest, delimiter); ok && delimiter != "" && i >= 0 {
		return name[:len(prefix)+i+len(delimiter)]
	}
	return ""
}

func (m *memory) CreateUpload(_ context.Context, b *ais.Bucket, name string, a ais.Attributes) (*ais.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next++
	u := &openUpload{bucket: b.Name, parts: map[int]*storedPart{}, Upload: ais.Upload{
		ID: ais.MakeWriteID(1, 1, m.next), Bucket: b.ID, Name: name, InitiatedUnix: m.tick(), Attributes: a}}
	m.uploads[u.ID] = u
	return &u.Upload, nil
}

func (m *memory) upload(b *ais.Bucket, name string, id ais.WriteID) (*openUpload, error) {
	if u := m.uploads[id]; u != nil && u.bucket == b.Name && u.Name == name {
		return u, nil
	}
	return nil, ais.NounErrorf(ais.NotFound, ais.NounUpload, "no upload %v", id)
}

func (m *memory) PutPart(_ context.Context, r *ais.PartRequest) (ais.PartInfo, error) {
	data, err := readSized(r.Body, r.Size)
	if err != nil {
		return ais.PartInfo{}, err
	}
	tag, sum, err := r.Seal()
	if err != nil {
		return ais.PartInfo{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.upload(r.Bucket, r.Name, r.Upload)
	if err != nil {
		return ais.PartInfo{}, err
	}
	p := &storedPart{data: data, PartInfo: ais.PartInfo{Number: r.Number, Size: int64(len(data)), ETag: tag, Checksum: sum,
		ModifiedUnix: m.tick()}}
	u.parts[r.Number] = p
	return p.PartInfo, nil
}

func (m *memory) ListParts(_ context.Context, b *ais.Bucket, name string, id ais.WriteID, after, limit int) (*ais.PartPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.upload(b, name, id)
	if err != nil {
		return nil, err
	}
	page := &ais.PartPage{Upload: u.Upload}
	for n := after + 1; n <= ais.PartsMax && limit > 0; n++ {
		p := u.parts[n]
		if p == nil {
			continue
		}
		if len(page.Parts) == limit {
			page.Truncated = true
			break
		}
		page.Parts, page.Next = append(page.Parts, p.PartInfo), n
	}
	return page, nil
}

func (m *memory) ListUploads(_ context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*openUpload
	for _, u := range m.uploads {
		if u.bucket == r.Bucket.Name && strings.HasPrefix(u.Name, r.Prefix) {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(a, b *openUpload) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), bytes.Compare(a.ID[:], b.ID[:]))
	})
	page := &ais.UploadPage{}
	for _, u := range all {
		past := u.Name > r.AfterName || u.Name == r.AfterName && !r.AfterUpload.IsZero() && bytes.Compare(u.ID[:], r.AfterUpload[:]) > 0
		common := commonPrefix(u.Name, r.Prefix, r.Delimiter)
		if !past || common != "" && (slices.Contains(page.Prefixes, common) || common <= r.AfterName) {
			continue
		}
		if len(page.Uploads)+len(page.Prefixes) == r.Limit {
			page.Truncated = true
			break
		}
		if common != "" {
			page.Prefixes, page.NextName, page.NextUpload = append(page.Prefixes, common), common, ais.WriteID{}
			continue
		}
		page.Uploads, page.NextName, page.NextUpload = append(page.Uploads, u.Upload), u.Name, u.ID
	}
	return page, nil
}

func (m *memory) Complete(_ context.Context, r *ais.CompleteRequest) (*ais.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, err := m.upload(r.Bucket, r.Name, r.Upload)
	if err != nil {
		return nil, err
	}
	var infos []ais.PartInfo
	var sizes []int64
	var data []byte
	for i, want := range r.Parts {
		p := u.parts[want.Number]
		switch {
		case p == nil || p.ETag != want.ETag,
			want.Checksum.Algorithm != ais.ChecksumNone && !bytes.Equal(want.Checksum.Value, p.Checksum.Value):
			return nil, ais.NounErrorf(ais.NotFound, ais.NounPart, "part %d", want.Number)
		case i < len(r.Parts)-1 && p.Size < ais.PartMin:
			return nil, ais.NounErrorf(ais.Invalid, ais.NounPartSize, "part %d of %d bytes", want.Number, p.Size)
		}
		infos, sizes, data = append(infos, p.PartInfo), append(sizes, p.Size), append(data, p.data...)
	}
	if err := r.Condition.Check(m.current(r.Bucket, r.Name)); err != nil {
		return nil, err
	}
	a, err := r.Seal(u.Attributes, infos)
	if err != nil {
		return nil, err
	}
	delete(m.uploads, r.Upload)
	return m.keep(r.Bucket, r.Name, data, sizes, a), nil
}

func (m *memory) Abort(_ context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.upload(b, name, id); err != nil {
		return err
	}
	delete(m.uploads, id)
	return nil
}
