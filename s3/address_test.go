package s3

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

// codeOfError is the S3 code of an error; "" for none.
func codeOfError(err error) string {
	if err == nil {
		return ""
	}
	return answers[failureOf(err).code].name
}

func TestParseAddress(t *testing.T) {
	domains := []string{"s3.example.org", "local"}
	long := strings.Repeat("x", 1024)
	for _, c := range []struct {
		host, path  string
		bucket, key string
		code        string
	}{
		{"127.0.0.1:8080", "/", "", "", ""},
		{"127.0.0.1:8080", "/b", "b", "", ""},
		{"127.0.0.1:8080", "/b/", "b", "", ""},
		{"127.0.0.1:8080", "/b/k", "b", "k", ""},
		{"127.0.0.1:8080", "/b//k", "b", "/k", ""},
		{"127.0.0.1:8080", "/b/a//b", "b", "a//b", ""},
		{"127.0.0.1:8080", "/b/p/../x", "b", "p/../x", ""},
		{"127.0.0.1:8080", "/b/.", "b", ".", ""},
		{"127.0.0.1:8080", "/b/dir/", "b", "dir/", ""},
		{"127.0.0.1:8080", "/b/a+b", "b", "a+b", ""},
		{"127.0.0.1:8080", "/b/a%2Bb%20c%2F%25", "b", "a+b c/%", ""},
		{"127.0.0.1:8080", "/b/%00", "b", "\x00", ""},
		{"127.0.0.1:8080", "/b/k%3Fversion", "b", "k?version", ""},
		{"127.0.0.1:8080", "/b/" + long, "b", long, ""},
		{"127.0.0.1:8080", "/b/" + long + "x", "", "", "KeyTooLongError"},
		{"127.0.0.1:8080", "/b/%ff", "", "", "InvalidObjectName"},
		{"127.0.0.1:8080", "/b/%4", "", "", "InvalidURI"},
		{"127.0.0.1:8080", "/b/%zz", "", "", "InvalidURI"},
		{"127.0.0.1:8080", "//k", "", "", "InvalidBucketName"},
		{"127.0.0.1:8080", "*", "", "", "InvalidURI"},
		{"b.s3.example.org", "/", "b", "", ""},
		{"b.s3.example.org:9000", "/k/l", "b", "k/l", ""},
		{"B.S3.Example.ORG", "/k", "b", "k", ""},
		{"a.b.s3.example.org", "/k", "a.b", "k", ""},
		{"b.local", "//k", "b", "/k", ""},
		{"s3.example.org", "/b/k", "b", "k", ""},
		{".s3.example.org", "/b/k", "b", "k", ""},
		{"bs3.example.org", "/b/k", "b", "k", ""},
		{"[::1]:80", "/b/k", "b", "k", ""},
	} {
		got, err := parseAddress([]byte(c.host), []byte(c.path), domains)
		if codeOfError(err) != c.code {
			t.Errorf("parseAddress(%q, %q): got error %v, want code %q", c.host, c.path, err, c.code)
		}
		if want := (address{c.bucket, c.key}); err == nil && got != want {
			t.Errorf("parseAddress(%q, %q): got %q, want %q", c.host, c.path, got, want)
		}
	}
}

func TestParseCopySource(t *testing.T) {
	id := ais.VersionID(ais.MakeStamp(1, 2, 3, 4))
	for _, c := range []struct {
		header, bucket, key string
		version             string
		code                string
	}{
		{"bucket/key", "bucket", "key", "", ""},
		{"/bucket/key", "bucket", "key", "", ""},
		{"bucket/a/b/c", "bucket", "a/b/c", "", ""},
		{"bucket//key", "bucket", "/key", "", ""},
		{"bucket%2Fkey", "bucket", "key", "", ""},
		{"%2Fbucket%2Fa%20b", "bucket", "a b", "", ""},
		{"bucket/a+b", "bucket", "a+b", "", ""},
		{"bucket/a%2Bb", "bucket", "a+b", "", ""},
		{"bucket/%3FversionId", "bucket", "?versionId", "", ""},
		{"bucket/what?is this", "bucket", "what?is this", "", ""},
		{"bucket/key?versionId=null", "bucket", "key", "null", ""},
		{"bucket/key?versionId=" + id.String(), "bucket", "key", id.String(), ""},
		{"bucket/key?versionId=nonsense", "", "", "", "InvalidArgument"},
		{"bucket/key?versionId=", "", "", "", "InvalidArgument"},
		{"bucket", "", "", "", "InvalidArgument"},
		{"bucket/", "", "", "", "InvalidArgument"},
		{"/", "", "", "", "InvalidArgument"},
		{"bucket/%zz", "", "", "", "InvalidArgument"},
		{"bucket/%ff", "", "", "", "InvalidObjectName"},
		{"UPPER/key", "", "", "", "NoSuchBucket"},
		{"bucket/" + strings.Repeat("x", 1025), "", "", "", "KeyTooLongError"},
	} {
		got, err := parseCopySource(c.header)
		if codeOfError(err) != c.code {
			t.Errorf("parseCopySource(%q): got error %v, want code %q", c.header, err, c.code)
		}
		version := ""
		if got.version != nil {
			version = got.version.String()
		}
		if err == nil && (got.address != address{c.bucket, c.key} || version != c.version) {
			t.Errorf("parseCopySource(%q): got %q version %q, want %s/%s version %q", c.header, got.address, version, c.bucket, c.key, c.version)
		}
	}
}

func FuzzCopySource(f *testing.F) {
	f.Add("bucket/key")
	f.Add("/bucket/%2F?versionId=null")
	f.Fuzz(func(t *testing.T, header string) {
		src, err := parseCopySource(header)
		if err != nil {
			return
		}
		if err := ais.CheckName(src.key); err != nil {
			t.Errorf("parseCopySource(%q) gives a name that cannot be: %v", header, err)
		}
		again, err := parseCopySource(src.bucket + "/" + string(appendURL(nil, src.key)))
		if err != nil || again.address != src.address {
			t.Errorf("%q escaped and parsed again: got %q, %v", src.address, again.address, err)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("a%20b+c")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := unescape(s)
		want, err := url.PathUnescape(s)
		if ok != (err == nil) || ok && got != want {
			t.Errorf("unescape(%q): got %q, %v, url.PathUnescape gives %q, %v", s, got, ok, want, err)
		}
	})
}
