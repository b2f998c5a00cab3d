package thrash

import (
	"fmt"
	"testing"
)

func TestPresence(t *testing.T) {
	const from, to = 100, 200
	for _, c := range []struct {
		name string
		want presence
		ops  []*Op
	}{
		{"never written", gone, nil},
		{"written before", there, []*Op{wrote(1, 10, 20)}},
		{"written while it is listed", either, []*Op{wrote(1, 110, 120)}},
		{"written afterwards", gone, []*Op{wrote(1, 210, 220)}},
		{"acknowledged while it is listed", either, []*Op{wrote(1, 90, 120)}},
		{"deleted before", gone, []*Op{wrote(1, 10, 20), deleted(30, 40)}},
		{"deleted while it is listed", either, []*Op{wrote(1, 10, 20), deleted(130, 140)}},
		{"deleted afterwards", there, []*Op{wrote(1, 10, 20), deleted(210, 240)}},
		{"deleted beside the write", either, []*Op{wrote(1, 10, 40), deleted(30, 50)}},
		{"deleted beside the write, and seen since", there, []*Op{wrote(1, 10, 40), deleted(30, 50), saw(1, 60, 70)}},
		{"deleted beside the write, and not seen since", gone, []*Op{wrote(1, 10, 40), deleted(30, 50), saw(0, 60, 70)}},
		{"overwritten", there, []*Op{wrote(1, 10, 40), wrote(2, 90, 150)}},
		{"a delete of unknown outcome", either, []*Op{wrote(1, 10, 40), maybe(deleted(50, 0))}},
		{"a delete of unknown outcome, long before", either, []*Op{maybe(deleted(1, 0)), wrote(1, 10, 40)}},
		{"a write of unknown outcome", either, []*Op{maybe(wrote(1, 10, 0))}},
		{"a write of unknown outcome that was seen", there, []*Op{maybe(wrote(1, 10, 0)), saw(1, 20, 30)}},
		{"the same, deleted since", gone, []*Op{maybe(wrote(1, 10, 0)), saw(1, 20, 30), deleted(40, 50)}},
		{"a write of unknown outcome, deleted since", either, []*Op{maybe(wrote(1, 10, 0)), deleted(40, 50)}},
		{"refused because it exists", there, []*Op{is(Failed, ifAbsent(wrote(1, 10, 20)))}},
		{"refused because it does not exist", gone, []*Op{is(Absent, ifIs(1, wrote(2, 10, 20)))}},
		{"a write that was not sent", gone, []*Op{is(Nothing, wrote(1, 10, 20))}},
	} {
		if got := presenceDuring(ID{}, 0, c.ops, from, to); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		base ID
		at   int64
		want presence
	}{{ID{1, 1}, 50, there}, {ID{}, 50, gone}, {ID{1, 1}, 150, either}, {ID{}, 150, either}} {
		if got := presenceDuring(c.base, c.at, nil, from, to); got != c.want {
			t.Errorf("%v at %d, the beginning of its history: got %d, want %d", c.base, c.at, got, c.want)
		}
	}
}

// keys makes keys k0, k1, …: those with a letter t are there, others were never written.
func keys(states string) map[string]*History {
	all := map[string]*History{}
	for i, s := range states {
		h := newHistory(fmt.Sprintf("k%d", i), 1)
		if s == 't' {
			h.allow(ID{1, uint32(i + 1)}, SizeMin, h.name)
			h.ops = []*Op{wrote(uint32(i+1), 10, 20)}
		}
		all[h.name] = h
	}
	return all
}

func TestCheckPage(t *testing.T) {
	entry := func(names ...string) (e []Entry) {
		for _, n := range names {
			e = append(e, Entry{Name: n, Size: SizeMin})
		}
		return e
	}
	for _, c := range []struct {
		name string
		keys string
		page Page
		want []Wrong
	}{
		{"all of them", "t-t", Page{Last: true, Entries: entry("k0", "k2")}, nil},
		{"none", "---", Page{Last: true}, nil},
		{"one lacks", "ttt", Page{Last: true, Entries: entry("k0", "k2")}, []Wrong{Missing}},
		{"the last lacks", "ttt", Page{Last: true, Entries: entry("k0", "k1")}, []Wrong{Missing}},
		{"the next page has the rest", "ttt", Page{Entries: entry("k0", "k1")}, nil},
		{"one lacks before the end of the page", "ttt", Page{Entries: entry("k1")}, []Wrong{Missing}},
		{"a page in the middle", "tttt", Page{After: "k0", Entries: entry("k1", "k2")}, nil},
		{"a page that leaves out its first", "tttt", Page{After: "k0", Entries: entry("k2")}, []Wrong{Missing}},
		{"one that is gone", "t-t", Page{Last: true, Entries: entry("k0", "k1", "k2")}, []Wrong{WrongBytes, Extra}}, // and of no size it had
		{"twice", "tt", Page{Last: true, Entries: entry("k0", "k0", "k1")}, []Wrong{Extra}},
		{"out of order", "tt", Page{Last: true, Entries: entry("k1", "k0")}, []Wrong{Extra}},
		{"of the page before", "tt", Page{After: "k0", Last: true, Entries: entry("k0", "k1")}, []Wrong{Extra}},
		{"a name that nobody wrote", "t", Page{Last: true, Entries: entry("k0", "x")}, []Wrong{WrongBytes}},
		{"a size that it never had", "t", Page{Last: true, Entries: []Entry{{Name: "k0", Size: 5}}}, []Wrong{WrongBytes}},
		{"an empty page, and more to come", "t", Page{}, []Wrong{Missing}},
	} {
		c.page.From, c.page.To = 100, 200
		found := checkPage(&c.page, keys(c.keys))
		ok := len(found) == len(c.want)
		for i := range min(len(found), len(c.want)) {
			ok = ok && found[i].Kind == c.want[i]
		}
		if !ok {
			t.Errorf("%s: got %+v, want %v", c.name, found, c.want)
		}
	}
}

func TestReadPage(t *testing.T) {
	var p Page
	next, err := p.read([]byte(`<ListBucketResult><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><NextContinuationToken>abc</NextContinuationToken>` +
		`<Contents><Key>a</Key><Size>5</Size><ETag>"e"</ETag></Contents><Contents><Key>b</Key><Size>6</Size></Contents></ListBucketResult>`))
	if err != nil || next != "abc" || p.Last || len(p.Entries) != 2 || p.Entries[0] != (Entry{"a", 5, "e"}) {
		t.Errorf("got %+v, next %q, error %v", p, next, err)
	}
	for _, bad := range []string{"", "<", `<ListBucketResult><KeyCount>1</KeyCount></ListBucketResult>`,
		`<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>true</IsTruncated></ListBucketResult>`} {
		if _, err := new(Page).read([]byte(bad)); err == nil {
			t.Errorf("%q: read without an error", bad)
		}
	}
}
