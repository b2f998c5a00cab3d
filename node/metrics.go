package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/volume"
)

// newStoreEvents makes the counter of what the stores report; the stores log it themselves.
func newStoreEvents() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ais_store_events_total", Help: "What the stores report: torn tails, damage, poisoned volumes and the like.",
	}, []string{"mountpath", "kind"})
}

// storeMetrics shows the state of the stores to Prometheus, as it is when asked.
type storeMetrics struct{ target *target.Target }

// storeMetric is one figure of a store.
type storeMetric struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*volume.Stats) int64
}

func storeMetricTable() []storeMetric {
	return []storeMetric{
		{"total_bytes", "Size of the filesystem.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Total }},
		{"free_bytes", "Free space of the filesystem.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Free }},
		{"reserve_bytes", "Space that client writes leave free.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Reserve }},
		{"index_bytes", "Size of the index.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Index }},
		{"live_bytes", "Bytes of records that are in use.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Live }},
		{"dead_bytes", "Bytes of records that vacuum may take.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Dead }},
		{"records", "Records in the volumes.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Records }},
		{"tombstones", "Records that say that something was deleted.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return s.Tombs }},
		{"volumes", "Volumes.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return int64(s.Volumes) }},
		{"volumes_quarantined", "Volumes with damage.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return int64(s.Quarantined) }},
		{"volumes_missing", "Volumes that should be there and are not.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return int64(s.Missing) }},
		{"pending", "Records that wait for other copies.", prometheus.GaugeValue, func(s *volume.Stats) int64 { return int64(s.Pending) }},
		{"vacuumed_total", "Volumes that vacuum has removed since the start.", prometheus.CounterValue, func(s *volume.Stats) int64 { return s.Vacuumed }},
		{"reclaimed_bytes_total", "Bytes that vacuum has given back since the start.", prometheus.CounterValue, func(s *volume.Stats) int64 { return s.Reclaimed }},
		{"torn_total", "Torn tails found since the start.", prometheus.CounterValue, func(s *volume.Stats) int64 { return s.Torn }},
		{"damaged_total", "Damage found since the start.", prometheus.CounterValue, func(s *volume.Stats) int64 { return s.Damaged }},
	}
}

func (m storeMetric) describe() *prometheus.Desc {
	return prometheus.NewDesc("ais_store_"+m.name, m.help, []string{"mountpath"}, nil)
}

func servingDesc() *prometheus.Desc {
	return prometheus.NewDesc("ais_mountpath_serving", "1 if the mountpath serves, 0 if it is out of service.", []string{"mountpath"}, nil)
}

// Describe implements prometheus.Collector.
func (storeMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- servingDesc()
	for _, m := range storeMetricTable() {
		ch <- m.describe()
	}
}

// Collect implements prometheus.Collector.
func (s storeMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, mount := range s.target.Status() {
		id, serving := mount.ID.String(), 1.0
		if mount.Err != nil {
			serving = 0
		}
		ch <- prometheus.MustNewConstMetric(servingDesc(), prometheus.GaugeValue, serving, id)
		if mount.Err != nil {
			continue
		}
		for _, m := range storeMetricTable() {
			ch <- prometheus.MustNewConstMetric(m.describe(), m.kind, float64(m.value(&mount.Stats)), id)
		}
	}
}
