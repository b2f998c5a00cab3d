package s3

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAppendText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"plain/name.txt", "plain/name.txt"},
		{"a&b<c>d\"e'f", "a&amp;b&lt;c&gt;d&quot;e'f"},
		{"tab\tline\nreturn\r", "tab&#x9;line&#xA;return&#xD;"},
		{"\x00\x01\x1f\x7f", "&#x0;&#x1;&#x1F;\x7f"},
		{"grün 日本 😀", "grün 日本 😀"},
		{"\uFFFD\uFFFE\uFFFF\uFFEF", "\uFFFD&#xFFFE;&#xFFFF;\uFFEF"},
		{"&", "&amp;"},
		{"end<", "end&lt;"},
	} {
		if got := string(appendText(nil, c.in)); got != c.want {
			t.Errorf("appendText(%q): got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestAppendURL(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"foo+1/bar", "foo%2B1/bar"},
		{"quux ab/thud", "quux%20ab/thud"},
		{"test_file(3).png", "test_file%283%29.png"},
		{"a~b*c-d.e_f", "a%7Eb*c-d.e_f"},
		{"\x00ü", "%00%C3%BC"},
	} {
		if got := string(appendURL(nil, c.in)); got != c.want {
			t.Errorf("appendURL(%q): got %q, want %q", c.in, got, c.want)
		}
	}
}

// FuzzText: what XML can hold comes back from encoding/xml as it was; and the URL form always does.
func FuzzText(f *testing.F) {
	f.Add("a&b<c>\r\n")
	f.Add("\uFFFE")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		if got, err := url.QueryUnescape(string(appendURL(nil, s))); err != nil || got != s {
			t.Errorf("%q through encoding-type=url: got %q, %v", s, got, err)
		}
		doc := string(appendElement(nil, "Key", s))
		if strings.ContainsFunc(s, func(r rune) bool {
			return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
		}) {
			if !strings.Contains(doc, "&#x") {
				t.Errorf("%q in XML: got %q, want a character reference", s, doc)
			}
			return
		}
		var got string
		if err := xml.Unmarshal([]byte(doc), &got); err != nil || got != s {
			t.Errorf("%q through XML %q: got %q, %v", s, doc, got, err)
		}
	})
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{
		time.UnixMilli(0), time.UnixMilli(-1), time.UnixMilli(951782400123), time.UnixMilli(951868799999),
		time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC), time.Date(2100, 3, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 12, 0, 0, 0, time.UTC),
	} {
		if got, want := string(appendISOTime(nil, at.UnixMilli())), at.UTC().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("ISO time of %v: got %s, want %s", at, got, want)
		}
		if got, want := string(appendHTTPTime(nil, at.Unix())), at.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"); got != want {
			t.Errorf("HTTP time of %v: got %s, want %s", at, got, want)
		}
	}
}

func FuzzTimes(f *testing.F) {
	f.Add(int64(1_700_000_000_123))
	f.Fuzz(func(t *testing.T, ms int64) {
		ms %= 250_000_000_000_000 // to the year 9892
		at := time.UnixMilli(ms).UTC()
		if at.Year() < 1 {
			return
		}
		if got, want := string(appendISOTime(nil, ms)), at.Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Errorf("ISO time of %d: got %s, want %s", ms, got, want)
		}
		if got, want := string(appendHTTPTime(nil, at.Unix())), at.Format("Mon, 02 Jan 2006 15:04:05 GMT"); got != want {
			t.Errorf("HTTP time of %d: got %s, want %s", ms, got, want)
		}
	})
}

func TestParseHTTPTime(t *testing.T) {
	const want = 784111777
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 10:49:37 +0200"} {
		if got, ok := parseHTTPTime(s); got != want || !ok {
			t.Errorf("parseHTTPTime(%q): got %d, %v, want %d", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "yesterday", "784111777"} {
		if got, ok := parseHTTPTime(s); ok {
			t.Errorf("parseHTTPTime(%q): got %d, want none", s, got)
		}
	}
}
