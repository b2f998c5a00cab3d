package transport_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
	"github.com/valyala/fasthttp"
)

// hidden hides all but Read of a reader.
type hidden struct{ io.Reader }

// storeMux answers like a store: PUT takes a body, GET streams one, by what the path says.
func storeMux(t *testing.T) *transport.Mux {
	mux := transport.NewMux()
	mux.HandleHTTP("/", transport.Rule{}, func(ctx *fasthttp.RequestCtx, from transport.Peer) {
		uri := string(ctx.Request.Header.RequestURI())
		ctx.Response.Header.Set("X-Uri", uri)
		ctx.Response.Header.Set("X-Host", string(ctx.Request.Header.Host()))
		switch {
		case strings.Contains(uri, "refuse"):
			ctx.SetStatusCode(403)
			ctx.SetBodyString("no")
		case ctx.IsPut() || ctx.IsPost():
			var body []byte
			if r := ctx.RequestBodyStream(); r != nil {
				var err error
				if body, err = io.ReadAll(r); err != nil {
					ctx.SetStatusCode(400)
					return
				}
			}
			ctx.SetBody(body)
		case strings.Contains(uri, "chunked"):
			ctx.SetBodyStream(hidden{strings.NewReader(strings.Repeat("c", 100_000))}, -1)
		case strings.Contains(uri, "torn"):
			ctx.SetBodyStream(hidden{io.MultiReader(strings.NewReader(strings.Repeat("t", 100_000)), torn{})}, 100_001)
		default:
			ctx.SetBodyStream(hidden{strings.NewReader(strings.Repeat("g", 100_000))}, 100_000)
		}
	})
	return mux
}

// torn is a body that breaks.
type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, errors.New("torn") }

func TestDo(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		_, host, _ := n.start(t, peer(2, bothRoles), options(storeMux(t)))
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		big := strings.Repeat("0123456789abcdef", 64<<10)
		for _, test := range []struct {
			method, uri, body string
			size              int // of a streamed body; -2: not streamed
			status            int
			want              string
		}{
			{"GET", "/bucket/a//b/../c%2Fd?versions&x=%20", "", -2, 200, strings.Repeat("g", 100_000)},
			{"GET", "/chunked", "", -2, 200, strings.Repeat("c", 100_000)},
			{"HEAD", "/b/o", "", -2, 200, ""},
			{"PUT", "/b/o", "small", -2, 200, "small"},
			{"PUT", "/b/empty", "", -2, 200, ""},
			{"PUT", "/b/o", big, len(big), 200, big},
			{"PUT", "/b/o", big, -1, 200, big},
			{"PUT", "/b/o", "", 0, 200, ""},
			{"PUT", "/b/o", "", -1, 200, ""},
			{"PUT", "/b/refuse", "short", 5, 403, "no"},
			{"PUT", "/b/refuse", strings.Repeat(big, 8), 8 * len(big), 403, "no"},
			{"GET", "/call/echo", "", -2, 200, strings.Repeat("g", 100_000)},
		} {
			for _, stream := range []bool{false, true} {
				req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
				req.Header.SetMethod(test.method)
				req.Header.SetRequestURI(test.uri)
				req.Header.SetHost("bucket.example.com")
				req.Header.Set("Expect", "100-continue")
				req.SetConnectionClose() // of the client's connection, not of ours
				if test.size > -2 {
					req.SetBodyStream(hidden{strings.NewReader(test.body)}, test.size)
				} else if test.body != "" {
					req.SetBodyString(test.body)
				}
				resp.StreamBody = stream
				if err := a.Do(t.Context(), transport.Address{Node: 2, Host: host}, req, resp); err != nil {
					t.Fatalf("%s %s: %v", test.method, test.uri, err)
				}
				var body []byte
				if s := resp.BodyStream(); s != nil {
					var err error
					if body, err = io.ReadAll(s); err != nil {
						t.Fatalf("%s %s: body: %v", test.method, test.uri, err)
					}
				} else {
					body = resp.Body()
				}
				if resp.StatusCode() != test.status || string(body) != test.want {
					t.Errorf("%s %s: got %d and %d bytes; want %d and %d", test.method, test.uri, resp.StatusCode(), len(body), test.status, len(test.want))
				}
				if got := string(resp.Header.Peek("X-Uri")); got != test.uri {
					t.Errorf("the handler's path: got %q, want %q", got, test.uri)
				}
				if got := string(resp.Header.Peek("X-Host")); got != "bucket.example.com" {
					t.Errorf("the handler's Host: got %q", got)
				}
				if test.method == "HEAD" && resp.Header.ContentLength() != 100_000 {
					t.Errorf("HEAD: got length %d, want 100000", resp.Header.ContentLength())
				}
				fasthttp.ReleaseRequest(req)
				if err := resp.CloseBodyStream(); err != nil {
					t.Error(err)
				}
				fasthttp.ReleaseResponse(resp)
			}
		}
		if got := a.Counts().Dialed; got > 6 {
			t.Errorf("connections: got %d for requests one after the other; want one, and one more after each that was refused early", got)
		}
	})
}

// TestDoBreaks: bodies that break in the middle never look whole, on either side.
func TestDoBreaks(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		_, host, _ := n.start(t, peer(2, bothRoles), options(storeMux(t)))
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		to := transport.Address{Host: host}
		var req fasthttp.Request
		var resp fasthttp.Response
		req.Header.SetMethod("PUT")
		req.Header.SetRequestURI("/b/o")
		for _, size := range []int{100, -1} {
			req.SetBodyStream(hidden{io.MultiReader(strings.NewReader("begin"), torn{})}, size)
			wantKind(t, "a request's body that breaks", a.Do(t.Context(), to, &req, &resp), ais.Canceled)
		}
		req.SetBodyStream(hidden{strings.NewReader("begin")}, 100)
		wantKind(t, "a request's body that is too short", a.Do(t.Context(), to, &req, &resp), ais.Invalid)
		req.Reset()
		req.Header.SetRequestURI("/torn")
		wantKind(t, "a reply's body that breaks", a.Do(t.Context(), to, &req, &resp), ais.Unavailable)
		resp.StreamBody = true
		if err := a.Do(t.Context(), to, &req, &resp); err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.BodyStream())
		wantKind(t, "a reply's streamed body that breaks", err, ais.Unavailable)
		if len(body) > 100_000 {
			t.Errorf("what came of it: got %d bytes of 100000", len(body))
		}
		_ = resp.CloseBodyStream()
		req.Header.SetRequestURI("/get")
		ctx, cancel := context.WithCancel(t.Context())
		if err := a.Do(ctx, to, &req, &resp); err != nil {
			t.Fatal(err)
		}
		cancel()
		_, err = io.ReadAll(resp.BodyStream())
		wantKind(t, "a body read after its ctx ended", err, ais.Canceled)
		_ = resp.CloseBodyStream()
		req.Header.SetRequestURI("http://elsewhere/")
		wantKind(t, "a URI that is no path", a.Do(t.Context(), to, &req, &resp), ais.Invalid)
	})
}
