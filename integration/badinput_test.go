package integration

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// badCase is a request that must be refused, and must change nothing.
type badCase struct {
	name string
	want string // "403 SignatureDoesNotMatch"; codes that are as good, with "|"; "closed" for no reply at all
	do   func(ctx context.Context, c *raw) (reply, error)
}

const (
	badBucket = "bad-input"
	keptName  = "kept"
	badPath   = "/" + badBucket + "/victim" // exists; nothing may change it
)

// send makes a case of one signed request.
func send(name, want string, k call) badCase {
	return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) { return c.do(ctx, k) }}
}

// asked makes cases of one signed request by an asker who is changed a little.
func asked(name, want string, change func(c *raw)) badCase {
	return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) {
		other := *c
		change(&other)
		r, err := other.do(ctx, call{method: "PUT", path: badPath, body: []byte("bad")})
		if err != nil || r.status < 400 {
			return r, err
		}
		if r, err := other.do(ctx, call{method: "DELETE", path: badPath}); err != nil || r.status < 400 {
			return r, err
		}
		return other.do(ctx, call{method: "GET", path: badPath})
	}}
}

func wired(name, want string, half bool, sent string) badCase {
	return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) {
		return wire(ctx, strings.TrimPrefix(c.url, "http://"), []byte(sent), half)
	}}
}

// signedHead makes a case of a signed head, with lines added to it, and a body as it is.
func signedHead(name, want string, half bool, k call, body string, extra ...string) badCase {
	return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) {
		k.hash = unsignedPayload
		req, err := c.request(ctx, k)
		if err != nil {
			return reply{}, err
		}
		return wire(ctx, req.URL.Host, append(head(req, extra...), body...), half)
	}}
}

// TestBadInput sends what must be refused. Every refusal has its status and code, and the bucket is
// afterwards what it was before.
func TestBadInput(t *testing.T) {
	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, badBucket)
	c.put(t, badBucket, keptName, []byte("kept as it is"))
	c.put(t, badBucket, "victim", bytes.Repeat([]byte("0123456789"), 10))
	for _, group := range [][]badCase{whoCases(), headCases(), bodyCases(), queryCases(), multipartCases(), wireCases()} {
		for _, k := range group {
			t.Run(k.name, func(t *testing.T) {
				before := bucketState(t, c)
				got, err := k.do(t.Context(), c)
				if err != nil {
					t.Fatalf("got error %v, want %s", err, k.want)
				}
				if !refused(got, k.want) {
					t.Errorf("got %v, want %s", got, k.want)
				}
				if after := bucketState(t, c); !reflect.DeepEqual(after, before) {
					t.Errorf("it changed the bucket:\nfrom %v\nto   %v", before, after)
				}
			})
		}
	}
	if !n.running() {
		t.Error("the node has ended")
	}
}

// refused compares a reply with "status code|code", or one of several of those, with " or ".
func refused(got reply, want string) bool {
	for one := range strings.SplitSeq(want, " or ") {
		if one == "closed" && got.status == 0 {
			return true
		}
		status, codes, some := strings.Cut(one, " ")
		if fmt.Sprint(got.status) == status && (!some || slices.Contains(strings.Split(codes, "|"), got.code)) {
			return true
		}
	}
	return false
}

// bucketState is all that a client can see of the bucket.
func bucketState(t *testing.T, c *raw) []string {
	t.Helper()
	var all []string
	for _, e := range c.list(t, badBucket, true, 1000) {
		r := c.must(t, call{method: "GET", path: "/" + badBucket + "/" + e.Key})
		all = append(all, fmt.Sprint(e, hash(r.body), r.header.Get("Content-Type")))
	}
	uploads, err := openUploads(t.Context(), c, badBucket)
	if err != nil {
		t.Fatal(err)
	}
	buckets := c.must(t, call{method: "GET", path: "/"})
	return append(all, fmt.Sprint(uploads, " open uploads"), between(string(buckets.body), "<Buckets>", "</Buckets>"))
}

func whoCases() []badCase {
	presigned := func(name, want string, age, life time.Duration, change func(string) string) badCase {
		return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) {
			then := *c
			then.now = func() time.Time { return time.Now().Add(-age) }
			u, err := then.presign(ctx, "PUT", badPath, life)
			if err != nil {
				return reply{}, err
			}
			return c.byURL(ctx, "PUT", change(u), []byte("bad"))
		}}
	}
	same := func(s string) string { return s }
	return []badCase{
		asked("wrong-secret", "403 SignatureDoesNotMatch", func(c *raw) { c.secret += "x" }),
		asked("unknown-key", "403 InvalidAccessKeyId", func(c *raw) { c.key = "AKNOBODY" }),
		asked("clock-slow", "403 RequestTimeTooSkewed", func(c *raw) { c.now = func() time.Time { return time.Now().Add(-16 * time.Minute) } }),
		asked("clock-fast", "403 RequestTimeTooSkewed", func(c *raw) { c.now = func() time.Time { return time.Now().Add(16 * time.Minute) } }),
		asked("wrong-region", "400 AuthorizationHeaderMalformed or 403 SignatureDoesNotMatch", func(c *raw) { c.region = "mars-north-1" }),
		{"no-signature", "403 AccessDenied", func(ctx context.Context, c *raw) (reply, error) {
			return c.byURL(ctx, "PUT", c.url+badPath, []byte("bad"))
		}},
		{"no-signature-delete", "403 AccessDenied", func(ctx context.Context, c *raw) (reply, error) {
			return c.byURL(ctx, "DELETE", c.url+badPath, nil)
		}},
		{"no-signature-bucket", "403 AccessDenied", func(ctx context.Context, c *raw) (reply, error) {
			return c.byURL(ctx, "PUT", c.url+"/bad-bucket", nil)
		}},
		{"no-signature-rest", "403 or 401", func(ctx context.Context, c *raw) (reply, error) {
			return c.byURL(ctx, "PUT", c.url+"/v1/objects"+badPath, []byte("bad"))
		}},
		presigned("presigned-expired", "403 AccessDenied", 10*time.Minute, time.Minute, same),
		presigned("presigned-from-tomorrow", "403 AccessDenied|RequestTimeTooSkewed", -24*time.Hour, time.Hour, same),
		presigned("presigned-for-a-month", "400 AuthorizationQueryParametersError", 0, 31*24*time.Hour, same),
		presigned("presigned-other-name", "403 SignatureDoesNotMatch", 0, time.Minute, func(s string) string { return strings.Replace(s, "victim", "kept", 1) }),
		presigned("presigned-longer-life", "403 SignatureDoesNotMatch", 0, time.Minute, func(s string) string { return strings.Replace(s, "Expires=60", "Expires=6000", 1) }),
		presigned("presigned-without-signature", "403 AccessDenied or 400 AuthorizationQueryParametersError", 0, time.Minute, func(s string) string {
			return s[:strings.Index(s, "&X-Amz-Signature=")]
		}),
		{"presigned-for-get", "403 SignatureDoesNotMatch", func(ctx context.Context, c *raw) (reply, error) {
			u, err := c.presign(ctx, "GET", badPath, time.Minute)
			if err != nil {
				return reply{}, err
			}
			return c.byURL(ctx, "DELETE", u, nil)
		}},
		signedHead("signed-header-changed", "403 SignatureDoesNotMatch", false, call{method: "DELETE", path: badPath, header: http.Header{"X-Amz-Meta-A": {"1"}}}, "", "X-Amz-Meta-A: 2", "Content-Length: 0"),
	}
}

func headCases() []badCase {
	put := func(header ...string) call {
		k := call{method: "PUT", path: badPath, body: []byte("bad"), header: http.Header{}}
		for i := 0; i < len(header); i += 2 {
			k.header.Set(header[i], header[i+1])
		}
		return k
	}
	return []badCase{
		send("md5-wrong", "400 BadDigest", put("Content-MD5", base64Of(bytes.Repeat([]byte{7}, 16)))),
		send("md5-malformed", "400 InvalidDigest", put("Content-MD5", "not base64!")),
		send("crc32-wrong", "400 BadDigest", put("x-amz-checksum-crc32", "AAAAAA==")),
		send("crc32c-wrong", "400 BadDigest", put("x-amz-checksum-crc32c", "AAAAAA==")),
		send("crc64nvme-wrong", "400 BadDigest", put("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")),
		send("sha1-wrong", "400 BadDigest", put("x-amz-checksum-sha1", base64Of(make([]byte, 20)))),
		send("sha256-wrong", "400 BadDigest", put("x-amz-checksum-sha256", base64Of(make([]byte, 32)))),
		send("checksum-malformed", "400 InvalidRequest|InvalidDigest|BadDigest", put("x-amz-checksum-crc32", "AAAA")),
		send("checksums-two", "400 InvalidRequest", put("x-amz-checksum-crc32", "AAAAAA==", "x-amz-checksum-sha1", base64Of(make([]byte, 20)))),
		send("content-sha256-wrong", "400 XAmzContentSHA256Mismatch", func() call {
			k := put()
			k.hash = hash([]byte("other"))
			return k
		}()),
		send("metadata-too-large", "400 MetadataTooLarge", put("x-amz-meta-a", strings.Repeat("v", 9000))),
		send("if-none-match", "412 PreconditionFailed", put("If-None-Match", "*")),
		send("if-match-other", "412 PreconditionFailed", put("If-Match", `"00000000000000000000000000000000"`)),
		send("copy-source-gone", "404 NoSuchKey", call{method: "PUT", path: badPath, header: http.Header{"X-Amz-Copy-Source": {"/" + badBucket + "/nothing"}}}),
		send("copy-source-malformed", "400 InvalidArgument|InvalidRequest", call{method: "PUT", path: badPath, header: http.Header{"X-Amz-Copy-Source": {"nonsense"}}}),
		send("copy-to-itself", "400 InvalidRequest", call{method: "PUT", path: badPath, header: http.Header{"X-Amz-Copy-Source": {badPath}}}),
		send("range-behind-end", "416 InvalidRange", call{method: "GET", path: badPath, header: http.Header{"Range": {"bytes=100-"}}}),
		send("range-empty-suffix", "416 InvalidRange", call{method: "GET", path: badPath, header: http.Header{"Range": {"bytes=-0"}}}),
		send("name-too-long", "400 KeyTooLongError", call{method: "PUT", path: "/" + badBucket + "/" + strings.Repeat("n", 1025), body: []byte("bad")}),
		send("name-not-utf8", "400", call{method: "PUT", path: "/" + badBucket + "/\xff\xfe", body: []byte("bad")}),
		send("bucket-unknown", "404 NoSuchBucket", call{method: "PUT", path: "/no-such-bucket/x", body: []byte("bad")}),
		send("bucket-misnamed", "400 InvalidBucketName", call{method: "PUT", path: "/Not_A_Bucket"}),
		send("bucket-not-empty", "409 BucketNotEmpty", call{method: "DELETE", path: "/" + badBucket}),
		send("object-gone", "404 NoSuchKey", call{method: "GET", path: "/" + badBucket + "/nothing"}),
		send("method-unknown", "405 MethodNotAllowed or 501 NotImplemented or 400", call{method: "BREW", path: badPath}),
		send("not-there-yet", "501 NotImplemented or 404", call{method: "GET", path: "/" + badBucket, query: url.Values{"inventory": {""}}}),
	}
}

func bodyCases() []badCase {
	body := []byte("chunks of a body that is sent in pieces")
	crc := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	good := "x-amz-checksum-crc32:" + base64Of(crc)
	chunked := func(name, want string, u chunkedUpload) badCase {
		if u.chunks == nil {
			u.chunks = [][]byte{body}
		}
		return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) { return u.send(ctx, c, badPath) }}
	}
	const short = "400 IncompleteBody|InvalidRequest|InvalidChunkSizeError|MalformedTrailerError or closed"
	return []badCase{
		chunked("chunk-signature-wrong", "403 SignatureDoesNotMatch", chunkedUpload{signed: true, length: -1, spoilAt: 1}),
		chunked("last-chunk-signature-wrong", "403 SignatureDoesNotMatch", chunkedUpload{signed: true, length: -1, spoilAt: 2}),
		chunked("trailer-signature-wrong", "403 SignatureDoesNotMatch", chunkedUpload{signed: true, length: -1, trailer: good, spoilEnd: true}),
		chunked("trailer-checksum-wrong", "400 BadDigest", chunkedUpload{length: -1, trailer: "x-amz-checksum-crc32:AAAAAA=="}),
		chunked("signed-trailer-checksum-wrong", "400 BadDigest", chunkedUpload{signed: true, length: -1, trailer: "x-amz-checksum-crc32:AAAAAA=="}),
		chunked("chunks-longer-than-said", "400", chunkedUpload{length: 10, trailer: good}),
		chunked("chunks-shorter-than-said", "400", chunkedUpload{length: 1000, trailer: good}),
		chunked("signed-chunks-longer-than-said", "400", chunkedUpload{signed: true, length: 10}),
		chunked("signed-chunks-shorter-than-said", "400", chunkedUpload{signed: true, length: 1000}),
		chunked("last-chunk-missing", "400", chunkedUpload{signed: true, length: -1, cut: true}),
		chunked("chunk-of-half-the-universe", "400", chunkedUpload{length: -1, sizeLine: "ffffffffffffffffff", trailer: good}),
		chunked("chunk-size-negative", "400", chunkedUpload{length: -1, sizeLine: "-5", trailer: good}),
		chunked("chunk-size-nonsense", "400", chunkedUpload{length: -1, sizeLine: "zz", trailer: good}),
		signedHead("body-cut-short", short, true, call{method: "PUT", path: badPath}, "only so much", "Content-Length: 1000"),
		signedHead("part-body-cut-short", "404 NoSuchUpload or "+short, true, call{method: "PUT", path: badPath, query: url.Values{"partNumber": {"1"}, "uploadId": {strings.Repeat("0", 32)}}}, "only", "Content-Length: 1000"),
		signedHead("larger-than-a-put-may-be", "400 EntityTooLarge", false, call{method: "PUT", path: badPath}, "", "Content-Length: 5368709121"),
		signedHead("length-missing", "411 MissingContentLength or 400", false, call{method: "PUT", path: badPath}, ""),
		send("xml-nonsense", "400 MalformedXML", deleteCall([]byte("<Delete><Object><Key>kept"))),
		send("xml-empty", "400 MalformedXML|MissingRequestBodyError", deleteCall(nil)),
		send("xml-other-document", "400 MalformedXML", deleteCall([]byte("<a/>"))),
		send("xml-entity-bomb", "400 MalformedXML", deleteCall([]byte(entityBomb()))),
		send("xml-deep", "400 MalformedXML", deleteCall([]byte("<Delete>"+strings.Repeat("<a>", 100_000)))),
		send("xml-large", "400 or 413", deleteCall([]byte("<Delete>"+strings.Repeat("<x>y</x>", 4<<20)+"</Delete>"))),
		send("delete-1001", "400 MalformedXML", deleteCall([]byte("<Delete>"+strings.Repeat("<Object><Key>"+keptName+"</Key></Object>", 1001)+"</Delete>"))),
		send("delete-without-checksum", "400 InvalidRequest|MissingContentMD5", call{method: "POST", path: "/" + badBucket, query: url.Values{"delete": {""}},
			body: []byte("<Delete><Object><Key>" + keptName + "</Key></Object></Delete>"), hash: unsignedPayload}),
		send("json-nonsense", "400", call{method: "POST", path: "/v1/buckets", body: []byte(`{"name": `)}),
		send("json-unknown-field", "400", call{method: "POST", path: "/v1/buckets", body: []byte(`{"name": "fine-name", "colour": "blue"}`)}),
		send("json-wrong-type", "400", call{method: "POST", path: "/v1/buckets", body: []byte(`{"name": 7}`)}),
		send("json-deep", "400 or 413", call{method: "POST", path: "/v1/buckets", body: []byte(`{"name":` + strings.Repeat("[", 1<<20))}),
	}
}

func deleteCall(doc []byte) call {
	sum := md5.Sum(doc)
	return call{method: "POST", path: "/" + badBucket, query: url.Values{"delete": {""}}, body: doc, header: http.Header{"Content-Md5": {base64Of(sum[:])}}}
}

// entityBomb is a document whose entities grow to a billion bytes.
func entityBomb() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a0 "lol">`)
	for i := range 9 {
		fmt.Fprintf(&b, `<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	b.WriteString(`]><Delete><Object><Key>&a9;</Key></Object></Delete>`)
	return b.String()
}

func queryCases() []badCase {
	list := func(name, value string) badCase {
		return send("list-"+name+"-"+value, "400 InvalidArgument|InvalidRequest", call{method: "GET", path: "/" + badBucket, query: url.Values{"list-type": {"2"}, name: {value}}})
	}
	return []badCase{
		list("max-keys", "-1"), list("max-keys", "many"), list("max-keys", "99999999999999999999"), list("encoding-type", "rot13"), list("continuation-token", "nonsense"),
		send("part-number-of-get-0", "400 InvalidArgument|InvalidPartNumber or 416", call{method: "GET", path: badPath, query: url.Values{"partNumber": {"0"}}}),
		send("part-number-and-range", "400 InvalidRequest", call{method: "GET", path: badPath, query: url.Values{"partNumber": {"1"}}, header: http.Header{"Range": {"bytes=0-1"}}}),
		send("version-malformed", "400 InvalidArgument or 404", call{method: "GET", path: badPath, query: url.Values{"versionId": {"nonsense"}}}),
		send("rest-limit", "400", call{method: "GET", path: "/v1/buckets/" + badBucket + "/objects", query: url.Values{"limit": {"-1"}}}),
		send("rest-unknown-route", "404", call{method: "GET", path: "/v1/nonsense"}),
		send("rest-unknown-bucket", "404", call{method: "PUT", path: "/v1/objects/no-such-bucket/x", body: []byte("bad")}),
		send("rest-bucket-not-empty", "409", call{method: "DELETE", path: "/v1/buckets/" + badBucket}),
	}
}

func multipartCases() []badCase {
	unknown := url.Values{"uploadId": {strings.Repeat("0", 32)}}
	part := url.Values{"uploadId": {strings.Repeat("0", 32)}, "partNumber": {"1"}}
	complete := []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"00000000000000000000000000000000\"</ETag></Part></CompleteMultipartUpload>")
	return []badCase{
		send("part-of-unknown-upload", "404 NoSuchUpload", call{method: "PUT", path: badPath, query: part, body: []byte("bad")}),
		send("complete-unknown-upload", "404 NoSuchUpload", call{method: "POST", path: badPath, query: unknown, body: complete}),
		send("abort-unknown-upload", "404 NoSuchUpload", call{method: "DELETE", path: badPath, query: unknown}),
		send("list-unknown-upload", "404 NoSuchUpload", call{method: "GET", path: badPath, query: unknown}),
		send("upload-id-malformed", "404 NoSuchUpload", call{method: "DELETE", path: badPath, query: url.Values{"uploadId": {"nonsense"}}}),
		inUpload("part-number-0", "400 InvalidArgument", func(ctx context.Context, c *raw, id string) (reply, error) {
			return putPart(ctx, c, id, 0, []byte("bad"))
		}),
		inUpload("part-number-10001", "400 InvalidArgument", func(ctx context.Context, c *raw, id string) (reply, error) {
			return putPart(ctx, c, id, 10001, []byte("bad"))
		}),
		inUpload("part-too-small", "400 EntityTooSmall", func(ctx context.Context, c *raw, id string) (reply, error) {
			return completeParts(ctx, c, id, 1, 2)
		}),
		inUpload("parts-out-of-order", "400 InvalidPartOrder", func(ctx context.Context, c *raw, id string) (reply, error) {
			return completeParts(ctx, c, id, 2, 1)
		}),
		inUpload("part-missing", "400 InvalidPart", func(ctx context.Context, c *raw, id string) (reply, error) {
			return c.do(ctx, call{method: "POST", path: badPath, query: url.Values{"uploadId": {id}}, body: complete})
		}),
		inUpload("no-parts", "400 MalformedXML|InvalidRequest", func(ctx context.Context, c *raw, id string) (reply, error) {
			return c.do(ctx, call{method: "POST", path: badPath, query: url.Values{"uploadId": {id}}, body: []byte("<CompleteMultipartUpload></CompleteMultipartUpload>")})
		}),
		inUpload("upload-of-other-name", "404 NoSuchUpload", func(ctx context.Context, c *raw, id string) (reply, error) {
			return c.do(ctx, call{method: "PUT", path: "/" + badBucket + "/" + keptName, query: url.Values{"uploadId": {id}, "partNumber": {"1"}}, body: []byte("bad")})
		}),
		inUpload("part-md5-wrong", "400 BadDigest", func(ctx context.Context, c *raw, id string) (reply, error) {
			return c.do(ctx, call{method: "PUT", path: badPath, query: url.Values{"uploadId": {id}, "partNumber": {"1"}}, body: []byte("bad"),
				header: http.Header{"Content-Md5": {base64Of(make([]byte, 16))}}})
		}),
	}
}

// inUpload makes a case inside an open upload, which is aborted afterwards.
func inUpload(name, want string, do func(ctx context.Context, c *raw, id string) (reply, error)) badCase {
	return badCase{name, want, func(ctx context.Context, c *raw) (reply, error) {
		r, err := c.do(ctx, call{method: "POST", path: badPath, query: url.Values{"uploads": {""}}})
		if err != nil || r.status != http.StatusOK {
			return reply{}, fmt.Errorf("open an upload: %v, %w", r, err)
		}
		id := between(string(r.body), "<UploadId>", "</UploadId>")
		got, err := do(ctx, c, id)
		if err != nil {
			return got, err
		}
		if r, err = c.do(ctx, call{method: "DELETE", path: badPath, query: url.Values{"uploadId": {id}}}); err != nil || r.status != http.StatusNoContent {
			return got, fmt.Errorf("abort the upload: %v, %w", r, err)
		}
		return got, nil
	}}
}

func putPart(ctx context.Context, c *raw, id string, number int, body []byte) (reply, error) {
	return c.do(ctx, call{method: "PUT", path: badPath, query: url.Values{"uploadId": {id}, "partNumber": {fmt.Sprint(number)}}, body: body})
}

// completeParts uploads two small parts and completes with them in the order given.
func completeParts(ctx context.Context, c *raw, id string, order ...int) (reply, error) {
	tags := map[int]string{}
	for number := 1; number <= 2; number++ {
		r, err := putPart(ctx, c, id, number, []byte("small"))
		if err != nil || r.status != http.StatusOK {
			return r, err
		}
		tags[number] = r.header.Get("ETag")
	}
	doc := "<CompleteMultipartUpload>"
	for _, number := range order {
		doc += fmt.Sprintf("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, tags[number])
	}
	return c.do(ctx, call{method: "POST", path: badPath, query: url.Values{"uploadId": {id}}, body: []byte(doc + "</CompleteMultipartUpload>")})
}

func wireCases() []badCase {
	put := call{method: "PUT", path: badPath}
	const refusal = "400 or 431 or 413 or 414 or 501 or 505 or 403 or closed"
	return []badCase{
		signedHead("length-and-chunked", "400 or 501 or closed", false, put, "3\r\nbad\r\n0\r\n\r\n", "Content-Length: 13", "Transfer-Encoding: chunked"),
		signedHead("chunked-and-length", "400 or 501 or closed", false, put, "3\r\nbad\r\n0\r\n\r\n", "Transfer-Encoding: chunked", "Content-Length: 13"),
		signedHead("two-lengths", "400 or closed", false, put, "bad", "Content-Length: 3", "Content-Length: 2"),
		signedHead("length-list", "400 or closed", false, put, "bad", "Content-Length: 3, 2"),
		signedHead("length-negative", "400 or closed", false, put, "bad", "Content-Length: -3"),
		signedHead("length-with-sign", "400 or closed", false, put, "bad", "Content-Length: +3"),
		signedHead("length-nonsense", "400 or closed", false, put, "bad", "Content-Length: 0x3"),
		signedHead("length-overflow", "400 or 413 or closed", false, put, "bad", "Content-Length: 18446744073709551619"),
		signedHead("encoding-unknown", "400 or 501 or closed", false, put, "bad", "Transfer-Encoding: gzip, chunked"),
		signedHead("encoding-twice", "400 or 501 or closed", false, put, "0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
		signedHead("encoding-hidden", "400 or 501 or 411 or closed", false, put, "3\r\nbad\r\n0\r\n\r\n", "Transfer-Encoding : chunked"),
		signedHead("header-folded", refusal, false, put, "bad", "X-A: b", " c: d", "Content-Length: 3"),
		signedHead("host-twice", refusal, false, put, "bad", "Host: other", "Content-Length: 3"),
		signedHead("header-bomb", refusal, false, put, "bad", "X-Bomb: "+strings.Repeat("x", 2<<20), "Content-Length: 3"),
		signedHead("headers-many", refusal, false, put, "bad", strings.TrimSuffix(strings.Repeat("X-Many: y\r\n", 100_000), "\r\n"), "Content-Length: 3"),
		signedHead("expectation-unknown", "417 or 400 or 403", false, put, "bad", "Expect: miracles", "Content-Length: 3"),
		wired("not-http", refusal, true, "GARBAGE\r\n\r\n"),
		wired("nothing", refusal, true, ""),
		wired("half-a-head", "400 or 408 or closed", true, "PUT "+badPath+" HTTP/1.1\r\nHost: x\r\nContent-"),
		wired("http-09", refusal, true, "GET "+badPath+"\r\n\r\n"),
		wired("http-2-preface", refusal, true, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		wired("tls-hello", refusal, true, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 512)),
		wired("line-without-end", refusal, true, "GET /"+strings.Repeat("a", 4<<20)),
		wired("zeros", refusal, true, strings.Repeat("\x00", 1<<20)),
		wired("no-host", refusal, true, "DELETE "+badPath+" HTTP/1.1\r\n\r\n"),
		wired("header-without-colon", refusal, true, "DELETE "+badPath+" HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"),
		wired("header-with-nul", refusal, true, "DELETE "+badPath+" HTTP/1.1\r\nHost: x\r\nX-A: \x00\r\n\r\n"),
		wired("line-feeds-alone", refusal, true, "DELETE "+badPath+" HTTP/1.1\nHost: x\n\n"),
		wired("target-malformed", refusal, true, "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
		wired("target-absolute", refusal+" or 404 or 405", true, "GET http://other/"+badBucket+" HTTP/1.1\r\nHost: x\r\n\r\n"),
		wired("connect", refusal+" or 405", true, "CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n\r\n"),
	}
}

// TestChunkedUploads shows that the damaged uploads of TestBadInput are refused for their damage:
// undamaged ones are stored.
func TestChunkedUploads(t *testing.T) {
	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, "chunked")
	body := value{key: "body", number: 1, size: 300_000}.bytes()
	crc := "x-amz-checksum-crc32:" + base64Of(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
	pieces := [][]byte{body[:65536], body[65536:131072], body[131072:]}
	for name, u := range map[string]chunkedUpload{
		"signed":           {signed: true, length: -1, chunks: pieces},
		"signed-trailer":   {signed: true, length: -1, chunks: pieces, trailer: crc},
		"unsigned-trailer": {length: -1, chunks: pieces, trailer: crc},
		"signed-empty":     {signed: true, length: -1, chunks: [][]byte{}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := u.send(t.Context(), c, "/chunked/"+name)
			if err != nil || r.status != http.StatusOK {
				t.Fatalf("PUT: got %v, error %v, want 200", r, err)
			}
			got := c.must(t, call{method: "GET", path: "/chunked/" + name})
			if want := bytes.Join(u.chunks, nil); !bytes.Equal(got.body, want) {
				t.Errorf("GET: got %d bytes, want the %d sent", len(got.body), len(want))
			}
			if e := got.header.Get("Content-Encoding"); e != "" {
				t.Errorf("Content-Encoding: got %q, want none: aws-chunked is of the transfer", e)
			}
		})
	}
}
