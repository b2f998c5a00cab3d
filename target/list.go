package target

import (
	"context"
	"slices"
	"strings"

	"github.com/seed9b016523/ais"
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
		p, err := st.List(r)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return mergePages(pages, r.Limit), nil
}

// mergePages merges pages that are each in name order. A page that was cut says nothing of names behind
// its last one, so the merged page ends at the lowest last name of any that was cut.
func mergePages(pages []*ais.ListPage, limit int) *ais.ListPage {
	if len(pages) == 1 {
		return pages[0]
	}
	out := &ais.ListPage{}
	bound, bounded := "", false
	total := 0
	for _, p := range pages {
		total += len(p.Entries)
		if p.Truncated {
			out.Truncated = true
			if !bounded || p.Next < bound {
				bound, bounded = p.Next, true
			}
		}
	}
	all := make([]ais.ListEntry, 0, total)
	for _, p := range pages {
		all = append(all, p.Entries...)
	}
	// Stable: the versions of a name come from one page, newest first, and stay so.
	slices.SortStableFunc(all, func(a, b ais.ListEntry) int { return strings.Compare(a.Name, b.Name) })
	for i := range all {
		e := &all[i]
		if n := len(out.Entries); e.IsPrefix && n > 0 && out.Entries[n-1].IsPrefix && out.Entries[n-1].Name == e.Name {
			continue
		}
		if bounded && e.Name > bound || len(out.Entries) == limit {
			out.Truncated = true
			break
		}
		out.Entries = append(out.Entries, *e)
	}
	if n := len(out.Entries); out.Truncated && n > 0 {
		out.Next, out.NextVersion = out.Entries[n-1].Name, out.Entries[n-1].Version
	}
	return out
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
		p, err := st.Uploads(r)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return mergeUploads(pages, r.Limit), nil
}

// mergeUploads merges upload pages as mergePages does: uploads and common prefixes in one order.
func mergeUploads(pages []*ais.UploadPage, limit int) *ais.UploadPage {
	if len(pages) == 1 {
		return pages[0]
	}
	type item struct {
		name   string
		upload *ais.Upload // nil: a common prefix
	}
	var all []item
	out := &ais.UploadPage{}
	bound, bounded := "", false
	for _, p := range pages {
		for i := range p.Uploads {
			all = append(all, item{p.Uploads[i].Name, &p.Uploads[i]})
		}
		for _, x := range p.Prefixes {
			all = append(all, item{x, nil})
		}
		if p.Truncated {
			out.Truncated = true
			if !bounded || p.NextName < bound {
				bound, bounded = p.NextName, true
			}
		}
	}
	slices.SortStableFunc(all, func(a, b item) int { return strings.Compare(a.name, b.name) })
	last := item{}
	for _, x := range all {
		if x.upload == nil && last.upload == nil && last.name == x.name {
			continue
		}
		if bounded && x.name > bound || len(out.Uploads)+len(out.Prefixes) == limit {
			out.Truncated = true
			break
		}
		last = x
		out.NextName, out.NextUpload = x.name, ais.WriteID{}
		if x.upload == nil {
			out.Prefixes = append(out.Prefixes, x.name)
		} else {
			out.Uploads = append(out.Uploads, *x.upload)
			out.NextUpload = x.upload.ID
		}
	}
	return out
}
