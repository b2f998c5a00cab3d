package s3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

const sum = "d41d8cd98f00b204e9800998ecf8427e"

func TestParseComplete(t *testing.T) {
	part := func(n int) string {
		return fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag></Part>", n, sum)
	}
	wrap := func(s string) string { return "<CompleteMultipartUpload>" + s + "</CompleteMultipartUpload>" }
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(part(i + 1))
		}
		return b.String()
	}
	for _, c := range []struct {
		name, body string
		parts      int
		code       string
	}{
		{"one part", wrap(part(1)), 1, ""},
		{"with a namespace", `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + part(1) + part(3) + "</CompleteMultipartUpload>", 2, ""},
		{"10,000 parts", wrap(many(10000)), 10000, ""},
		{"10,001 parts", wrap(many(10001)), 0, "MalformedXML"},
		{"no part", wrap(""), 0, "MalformedXML"},
		{"empty", "", 0, "MalformedXML"},
		{"not XML", "{}", 0, "MalformedXML"},
		{"another document", "<Delete></Delete>", 0, "MalformedXML"},
		{"cut off", "<CompleteMultipartUpload>" + part(1), 0, "MalformedXML"},
		{"out of order", wrap(part(2) + part(1)), 0, "InvalidPartOrder"},
		{"twice", wrap(part(2) + part(2)), 0, "InvalidPartOrder"},
		{"part 0", wrap(part(0)), 0, "InvalidArgument"},
		{"part 10001", wrap(part(10001)), 0, "InvalidArgument"},
		{"a number that is none", wrap("<Part><PartNumber>x</PartNumber></Part>"), 0, "MalformedXML"},
		{"no tag", wrap("<Part><PartNumber>1</PartNumber></Part>"), 0, "InvalidPart"},
		{"a tag that is none", wrap("<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"), 0, "InvalidPart"},
		{"a checksum", wrap("<Part><PartNumber>1</PartNumber><ETag>" + sum + "</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"), 1, ""},
		{"a short checksum", wrap("<Part><PartNumber>1</PartNumber><ETag>" + sum + "</ETag><ChecksumCRC32>AAAA</ChecksumCRC32></Part>"), 0, "InvalidPart"},
		{"two checksums", wrap("<Part><PartNumber>1</PartNumber><ETag>" + sum + "</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>"), 0, "InvalidRequest"},
		{"an entity", `<!DOCTYPE x [<!ENTITY a "aaaa">]>` + wrap("&a;"), 0, "MalformedXML"},
		{"nested deeply", strings.Repeat("<a>", 100000), 0, "MalformedXML"},
	} {
		parts, err := parseComplete([]byte(c.body))
		if codeOfError(err) != c.code || len(parts) != c.parts {
			t.Errorf("%s: got %d parts, %v, want %d parts, code %q", c.name, len(parts), err, c.parts, c.code)
		}
	}
}

func TestParseDelete(t *testing.T) {
	d, err := parseDelete([]byte(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>` +
		`<Object><Key>a&amp;b&#13;</Key><VersionId>null</VersionId><Size>7</Size></Object><Object><Key> c </Key></Object></Delete>`))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Quiet || len(d.Objects) != 2 || d.Objects[0].Key != "a&b\r" || d.Objects[0].VersionID != "null" ||
		*d.Objects[0].Size != 7 || d.Objects[1].Key != " c " {
		t.Errorf("got %+v", d)
	}
	for _, c := range []struct{ name, body string }{
		{"no object", "<Delete></Delete>"},
		{"too many", "<Delete>" + strings.Repeat("<Object><Key>a</Key></Object>", 1001) + "</Delete>"},
		{"another document", "<Remove/>"},
		{"rubbish", "\x00\x01"},
	} {
		if _, err := parseDelete([]byte(c.body)); codeOfError(err) != "MalformedXML" {
			t.Errorf("%s: got %v, want MalformedXML", c.name, err)
		}
	}
}

func TestParseCreate(t *testing.T) {
	for _, c := range []struct{ body, want, code string }{
		{"", "", ""},
		{" \n", "", ""},
		{"<CreateBucketConfiguration/>", "", ""},
		{`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>`, "eu-west-1", ""},
		{"<CreateBucketConfiguration>", "", "MalformedXML"},
		{"EU", "", "MalformedXML"},
	} {
		d, err := parseCreate([]byte(c.body))
		if codeOfError(err) != c.code || err == nil && d.LocationConstraint != c.want {
			t.Errorf("parseCreate(%q): got %q, %v, want %q, code %q", c.body, d.LocationConstraint, err, c.want, c.code)
		}
	}
}

func FuzzCompleteXML(f *testing.F) {
	f.Add([]byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + sum + "</ETag></Part></CompleteMultipartUpload>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, err := parseComplete(b)
		if err != nil {
			if c := failureOf(err).code; answers[c].status != 400 {
				t.Errorf("parseComplete(%q): got %v, want an error of the client", b, err)
			}
			return
		}
		last := 0
		for _, p := range parts {
			if p.Number <= last || p.Number > ais.PartsMax {
				t.Errorf("parseComplete(%q) let part %d follow part %d", b, p.Number, last)
			}
			last = p.Number
		}
	})
}

func FuzzDeleteXML(f *testing.F) {
	f.Add([]byte("<Delete><Object><Key>a</Key></Object></Delete>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDelete(b)
		if err == nil && (len(d.Objects) == 0 || len(d.Objects) > deleteMax) {
			t.Errorf("parseDelete(%q) gives %d objects", b, len(d.Objects))
		}
	})
}

func FuzzCreateXML(f *testing.F) {
	f.Add([]byte("<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></CreateBucketConfiguration>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := parseCreate(b); err != nil && failureOf(err).code != codeMalformedXML {
			t.Errorf("parseCreate(%q): got %v, want MalformedXML", b, err)
		}
	})
}

func TestParseTagging(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		header string
		want   string
		code   string
	}{
		{"", "[]", ""},
		{"a=1&b=2", "[{a 1} {b 2}]", ""},
		{"a", "[{a }]", ""},
		{"a=b=c", "[{a b=c}]", ""},
		{"a%20b=c+d", "[{a b c d}]", ""},
		{"&&a=1&", "[{a 1}]", ""},
		{"a=1&a=2", "", "InvalidTag"},
		{"=1", "", "InvalidTag"},
		{"aws:x=1", "", "InvalidTag"},
		{long + "=1", "", "InvalidTag"},
		{"a=" + long + long, "", "InvalidTag"},
		{"a=%ff", "", "InvalidTag"},
		{"a=%0a", "", "InvalidTag"},
		{"a=%z", "", "InvalidArgument"},
		{"1&2&3&4&5&6&7&8&9&10", "[{1 } {2 } {3 } {4 } {5 } {6 } {7 } {8 } {9 } {10 }]", ""},
		{"1&2&3&4&5&6&7&8&9&10&11", "", "InvalidTag"},
	} {
		got, err := parseTagging(c.header)
		if codeOfError(err) != c.code || err == nil && fmt.Sprint(got) != c.want {
			t.Errorf("parseTagging(%q): got %v, %v, want %s, code %q", c.header, got, err, c.want, c.code)
		}
	}
}

func FuzzTagging(f *testing.F) {
	f.Add("a=1&b=%20")
	f.Fuzz(func(t *testing.T, header string) {
		tags, err := parseTagging(header)
		if err != nil {
			return
		}
		var again strings.Builder
		for i, tag := range tags {
			if i > 0 {
				again.WriteByte('&')
			}
			again.Write(appendURL(nil, tag.Name))
			again.WriteByte('=')
			again.Write(appendURL(nil, tag.Value))
		}
		if got, err := parseTagging(again.String()); err != nil || fmt.Sprint(got) != fmt.Sprint(tags) {
			t.Errorf("%q written and read again: got %v, %v, want %v", header, got, err, tags)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add("MWE")
	f.Fuzz(func(t *testing.T, token string) {
		next, ok := parseToken(token)
		if !ok {
			return
		}
		if again, ok := parseToken(string(appendToken(nil, next))); !ok || again != next {
			t.Errorf("token of %q: got %q, %v", next, again, ok)
		}
	})
}

func TestMetadata(t *testing.T) {
	for _, c := range []struct{ in, kept, out string }{
		{"plain", "plain", "plain"},
		{"=?UTF-8?Q?gr=C3=BCn?=", "grün", "=?UTF-8?q?gr=C3=BCn?="},
		{"=?UTF-8?B?Z3LDvG4=?=", "grün", "=?UTF-8?q?gr=C3=BCn?="},
		{"=?ISO-8859-1?Q?gr=FCn?=", "grün", "=?UTF-8?q?gr=C3=BCn?="},
		{"=?broken", "=?broken", "=?broken"},
		{"=?UTF-8?Q?a=0Ab?=", "=?UTF-8?Q?a=0Ab?=", "=?UTF-8?Q?a=0Ab?="},
		{"caf\xe9", "caf\xe9", "caf\xe9"},
	} {
		kept := decodeMetadata(c.in)
		if out := encodeMetadata(kept); kept != c.kept || out != c.out {
			t.Errorf("metadata %q: kept %q and sent back %q, want %q and %q", c.in, kept, out, c.kept, c.out)
		}
	}
}

func TestWithoutChunked(t *testing.T) {
	for in, want := range map[string]string{"gzip": "gzip", "aws-chunked": "", "aws-chunked,gzip": "gzip",
		"gzip, aws-chunked": "gzip", "aws-chunked, gzip , br": "gzip,br"} {
		if got := withoutChunked(in); got != want {
			t.Errorf("Content-Encoding %q: kept %q, want %q", in, got, want)
		}
	}
}
