package proxy

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what became of requests about objects that were not simply served here.
type metrics struct {
	vec       *prometheus.CounterVec
	holding   prometheus.Gauge
	passed    prometheus.Counter // answered by another node
	redirect  prometheus.Counter // answered by 307
	held      prometheus.Counter // had to wait, whatever came of it
	asked     prometheus.Counter // were asked about before their body was sent
	failed    prometheus.Counter // answered by 503 here
	cut       prometheus.Counter // the home died in the middle of the reply
	received  prometheus.Counter // served here for another node
	elsewhere prometheus.Counter // of those passed: by another node than the first that was asked
	stale     prometheus.Counter // refused to another node: its map or ours is old
	unready   prometheus.Counter // refused to another node: this one may not serve
}

func newMetrics() *metrics {
	m := &metrics{
		vec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ais_gateway_requests_total", Help: "Requests about objects that another node answers, or was to answer, by what became of them.",
		}, []string{"event"}),
		holding: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ais_gateway_holding", Help: "Requests that wait for their home.",
		}),
	}
	for name, counter := range map[string]*prometheus.Counter{
		"passed": &m.passed, "redirected": &m.redirect, "held": &m.held, "asked": &m.asked, "failed": &m.failed,
		"cut": &m.cut, "elsewhere": &m.elsewhere, "received": &m.received, "refused_stale": &m.stale, "refused_unready": &m.unready,
	} {
		*counter = m.vec.WithLabelValues(name)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.vec.Describe(ch)
	m.holding.Describe(ch)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.vec.Collect(ch)
	m.holding.Collect(ch)
}
