package api_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// memory is a store in memory: what a target promises, without versions.
type memory struct {
	mu      sync.Mutex
	objects map[ais.BucketID]map[string]*stored
	uploads map[ais.BucketID][]ais.Upload
	fail    error // of the next Open, Put or List
}

type stored struct {
	object ais.Object
	bytes  []byte
}

func newMemory() *memory {
	return &memory{objects: map[ais.BucketID]map[string]*stored{}, uploads: map[ais.BucketID][]ais.Upload{}}
}

func (m *memory) failure() error {
	err := m.fail
	m.fail = nil
	return err
}

func (m *memory) Put(_ context.Context, r *ais.PutRequest) (*ais.Object, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a, err := r.Seal()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(); err != nil {
		return nil, err
	}
	if err := r.Condition.Check(m.current(r.Bucket.ID, r.Name)); err != nil {
		return nil, err
	}
	if m.objects[r.Bucket.ID] == nil {
		m.objects[r.Bucket.ID] = map[string]*stored{}
	}
	s := &stored{bytes: b, object: ais.Object{Bucket: r.Bucket.ID, Name: r.Name, Latest: true, Size: int64(len(b)),
		ModifiedUnix: time.Now().UnixMilli(), Attributes: a}}
	m.objects[r.Bucket.ID][r.Name] = s
	return &s.object, nil
}

func (m *memory) current(b ais.BucketID, name string) *ais.Object {
	if s := m.objects[b][name]; s != nil {
		return &s.object
	}
	return nil
}

func (m *memory) Open(_ context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(); err != nil {
		return nil, err
	}
	s := m.objects[b.ID][name]
	if s == nil || v != nil && *v != s.object.Version {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounObject, "object %q does not exist", name)
	}
	return &reader{stored: s}, nil
}

func (m *memory) Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error) {
	r, err := m.Open(ctx, b, name, v)
	if err != nil {
		return nil, err
	}
	return r.Object(), nil
}

func (m *memory) Delete(_ context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.current(r.Bucket.ID, r.Name)
	if err := r.Condition.Check(old); err != nil {
		return ais.DeleteResult{}, err
	}
	delete(m.objects[r.Bucket.ID], r.Name)
	return ais.DeleteResult{Existed: old != nil}, nil
}

func (m *memory) List(_ context.Context, r *ais.ListRequest) (*ais.ListPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(); err != nil {
		return nil, err
	}
	byName := map[string]ais.ListEntry{}
	for name, s := range m.objects[r.Bucket.ID] {
		rest, ok := strings.CutPrefix(name, r.Prefix)
		if !ok {
			continue
		}
		e := ais.ListEntry{Name: name, Latest: true, Size: s.object.Size, ModifiedUnix: s.object.ModifiedUnix, ETag: s.object.Attributes.ETag}
		if before, _, ok := strings.Cut(rest, r.Delimiter); ok && r.Delimiter != "" {
			e = ais.ListEntry{Name: r.Prefix + before + r.Delimiter, IsPrefix: true}
		}
		if e.Name > r.After {
			byName[e.Name] = e
		}
	}
	page := &ais.ListPage{}
	for _, e := range byName {
		page.Entries = append(page.Entries, e)
	}
	slices.SortFunc(page.Entries, func(a, b ais.ListEntry) int { return cmp.Compare(a.Name, b.Name) })
	if len(page.Entries) > r.Limit {
		page.Entries = page.Entries[:r.Limit]
		page.Truncated, page.Next = true, page.Entries[r.Limit-1].Name
	}
	return page, nil
}

func (m *memory) ListUploads(_ context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &ais.UploadPage{Uploads: slices.Clone(m.uploads[r.Bucket.ID])}, nil
}

func (m *memory) Abort(_ context.Context, b *ais.Bucket, _ string, id ais.WriteID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uploads[b.ID] = slices.DeleteFunc(m.uploads[b.ID], func(u ais.Upload) bool { return u.ID == id })
	return nil
}

// Empty makes it what control.Buckets asks.
func (m *memory) Empty(_ context.Context, b *ais.Bucket) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.objects[b.ID])+len(m.uploads[b.ID]) == 0, nil
}

// reader reads a stored object.
type reader struct{ *stored }

func (r *reader) Object() *ais.Object           { return &r.object }
func (r *reader) Part(int) (int64, int64, bool) { return 0, r.object.Size, true }
func (r *reader) Inline() []byte {
	if len(r.bytes) > 100 {
		return nil
	}
	return r.bytes
}
func (r *reader) WriteRange(_ context.Context, w io.Writer, offset, size int64) error {
	_, err := io.Copy(w, bytes.NewReader(r.bytes[offset:offset+size]))
	return err
}
func (r *reader) Close() error { return nil }
