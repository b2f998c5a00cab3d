package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// memoryStore is a very small S3: enough for every operation that bench does.
type memoryStore struct {
	mu sync.Mutex

	objects  map[string][]byte // by path
	requests map[string]int    // by method
	unsigned int
	spoil    bool // change a byte of every get
	refuse   int  // status of every object request, if set
}

func newMemoryStore(t *testing.T) (*memoryStore, string) {
	s := &memoryStore{objects: map[string][]byte{}, requests: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *memoryStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[r.Method]++
	if !strings.Contains(r.Header.Get("Authorization"), "Credential=K/") {
		s.unsigned++
	}
	if strings.Count(r.URL.Path, "/") == 1 { // the bucket
		if r.Method == "GET" {
			s.list(w, r)
		}
		return
	}
	if s.refuse != 0 {
		http.Error(w, "<Code>Refused</Code>", s.refuse)
		return
	}
	switch r.Method {
	case "PUT":
		s.objects[r.URL.Path] = body
	case "DELETE":
		delete(s.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		b, ok := s.objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if s.spoil {
			b = append([]byte{b[0] ^ 1}, b[1:]...)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b)
	}
}

func (s *memoryStore) list(w http.ResponseWriter, r *http.Request) {
	var names []string
	bucket := r.URL.Path + "/"
	for path := range s.objects {
		name := strings.TrimPrefix(path, bucket)
		if strings.HasPrefix(name, r.FormValue("prefix")) && name > r.FormValue("continuation-token") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	limit := 7
	fmt.Fprint(w, "<ListBucketResult>")
	for i, n := range names {
		if i == limit {
			fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", names[i-1])
			break
		}
		fmt.Fprintf(w, "<Contents><Key>%s</Key></Contents>", n)
	}
	fmt.Fprint(w, "</ListBucketResult>")
}

// testPlan is short, small and signed.
func testPlan(endpoint string, op Operation) Plan {
	p := Default()
	p.Endpoint, p.AccessKey, p.SecretKey = endpoint, "K", "S"
	p.Op, p.Keys, p.Conns, p.Size = op, 20, 4, 100<<10
	p.Warmup, p.Duration = 0, 30*time.Millisecond
	return p
}

func TestRunCountsEveryOperation(t *testing.T) {
	for _, op := range []Operation{Put, Get, Head, Delete, List, Mixed} {
		t.Run(string(op), func(t *testing.T) {
			s, url := newMemoryStore(t)
			p := testPlan(url, op)
			p.Prepare = op != Put
			p.PIDs = []int{os.Getpid()}
			r, err := Run(t.Context(), p)
			if err != nil {
				t.Fatalf("Run(%s): %v", op, err)
			}
			if r.Failed != 0 || r.Operations == 0 || r.OpsPerSecond <= 0 || r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P99 {
				t.Errorf("Run(%s) reports %+v: want operations, no failures, and latencies that rise", op, r)
			}
			sent := int64(0)
			for _, n := range s.requests {
				sent += int64(n)
			}
			want := r.Operations + 1 // and the bucket
			if p.Prepare {
				want += p.Keys
			}
			if sent != want {
				t.Errorf("the server saw %d requests, the report speaks for %d", sent, want)
			}
			if s.unsigned != 0 {
				t.Errorf("%d requests came without a signature", s.unsigned)
			}
			if op == Delete && (r.Operations != p.Keys || len(s.objects) != 0) {
				t.Errorf("delete of %d keys: %d operations, %d objects left", p.Keys, r.Operations, len(s.objects))
			}
			if op == Get {
				if got, want := r.MBPerSecond*1e6*r.Seconds, float64(r.Operations*p.Size); got < want*.999 || got > want*1.001 {
					t.Errorf("got %.0f bytes in %d gets of %d", got, r.Operations, p.Size)
				}
			}
			if op == List && r.KeysPerSecond <= 0 {
				t.Errorf("list counted no keys: %+v", r)
			}
			if r.ServerMemoryPeak == 0 {
				t.Error("no memory reported for a named process")
			}
		})
	}
}

func TestListGoesThroughAllPages(t *testing.T) {
	s, url := newMemoryStore(t)
	p := testPlan(url, List)
	p.Prepare, p.Size = true, 10
	l, err := newLoad(&p)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkers(l)[0]
	defer w.conn.hangUp()
	for k := range p.Keys {
		if _, err := w.put(t.Context(), time.Now(), k); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 { // pages of 7, 7 and 6, twice
		if !w.step(t.Context(), true) {
			t.Fatalf("page %d failed: %v", i, *l.first.Load())
		}
	}
	if w.keys != 2*p.Keys {
		t.Errorf("two rounds over %d keys in %d requests counted %d keys", p.Keys, s.requests["GET"], w.keys)
	}
}

func TestVerifySeesAWrongByte(t *testing.T) {
	s, url := newMemoryStore(t)
	p := testPlan(url, Get)
	p.Prepare, p.Verify, p.ErrorMax = true, true, 3
	if r, err := Run(t.Context(), p); err != nil || r.Failed != 0 {
		t.Fatalf("sound bytes: %+v, %v; want no failure", r, err)
	}
	s.mu.Lock()
	s.spoil = true
	s.mu.Unlock()
	if _, err := Run(t.Context(), p); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("spoiled bytes: got error %v, want one of kind Corrupt", err)
	}
}

func TestRunGivesUpWhenTheServerRefuses(t *testing.T) {
	s, url := newMemoryStore(t)
	s.refuse = 503
	p := testPlan(url, Put)
	p.ErrorMax, p.Duration = 5, time.Hour
	_, err := Run(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "Refused") || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v; want an error with the status and what the server said", err)
	}
}

func TestRunWithoutServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	if _, err := Run(t.Context(), testPlan(url, Get)); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("got %v, want kind Unavailable", err)
	}
}

func TestCancelWakesAWaitingWorker(t *testing.T) {
	asked := make(chan struct{}, 100)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			asked <- struct{}{}
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := Run(ctx, testPlan(server.URL, Get)); !ais.IsKind(err, ais.Canceled) {
		t.Errorf("got %v, want kind Canceled", err)
	}
}

func TestPlanValidate(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"operation": func(p *Plan) { p.Op = "copy" },
		"keys":      func(p *Plan) { p.Keys = 0 },
		"conns":     func(p *Plan) { p.Conns = 0 },
		"size":      func(p *Plan) { p.Size = -1 },
		"bucket":    func(p *Plan) { p.Bucket = "" },
		"page":      func(p *Plan) { p.Page = 0 },
		"scheme":    func(p *Plan) { p.Endpoint = "https://x" },
		"host":      func(p *Plan) { p.Endpoint = "http://" },
		"mix":       func(p *Plan) { p.Op, p.Mix = Mixed, "get=1,list=2" },
	} {
		p := testPlan("http://localhost:1", Get)
		change(&p)
		if err := p.Validate(); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("bad %s: got %v, want kind Invalid", name, err)
		}
	}
}

func TestSuiteTable(t *testing.T) {
	s, url := newMemoryStore(t)
	base := testPlan(url, Get)
	base.Duration = time.Millisecond
	suite := Suite{Base: base, After: 30, AfterSize: 10}
	rows := suite.rows()
	if got, want := len(rows), 2*len(suiteSizes)+3; got != want {
		t.Fatalf("%d rows, want %d", got, want)
	}
	var out, progress bytes.Buffer
	// The rows with large objects are run by hand: here only the frame is looked at.
	if err := suite.preload(t.Context(), &progress); err != nil {
		t.Fatal(err)
	}
	if len(s.objects) != 30 {
		t.Errorf("preload put %d objects, want 30", len(s.objects))
	}
	last := rows[len(rows)-1]
	r, err := Run(t.Context(), last.plan)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, suite.preface(), last.line(r))
	if got := out.String(); !strings.Contains(got, "| LIST pages of 1,000 | 8 |") || !strings.Contains(got, "keys/s") {
		t.Errorf("table row: %s", got)
	}
}

func TestReportPrint(t *testing.T) {
	_, url := newMemoryStore(t)
	p := testPlan(url, Mixed)
	p.Prepare = true
	r, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"OPS/S", "p99", "mixed", "100 KiB", " get ", " put "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in the table:\n%s", want, b.String())
		}
	}
}
