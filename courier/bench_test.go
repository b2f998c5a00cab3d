package courier_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
)

// cpuTime is what this process has used of its processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchmarkWrite sends writes of one record over TLS, so many at once. cpu-ns/op is that of both ends.
func benchmarkWrite(b *testing.B, size, inFlight int) {
	c := overTLS(b, agree())
	free := make(chan struct{}, inFlight)
	w := &replica.Write{Copies: 2, Epoch: 1, Records: []replica.Record{record(1, size)}}
	done := func(err error) {
		if err != nil {
			b.Error(err)
		}
		<-free
	}
	send := func(slot int) {
		free <- struct{}{}
		one := *w
		one.Slot = ais.Slot(slot)
		c.Write(2, &one, done)
	}
	for i := range inFlight {
		send(i)
	}
	b.SetBytes(int64(size))
	began, cpu := time.Now(), cpuTime(b)
	slot := 0
	for b.Loop() {
		send(slot)
		slot++
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "writes/s")
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
	for range inFlight {
		free <- struct{}{}
	}
}

func BenchmarkWrite4K(b *testing.B)      { benchmarkWrite(b, 4<<10+200, 64) }
func BenchmarkWrite4KAlone(b *testing.B) { benchmarkWrite(b, 4<<10+200, 1) }
func BenchmarkWrite128K(b *testing.B)    { benchmarkWrite(b, 128<<10+200, 64) }

func BenchmarkExtent(b *testing.B) {
	c := overTLS(b, agree())
	x := &replica.Extent{Copies: 2, Epoch: 1, Write: ais.WriteID{1}, Record: record(1, ais.ExtentMax)}
	b.SetBytes(int64(len(x.Record)))
	began, cpu := time.Now(), cpuTime(b)
	for b.Loop() {
		if err := c.Extent(b.Context(), 2, x); err != nil {
			b.Fatal(err)
		}
	}
	x.Last = true
	if err := c.Extent(b.Context(), 2, x); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "extents/s")
	b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
}
