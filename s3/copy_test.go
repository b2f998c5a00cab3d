package s3

import (
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func TestCopy(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.bucket("other")
	for _, n := range []int{0, 100, 200_000} {
		body := string(pattern(n))
		w.expect(200, "", "PUT", "/bucket/a%20source", body, "Content-Type", "text/x", "X-Amz-Meta-A", "1", "X-Amz-Tagging", "t=1",
			"X-Amz-Storage-Class", "STANDARD_IA")
		got := w.expect(200, "", "PUT", "/other/copy", "", "X-Amz-Copy-Source", "/bucket/a%20source")
		if tag := strings.Trim(quotedMD5([]byte(body)), `"`); !strings.Contains(got.body, "<ETag>&quot;"+tag+"&quot;</ETag>") {
			t.Errorf("copy of %d: got %s, want tag %s", n, got.body, tag)
		}
		get := w.do("GET", "/other/copy", "")
		if get.body != body || get.header.Get("Content-Type") != "text/x" || get.header.Get("X-Amz-Meta-A") != "1" ||
			get.header.Get("X-Amz-Tagging-Count") != "1" || get.header.Get("X-Amz-Storage-Class") != "" {
			t.Errorf("copy of %d: got %d bytes, headers %v", n, len(get.body), get.header)
		}
		w.expect(200, "", "PUT", "/other/copy", "", "X-Amz-Copy-Source", "/bucket/a%20source", "X-Amz-Metadata-Directive", "REPLACE",
			"X-Amz-Tagging-Directive", "REPLACE", "X-Amz-Meta-B", "2", "X-Amz-Checksum-Algorithm", "SHA256")
		get = w.do("GET", "/other/copy", "", "X-Amz-Checksum-Mode", "ENABLED")
		if get.body != body || get.header.Get("Content-Type") != "binary/octet-stream" || get.header.Get("X-Amz-Meta-A") != "" ||
			get.header.Get("X-Amz-Meta-B") != "2" || get.header.Get("X-Amz-Tagging-Count") != "" || get.header.Get("X-Amz-Checksum-Sha256") == "" {
			t.Errorf("copy of %d with other metadata: got %d bytes, headers %v", n, len(get.body), get.header)
		}
	}
}

func TestCopyRefusals(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "hello")
	tag := quotedMD5([]byte("hello"))
	for _, c := range []struct {
		status  int
		code    string
		target  string
		source  string
		headers []string
	}{
		{400, "InvalidRequest", "/bucket/key", "bucket/key", nil},
		{200, "", "/bucket/key", "bucket/key", []string{"X-Amz-Metadata-Directive", "REPLACE"}},
		{200, "", "/bucket/key", "bucket/key", []string{"X-Amz-Storage-Class", "STANDARD_IA"}},
		{400, "InvalidRequest", "/bucket/key", "bucket/key", []string{"X-Amz-Storage-Class", "STANDARD_IA"}},
		{404, "NoSuchKey", "/bucket/copy", "bucket/nothing", nil},
		{404, "NoSuchBucket", "/bucket/copy", "nothing/key", nil},
		{404, "NoSuchBucket", "/nothing/copy", "bucket/key", nil},
		{404, "NoSuchVersion", "/bucket/copy", "bucket/key?versionId=" + strings.Repeat("0", 31) + "1", nil},
		{200, "", "/bucket/copy", "bucket/key?versionId=null", nil},
		{400, "InvalidArgument", "/bucket/copy", "bucket", nil},
		{400, "InvalidArgument", "/bucket/copy", "bucket/key", []string{"X-Amz-Metadata-Directive", "SHUFFLE"}},
		{400, "InvalidArgument", "/bucket/copy", "bucket/key", []string{"X-Amz-Tagging-Directive", "SHUFFLE"}},
		{400, "InvalidRequest", "/bucket/copy", "bucket/key", []string{"X-Amz-Checksum-Algorithm", "MD4"}},
		{200, "", "/bucket/copy", "bucket/key", []string{"X-Amz-Copy-Source-If-Match", tag}},
		{412, "PreconditionFailed", "/bucket/copy", "bucket/key", []string{"X-Amz-Copy-Source-If-Match", `"0"`}},
		{412, "PreconditionFailed", "/bucket/copy", "bucket/key", []string{"X-Amz-Copy-Source-If-None-Match", tag}},
		{412, "PreconditionFailed", "/bucket/copy", "bucket/key", []string{"X-Amz-Copy-Source-If-Modified-Since", "Tue, 01 Jan 2036 00:00:00 GMT"}},
		{412, "PreconditionFailed", "/bucket/copy", "bucket/key", []string{"X-Amz-Copy-Source-If-Unmodified-Since", "Tue, 01 Jan 2013 00:00:00 GMT"}},
		{412, "PreconditionFailed", "/bucket/copy", "bucket/key", []string{"If-None-Match", "*"}},
		{200, "", "/bucket/new", "bucket/key", []string{"If-None-Match", "*"}},
		{501, "NotImplemented", "/bucket/copy", "bucket/key", []string{"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm", "AES256"}},
	} {
		w.expect(c.status, c.code, "PUT", c.target, "", append([]string{"X-Amz-Copy-Source", c.source}, c.headers...)...)
	}
	if got := w.do("GET", "/bucket/key", ""); got.body != "hello" {
		t.Errorf("the source: got %q, want hello", got.body)
	}
}

func TestCopyMultipartSource(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	first, second := string(pattern(ais.PartMin)), string(pattern(777))
	at := "/bucket/big?uploadId=" + w.begin("/bucket/big", "X-Amz-Checksum-Algorithm", "CRC32")
	one := w.do("PUT", at+"&partNumber=1", first).header.Get("Etag")
	two := w.do("PUT", at+"&partNumber=2", second).header.Get("Etag")
	w.expect(200, "", "POST", at, completionOf(one, two))
	w.expect(200, "", "PUT", "/bucket/copy", "", "X-Amz-Copy-Source", "bucket/big")
	get := w.do("GET", "/bucket/copy", "", "X-Amz-Checksum-Mode", "ENABLED")
	if get.body != first+second || get.header.Get("Etag") != quotedMD5([]byte(first+second)) || get.header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("copy of a multipart object: got %d bytes, headers %v", len(get.body), get.header)
	}

	at = "/bucket/joined?uploadId=" + w.begin("/bucket/joined", "X-Amz-Checksum-Algorithm", "SHA1")
	w.expect(400, "InvalidArgument", "PUT", at+"&partNumber=1", "", "X-Amz-Copy-Source", "bucket/big", "X-Amz-Copy-Source-Range", "bytes=5")
	w.expect(416, "InvalidRange", "PUT", at+"&partNumber=1", "", "X-Amz-Copy-Source", "bucket/big", "X-Amz-Copy-Source-Range", "bytes=5-99999999")
	w.expect(404, "NoSuchKey", "PUT", at+"&partNumber=1", "", "X-Amz-Copy-Source", "bucket/nothing")
	tagIn := func(r *reply) string {
		_, rest, _ := strings.Cut(r.body, "<ETag>&quot;")
		tag, _, _ := strings.Cut(rest, "&quot;")
		return tag
	}
	a := w.expect(200, "", "PUT", at+"&partNumber=1", "", "X-Amz-Copy-Source", "bucket/copy")
	b := w.expect(200, "", "PUT", at+"&partNumber=2", "", "X-Amz-Copy-Source", "bucket/big", "X-Amz-Copy-Source-Range", "bytes=10-19")
	if !strings.Contains(a.body, "<ChecksumSHA1>") || !strings.Contains(b.body, "<ChecksumSHA1>") {
		t.Errorf("copied parts have no checksum: %s, %s", a.body, b.body)
	}
	w.expect(200, "", "POST", at, completionOf(tagIn(a), tagIn(b)))
	if got := w.do("GET", "/bucket/joined", ""); got.body != first+second+first[10:20] {
		t.Errorf("joined from copies: got %d bytes", len(got.body))
	}
}
