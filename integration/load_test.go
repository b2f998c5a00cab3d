package integration

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// memoryMax bounds the node's resident set, whatever clients do.
const memoryMax = 400 << 20

// TestMemory has 64 clients upload 1 GiB each at once, and cuts most of them off: the node stays
// small, keeps nothing of what was cut off, and goes on.
func TestMemory(t *testing.T) {
	const clients, size = 64, int64(1 << 30)
	sent := int64(128 << 20)
	if long() {
		sent = size
	}
	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, "memory")
	noise := make([]byte, 1<<20)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			body := &cutBody{noise: noise, left: size, cutAfter: sent, cut: cancel}
			r, err := c.do(ctx, call{method: "PUT", path: fmt.Sprintf("/memory/upload-%d", i), stream: body, size: size})
			if sent < size && err == nil {
				t.Errorf("upload %d was cut off and answered with %v", i, r)
			}
			if sent == size && (err != nil || r.status != http.StatusOK) {
				t.Errorf("upload %d: got %v, error %v", i, r, err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d uploads of %d MiB in %v", clients, sent>>20, time.Since(began).Round(time.Second))
	if sent < size {
		if left := c.list(t, "memory", true, 1000); len(left) > 0 {
			t.Errorf("uploads that were cut off left %d objects, the first %v", len(left), left[0])
		}
	}
	v := value{"after", 1, 3 << 20}
	c.putValue(t, "memory", v)
	if err := c.checkValue(t.Context(), "memory", v); err != nil {
		t.Error(err)
	}
	peak := n.peakMemory()
	t.Logf("peak resident set: %d MiB", peak>>20)
	if peak > memoryMax {
		t.Errorf("peak resident set: got %d MiB, want at most %d", peak>>20, int64(memoryMax>>20))
	}
}

// cutBody gives bytes and pulls the plug when cutAfter of them are read.
type cutBody struct {
	noise    []byte
	left     int64
	cutAfter int64
	cut      func()
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.cutAfter <= 0 {
		b.cut()
		return 0, context.Canceled
	}
	n := copy(p[:min(int64(len(p)), b.left, b.cutAfter)], b.noise)
	b.left -= int64(n)
	b.cutAfter -= int64(n)
	return n, nil
}

// TestConnections holds 10,000 idle connections open, sends heads and bodies byte by byte on some
// more, and is served meanwhile as if they were not there. Slow heads are ended by the node.
func TestConnections(t *testing.T) {
	const idle, slow = 10_000, 100
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if need := uint64(idle + 2*slow + 500); limit.Cur < need {
		limit.Cur, limit.Max = need, max(limit.Max, need)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatalf("this test needs %d open files: %v", need, err)
		}
	}
	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, "connections")

	open := make([]net.Conn, 0, idle)
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for i := range idle {
		conn, err := net.Dial("tcp", n.address())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		open = append(open, conn)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	ended := make(chan error, slow)
	for range slow {
		wg.Go(func() { ended <- dribble(ctx, n.address(), "PUT /connections/slow HTTP/1.1\r\nHost: x\r\nX-Slow: ") })
	}
	began := time.Now()
	for i := range 50 {
		v := value{fmt.Sprint("served ", i), uint64(i), 100_000}
		c.putValue(t, "connections", v)
		if err := c.checkValue(ctx, "connections", v); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("100 requests beside idle connections took %v, want at most 10 s", took)
	}
	// The limit for one head is 30 s by default.
	deadline := time.NewTimer(50 * time.Second)
	defer deadline.Stop()
	for i := range slow {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-deadline.C:
			t.Fatalf("%d of %d slow heads were not ended in 50 s", slow-i, slow)
		}
	}
	if peak := n.peakMemory(); peak > memoryMax {
		t.Errorf("peak resident set: got %d MiB, want at most %d", peak>>20, int64(memoryMax>>20))
	} else {
		t.Logf("peak resident set: %d MiB", peak>>20)
	}
	if got := len(c.list(t, "connections", true, 1000)); got != 50 {
		t.Errorf("got %d objects, want the 50 that were put", got)
	}
}

// dribble sends a beginning, then a byte a second, until the other side ends the connection.
func dribble(ctx context.Context, address, beginning string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, beginning); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // ends when either side ends the connection
		close(done)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := conn.Write([]byte("x")); err != nil {
				return nil
			}
		case <-done:
			return nil
		case <-ctx.Done():
			conn.Close()
			<-done
			return nil
		}
	}
}
