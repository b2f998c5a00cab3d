package target

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/merge"
)

// List gives one page of a bucket: the pages of all mountpaths, merged in name order. It is complete,
// or an error: a mountpath that does not serve fails the page.
func (t *Target) List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error) {
	pages := make([]*ais.ListPage, 0, len(t.mounts))
	for _, m := range t.mounts {
		if err := ctx.Err(); err != nil {
			return nil, ais.Errorf(ais.Canceled, "list: %w", err)
		}
		st, err := m.serving()
		if err != nil {
			return nil, err
		}
		p, err := st.List(r, nil)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return merge.Pages(pages, r.Limit), nil
}

// ListUploads gives one page of the open uploads of a bucket, by name, then id.
func (t *Target) ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	pages := make([]*ais.UploadPage, 0, len(t.mounts))
	for _, m := range t.mounts {
		if err := ctx.Err(); err != nil {
			return nil, ais.Errorf(ais.Canceled, "list: %w", err)
		}
		st, err := m.serving()
		if err != nil {
			return nil, err
		}
		p, err := st.Uploads(r, nil)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return merge.UploadPages(pages, r.Limit), nil
}
