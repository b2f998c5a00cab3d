package merge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

// held is one version of a name, or one upload, at one source.
type held struct {
	name   string
	mark   byte // newer versions have a lower one
	source int
}

func (h held) version() ais.VersionID { return ais.VersionID{h.mark} }
func (h held) upload() ais.WriteID    { return ais.WriteID{h.mark} }

// world is what the sources of a test hold, in order. A name is at one source.
type world struct {
	held    []held
	sources int
}

func drawWorld(t *rapid.T) *world {
	w := &world{sources: rapid.IntRange(1, 6).Draw(t, "sources")}
	names := rapid.SliceOfNDistinct(rapid.StringOfN(rapid.SampledFrom([]rune("ab/é")), 1, 6, -1), 0, 60, rapid.ID[string]).Draw(t, "names")
	skew := rapid.IntRange(1, w.sources).Draw(t, "skew") // the last sources may have nothing
	for _, name := range names {
		source := rapid.IntRange(0, skew-1).Draw(t, "source")
		for k := range rapid.IntRange(1, 3).Draw(t, "versions") {
			w.held = append(w.held, held{name: name, mark: byte(k + 1), source: source})
		}
	}
	slices.SortFunc(w.held, func(a, b held) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.mark, b.mark))
	})
	return w
}

// prefixOf is the common prefix that a name falls under; "" if none.
func prefixOf(name, prefix, delimiter string) string {
	if delimiter == "" {
		return ""
	}
	rest := name[len(prefix):]
	if i := strings.Index(rest, delimiter); i >= 0 {
		return name[:len(prefix)+i+len(delimiter)]
	}
	return ""
}

// list is a page of one source (all if source < 0), as ais.ListRequest says. stingy pages give less than they could.
func (w *world) list(r *ais.ListRequest, source int, stingy func() int) *ais.ListPage {
	p := &ais.ListPage{}
	limit := r.Limit
	if stingy != nil {
		limit = max(1, limit-stingy())
	}
	for _, h := range w.held {
		if source >= 0 && h.source != source || !strings.HasPrefix(h.name, r.Prefix) || !r.Versions && h.mark != 1 {
			continue
		}
		common := prefixOf(h.name, r.Prefix, r.Delimiter)
		switch {
		case h.name > r.After:
		case r.Versions && r.AfterVersion != nil && h.name == r.After && h.mark > r.AfterVersion[0]:
		default:
			continue
		}
		if r.After != "" && common != "" && common == r.After {
			continue
		}
		if n := len(p.Entries); common != "" && n > 0 && p.Entries[n-1].IsPrefix && p.Entries[n-1].Name == common {
			continue
		}
		if len(p.Entries) == limit {
			p.Truncated = true
			break
		}
		if common != "" {
			p.Entries = append(p.Entries, ais.ListEntry{Name: common, IsPrefix: true})
		} else {
			p.Entries = append(p.Entries, ais.ListEntry{Name: h.name, Version: h.version(), Size: int64(h.source)})
		}
	}
	if n := len(p.Entries); p.Truncated {
		p.Next, p.NextVersion = p.Entries[n-1].Name, p.Entries[n-1].Version
	}
	return p
}

func (w *world) uploads(r *ais.UploadListRequest, source int) *ais.UploadPage {
	p := &ais.UploadPage{}
	for _, h := range w.held {
		if source >= 0 && h.source != source || !strings.HasPrefix(h.name, r.Prefix) {
			continue
		}
		common := prefixOf(h.name, r.Prefix, r.Delimiter)
		inside := h.name == r.AfterName && !r.AfterUpload.IsZero() && h.mark > r.AfterUpload[0]
		if h.name <= r.AfterName && !inside || common != "" && common == r.AfterName {
			continue
		}
		if n := len(p.Prefixes); common != "" && n > 0 && p.Prefixes[n-1] == common {
			continue
		}
		if len(p.Uploads)+len(p.Prefixes) == r.Limit {
			p.Truncated = true
			break
		}
		if common != "" {
			p.Prefixes = append(p.Prefixes, common)
			p.NextName, p.NextUpload = common, ais.WriteID{}
		} else {
			p.Uploads = append(p.Uploads, ais.Upload{Name: h.name, ID: h.upload()})
			p.NextName, p.NextUpload = h.name, h.upload()
		}
	}
	if !p.Truncated {
		p.NextName, p.NextUpload = "", ais.WriteID{}
	}
	return p
}

// TestPagesAreThoseOfOneSource draws what sources hold, and wants each page to be, entry for entry, what one source with
// all of it would give, whatever the limits of the pages.
func TestPagesAreThoseOfOneSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r := &ais.ListRequest{
			Prefix:    rapid.SampledFrom([]string{"", "", "a", "a/", "é"}).Draw(t, "prefix"),
			Delimiter: rapid.SampledFrom([]string{"", "/", "/", "b"}).Draw(t, "delimiter"),
			Versions:  rapid.Bool().Draw(t, "versions"),
		}
		var stingy func() int
		if rapid.Bool().Draw(t, "stingy") {
			stingy = func() int { return rapid.IntRange(0, 3).Draw(t, "less") }
		}
		for range 200 {
			r.Limit = rapid.IntRange(1, 12).Draw(t, "limit")
			got, err := List(r, w.sources, func(asks []Ask) ([]*ais.ListPage, error) {
				pages := make([]*ais.ListPage, len(asks))
				for i := range asks {
					if n := asks[i].Request.Limit; n < 1 || n > r.Limit {
						t.Fatalf("a source is asked for %d of %d", n, r.Limit)
					}
					pages[i] = w.list(&asks[i].Request, asks[i].Source, stingy)
				}
				return pages, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := w.list(r, -1, nil)
			if stingy != nil && got.Truncated && !want.Truncated {
				want.Truncated, want.Next, want.NextVersion = true, got.Next, got.NextVersion
			}
			if fmt.Sprint(*got) != fmt.Sprint(*want) {
				t.Fatalf("%+v:\ngot  %+v\nwant %+v\nof %v", *r, *got, *want, w.held)
			}
			if !got.Truncated {
				return
			}
			r.After, r.AfterVersion = got.Next, nil
			if r.Versions {
				v := got.NextVersion
				r.AfterVersion = &v
			}
		}
		t.Fatal("the list does not end")
	})
}

func TestPagesOfUploadsAreThoseOfOneSource(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r := &ais.UploadListRequest{
			Prefix:    rapid.SampledFrom([]string{"", "a", "a/"}).Draw(t, "prefix"),
			Delimiter: rapid.SampledFrom([]string{"", "/", "b"}).Draw(t, "delimiter"),
		}
		for range 200 {
			r.Limit = rapid.IntRange(1, 12).Draw(t, "limit")
			got, err := Uploads(r, w.sources, func(asks []UploadAsk) ([]*ais.UploadPage, error) {
				pages := make([]*ais.UploadPage, len(asks))
				for i := range asks {
					pages[i] = w.uploads(&asks[i].Request, asks[i].Source)
				}
				return pages, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := w.uploads(r, -1); fmt.Sprint(*got) != fmt.Sprint(*want) {
				t.Fatalf("%+v:\ngot  %+v\nwant %+v\nof %v", *r, *got, *want, w.held)
			}
			if !got.Truncated {
				return
			}
			r.AfterName, r.AfterUpload = got.NextName, got.NextUpload
		}
		t.Fatal("the list does not end")
	})
}

// TestWholePagesMerge: pages of the same limit, of which each source gave one, as a target merges those of its
// mountpaths. All pages together are the list.
func TestWholePagesMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r := &ais.ListRequest{Delimiter: rapid.SampledFrom([]string{"", "/"}).Draw(t, "delimiter"), Limit: rapid.IntRange(1, 9).Draw(t, "limit")}
		u := &ais.UploadListRequest{Delimiter: r.Delimiter, Limit: r.Limit}
		pages, uploads := make([]*ais.ListPage, w.sources), make([]*ais.UploadPage, w.sources)
		for i := range pages {
			pages[i], uploads[i] = w.list(r, i, nil), w.uploads(u, i)
		}
		if got, want := Pages(pages, r.Limit), w.list(r, -1, nil); fmt.Sprint(*got) != fmt.Sprint(*want) {
			t.Fatalf("got  %+v\nwant %+v", *got, *want)
		}
		if got, want := UploadPages(uploads, r.Limit), w.uploads(u, -1); fmt.Sprint(*got) != fmt.Sprint(*want) {
			t.Fatalf("uploads: got  %+v\nwant %+v", *got, *want)
		}
	})
}
