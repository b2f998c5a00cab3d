package thrash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// steady is a light load at a fixed rate: reads of objects that are there, and if wanted writes beside them. What is
// measured is the time of a request with the one retry that a client's library makes.
type steady struct {
	m       *measuring
	workers int
	every   time.Duration // between two requests of one worker
	writes  int           // one request in so many is a write; 0: none
	through []*member     // gateways

	mu struct {
		sync.Mutex
		reads, writes times
		retried       int
		failed        int
		failedReads   int
		first         string
	}
}

// times are how long requests took.
type times []time.Duration

// quantile is the time that the share q of all requests did not exceed; 0 if there were none.
func (t times) quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[min(len(t)-1, int(q*float64(len(t))))]
}

// Served is what clients saw of a span.
type Served struct {
	Seconds     float64 `json:"seconds"`
	Reads       int     `json:"reads"`
	Writes      int     `json:"writes"`
	ReadP50     float64 `json:"read_p50_ms"`
	ReadP99     float64 `json:"read_p99_ms"`
	ReadMax     float64 `json:"read_max_ms"`
	WriteP99    float64 `json:"write_p99_ms,omitempty"`
	WriteMax    float64 `json:"write_max_ms,omitempty"`
	Retried     int     `json:"retried"`      // failed once, and were served at the second attempt
	Failed      int     `json:"failed"`       // twice
	FailedReads int     `json:"failed_reads"` // of those
	First       string  `json:"first,omitempty"`
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// during keeps up the load while do runs.
func (s *steady) during(ctx context.Context, do func() error) (*Served, error) {
	load, end := context.WithCancel(ctx)
	defer end()
	var workers sync.WaitGroup
	began := time.Now()
	for i := range s.workers {
		workers.Go(func() { s.work(load, i) })
	}
	err := do()
	took := time.Since(began)
	end()
	workers.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Served{Seconds: took.Seconds(), Reads: len(s.mu.reads), Writes: len(s.mu.writes), Retried: s.mu.retried,
		Failed: s.mu.failed, FailedReads: s.mu.failedReads, First: s.mu.first}
	r.ReadP50, r.ReadP99, r.ReadMax = millis(s.mu.reads.quantile(.5)), millis(s.mu.reads.quantile(.99)), millis(s.mu.reads.quantile(1))
	r.WriteP99, r.WriteMax = millis(s.mu.writes.quantile(.99)), millis(s.mu.writes.quantile(1))
	return r, err
}

func (s *steady) work(ctx context.Context, worker int) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	random := rand.New(rand.NewPCG(uint64(worker), 0xa15))
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.one(ctx, random, s.writes > 0 && n%s.writes == s.writes-1)
	}
}

// one makes a request, and makes it again through another node if it fails.
func (s *steady) one(ctx context.Context, random *rand.Rand, write bool) {
	key := random.IntN(s.m.Objects)
	at := random.IntN(len(s.through))
	began := time.Now()
	var err error
	for attempt := range 2 {
		node := s.through[(at+attempt)%len(s.through)].index
		if write {
			err = s.m.put(ctx, node, key)
		} else {
			err = s.m.get(ctx, node, key)
		}
		if ctx.Err() != nil {
			return // cut off by the end
		}
		if err == nil || attempt == 1 {
			break
		}
		s.mu.Lock()
		s.mu.retried++
		s.mu.Unlock()
	}
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.mu.failed++
		s.mu.retried--
		if !write {
			s.mu.failedReads++
		}
		if s.mu.first == "" {
			s.mu.first = err.Error()
		}
	case write:
		s.mu.writes = append(s.mu.writes, took)
	default:
		s.mu.reads = append(s.mu.reads, took)
	}
}

// Objects of a measurement: object n is called o-n, and holds its own name, then the filler from some place on.

func (m *measuring) path(key int) string { return fmt.Sprintf("/%s/o-%07d", m.bucket, key) }

func (m *measuring) body(key int) []byte {
	name := m.path(key)
	b := make([]byte, m.Size)
	copy(b[copy(b, name):], m.filler)
	return b
}

func (m *measuring) put(ctx context.Context, node, key int) error {
	r, err := m.client.do(ctx, node, &call{method: "PUT", path: m.path(key), body: m.body(key)})
	if err == nil && r.status == 200 {
		return nil
	}
	return failedBy("put", m.path(key), node, r, err)
}

func (m *measuring) get(ctx context.Context, node, key int) error {
	r, err := m.client.do(ctx, node, &call{method: "GET", path: m.path(key)})
	if err != nil || r.status != 200 {
		return failedBy("get", m.path(key), node, r, err)
	}
	if !bytes.Equal(r.body, m.body(key)) {
		return fmt.Errorf("get %s through node %d: other bytes", m.path(key), node)
	}
	return nil
}

// store puts all objects through all nodes.
func (m *measuring) store(ctx context.Context) error {
	var next atomic.Int64
	members := m.fleet.members()
	fails := make(chan error, m.Conns)
	var workers sync.WaitGroup
	for range m.Conns {
		workers.Go(func() {
			for ctx.Err() == nil {
				key := int(next.Add(1) - 1)
				if key >= m.Objects {
					return
				}
				err := m.put(ctx, members[key%len(members)].index, key)
				if err != nil {
					err = m.put(ctx, members[(key+1)%len(members)].index, key)
				}
				if err != nil {
					fails <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(fails)
	if err := <-fails; err != nil {
		return err
	}
	return ctx.Err()
}

// failedBy is the error of a request, with what the node said.
func failedBy(what, path string, node int, r *reply, err error) error {
	said := ""
	if err == nil {
		_, said, _ = strings.Cut(string(r.body[:min(len(r.body), 1024)]), "<Message>")
		said, _, _ = strings.Cut(said, "</Message>")
	}
	return fmt.Errorf("%s %s through node %d: %s %s", what, path, node, class(r, err), said)
}
