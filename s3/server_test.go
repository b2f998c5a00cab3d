package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

const (
	testKey    = "AKIATESTKEY00000000"
	testSecret = "test-secret-of-forty-characters-0123456"
)

// keyring is the access keys of a test.
type keyring map[string]string

func (k keyring) Secret(accessKey string) (auth.Credential, bool) {
	secret, ok := k[accessKey]
	return auth.Credential{AccessKey: accessKey, Secret: secret}, ok
}

// world is a handler behind a real port, over the real store on a disk in memory.
type world struct {
	*testing.T
	store  Objects
	addr   string
	signer *auth.Signer
	client *awss3.Client
}

// newWorld starts a server that ends with the test; change may alter the handler's configuration.
func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	store := newEngine(t)
	verifier, err := auth.NewVerifier(auth.Default(), keyring{testKey: testSecret, "AKIAOTHERKEY0000000": "another-secret"})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	config := Config{Objects: store.objects, Uploads: store.objects, Buckets: store.buckets, Verifier: verifier, Host: "node-1",
		Domains: []string{"s3.test"}, Log: quiet}
	for _, f := range change {
		f(&config)
	}
	h, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	limits := front.Default()
	limits.DrainTimeout = time.Second
	server := front.New(limits, front.Handlers{S3: h.Serve, API: h.Serve, S3Error: h.ErrorBody}, quiet)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("server ended: %v", err)
		}
	})
	w := &world{T: t, store: config.Objects, addr: ln.Addr().String()}
	w.signer = auth.NewSigner(auth.Credential{AccessKey: testKey, Secret: testSecret}, "us-east-1")
	w.client = awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + w.addr), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
	})
	return w
}

// bucket makes a bucket.
func (w *world) bucket(name string) string {
	w.Helper()
	if _, err := w.client.CreateBucket(w.Context(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
		w.Fatalf("create bucket %s: %v", name, err)
	}
	return name
}

// put stores an object.
func (w *world) put(bucket, key, body string) {
	w.Helper()
	_, err := w.client.PutObject(w.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		w.Fatalf("put %s/%s: %v", bucket, key, err)
	}
}

// reply is an HTTP reply, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// code is the error code in the body of a reply.
func (r *reply) code() string {
	var e struct {
		Code      string
		RequestId string
	}
	if r.status/100 == 2 || xml.Unmarshal([]byte(r.body), &e) != nil {
		return ""
	}
	return e.Code
}

// request is a plain HTTP request to the world's server; headers are pairs of name and value.
func (w *world) request(method, target, body string, headers ...string) *http.Request {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://"+w.addr+target, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// send sends a request as it is.
func (w *world) send(r *http.Request) *reply {
	w.Helper()
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		w.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatalf("%s %s: read reply: %v", r.Method, r.URL, err)
	}
	return &reply{resp.StatusCode, resp.Header, string(b)}
}

// do signs a request and sends it.
func (w *world) do(method, target, body string, headers ...string) *reply {
	w.Helper()
	r := w.request(method, target, body, headers...)
	if err := w.signer.SignHTTP(r, "", time.Now()); err != nil {
		w.Fatal(err)
	}
	return w.send(r)
}

// expect sends a request and holds the reply to status and error code ("" for none).
func (w *world) expect(status int, code, method, target, body string, headers ...string) *reply {
	w.Helper()
	got := w.do(method, target, body, headers...)
	if got.status != status || method != "HEAD" && got.code() != code {
		w.Errorf("%s %s %q: got %d %s, want %d %s\n%s", method, target, headers, got.status, got.code(), status, code, got.body)
	}
	return got
}

// wantCode holds an error of the SDK to a code.
func (w *world) wantCode(err error, code string) {
	w.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code {
		w.Errorf("got error %v, want code %s", err, code)
	}
}

func readAll(t *testing.T, r io.ReadCloser) []byte {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pattern is n bytes that differ everywhere.
func pattern(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		b.WriteString("line ")
		b.WriteString(itoa(int64(i)))
		b.WriteByte('\n')
	}
	return b.Bytes()[:n]
}

// raw sends bytes, says that no more will come, and gives all that comes back.
func (w *world) raw(text string) string {
	w.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		w.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		w.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		w.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		w.Logf("after %q: %v", b, err)
	}
	return string(b)
}
