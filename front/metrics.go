package front

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts with plain atomics; a scrape reads them. A request costs one map look-up and a few
// additions.
type metrics struct {
	operations [doors]atomic.Pointer[map[string]*operationCount] // copied when a name is added
	adding     sync.Mutex

	turnedAway atomic.Uint64
	panics     atomic.Uint64
	timeouts   [waitWrite + 1]atomic.Uint64
}

// operationsMost bounds the names; what is beyond is counted as "other".
const operationsMost = 200

// Durations are counted in buckets that double, from 64 µs to 134 s.
const (
	durationLeast   = 6 // 2^6 µs
	durationBuckets = 22
)

// operationCount is what is known of one operation of one front.
type operationCount struct {
	classes   [6]atomic.Uint64 // by hundreds of the status
	in, out   atomic.Uint64    // bytes
	durations [durationBuckets + 1]atomic.Uint64
	micros    atomic.Uint64 // sum
}

func (m *metrics) init() {
	for d := range m.operations {
		m.operations[d].Store(&map[string]*operationCount{})
	}
}

// count adds a request that has ended.
func (m *metrics) count(r *requestState) {
	o := (*m.operations[r.door].Load())[r.operation]
	if o == nil {
		o = m.add(r.door, r.operation)
	}
	micros := uint64(max(0, time.Since(r.start).Microseconds()))
	bucket := 0
	if micros > 0 {
		bucket = min(max(bits.Len64(micros-1)-durationLeast, 0), durationBuckets)
	}
	o.classes[min(max(r.status/100, 0), 5)].Add(1)
	o.durations[bucket].Add(1)
	o.micros.Add(micros)
	if r.in > 0 {
		o.in.Add(uint64(r.in))
	}
	o.out.Add(uint64(r.out))
}

func (m *metrics) add(d door, name string) *operationCount {
	m.adding.Lock()
	defer m.adding.Unlock()
	old := *m.operations[d].Load()
	if len(old) >= operationsMost {
		name = "other"
	}
	if o := old[name]; o != nil {
		return o
	}
	now := make(map[string]*operationCount, len(old)+1)
	for k, v := range old {
		now[k] = v
	}
	o := &operationCount{}
	now[name] = o
	m.operations[d].Store(&now)
	return o
}

// collector shows metrics to Prometheus.
type collector struct{ s *Server }

type descriptions struct {
	requests, in, out, durations, inFlight, connections, turnedAway, panics, timeouts *prometheus.Desc
}

func describe() descriptions {
	by := []string{"front", "operation"}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ais_front_"+name, help, labels, nil)
	}
	return descriptions{
		requests:    desc("requests_total", "Requests answered, by status class.", "front", "operation", "class"),
		in:          desc("received_bytes_total", "Bytes of request bodies.", by...),
		out:         desc("sent_bytes_total", "Bytes of replies with their headers.", by...),
		durations:   desc("request_duration_seconds", "Time from a request's header to the end of its reply.", by...),
		inFlight:    desc("requests_in_flight", "Requests being answered."),
		connections: desc("connections", "Open connections."),
		turnedAway:  desc("connections_refused_total", "Connections closed at once because there were too many."),
		panics:      desc("panics_total", "Handlers that panicked."),
		timeouts:    desc("timeouts_total", "Connections ended because a client was silent, by what was awaited.", "wait"),
	}
}

func (collector) Describe(ch chan<- *prometheus.Desc) {
	d := describe()
	for _, x := range []*prometheus.Desc{d.requests, d.in, d.out, d.durations, d.inFlight, d.connections, d.turnedAway, d.panics, d.timeouts} {
		ch <- x
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	d, m := describe(), &c.s.metrics
	count := func(desc *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	for front := range doors {
		for name, o := range *m.operations[front].Load() {
			if name == "" {
				name = "none"
			}
			for class := range o.classes {
				if n := o.classes[class].Load(); n > 0 {
					count(d.requests, n, front.String(), name, string('0'+byte(class))+"xx")
				}
			}
			count(d.in, o.in.Load(), front.String(), name)
			count(d.out, o.out.Load(), front.String(), name)
			buckets, sum := make(map[float64]uint64, durationBuckets), uint64(0)
			for i := range durationBuckets {
				sum += o.durations[i].Load()
				buckets[float64(uint64(1)<<(i+durationLeast))/1e6] = sum
			}
			sum += o.durations[durationBuckets].Load()
			ch <- prometheus.MustNewConstHistogram(d.durations, sum, float64(o.micros.Load())/1e6, buckets, front.String(), name)
		}
	}
	c.s.mu.Lock()
	open := len(c.s.conns)
	c.s.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(d.inFlight, prometheus.GaugeValue, float64(c.s.inFlight.Load()))
	ch <- prometheus.MustNewConstMetric(d.connections, prometheus.GaugeValue, float64(open))
	count(d.turnedAway, m.turnedAway.Load())
	count(d.panics, m.panics.Load())
	for kind, name := range [...]string{waitIdle: "request", waitHeader: "header", waitBody: "body", waitWrite: "write"} {
		if name != "" {
			count(d.timeouts, m.timeouts[kind].Load(), name)
		}
	}
}
