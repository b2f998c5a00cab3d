package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/gossip"
	"github.com/seed9b016523/ais/term"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/join"
)

// clusterMetrics shows this node's part in the cluster to Prometheus, as it is when asked. No label has more
// values than the program has constants: ids of nodes, which come and go, are in none.
type clusterMetrics struct{ *node }

// standing is what the gauges are taken from.
type standing struct {
	now    ais.Instant
	view   *control.View
	status consensus.Status
	whole  ais.MapVersion      // under which it lacks nothing
	fills  api.RebalanceStatus // in the newest rebalance
	waits  int                 // slots that it is home of and does not serve yet
}

// standingMetric is one figure of it.
type standingMetric struct {
	name, help string
	value      func(*standing) float64
}

func standingMetrics() []standingMetric {
	return []standingMetric{
		{"ais_generation", "Generation of the control state: one more at each force-new.", func(s *standing) float64 { return float64(s.view.Map().Generation()) }},
		{"ais_map_version", "Version of the cluster map that this node goes by.", func(s *standing) float64 { return float64(s.view.Map().Version()) }},
		{"ais_map_settled_version", "Newest version of the map under which every object lies where it should; 0 if none.", func(s *standing) float64 { return float64(s.view.Map().Settled()) }},
		{"ais_control_index", "Index of the newest entry of the control log that this node has applied.", func(s *standing) float64 { return float64(s.view.Index()) }},
		{"ais_control_level", "Command level of the cluster.", func(s *standing) float64 { return float64(s.view.Level()) }},
		{"ais_term", "Newest term that this node knows.", func(s *standing) float64 { return float64(s.status.Term) }},
		{"ais_is_primary", "1 if this node is primary, and serves as such.", func(s *standing) float64 { return truthOf(s.status.State == term.Serving) }},
		{"ais_is_voter", "1 if this node votes.", func(s *standing) float64 { return truthOf(s.status.Voter) }},
		{"ais_voters", "Nodes that vote.", func(s *standing) float64 { return float64(len(s.status.VoterSeats)) }},
		{"ais_primary_known", "1 if this node knows a primary.", func(s *standing) float64 { return truthOf(s.status.Primary != 0) }},
		{"ais_lease_remaining_seconds", "How long this node may still serve without a word from the primary; 0 if it may not.", func(s *standing) float64 {
			return max(time.Duration(s.status.LeaseUntil-s.now).Seconds(), 0)
		}},
	}
}

// targetMetrics are those of a target. What is received and sent is of the newest rebalance, and begins anew
// with the next.
func targetMetrics() []standingMetric {
	return []standingMetric{
		{"ais_map_whole_version", "Newest version of the map under which this target lacks nothing; 0 if it lacks something.", func(s *standing) float64 { return float64(s.whole) }},
		{"ais_takeover_slots", "Slots that this target is the home of and does not serve yet.", func(s *standing) float64 { return float64(s.waits) }},
		{"ais_rebalance_running", "1 if this target fills what it lacks.", func(s *standing) float64 {
			return truthOf(!s.fills.Start.IsZero() && s.fills.End.IsZero())
		}},
		{"ais_rebalance_slots_lacking", "Slots that this target still lacks.", func(s *standing) float64 { return float64(max(s.fills.SlotsTotal-s.fills.SlotsDone, 0)) }},
		{"ais_rebalance_received_objects", "Objects that came in the newest rebalance.", func(s *standing) float64 { return float64(s.fills.ObjRcv) }},
		{"ais_rebalance_received_bytes", "Bytes that came in the newest rebalance.", func(s *standing) float64 { return float64(s.fills.SizeRcv) }},
		{"ais_rebalance_sent_objects", "Objects that others were given in the newest rebalance.", func(s *standing) float64 { return float64(s.fills.ObjSent) }},
		{"ais_rebalance_sent_bytes", "Bytes that others were given in the newest rebalance.", func(s *standing) float64 { return float64(s.fills.SizeSent) }},
	}
}

func truthOf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// clusterCounter is one counter of a part of the node.
type clusterCounter struct {
	name, event string
	value       uint64
}

// clusterCounters are the names of the counters, with what they count.
func clusterCounters() [7][2]string {
	return [...][2]string{
		{"ais_consensus_dropped_total", "Messages between nodes, and news, that found a queue full."},
		{"ais_gossip_packets_total", "Packets of gossip, by what became of them."},
		{"ais_gossip_streams_refused_total", "Streams of gossip that were refused or broken off."},
		{"ais_gossip_news_dropped_total", "What gossip could not take, or nobody took."},
		{"ais_join_requests_total", "Messages of machines that want to join, by what became of them."},
		{"ais_transport_requests_total", "Requests of other nodes, by sort or by refusal."},
		{"ais_transport_connections_total", "Connections between nodes: dialed, not reached, turned away."},
	}
}

// counted reads the counters of the parts that run by now.
func (c clusterMetrics) counted() []clusterCounter {
	all := []clusterCounter{{"ais_consensus_dropped_total", "event", c.replica.Dropped()},
		{"ais_consensus_dropped_total", "message", c.postman.Dropped()}}
	if talk := c.talk.Load(); talk != nil {
		all = append(all, gossipCounters(talk.Stats())...)
	}
	var joins join.Counts // none came yet
	if server := c.joinServer.Load(); server != nil {
		joins = server.Counts()
	}
	all = append(all, joinCounters(joins)...)
	if e := c.network.endpoint.Load(); e != nil {
		all = append(all, transportCounters(e.Counts())...)
	}
	return all
}

func gossipCounters(s gossip.Stats) []clusterCounter {
	const packets, streams, news = "ais_gossip_packets_total", "ais_gossip_streams_refused_total", "ais_gossip_news_dropped_total"
	return []clusterCounter{{packets, "taken", s.Packets}, {packets, "foreign", s.PacketsForeign}, {packets, "refused", s.PacketsRefused},
		{streams, "too_many", s.StreamsRefused}, {streams, "broken", s.StreamsBroken},
		{news, "member", s.MembersRefused}, {news, "notice", s.NoticesRefused}, {news, "hint", s.HintsDropped}, {news, "log_line", s.LogDropped}}
}

func joinCounters(j join.Counts) []clusterCounter {
	const name = "ais_join_requests_total"
	return []clusterCounter{{name, "hello", j.Hellos}, {name, "admitted", j.Admitted}, {name, "refused", j.Refused},
		{name, "wrong_secret", j.Failed}, {name, "stale", j.Stale}, {name, "invalid", j.Invalid}, {name, "busy", j.Busy}}
}

func transportCounters(t transport.Counts) []clusterCounter {
	const requests, connections = "ais_transport_requests_total", "ais_transport_connections_total"
	return []clusterCounter{{requests, "call", t.Calls}, {requests, "stream", t.Streams}, {requests, "passed", t.Passed}, {requests, "refused", t.Refused},
		{connections, "dialed", t.Dialed}, {connections, "unreached", t.Undialed}, {connections, "turned", t.Turned}}
}

func nodesDesc() *prometheus.Desc {
	return prometheus.NewDesc("ais_nodes", "Nodes of the cluster map, by state.", []string{"state"}, nil)
}

func refusedDesc() *prometheus.Desc {
	return prometheus.NewDesc("ais_messages_refused_total", "Messages of other nodes that this one did not act upon, by reason.", []string{"reason"}, nil)
}

// Describe implements prometheus.Collector.
func (clusterMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- nodesDesc()
	ch <- refusedDesc()
	for _, m := range append(standingMetrics(), targetMetrics()...) {
		ch <- prometheus.NewDesc(m.name, m.help, nil, nil)
	}
	for _, c := range clusterCounters() {
		ch <- prometheus.NewDesc(c[0], c[1], []string{"event"}, nil)
	}
}

// Collect implements prometheus.Collector.
func (c clusterMetrics) Collect(ch chan<- prometheus.Metric) {
	s := &standing{now: consensus.BootClock(), view: c.replica.View(), status: c.replica.Status()}
	metrics := standingMetrics()
	if t := c.opened.Load(); t != nil {
		s.whole, s.waits = t.WholeUnder(), t.Unready()
		s.fills, _ = c.newestRebalance(s.view)
		metrics = append(metrics, targetMetrics()...)
	}
	for _, m := range metrics {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(m.name, m.help, nil, nil), prometheus.GaugeValue, m.value(s))
	}
	states := map[cmap.State]int{}
	for _, n := range s.view.Map().Nodes() {
		states[n.State]++
	}
	for state := cmap.Alive; state <= cmap.Decommission; state++ {
		ch <- prometheus.MustNewConstMetric(nodesDesc(), prometheus.GaugeValue, float64(states[state]), state.String())
	}
	for reason, count := range s.status.Refused {
		ch <- prometheus.MustNewConstMetric(refusedDesc(), prometheus.CounterValue, float64(count), reason)
	}
	helps := map[string]string{}
	for _, c := range clusterCounters() {
		helps[c[0]] = c[1]
	}
	for _, n := range c.counted() {
		desc := prometheus.NewDesc(n.name, helps[n.name], []string{"event"}, nil)
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n.value), n.event)
	}
}

// showCluster adds this node's part in the cluster to its metrics.
func (n *node) showCluster() {
	n.metrics.MustRegister(clusterMetrics{n}, n.gateway.Metrics())
}
