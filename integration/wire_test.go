package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// wire sends bytes as they are on a connection of its own, and reads one reply. With half it closes
// its side after sending. A connection that ends without a reply is status 0.
func wire(ctx context.Context, address string, sent []byte, half bool) (reply, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return reply{}, err
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = conn.Write(sent) // the server may refuse to read it all; its reply is what counts
		if tcp, ok := conn.(*net.TCPConn); ok && half {
			_ = tcp.CloseWrite()
		}
	}()
	got, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		conn.Close()
		<-wrote
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			return reply{}, fmt.Errorf("no reply and no end in 20 s: %w", err)
		}
		return reply{}, nil
	}
	r, err := readReply(got)
	conn.Close()
	<-wrote
	return r, err
}

// head gives the bytes of a signed request up to its body; extra lines are put in unsigned.
func head(req *http.Request, extra ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.URL.RequestURI(), req.URL.Host)
	for name, values := range req.Header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	for _, line := range extra {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// presign gives the URL of a request signed by its query.
func (c *raw) presign(ctx context.Context, method, path string, life time.Duration) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+escape(path)+fmt.Sprintf("?X-Amz-Expires=%d", int(life.Seconds())), nil)
	if err != nil {
		return "", err
	}
	keys := aws.Credentials{AccessKeyID: c.key, SecretAccessKey: c.secret}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, keys, req, unsignedPayload, "s3", c.region, c.now().UTC(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return signed, err
}

// byURL sends a request without signing it.
func (c *raw) byURL(ctx context.Context, method, url string, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	got, err := c.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	return readReply(got)
}

// chunkedUpload is an aws-chunked PUT as AWS documents it
// (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html), with places to damage it.
type chunkedUpload struct {
	signed   bool     // each chunk carries a signature
	chunks   [][]byte // as sent
	trailer  string   // "x-amz-checksum-crc32:AAAAAA=="
	length   int64    // x-amz-decoded-content-length; -1: the sum of chunks
	spoilAt  int      // 1-based index of the chunk whose signature is spoilt
	spoilEnd bool     // the trailer's signature is spoilt
	cut      bool     // the last chunk is not sent
	sizeLine string   // in place of the first chunk's size
}

// send sends the upload and reads the reply.
func (u chunkedUpload) send(ctx context.Context, c *raw, path string) (reply, error) {
	hash := "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	if u.signed {
		hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
		if u.trailer != "" {
			hash += "-TRAILER"
		}
	}
	length := int64(0)
	for _, chunk := range u.chunks {
		length += int64(len(chunk))
	}
	if u.length >= 0 {
		length = u.length
	}
	header := http.Header{"Content-Encoding": {"aws-chunked"}, "X-Amz-Decoded-Content-Length": {fmt.Sprint(length)}}
	if name, _, ok := strings.Cut(u.trailer, ":"); ok {
		header["X-Amz-Trailer"] = []string{name}
	}
	// The body's size does not depend on its signatures, so a first pass gives Content-Length.
	size := int64(len(u.body(c, "", c.now())))
	at := c.now()
	fixed := *c
	fixed.now = func() time.Time { return at }
	req, err := fixed.request(ctx, call{method: "PUT", path: path, header: header, hash: hash, stream: strings.NewReader(""), size: size})
	if err != nil {
		return reply{}, err
	}
	_, seed, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	body := u.body(&fixed, seed, at)
	req.Body = io.NopCloser(bytes.NewReader(body))
	got, err := c.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	return readReply(got)
}

func (u chunkedUpload) body(c *raw, previous string, at time.Time) []byte {
	var b bytes.Buffer
	stamp := at.UTC().Format("20060102T150405Z")
	scope := stamp[:8] + "/" + c.region + "/s3/aws4_request"
	key := []byte("AWS4" + c.secret)
	for _, part := range []string{stamp[:8], c.region, "s3", "aws4_request"} {
		key = sum(key, part)
	}
	sign := func(kind string, spoil bool, hashes ...string) string {
		text := strings.Join(append([]string{kind, stamp, scope, previous}, hashes...), "\n")
		previous = hex.EncodeToString(sum(key, text))
		if spoil {
			return strings.Repeat("0", 64)
		}
		return previous
	}
	chunks := append(append([][]byte(nil), u.chunks...), nil)
	if u.cut {
		chunks = chunks[:len(chunks)-1]
	}
	for i, chunk := range chunks {
		line := fmt.Sprintf("%x", len(chunk))
		if i == 0 && u.sizeLine != "" {
			line = u.sizeLine
		}
		b.WriteString(line)
		if u.signed {
			b.WriteString(";chunk-signature=" + sign("AWS4-HMAC-SHA256-PAYLOAD", u.spoilAt == i+1, hash(nil), hash(chunk)))
		}
		b.WriteString("\r\n")
		b.Write(chunk)
		if len(chunk) > 0 || u.trailer == "" {
			b.WriteString("\r\n")
		}
	}
	if u.trailer != "" && !u.cut {
		b.WriteString(u.trailer + "\r\n")
		if u.signed {
			b.WriteString("x-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", u.spoilEnd, hash([]byte(u.trailer+"\n"))) + "\r\n")
		}
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

func sum(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
