package s3

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/seed9b016523/ais/auth"
	"time"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestBuckets(t *testing.T) {
	w := newWorld(t)
	w.expect(200, "", "PUT", "/bucket-b", "")
	if got := w.expect(200, "", "PUT", "/bucket-b", ""); got.header.Get("Location") != "/bucket-b" {
		t.Errorf("made again: got Location %q", got.header.Get("Location"))
	}
	w.expect(200, "", "PUT", "/bucket-a", `<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>`)
	w.expect(400, "InvalidLocationConstraint", "PUT", "/bucket-c", `<CreateBucketConfiguration><LocationConstraint>mars-1</LocationConstraint></CreateBucketConfiguration>`)
	w.expect(400, "MalformedXML", "PUT", "/bucket-c", `<CreateBucketConfiguration>`)
	for _, name := range []string{"ab", "Bucket", "under_score", "192.168.1.1", "-dash", "dots..dots", strings.Repeat("x", 64), "xn--x"} {
		w.expect(400, "InvalidBucketName", "PUT", "/"+name, "")
	}
	w.expect(501, "NotImplemented", "PUT", "/bucket-c", "", "X-Amz-Bucket-Object-Lock-Enabled", "true")
	w.expect(501, "NotImplemented", "PUT", "/bucket-c", "", "X-Amz-Object-Ownership", "ObjectWriter")
	w.expect(400, "InvalidArgument", "PUT", "/bucket-c", "", "X-Amz-Object-Ownership", "Nobody")
	w.expect(400, "AccessControlListNotSupported", "PUT", "/bucket-c", "", "X-Amz-Acl", "public-read")
	w.expect(200, "", "PUT", "/bucket-d", "", "X-Amz-Acl", "private", "X-Amz-Object-Ownership", "BucketOwnerEnforced")

	other := w.request("PUT", "/bucket-b", "")
	if err := auth.NewSigner(auth.Credential{AccessKey: "AKIAOTHERKEY0000000", Secret: "another-secret"}, "us-east-1").SignHTTP(other, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := w.send(other); got.code() != "BucketAlreadyExists" {
		t.Errorf("somebody else's bucket: got %d %s", got.status, got.code())
	}

	if got := w.expect(200, "", "HEAD", "/bucket-a", ""); got.header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("HEAD of a bucket: got region %q", got.header.Get("X-Amz-Bucket-Region"))
	}
	w.expect(404, "", "HEAD", "/bucket-z", "")
	if got := w.expect(200, "", "GET", "/bucket-a?location", ""); !strings.HasSuffix(got.body, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`) {
		t.Errorf("location: got %s", got.body)
	}

	w.put("bucket-a", "key", "x")
	w.expect(409, "BucketNotEmpty", "DELETE", "/bucket-a", "")
	w.expect(204, "", "DELETE", "/bucket-a/key", "")
	w.expect(204, "", "DELETE", "/bucket-a", "")
	w.expect(404, "NoSuchBucket", "DELETE", "/bucket-a", "")
}

// TestDeleteBucketWithUploads: open uploads go with their bucket, but only if nothing else is in it.
func TestDeleteBucketWithUploads(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	id := w.begin("/bucket/key")
	w.expect(200, "", "PUT", "/bucket/key?partNumber=1&uploadId="+id, "part")
	w.put("bucket", "object", "x")
	w.expect(409, "BucketNotEmpty", "DELETE", "/bucket", "")
	w.expect(200, "", "GET", "/bucket/key?uploadId="+id, "")
	w.expect(204, "", "DELETE", "/bucket/object", "")
	w.expect(204, "", "DELETE", "/bucket", "")
	w.bucket("bucket")
	w.expect(404, "NoSuchUpload", "GET", "/bucket/key?uploadId="+id, "")
}

func TestRegions(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Region = "moon-2" })
	w.expect(200, "", "PUT", "/bucket", `<CreateBucketConfiguration><LocationConstraint>moon-2</LocationConstraint></CreateBucketConfiguration>`)
	w.expect(409, "BucketAlreadyOwnedByYou", "PUT", "/bucket", "")
	if got := w.do("GET", "/bucket?location", ""); !strings.Contains(got.body, ">moon-2<") {
		t.Errorf("location: got %s", got.body)
	}
}

func TestListBuckets(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		want = append(want, w.bucket(fmt.Sprintf("bucket-%d", i)))
	}
	w.bucket("other")
	var got []string
	pages := awss3.NewListBucketsPaginator(w.client, &awss3.ListBucketsInput{Prefix: aws.String("bucket-"), MaxBuckets: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Buckets {
			got = append(got, *b.Name)
			if aws.ToString(b.BucketRegion) != "us-east-1" || b.CreationDate == nil {
				t.Errorf("%s: got region %q, created %v", *b.Name, aws.ToString(b.BucketRegion), b.CreationDate)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("page by page: got %q, want %q", got, want)
	}
	all, err := w.client.ListBuckets(t.Context(), &awss3.ListBucketsInput{})
	if err != nil || len(all.Buckets) != 8 || aws.ToString(all.Owner.ID) != testKey {
		t.Errorf("all: got %d buckets, %v", len(all.Buckets), err)
	}
	w.expect(400, "InvalidArgument", "GET", "/?max-buckets=0", "")
	w.expect(400, "InvalidArgument", "GET", "/?max-buckets=10001", "")
	w.expect(400, "InvalidArgument", "GET", "/?continuation-token=x", "")
}

func TestDeleteObjects(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	var many []types.ObjectIdentifier
	for i := range 1000 {
		key := fmt.Sprintf("key <&> %d", i)
		many = append(many, types.ObjectIdentifier{Key: &key})
		if i%10 == 0 {
			w.put("bucket", key, "x")
		}
	}
	w.put("bucket", "stays", "x")
	out, err := w.client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("bucket"), Delete: &types.Delete{Objects: many}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 1000 || len(out.Errors) != 0 || *out.Deleted[999].Key != "key <&> 999" {
		t.Errorf("got %d deleted, errors %+v", len(out.Deleted), out.Errors)
	}
	if l := w.list("/bucket"); fmt.Sprint(l.keys()) != "[stays]" {
		t.Errorf("left over: got %q", l.keys())
	}
	out, err = w.client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("bucket"), Delete: &types.Delete{Quiet: aws.Bool(true),
		Objects: []types.ObjectIdentifier{{Key: aws.String("stays"), ETag: aws.String(`"00000000000000000000000000000000"`)}, {Key: aws.String("gone")},
			{Key: aws.String(strings.Repeat("x", 1025))}, {Key: aws.String("stays"), VersionId: aws.String("nonsense")}}}})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, e := range out.Errors {
		codes = append(codes, aws.ToString(e.Code))
	}
	if len(out.Deleted) != 0 || fmt.Sprint(codes) != "[PreconditionFailed KeyTooLongError NoSuchVersion]" {
		t.Errorf("quiet: got %d deleted, errors %q", len(out.Deleted), codes)
	}
	const document = "<Delete><Object><Key>stays</Key></Object></Delete>"
	w.expect(400, "InvalidRequest", "POST", "/bucket?delete", document)
	w.expect(400, "BadDigest", "POST", "/bucket?delete", document, "Content-Md5", "1B2M2Y8AsgTpgAmY7PhCfg==")
	w.expect(400, "BadDigest", "POST", "/bucket?delete", document, "X-Amz-Checksum-Crc32", "AAAAAA==")
	w.expect(200, "", "GET", "/bucket/stays", "")
}

func TestSubresources(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.expect(200, "", "PUT", "/bucket/key", "x", "X-Amz-Tagging", "a=1&b=%3C2%3E")
	for _, c := range []struct {
		status         int
		code           string
		method, target string
		body           string // what the reply contains
	}{
		{200, "", "GET", "/bucket?versioning", "<VersioningConfiguration"},
		{200, "", "GET", "/bucket?acl", "<ID>" + testKey + "</ID>"},
		{200, "", "GET", "/bucket/key?acl", "<Permission>FULL_CONTROL</Permission>"},
		{200, "", "GET", "/bucket/key?tagging", "<Tag><Key>b</Key><Value>&lt;2&gt;</Value></Tag>"},
		{404, "NoSuchKey", "GET", "/bucket/nothing?tagging", ""},
		{404, "NoSuchKey", "GET", "/bucket/nothing?acl", ""},
		{404, "NoSuchTagSet", "GET", "/bucket?tagging", ""},
		{404, "NoSuchBucketPolicy", "GET", "/bucket?policy", ""},
		{404, "NoSuchBucketPolicy", "GET", "/bucket?policyStatus", ""},
		{404, "NoSuchCORSConfiguration", "GET", "/bucket?cors", ""},
		{404, "NoSuchLifecycleConfiguration", "GET", "/bucket?lifecycle", ""},
		{404, "ServerSideEncryptionConfigurationNotFoundError", "GET", "/bucket?encryption", ""},
		{404, "ObjectLockConfigurationNotFoundError", "GET", "/bucket?object-lock", ""},
		{404, "ReplicationConfigurationNotFoundError", "GET", "/bucket?replication", ""},
		{404, "NoSuchWebsiteConfiguration", "GET", "/bucket?website", ""},
		{404, "OwnershipControlsNotFoundError", "GET", "/bucket?ownershipControls", ""},
		{404, "NoSuchPublicAccessBlockConfiguration", "GET", "/bucket?publicAccessBlock", ""},
		{200, "", "GET", "/bucket?requestPayment", "<Payer>BucketOwner</Payer>"},
		{200, "", "GET", "/bucket?logging", "<BucketLoggingStatus"},
		{200, "", "GET", "/bucket?notification", "<NotificationConfiguration"},
		{200, "", "GET", "/bucket?accelerate", "<AccelerateConfiguration"},
		{400, "InvalidRequest", "GET", "/bucket/key?retention", ""},
		{400, "InvalidRequest", "GET", "/bucket/key?legal-hold", ""},
		{204, "", "DELETE", "/bucket?policy", ""},
		{501, "NotImplemented", "PUT", "/bucket?policy", ""},
		{501, "NotImplemented", "PUT", "/bucket?versioning", ""},
		{501, "NotImplemented", "PUT", "/bucket/key?tagging", ""},
		{501, "NotImplemented", "GET", "/bucket/key?attributes", ""},
		{501, "NotImplemented", "POST", "/bucket", ""},
	} {
		if got := w.expect(c.status, c.code, c.method, c.target, ""); !strings.Contains(got.body, c.body) {
			t.Errorf("%s %s: %q is not in %s", c.method, c.target, c.body, got.body)
		}
	}
	if got := w.do("GET", "/bucket/key", ""); got.body != "x" {
		t.Errorf("the object: got %q", got.body)
	}
}
