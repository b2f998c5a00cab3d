package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
)

// Suite is the table by which versions and machines are compared: put and get of four sizes, delete
// and list, on an empty bucket or beside many objects.
type Suite struct {
	Base      Plan   // endpoint, keys, bucket, times and processes; the rest is the suite's own
	After     int64  // objects that are there before the rows run
	AfterSize int64  // bytes of each of them
	Keep      bool   // leave the suite's objects in the bucket
	Only      string // rows whose title contains it; "" is all
}

// suiteRow is a row of the table.
type suiteRow struct {
	title string
	plan  Plan
}

// suiteSizes are the object sizes of the table, each with a number of keys that is large enough to
// be spread and small enough to stay in the page cache: the table measures the server, not the disk.
var suiteSizes = [...]struct{ size, keys int64 }{
	{4 << 10, 10_000}, {64 << 10, 4_000}, {1 << 20, 512}, {64 << 20, 16},
}

const (
	suiteDeletes   = 200_000 // keys that the delete row uses up
	suiteSmall     = 4 << 10
	suiteConns     = 16
	suiteConnsHuge = 4 // for 64 MiB
	suiteConnsList = 8
	suitePage      = 1000
)

// rows is the table as plans. The rows of one size share a prefix, so that get reads what put wrote.
func (s *Suite) rows() []suiteRow {
	var rows []suiteRow
	row := func(title string, prefix string, change func(*Plan)) {
		p := s.Base
		p.Prefix = p.Prefix + prefix
		p.Page, p.Conns, p.Verify = suitePage, suiteConns, false
		change(&p)
		if strings.Contains(title, s.Only) {
			rows = append(rows, suiteRow{title: title, plan: p})
		}
	}
	for _, z := range suiteSizes {
		label := Bytes(z.size)
		prefix := strings.ReplaceAll(label, " ", "") + "/"
		for _, op := range []Operation{Put, Get} {
			row(op.method()+" "+label, prefix, func(p *Plan) {
				p.Op, p.Size, p.Keys, p.Prepare = op, z.size, z.keys, op == Get
				if z.size >= 64<<20 {
					p.Conns = suiteConnsHuge
				}
			})
		}
	}
	row("DELETE", "delete/", func(p *Plan) {
		p.Op, p.Size, p.Keys, p.Prepare = Delete, suiteSmall, suiteDeletes, true
	})
	listed := Bytes(suiteSmall)
	if s.After > 0 {
		row(fmt.Sprintf("GET %s of all %d", Bytes(s.AfterSize), s.After), "after/", func(p *Plan) {
			p.Op, p.Size, p.Keys = Get, s.AfterSize, s.After
		})
		listed = "after"
	}
	row("LIST pages of 1,000", strings.ReplaceAll(listed, " ", "")+"/", func(p *Plan) {
		p.Op, p.Size, p.Conns, p.Keys, p.Prepare = List, suiteSmall, suiteConnsList, suiteSizes[0].keys, s.After == 0
	})
	return rows
}

// Run executes the suite and writes its table to out, row by row, as markdown. Progress, one line
// for what takes long, goes to progress.
func (s *Suite) Run(ctx context.Context, out, progress io.Writer) ([]*Report, error) {
	if s.After > 0 {
		if err := s.preload(ctx, progress); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(out, s.preface())
	fmt.Fprintln(out, "| operation | connections | ops/s | MB/s | p50 | p90 | p99 | server CPU per op |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|")
	var reports []*Report
	for _, row := range s.rows() {
		r, err := Run(ctx, row.plan)
		if err != nil {
			return reports, ais.Errorf(ais.KindOf(err), "%s: %w", row.title, err)
		}
		reports = append(reports, r)
		if _, err := fmt.Fprintln(out, row.line(r)); err != nil {
			return reports, err
		}
	}
	if s.Keep {
		return reports, nil
	}
	return reports, s.clean(ctx, progress)
}

// preload puts the objects beside which the rows run.
func (s *Suite) preload(ctx context.Context, progress io.Writer) error {
	p := s.Base
	p.Op, p.Prefix, p.Size, p.Keys = Put, p.Prefix+"after/", s.AfterSize, s.After
	p.Conns, p.Prepare, p.Warmup, p.Duration, p.PIDs = suiteConns, true, 0, 0, nil
	fmt.Fprintf(progress, "putting %d objects of %s first\n", s.After, Bytes(s.AfterSize))
	began := time.Now()
	if _, err := Run(ctx, p); err != nil {
		return ais.Errorf(ais.KindOf(err), "preload: %w", err)
	}
	took := time.Since(began)
	fmt.Fprintf(progress, "%d objects in %s, %.0f a second\n", s.After, took.Round(time.Second), float64(s.After)/took.Seconds())
	return nil
}

// clean deletes what the suite has put.
func (s *Suite) clean(ctx context.Context, progress io.Writer) error {
	fmt.Fprintln(progress, "deleting the objects of the suite")
	done := map[string]bool{}
	for _, row := range s.rows() {
		p := row.plan
		if done[p.Prefix] {
			continue
		}
		done[p.Prefix] = true
		p.Op, p.Conns, p.Prepare, p.Duration, p.PIDs = Delete, suiteConns, false, 24*time.Hour, nil
		if _, err := Run(ctx, p); err != nil {
			return ais.Errorf(ais.KindOf(err), "clean up: %w", err)
		}
	}
	return nil
}

// preface says where the figures come from: without it they cannot be compared.
func (s *Suite) preface() string {
	congestion := "unknown"
	if b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		congestion = strings.TrimSpace(string(b))
	}
	return fmt.Sprintf("%d cores shared by client and server; %s a row; TCP congestion control %s; %d objects before.\n",
		runtime.NumCPU(), s.Base.Duration, congestion, s.After)
}

// line is the row of the table for one report.
func (row *suiteRow) line(r *Report) string {
	rate := fmt.Sprintf("%.0f", r.OpsPerSecond)
	switch {
	case r.Op == List:
		rate = fmt.Sprintf("%.0f keys/s", r.KeysPerSecond)
	case r.OpsPerSecond < 100:
		rate = fmt.Sprintf("%.1f", r.OpsPerSecond)
	}
	return fmt.Sprintf("| %s | %d | %s | %.1f | %s | %s | %s | %s |", row.title, r.Conns, rate,
		r.MBPerSecond, duration(r.Latency.P50), duration(r.Latency.P90), duration(r.Latency.P99), r.cpu())
}
