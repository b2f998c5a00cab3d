package front_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// BenchmarkGet reads objects over one connection on the loopback; the time is that of server and client
// together.
func BenchmarkGet(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			o := &object{data: make([]byte, size), inline: true, closed: make(chan struct{})}
			benchmark(b, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", size, func(ctx *fasthttp.RequestCtx) {
				front.SendObject(ctx, o, 0, int64(size))
			})
		})
	}
}

func BenchmarkPut4KiB(b *testing.B) {
	buf := make([]byte, 8<<10)
	benchmark(b, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4096\r\n\r\n"+string(make([]byte, 4096)), 0, func(ctx *fasthttp.RequestCtx) {
		if _, err := io.ReadFull(front.RequestBody(ctx), buf[:4096]); err != nil {
			ctx.SetStatusCode(500)
		}
	})
}

func benchmark(b *testing.B, request string, bodySize int, h fasthttp.RequestHandler) {
	s := front.New(front.Default(), front.Handlers{S3: h}, slog.New(slog.DiscardHandler))
	ln, _, err := front.Listen(b.Context(), "127.0.0.1:0", "")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	defer func() { stop(); <-ended }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	message, reply := []byte(request), make([]byte, 256<<10)
	exchange := func(whole func(got []byte) bool) int {
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		for got := 0; ; {
			n, err := c.Read(reply[got:])
			if err != nil {
				b.Fatal(err)
			}
			if got += n; whole(reply[:got]) {
				return got
			}
		}
	}
	size := exchange(func(got []byte) bool {
		head, body, ok := bytes.Cut(got, []byte("\r\n\r\n"))
		return ok && bytes.Contains(head, []byte(" 200 ")) && len(body) == bodySize
	})
	b.ReportAllocs()
	for b.Loop() {
		exchange(func(got []byte) bool { return len(got) == size })
	}
}
