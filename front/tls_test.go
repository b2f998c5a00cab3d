package front_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// TestTLS runs the port over connections that are not bare TCP: no writev, no sendfile, no poller.
func TestTLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil) // for its certificate
	client, config := certified.Client(), certified.TLS.Clone()
	certified.Close()
	data := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	s := front.New(front.Default(), front.Handlers{S3: func(ctx *fasthttp.RequestCtx) {
		if ctx.IsPut() {
			if b, err := io.ReadAll(front.RequestBody(ctx)); err != nil || !bytes.Equal(b, data) {
				t.Errorf("body: got %d bytes, %v; want %d equal ones", len(b), err, len(data))
			}
			return
		}
		path, _ := front.Target(ctx)
		o := &object{data: data, inline: string(path) == "/inline", bare: true, step: 64 << 10, closed: make(chan struct{})}
		front.SendObject(ctx, o, 0, int64(len(data)))
	}}, slog.New(slog.DiscardHandler))
	ln, _, err := front.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	config.NextProtos = nil
	go func() { ended <- s.Run(ctx, tls.NewListener(ln, config)) }()
	defer func() {
		client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	}()
	for _, test := range []struct {
		method, path string
		body, want   []byte
	}{
		{"PUT", "/", data, nil}, {"GET", "/inline", nil, data}, {"GET", "/streamed", nil, data}, {"PUT", "/", data, nil},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, "https://"+ln.Addr().String()+test.path, bytes.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", test.method, test.path, err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Equal(b, test.want) {
			t.Errorf("%s %s: got %d, %d bytes, %v; want 200, %d bytes", test.method, test.path, resp.StatusCode, len(b), err, len(test.want))
		}
	}
}
