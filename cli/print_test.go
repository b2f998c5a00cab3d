package cli

import (
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		u    units
		n    int64
		want string
	}{
		{unitsIEC, 0, "0B"}, {unitsIEC, 1023, "1023B"}, {unitsIEC, 1024, "1KiB"}, {unitsIEC, 1331691, "1.27MiB"},
		{unitsIEC, 5 << 40, "5TiB"}, {unitsIEC, 1 << 62, "4EiB"}, {unitsSI, 1331691, "1.33MB"}, {unitsRaw, 1331691, "1331691"},
	} {
		if got := test.u.size(test.n); got != test.want {
			t.Errorf("%s of %d: got %s, want %s", test.u, test.n, got, test.want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "4096": 4096, "4KiB": 4096, "4k": 4096, "4K": 4096, "4KB": 4000,
		"1.5MiB": 3 << 19, "64MiB": 64 << 20, "1GB": 1e9, "2TiB": 2 << 40, "12B": 12, " 1 GiB ": -1} {
		got, err := parseBytes(s)
		if want < 0 {
			if err == nil {
				t.Errorf("%q: got %d, want an error", s, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "1XiB", "-1", "1e99", "NaN", "1KiBi", "KiB", "1ib"} {
		if got, err := parseBytes(s); err == nil {
			t.Errorf("%q: got %d, want an error", s, got)
		}
	}
}

func TestTableAlignsAndEscapes(t *testing.T) {
	tb := table{headers: []string{"NAME", "SIZE"}, underline: true}
	tb.add("a", "1B")
	tb.add("ünïcode", "12B")
	tb.add("\x1b[2J", "0B")
	var b strings.Builder
	if err := tb.print(&b, true); err != nil {
		t.Fatal(err)
	}
	want := "NAME       SIZE\n======     ======\na          1B\nünïcode    12B\n\"\\x1b[2J\"  0B\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{"a b": "a b", "日本": "日本", "a\nb": `"a\nb"`, "\u202eevil": `"\u202eevil"`, "\xff": `"\xff"`, "\u009b1m": `"\u009b1m"`} {
		if got := printable(s); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func TestLocations(t *testing.T) {
	for s, want := range map[string]location{
		"photos": {"photos", ""}, "photos/": {"photos", ""}, "photos/a/b": {"photos", "a/b"},
		"photos//a": {"photos", "/a"}, "s3://photos/a": {"photos", "a"}, "ais://photos/../x": {"photos", "../x"},
	} {
		if got, err := parseLocation(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "/", "A", "a_b/c", "..", "-", "./x"} {
		if got, err := parseLocation(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
	if _, err := parseObject("photos/"); err == nil {
		t.Error("a bucket was taken for an object")
	}
	if _, err := parseBucket("photos/a"); err == nil {
		t.Error("an object was taken for a bucket")
	}
	if got := (location{"b", "d/"}).within("x/y"); got.name != "d/y" {
		t.Errorf("x/y within d/ is %q, want d/y", got.name)
	}
	if got := (location{"b", "d"}).within("x/y"); got.name != "d" {
		t.Errorf("x/y as d is %q, want d", got.name)
	}
}
