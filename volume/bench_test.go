package volume

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
)

// diskStore runs a store on the real disk for a benchmark.
func diskStore(b *testing.B) *Store {
	b.Helper()
	s, err := Open(context.Background(), Options{FS: disk.OS(), Dir: b.TempDir(), Cluster: 1, Target: 2, Mountpath: 3, Clock: NewClock(2, 1, 1, 1),
		Slot:   func(id ais.BucketID, name string) ais.Slot { return cmap.SlotOf(7, id, name) },
		Copies: func(ais.BucketID) uint8 { return 1 }, Config: DefaultConfig(), Logger: slog.New(slog.DiscardHandler),
		Now: func() int64 { return 1 }})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return s
}

func BenchmarkPut4KiB(b *testing.B) {
	s := diskStore(b)
	data := noise(1, 4096)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		i := 0
		for pb.Next() {
			i++
			if _, err := putObject(s, testBucket, fmt.Sprintf("obj-%p-%08d", pb, i), data, false); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGet4KiB(b *testing.B) {
	s := diskStore(b)
	data := noise(1, 4096)
	const n = 2000
	for i := range n {
		if _, err := putObject(s, testBucket, fmt.Sprintf("obj-%08d", i), data, false); err != nil {
			b.Fatal(err)
		}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("obj-%08d", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		r, err := s.Open(testBucket, names[i%n], nil)
		if err != nil {
			b.Fatal(err)
		}
		if len(r.Inline()) != 4096 {
			b.Fatal("short")
		}
		r.Close()
	}
}

func BenchmarkList1000(b *testing.B) {
	s := diskStore(b)
	for i := range 3000 {
		if _, err := putObject(s, testBucket, fmt.Sprintf("obj-%08d", i), nil, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		p, err := s.List(&ais.ListRequest{Bucket: &ais.Bucket{ID: testBucket}, Limit: 1000}, nil)
		if err != nil || len(p.Entries) != 1000 {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdopt4K has many adoptions in flight, as a stream of a home's writes has.
func BenchmarkAdopt4K(b *testing.B) {
	s := diskStore(b)
	home := diskStore(b)
	data := noise(1, 4096)
	const kinds = 1024
	records := make([][][]byte, kinds)
	for i := range records {
		tx, err := home.Begin(b.Context(), testBucket, fmt.Sprintf("obj-%08d", i))
		if err != nil {
			b.Fatal(err)
		}
		p, err := tx.Prepare(Entry{ModifiedUnix: 5, Payload: data, Attributes: ais.Attributes{ContentType: "text/plain"}})
		if err != nil {
			b.Fatal(err)
		}
		records[i] = p.Records()
		p.Abandon()
		tx.End()
	}
	b.ReportAllocs()
	b.SetBytes(4096)
	flight := make(chan struct{}, 512)
	failed := make(chan error, 1)
	done := func(err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
		<-flight
	}
	b.ResetTimer()
	for i := range b.N {
		flight <- struct{}{}
		s.Adopt(records[i%kinds], AdoptOptions{}, done)
	}
	for range cap(flight) {
		flight <- struct{}{}
	}
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}

// BenchmarkGiveUp reports how long it takes to give 13,000 slots up that hold 500,000 rows, and how fast the
// rows go behind it; and before, how fast the logs of these slots are read.
func BenchmarkGiveUp(b *testing.B) {
	const slots, rows = 13_000, 500_000
	s := diskStore(b)
	s.opt.Slot = func(_ ais.BucketID, name string) ais.Slot { return cmap.SlotOf(7, 1, name) % slots }
	put := make(chan int, 256)
	var writers sync.WaitGroup
	for range 64 {
		writers.Go(func() {
			for i := range put {
				if _, err := putObject(s, testBucket, fmt.Sprintf("obj-%08d", i), nil, false); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range rows {
		put <- i
	}
	close(put)
	writers.Wait()
	var set ais.SlotSet
	for slot := range ais.Slot(slots) {
		set.Add(slot)
	}
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		for slot := range ais.Slot(slots) {
			if _, _, err := s.Log(slot, 1, ais.Stamp{}, rows); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(rows/time.Since(began).Seconds(), "log_items/s")
		began = time.Now()
		if err := s.GiveUp(b.Context(), &set, nil, 2); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "ms_durable")
		began = time.Now()
		for s.Dropping() > 0 {
			runtime.Gosched()
		}
		b.ReportMetric(rows/time.Since(began).Seconds(), "rows_dropped/s")
	}
}
