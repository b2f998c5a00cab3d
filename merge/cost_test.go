package merge

import (
	"errors"
	"fmt"
	"hash/fnv"
	"testing"

	"github.com/seed9b016523/ais"
)

// many is a world of many names, spread over sources by a hash; or all on one.
func many(names, sources int, name func(int) string, skewed bool) *world {
	w := &world{sources: sources}
	for i := range names {
		n := name(i)
		h := fnv.New32a()
		_, _ = h.Write([]byte(n))
		source := int(h.Sum32()>>8) % sources
		if skewed {
			source = 0
		}
		w.held = append(w.held, held{name: n, mark: 1, source: source})
	}
	return w
}

// TestPagesCostWhatTheyHold counts what the sources of a long list are asked for, page by page.
func TestPagesCostWhatTheyHold(t *testing.T) {
	const sources, limit = 8, 1000
	plain := func(i int) string { return fmt.Sprintf("n%06d", i) }
	nested := func(i int) string { return fmt.Sprintf("d%04d/%02d", i/10, i%10) }
	for name, c := range map[string]struct {
		w         *world
		delimiter string
		asked     float64 // entries that all sources together may be asked for, per entry of a page
		rounds    int
	}{
		"spread":   {many(10000, sources, plain, false), "", 1.3, 3},
		"on one":   {many(10000, sources, plain, true), "", 2.3, 2},
		"prefixes": {many(30000, sources, nested, false), "/", 9, 3}, // each source has each prefix
	} {
		t.Run(name, func(t *testing.T) {
			r := &ais.ListRequest{Limit: limit, Delimiter: c.delimiter}
			for page := 0; ; page++ {
				asked, rounds := 0, 0
				got, err := List(r, sources, func(asks []Ask) ([]*ais.ListPage, error) {
					rounds++
					pages := make([]*ais.ListPage, len(asks))
					for i := range asks {
						pages[i] = c.w.list(&asks[i].Request, asks[i].Source, nil)
						asked += asks[i].Request.Limit
					}
					return pages, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if most := c.asked * limit; float64(asked) > most || rounds > c.rounds {
					t.Errorf("page %d: %d entries asked for in %d rounds, want at most %.0f in %d", page, asked, rounds, most, c.rounds)
				}
				if !got.Truncated {
					break
				}
				r.After = got.Next
			}
		})
	}
}

func TestASourceThatFailsFailsThePage(t *testing.T) {
	w := many(100, 3, func(i int) string { return fmt.Sprint(i) }, false)
	broken := errors.New("broken")
	rounds := 0
	_, err := List(&ais.ListRequest{Limit: 60}, 3, func(asks []Ask) ([]*ais.ListPage, error) {
		if rounds++; rounds == 2 {
			return nil, broken
		}
		pages := make([]*ais.ListPage, len(asks))
		for i := range asks {
			pages[i] = w.list(&asks[i].Request, asks[i].Source, func() int { return 15 })
		}
		return pages, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v after %d rounds, want the error of the second", err, rounds)
	}
}

// TestASourceThatGoesRoundInACircle has more, it says, and gives nothing.
func TestASourceThatGoesRoundInACircle(t *testing.T) {
	for name, page := range map[string]ais.ListPage{"without a place": {Truncated: true}, "at the same place": {Truncated: true, Next: "a"}} {
		_, err := List(&ais.ListRequest{Limit: 5}, 2, func(asks []Ask) ([]*ais.ListPage, error) {
			pages := make([]*ais.ListPage, len(asks))
			for i := range asks {
				p := page
				pages[i] = &p
			}
			return pages, nil
		})
		if !ais.IsKind(err, ais.Internal) {
			t.Errorf("%s: got %v, want kind Internal", name, err)
		}
	}
	_, err := Uploads(&ais.UploadListRequest{Limit: 5}, 1, func([]UploadAsk) ([]*ais.UploadPage, error) {
		return []*ais.UploadPage{{Truncated: true}}, nil
	})
	if !ais.IsKind(err, ais.Internal) {
		t.Errorf("uploads: got %v, want kind Internal", err)
	}
}
