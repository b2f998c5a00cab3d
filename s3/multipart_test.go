package s3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/seed9b016523/ais"
)

// begin opens an upload by plain HTTP and gives its id.
func (w *world) begin(target string, headers ...string) string {
	w.Helper()
	got := w.do("POST", target+"?uploads", "", headers...)
	_, rest, _ := strings.Cut(got.body, "<UploadId>")
	id, _, ok := strings.Cut(rest, "</UploadId>")
	if got.status != 200 || !ok {
		w.Fatalf("POST %s?uploads: got %d %s", target, got.status, got.body)
	}
	return id
}

// completion is the document that completes an upload with parts, numbered from 1.
func completionOf(tags ...string) string {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i, tag := range tags {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, tag)
	}
	b.WriteString("</CompleteMultipartUpload>")
	return b.String()
}

func TestMultipart(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	first, second := pattern(ais.PartMin), pattern(1000)
	id := w.begin("/bucket/key", "Content-Type", "text/x-big", "X-Amz-Meta-A", "b")
	at := "/bucket/key?uploadId=" + id
	one := w.expect(200, "", "PUT", at+"&partNumber=1", string(first)).header.Get("Etag")
	two := w.expect(200, "", "PUT", at+"&partNumber=2", string(second)).header.Get("Etag")
	if one != quotedMD5(first) || two != quotedMD5(second) {
		t.Errorf("tags of the parts: got %s, %s", one, two)
	}
	if l := w.list("/bucket?uploads"); len(l.Upload) != 1 || l.Upload[0].UploadId != id || l.Upload[0].Key != "key" {
		t.Errorf("list of uploads: got %+v", l.Upload)
	}
	got := w.do("GET", at+"&max-parts=1", "")
	for _, want := range []string{"<PartNumber>1</PartNumber>", "<IsTruncated>true</IsTruncated>", "<NextPartNumberMarker>1</NextPartNumberMarker>", "<MaxParts>1</MaxParts>"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("list of parts: %s is not in %s", want, got.body)
		}
	}
	if got := w.do("GET", at+"&part-number-marker=1", ""); strings.Contains(got.body, "<PartNumber>1<") || !strings.Contains(got.body, "<PartNumber>2<") {
		t.Errorf("list of parts after 1: got %s", got.body)
	}
	w.expect(404, "NoSuchKey", "GET", "/bucket/key", "")
	done := w.expect(200, "", "POST", at, completionOf(one, two))
	h := quotedETag(multipartTag(tagsOf(one, two)))
	if !strings.Contains(done.body, "<ETag>&quot;"+strings.Trim(h, `"`)+"&quot;</ETag>") || !strings.Contains(done.body, "<Location>http://"+w.addr+"/bucket/key</Location>") {
		t.Errorf("completion: got %s, want tag %s", done.body, h)
	}
	if again := w.do("POST", at, completionOf(one, two)); again.status != 200 || again.body != done.body {
		t.Errorf("completed again: got %d %s, want the same answer", again.status, again.body)
	}
	get := w.do("GET", "/bucket/key", "")
	if get.body != string(first)+string(second) || get.header.Get("Etag") != h || get.header.Get("Content-Type") != "text/x-big" || get.header.Get("X-Amz-Meta-A") != "b" {
		t.Errorf("got %d bytes, headers %v", len(get.body), get.header)
	}
	part := w.do("GET", "/bucket/key?partNumber=2", "")
	if part.status != 206 || part.body != string(second) || part.header.Get("X-Amz-Mp-Parts-Count") != "2" ||
		part.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", len(first), len(first)+len(second)-1, len(first)+len(second)) {
		t.Errorf("part 2: got %d, %d bytes, headers %v", part.status, len(part.body), part.header)
	}
	if head := w.do("HEAD", "/bucket/key?partNumber=1", ""); head.status != 206 || head.header.Get("Content-Length") != itoa(ais.PartMin) {
		t.Errorf("HEAD of part 1: got %d, headers %v", head.status, head.header)
	}
	w.expect(416, "InvalidPartNumber", "GET", "/bucket/key?partNumber=3", "")
	w.expect(400, "InvalidArgument", "GET", "/bucket/key?partNumber=0", "")
	w.expect(400, "InvalidRequest", "GET", "/bucket/key?partNumber=1", "", "Range", "bytes=0-1")
	w.expect(404, "NoSuchUpload", "PUT", at+"&partNumber=3", "late")
}

func tagsOf(texts ...string) (tags []ais.ETag) {
	for _, s := range texts {
		t, _ := ais.ParseETag(s)
		tags = append(tags, t)
	}
	return tags
}

func quotedETag(t ais.ETag) string { return `"` + t.String() + `"` }

func TestMultipartRefusals(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	id := w.begin("/bucket/key")
	at := "/bucket/key?uploadId=" + id
	one := w.expect(200, "", "PUT", at+"&partNumber=1", "small").header.Get("Etag")
	two := w.expect(200, "", "PUT", at+"&partNumber=2", "also small").header.Get("Etag")
	w.expect(400, "InvalidArgument", "PUT", at+"&partNumber=0", "x")
	w.expect(400, "InvalidArgument", "PUT", at+"&partNumber=10001", "x")
	w.expect(400, "InvalidArgument", "PUT", at, "x")
	w.expect(400, "BadDigest", "PUT", at+"&partNumber=3", "x", "Content-Md5", "1B2M2Y8AsgTpgAmY7PhCfg==")
	w.expect(400, "EntityTooSmall", "POST", at, completionOf(one, two))
	w.expect(400, "InvalidPart", "POST", at, completionOf(two, one))
	w.expect(400, "MalformedXML", "POST", at, "nonsense")
	w.expect(400, "MalformedXML", "POST", at, "")
	w.expect(400, "InvalidRequest", "POST", at, completionOf(one), "X-Amz-Mp-Object-Size", "7")
	w.expect(404, "NoSuchKey", "POST", at, completionOf(one), "If-Match", one)
	w.put("bucket", "key", "in the way")
	w.expect(412, "PreconditionFailed", "POST", at, completionOf(one), "If-None-Match", "*")
	w.expect(412, "PreconditionFailed", "POST", at, completionOf(one), "If-Match", one)
	w.expect(404, "NoSuchUpload", "PUT", "/bucket/other?partNumber=1&uploadId="+id, "x")
	w.expect(404, "NoSuchUpload", "GET", "/bucket/key?uploadId=nonsense", "")
	w.expect(400, "InvalidArgument", "GET", at+"&max-parts=x", "")
	w.expect(400, "InvalidArgument", "GET", at+"&part-number-marker=x", "")
	if got := w.do("GET", "/bucket/key", ""); got.body != "in the way" {
		t.Errorf("after refused completions: got %q", got.body)
	}
	w.expect(204, "", "DELETE", at, "")
	w.expect(404, "NoSuchUpload", "DELETE", at, "")
	w.expect(404, "NoSuchUpload", "POST", at, completionOf(one))
}

func TestListUploads(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	var ids []string
	for _, key := range []string{"a", "a", "b/1", "b/2", "c"} {
		ids = append(ids, w.begin("/bucket/"+key))
	}
	l := w.list("/bucket?uploads&delimiter=/")
	if len(l.Upload) != 3 || len(l.prefixes()) != 1 || l.prefixes()[0] != "b/" {
		t.Errorf("with a delimiter: got %+v, %q", l.Upload, l.prefixes())
	}
	if l := w.list("/bucket?uploads&prefix=b/"); len(l.Upload) != 2 || l.Upload[0].Key != "b/1" {
		t.Errorf("with a prefix: got %+v", l.Upload)
	}
	var got []string
	query := ""
	for range 10 {
		l := w.list("/bucket?uploads&max-uploads=1" + query)
		for _, u := range l.Upload {
			got = append(got, u.UploadId)
		}
		if !l.IsTruncated {
			break
		}
		query = "&key-marker=" + text(l.NextKeyMarker) + "&upload-id-marker=" + text(l.NextUploadIdMarker)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("page by page: got %q, want %q", got, ids)
	}
	w.expect(400, "InvalidArgument", "GET", "/bucket?uploads&key-marker=a&upload-id-marker=x", "")
}

// upload stores body in parts of the least size with the SDK, which computes a checksum of each part.
func (w *world) upload(key string, body []byte, algorithm types.ChecksumAlgorithm, kind types.ChecksumType) error {
	bucket := aws.String("bucket")
	u, err := w.client.CreateMultipartUpload(w.Context(), &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: &key,
		ChecksumAlgorithm: algorithm, ChecksumType: kind})
	if err != nil {
		return err
	}
	var parts []types.CompletedPart
	for n := int32(1); len(body) > 0; n++ {
		piece := body[:min(len(body), ais.PartMin)]
		body = body[len(piece):]
		p, err := w.client.UploadPart(w.Context(), &awss3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: u.UploadId, PartNumber: &n,
			Body: bytes.NewReader(piece), ChecksumAlgorithm: algorithm})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(n), ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32,
			ChecksumCRC32C: p.ChecksumCRC32C, ChecksumCRC64NVME: p.ChecksumCRC64NVME, ChecksumSHA1: p.ChecksumSHA1, ChecksumSHA256: p.ChecksumSHA256})
	}
	_, err = w.client.CompleteMultipartUpload(w.Context(), &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: &key,
		UploadId: u.UploadId, ChecksumType: kind, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

// TestMultipartChecksums uploads with every kind of checksum; the SDK checks whole ones when it reads.
func TestMultipartChecksums(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	body := pattern(2*ais.PartMin + 1234)
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
		want      types.ChecksumType
	}{
		{types.ChecksumAlgorithmCrc32, "", types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmCrc32c, types.ChecksumTypeComposite, types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmCrc64nvme, "", types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmSha256, "", types.ChecksumTypeComposite},
		{types.ChecksumAlgorithmSha1, types.ChecksumTypeComposite, types.ChecksumTypeComposite},
	} {
		key := string(c.algorithm) + string(c.kind)
		if err := w.upload(key, body, c.algorithm, c.kind); err != nil {
			t.Errorf("upload %s: %v", key, err)
			continue
		}
		head, err := w.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("bucket"), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		got := aws.ToString(head.ChecksumCRC32) + aws.ToString(head.ChecksumCRC32C) + aws.ToString(head.ChecksumCRC64NVME) +
			aws.ToString(head.ChecksumSHA1) + aws.ToString(head.ChecksumSHA256)
		if head.ChecksumType != c.want || got == "" || strings.HasSuffix(got, "-3") != (c.want == types.ChecksumTypeComposite) {
			t.Errorf("%s: got checksum %q of type %s, want %s", key, got, head.ChecksumType, c.want)
		}
		if !strings.HasSuffix(aws.ToString(head.ETag), `-3"`) {
			t.Errorf("%s: got tag %s, want one of three parts", key, aws.ToString(head.ETag))
		}
		get, err := w.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, get.Body), body) {
			t.Errorf("%s: other bytes", key)
		}
	}
}

func TestDeclaredChecksums(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, c := range []struct {
		algorithm, kind string
		code            string
	}{
		{"CRC32", "COMPOSITE", ""}, {"CRC32", "FULL_OBJECT", ""}, {"crc64nvme", "FULL_OBJECT", ""},
		{"CRC64NVME", "COMPOSITE", "InvalidRequest"}, {"SHA256", "FULL_OBJECT", "InvalidRequest"},
		{"", "COMPOSITE", "InvalidRequest"}, {"MD4", "", "InvalidRequest"}, {"CRC32", "HALF_OBJECT", "InvalidRequest"},
	} {
		if got := w.do("POST", "/bucket/key?uploads", "", "X-Amz-Checksum-Algorithm", c.algorithm, "X-Amz-Checksum-Type", c.kind); got.code() != c.code {
			t.Errorf("%s %s: got %d %s, want %q", c.algorithm, c.kind, got.status, got.code(), c.code)
		}
	}
	id := w.begin("/bucket/key", "X-Amz-Checksum-Algorithm", "CRC32", "X-Amz-Checksum-Type", "FULL_OBJECT")
	at := "/bucket/key?uploadId=" + id
	w.expect(400, "InvalidRequest", "PUT", at+"&partNumber=1", "hello", "X-Amz-Checksum-Crc32c", "mnG7TA==")
	part := w.expect(200, "", "PUT", at+"&partNumber=1", "hello") // computed here
	if got := part.header.Get("X-Amz-Checksum-Crc32"); got != "NhCmhg==" {
		t.Errorf("part without a checksum: got %q, want the one that the upload declared", got)
	}
	tag := part.header.Get("Etag")
	w.expect(400, "InvalidRequest", "POST", at, completionOf(tag), "X-Amz-Checksum-Type", "COMPOSITE")
	w.expect(400, "InvalidRequest", "POST", at, completionOf(tag), "X-Amz-Checksum-Crc32c", "mnG7TA==")
	w.expect(400, "BadDigest", "POST", at, completionOf(tag), "X-Amz-Checksum-Crc32", "AAAAAA==")
	done := w.expect(200, "", "POST", at, completionOf(tag), "X-Amz-Checksum-Crc32", "NhCmhg==", "X-Amz-Checksum-Type", "FULL_OBJECT", "X-Amz-Mp-Object-Size", "5")
	if !strings.Contains(done.body, "<ChecksumCRC32>NhCmhg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>") {
		t.Errorf("completion: got %s", done.body)
	}
}
