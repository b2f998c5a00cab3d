package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Report is what a run measured. Units last; all per-operation figures are over Operations.
type Report struct {
	Endpoint   string    `json:"endpoint"`
	Op         Operation `json:"op"`
	Size       int64     `json:"size_bytes"`
	Keys       int64     `json:"keys"`
	Conns      int       `json:"conns"`
	Seconds    float64   `json:"seconds"`
	Operations int64     `json:"operations"`
	Failed     int64     `json:"failed"`
	FirstError string    `json:"first_error,omitempty"`
	Absent     int64     `json:"absent,omitempty"` // of a mix: keys that were not there

	OpsPerSecond  float64            `json:"ops_per_second"`
	MBPerSecond   float64            `json:"mb_per_second"` // 10^6 bytes of payload
	KeysPerSecond float64            `json:"keys_per_second,omitempty"`
	Latency       Latency            `json:"latency"`
	ByOperation   map[string]Latency `json:"by_operation,omitempty"`

	// Of the server's processes; zero where none was named.
	ServerCPUPerOp    float64 `json:"server_cpu_us_per_op"`
	ServerUserPerOp   float64 `json:"server_user_us_per_op"`
	ServerSystemPerOp float64 `json:"server_system_us_per_op"`
	ServerMemoryPeak  int64   `json:"server_memory_peak_bytes"`
}

func newReport(l *load, workers []*worker, took time.Duration, cpu processTime, peak int64) *Report {
	p := l.plan
	r := &Report{Endpoint: p.Endpoint, Op: p.Op, Size: p.Size, Keys: p.Keys, Conns: p.Conns,
		Seconds: took.Seconds(), Failed: l.errors.Load(), ServerMemoryPeak: peak}
	if first := l.first.Load(); first != nil {
		r.FirstError = (*first).Error()
	}
	var all latencies
	var bytes, keys int64
	for _, w := range workers {
		all.merge(&w.all)
		bytes += w.bytes
		keys += w.keys
		r.Absent += w.absent
	}
	r.Operations = all.count
	r.Latency = all.summary()
	r.OpsPerSecond = float64(all.count) / r.Seconds
	r.MBPerSecond = float64(bytes) / 1e6 / r.Seconds
	r.KeysPerSecond = float64(keys) / r.Seconds
	r.ByOperation = byOperation(l, workers)
	if all.count > 0 {
		n := float64(all.count)
		r.ServerUserPerOp = micros(cpu.user) / n
		r.ServerSystemPerOp = micros(cpu.system) / n
		r.ServerCPUPerOp = r.ServerUserPerOp + r.ServerSystemPerOp
	}
	return r
}

func byOperation(l *load, workers []*worker) map[string]Latency {
	if len(l.mix) == 0 {
		return nil
	}
	m := map[string]Latency{}
	for i, s := range l.mix {
		var sum latencies
		for _, w := range workers {
			sum.merge(&w.byShare[i])
		}
		m[string(s.op)] = sum.summary()
	}
	return m
}

// Print writes the report as a table for people.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "OP\tSIZE\tCONNS\tOPS/S\tMB/S\tp50\tp90\tp99\tmax\tSERVER CPU/OP\tFAILED\t")
	rate := fmt.Sprintf("%.0f", r.OpsPerSecond)
	if r.OpsPerSecond < 100 {
		rate = fmt.Sprintf("%.1f", r.OpsPerSecond)
	}
	fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.1f\t%s\t%d\t\n", r.Op, Bytes(r.Size), r.Conns, rate,
		r.MBPerSecond, r.Latency.columns()+"\t"+r.cpu(), r.Failed)
	for _, op := range []Operation{Get, Put, Head, Delete} {
		if l, ok := r.ByOperation[string(op)]; ok {
			fmt.Fprintf(t, " %s\t\t\t%.0f\t\t%s\t\t\t\n", op, float64(l.Count)/r.Seconds, l.columns())
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.KeysPerSecond > 0 {
		fmt.Fprintf(w, "%.0f keys/s listed\n", r.KeysPerSecond)
	}
	if r.Absent > 0 {
		fmt.Fprintf(w, "%d operations found no object\n", r.Absent)
	}
	if r.ServerMemoryPeak > 0 {
		fmt.Fprintf(w, "server memory: %s at most\n", Bytes(r.ServerMemoryPeak))
	}
	if r.FirstError != "" {
		fmt.Fprintf(w, "first failure: %s\n", r.FirstError)
	}
	return nil
}

func (l Latency) columns() string {
	return duration(l.P50) + "\t" + duration(l.P90) + "\t" + duration(l.P99) + "\t" + duration(l.Max)
}

func (r *Report) cpu() string {
	if r.ServerMemoryPeak == 0 {
		return "-"
	}
	return duration(r.ServerCPUPerOp)
}

// duration prints microseconds with three digits and a fitting unit.
func duration(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 10e3:
		return fmt.Sprintf("%.2f ms", us/1e3)
	case us < 1e6:
		return fmt.Sprintf("%.0f ms", us/1e3)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

// Bytes prints a size in binary units, exact where it can be.
func Bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
