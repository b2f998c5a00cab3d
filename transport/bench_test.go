package transport_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
	"github.com/valyala/fasthttp"
)

// benchPair is two endpoints over TLS on the loopback.
func benchPair(b *testing.B, mux *transport.Mux) (a *transport.Endpoint, to transport.Address) {
	b.Helper()
	n := newTLSNetwork(b)
	var hosts []string
	var ends []*transport.Endpoint
	for i, m := range []*transport.Mux{nil, mux} {
		e, err := transport.New(n.identity(b, peer(ais.NodeID(i+1), bothRoles)), options(m))
		if err != nil {
			b.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		run(b, e, ln)
		ends, hosts = append(ends, e), append(hosts, ln.Addr().String())
	}
	return ends[0], transport.Address{Node: 2, Host: hosts[1]}
}

func BenchmarkCall(b *testing.B) {
	a, to := benchPair(b, echoMux())
	request := make([]byte, 1024)
	for b.Loop() {
		if _, err := a.Call(b.Context(), to, "/echo", request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	mux := transport.NewMux()
	mux.HandleStream("/s", transport.Rule{}, func(ctx context.Context, _ transport.Peer, s transport.Stream) error {
		for {
			if _, _, err := s.Receive(ctx); err != nil {
				return nil
			}
		}
	})
	a, to := benchPair(b, mux)
	s, err := a.Open(b.Context(), to, "/s")
	if err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 64<<10)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if err := s.Send(b.Context(), nil, payload); err != nil {
			b.Fatal(err)
		}
	}
	_ = s.Close()
}

func BenchmarkDo(b *testing.B) {
	body := make([]byte, 8<<20)
	mux := transport.NewMux()
	mux.HandleHTTP("/", transport.Rule{}, func(ctx *fasthttp.RequestCtx, _ transport.Peer) { ctx.Response.SetBodyRaw(body) })
	a, to := benchPair(b, mux)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		var req fasthttp.Request
		var resp fasthttp.Response
		req.Header.SetRequestURI("/b/o")
		resp.StreamBody = true
		if err := a.Do(b.Context(), to, &req, &resp); err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.BodyStream()); err != nil || n != int64(len(body)) {
			b.Fatalf("body: got %d bytes, %v", n, err)
		}
		_ = resp.CloseBodyStream()
	}
}
