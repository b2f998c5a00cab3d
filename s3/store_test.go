package s3

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

// memory is a store of one bucket's objects in a map, for what the real store cannot show: faults, and
// what the handler costs by itself. What it does not have panics.
type memory struct {
	Objects
	Uploads
	bucket  *ais.Bucket
	objects map[string]*stored
	fault   atomic.Pointer[ais.Error] // what Put, Open and Stat answer, if set
}

type stored struct {
	ais.Object
	data []byte
}

func newMemory(bucket string) *memory {
	return &memory{bucket: &ais.Bucket{ID: 1, Name: bucket, Owner: testKey}, objects: map[string]*stored{}}
}

func (m *memory) Bucket(name string) (*ais.Bucket, error) {
	if name != m.bucket.Name {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "bucket %q does not exist", name)
	}
	return m.bucket, nil
}

func (m *memory) Buckets() []*ais.Bucket { return []*ais.Bucket{m.bucket} }

func (m *memory) CreateBucket(context.Context, ais.Bucket) (*ais.Bucket, error) {
	return nil, ais.Errorf(ais.Exists, "there is one bucket")
}

func (m *memory) DeleteBucket(context.Context, string) error {
	return ais.Errorf(ais.Exists, "the bucket stays")
}

func (m *memory) Put(_ context.Context, r *ais.PutRequest) (*ais.Object, error) {
	if fault := m.fault.Load(); fault != nil {
		return nil, fault
	}
	data := make([]byte, r.Size)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		return nil, err
	}
	a, err := r.Seal()
	if err != nil {
		return nil, err
	}
	return m.keep(r.Name, data, a), nil
}

func (m *memory) keep(name string, data []byte, a ais.Attributes) *ais.Object {
	o := &stored{data: data, Object: ais.Object{Bucket: 1, Name: name, Latest: true, Size: int64(len(data)),
		ModifiedUnix: 1_700_000_000_000, Attributes: a}}
	m.objects[name] = o
	return &o.Object
}

func (m *memory) Open(_ context.Context, _ *ais.Bucket, name string, _ *ais.VersionID) (ais.ObjectReader, error) {
	if fault := m.fault.Load(); fault != nil {
		return nil, fault
	}
	o := m.objects[name]
	if o == nil {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounObject, "%q does not exist", name)
	}
	return &memoryReader{o: o}, nil
}

func (m *memory) Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error) {
	r, err := m.Open(ctx, b, name, v)
	if err != nil {
		return nil, err
	}
	return r.Object(), nil
}

type memoryReader struct {
	ais.ObjectReader
	o *stored
}

func (r *memoryReader) Object() *ais.Object { return &r.o.Object }
func (r *memoryReader) Inline() []byte      { return r.o.data }
func (r *memoryReader) Close() error        { return nil }
