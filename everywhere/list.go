package everywhere

import (
	"context"
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/merge"
	"github.com/seed9b016523/ais/replica"
)

// homes are the targets that are the home of any slot, by id.
func homes(m *cmap.Map) (ids []ais.NodeID, err error) {
	for _, n := range m.Members() {
		if n.State == cmap.Alive {
			ids = append(ids, n.ID)
		}
	}
	if len(ids) == 0 {
		return nil, ais.Errorf(ais.Unavailable, "no target is alive")
	}
	return ids, nil
}

// List gives one page of a bucket: of all homes under one map, or an error of kind Unavailable.
func (s *Store) List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error) {
	if r.Limit <= 0 {
		return &ais.ListPage{}, nil
	}
	return ask(ctx, s, func(ctx context.Context, m *cmap.Map) (*ais.ListPage, error) {
		ids, err := homes(m)
		if err != nil {
			return nil, err
		}
		return merge.List(r, len(ids), func(asks []merge.Ask) ([]*ais.ListPage, error) {
			return fromEach(ctx, len(asks), func(ctx context.Context, i int) (*ais.ListPage, error) {
				q := &replica.ListHomed{Map: m.Version(), Request: asks[i].Request}
				return s.config.Lists.List(ctx, ids[asks[i].Source], q)
			})
		})
	})
}

// ListUploads gives one page of the open uploads of a bucket, as List does of objects.
func (s *Store) ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	if r.Limit <= 0 {
		return &ais.UploadPage{}, nil
	}
	return ask(ctx, s, func(ctx context.Context, m *cmap.Map) (*ais.UploadPage, error) {
		ids, err := homes(m)
		if err != nil {
			return nil, err
		}
		return merge.Uploads(r, len(ids), func(asks []merge.UploadAsk) ([]*ais.UploadPage, error) {
			return fromEach(ctx, len(asks), func(ctx context.Context, i int) (*ais.UploadPage, error) {
				q := &replica.ListHomed{Map: m.Version(), Uploads: &asks[i].Request}
				return s.config.Lists.ListUploads(ctx, ids[asks[i].Source], q)
			})
		})
	})
}

// fromEach asks n at once; the first error ends the others.
func fromEach[T any](ctx context.Context, n int, get func(ctx context.Context, i int) (T, error)) ([]T, error) {
	got := make([]T, n)
	if n == 1 {
		var err error
		got[0], err = get(ctx, 0)
		return got, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var asking sync.WaitGroup
	var once sync.Once
	var failed error
	for i := range n {
		asking.Go(func() {
			v, err := get(ctx, i)
			if err != nil {
				once.Do(func() {
					failed = err
					stop()
				})
			}
			got[i] = v
		})
	}
	asking.Wait()
	return got, failed
}
