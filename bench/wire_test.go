package bench

import (
	"bufio"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// scripted answers the n-th request of each connection with the n-th script, as raw bytes.
func scripted(t *testing.T, scripts ...string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for _, s := range scripts {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					if _, err := c.Write([]byte(s)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestExchangeReadsEveryFraming(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		name, answer string
		use          bodyUse
		status       int
		size         int64
		body         string
	}{
		{"length", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", keepBody, 200, 3, "abc"},
		{"dropped", "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + long, dropBody, 200, 1 << 20, ""},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n", keepBody, 200, 5, "abcde"},
		{"chunked and dropped", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" + long + "\r\n0\r\n\r\n", dropBody, 200, 1 << 20, ""},
		{"until close", "HTTP/1.0 200 OK\r\n\r\nabc", keepBody, 200, 3, "abc"},
		{"continue first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", dropBody, 200, 0, ""},
		{"head", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", noBody, 200, 0, ""},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", dropBody, 204, 0, ""},
		{"an error is kept", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", dropBody, 404, 4, "gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newConn(scripted(t, test.answer))
			defer c.hangUp()
			r, err := c.exchange(t.Context(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), nil, test.use)
			if err != nil {
				t.Fatal(err)
			}
			if r.status != test.status || r.size != test.size || string(r.body) != test.body {
				t.Errorf("got status %d, %d bytes, body %.20q; want %d, %d, %q", r.status, r.size, r.body, test.status, test.size, test.body)
			}
		})
	}
}

func TestExchangeRefusesNonsense(t *testing.T) {
	for _, answer := range []string{"SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"} {
		c := newConn(scripted(t, answer))
		if r, err := c.exchange(t.Context(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), nil, dropBody); err == nil {
			t.Errorf("answer %q: got %+v, want an error", answer, r)
		}
		c.hangUp()
	}
}

// A server may close a kept-alive connection between two requests: the second is sent again.
func TestExchangeDialsAgain(t *testing.T) {
	c := newConn(scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	defer c.hangUp()
	for i := range 3 {
		r, err := c.exchange(t.Context(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), nil, dropBody)
		if err != nil || r.status != 200 {
			t.Fatalf("request %d: status %d, %v", i, r.status, err)
		}
	}
}

// The signature is the one that botocore (S3SigV4Auth) makes for this request.
func TestSignatureOfAnEmptyBodyGet(t *testing.T) {
	s := signer{access: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1", host: "examplebucket.s3.amazonaws.com"}
	got := string(s.appendHeaders(nil, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), "GET", "/test.txt", ""))
	for _, want := range []string{"x-amz-date: 20130524T000000Z\r\n",
		"Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
		"Signature=5c0d4ff29e72b8f94c5b6720369921e587e39bf7a64e456887dec4b43a2d1b77\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestEscape(t *testing.T) {
	if got, want := escape("a b/ü+~", true), "a%20b/%C3%BC%2B~"; got != want {
		t.Errorf("in a path: got %s, want %s", got, want)
	}
	if got, want := escape("a/b=", false), "a%2Fb%3D"; got != want {
		t.Errorf("in a query: got %s, want %s", got, want)
	}
}

func TestQuantilesAgreeWithSortedSamples(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var l, half latencies
	var all []time.Duration
	for i := range 20_000 {
		d := time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			l.add(d)
		} else {
			half.add(d)
		}
	}
	l.merge(&half)
	slices.Sort(all)
	for _, q := range []float64{.01, .5, .9, .99, .999} {
		got, want := l.quantile(q), all[int(q*float64(len(all)))]
		if diff := float64(got-want) / float64(want); diff < -.02 || diff > .02 {
			t.Errorf("quantile %v: got %v, want %v within 2 %%", q, got, want)
		}
	}
	if l.longest != all[len(all)-1] || l.quantile(1) > l.longest {
		t.Errorf("longest %v, quantile 1 %v; want %v", l.longest, l.quantile(1), all[len(all)-1])
	}
	if got := (&latencies{}).quantile(.5); got != 0 {
		t.Errorf("median of nothing: %v, want 0", got)
	}
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte("7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 5 0 1 1 1"))
	if want := (processTime{2500 * time.Millisecond, 500 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := parseStat([]byte("7 (x) S 1")); err == nil {
		t.Error("a short line was accepted")
	}
}
