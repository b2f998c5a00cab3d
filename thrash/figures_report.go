package thrash

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/auth"
)

// Figures is what was measured. What is nil was not come to.
type Figures struct {
	Targets  int      `json:"targets"`
	Objects  int      `json:"objects"`
	Size     int64    `json:"size_bytes"`
	Copies   int      `json:"copies"`
	Cores    int      `json:"cores"`
	Load     string   `json:"load_average"` // of the machine when it began: over 1, 5, 15 minutes
	Stored   float64  `json:"stored_per_second"`
	OutAfter float64  `json:"out_after_seconds"`
	Idle     *Served  `json:"idle,omitempty"`
	Join     *Move    `json:"join,omitempty"`
	Leave    *Move    `json:"leave,omitempty"`
	Loss     *Loss    `json:"loss,omitempty"`
	Restart  *Restart `json:"restart,omitempty"`
}

// Move is what a change of the map has moved.
type Move struct {
	Made    float64          `json:"made_seconds"` // until the change was made: a node that joins is started first
	Seconds float64          `json:"seconds"`      // from its beginning until the map was settled, and who leaves gone
	Moving  float64          `json:"moving_seconds"`
	Objects int64            `json:"objects"` // copies that were moved
	Bytes   int64            `json:"bytes"`
	Ideal   float64          `json:"ideal"`    // copies
	New     int64            `json:"received"` // of Objects, by the newcomer
	Rate    float64          `json:"objects_per_second"`
	CPU     float64          `json:"cpu_us_per_object"` // of all nodes, from the beginning until settled, clients' part included
	Primary int64            `json:"primary_bytes"`     // that the primary has read and written meanwhile, on disk and network
	Targets map[string]*Part `json:"targets"`
	Served  *Served          `json:"served,omitempty"` // the light load beside it

	first, last time.Time
}

// Part is what one target has received and sent.
type Part struct {
	Received      int64 `json:"objects_received"`
	ReceivedBytes int64 `json:"bytes_received"`
	Sent          int64 `json:"objects_sent"`
	SentBytes     int64 `json:"bytes_sent"`
}

// Loss is how the cluster bears that a target is killed, all counted from the kill, in seconds.
type Loss struct {
	WritesFirst float64 `json:"writes_first"` // until the first of the objects at home there was written
	Writes      float64 `json:"writes"`       // until all of those that were tried were
	Down        float64 `json:"down"`
	Out         float64 `json:"out"`
	Whole       float64 `json:"whole"` // full redundancy
	Moved       *Move   `json:"moved"`
	Served      *Served `json:"served"`
}

// Restart is how the cluster comes back after all nodes were killed, counted from when they were started, in seconds.
type Restart struct {
	Ready   float64 `json:"ready"`   // all nodes say so
	Served  float64 `json:"served"`  // reads and writes of objects drawn by chance, through every node
	Settled float64 `json:"settled"` // every copy is known to be whole
}

func newFigures(o *FigureOptions) *Figures {
	load, _ := os.ReadFile("/proc/loadavg")
	return &Figures{Targets: o.Nodes, Objects: o.Objects, Size: o.Size, Copies: o.Copies, Cores: runtime.NumCPU(),
		Load: strings.Join(append(strings.Fields(string(load)), "", "", "")[:3], " "), OutAfter: o.OutAfter.Seconds()}
}

// add takes in what the targets did in one rebalance.
func (v *Move) add(x *api.Xaction) {
	for _, p := range x.Parts {
		t := v.Targets[p.Node]
		if t == nil {
			t = &Part{}
			v.Targets[p.Node] = t
		}
		t.Received, t.ReceivedBytes = t.Received+p.ObjectsReceived, t.ReceivedBytes+p.BytesReceived
		t.Sent, t.SentBytes = t.Sent+p.ObjectsSent, t.SentBytes+p.BytesSent
		v.Objects, v.Bytes = v.Objects+p.ObjectsReceived, v.Bytes+p.BytesReceived
		if p.ObjectsReceived == 0 {
			continue
		}
		if p.Started != nil && (v.first.IsZero() || p.Started.Before(v.first)) {
			v.first = *p.Started
		}
		if p.Ended != nil && p.Ended.After(v.last) {
			v.last = *p.Ended
		}
	}
}

// rate ends the sums: of the copies that ideally move, and who is new.
func (v *Move) rate(newcomer string, ideal float64) {
	v.Ideal = ideal
	if p := v.Targets[newcomer]; p != nil {
		v.New = p.Received
	}
	if v.Objects > 0 {
		v.CPU /= float64(v.Objects)
	}
	if v.Moving = v.last.Sub(v.first).Seconds(); v.Moving > 0 {
		v.Rate = float64(v.Objects) / v.Moving
	}
}

func (v *Move) String() string {
	return fmt.Sprintf("%d copies moved, %.3f of the ideal, in %.2f s: %.0f a second; settled after %.2f s", v.Objects, float64(v.Objects)/v.Ideal, v.Moving, v.Rate, v.Seconds)
}

// Print writes the figures as a markdown table.
func (f *Figures) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d targets and a gateway that is primary, %d objects of %d bytes, copies=%d; %d cores, load average %s\n\n",
		f.Targets, f.Objects, f.Size, f.Copies, f.Cores, f.Load)
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "| what | figure |\n|---|---|\n")
	row("stored", "%.0f objects/s", f.Stored)
	f.Idle.rows(row, "GET while nothing changes")
	f.Join.rows(row, "join, no clients")
	f.Leave.rows(row, "leave, light load")
	if l := f.Loss; l != nil {
		row("kill -9 of a target: writes of its slots accepted again", "%.2f s (the first after %.2f s)", l.Writes, l.WritesFirst)
		row("kill -9 of a target: the map says down", "%.2f s", l.Down)
		row(fmt.Sprintf("kill -9 of a target: out (out_after %.0f s), full redundancy", f.OutAfter), "%.2f s, %.2f s", l.Out, l.Whole)
		row("kill -9 of a target: moved once it is out", "%d copies, %.0f a second", l.Moved.Objects, l.Moved.Rate)
		l.Served.rows(row, "GET while a target is lost")
		row("PUT while a target is lost", "p99 %.0f ms, at most %.0f ms", l.Served.WriteP99, l.Served.WriteMax)
	}
	if r := f.Restart; r != nil {
		row("kill -9 of all: ready, everything served, settled", "%.2f s, %.2f s, %.2f s after the start", r.Ready, r.Served, r.Settled)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *Move) rows(row func(what, format string, args ...any), what string) {
	if v == nil {
		return
	}
	row(what+": copies moved, of the ideal", "%d of %.0f: %.3f (%.1f MB)", v.Objects, v.Ideal, float64(v.Objects)/v.Ideal, float64(v.Bytes)/1e6)
	if v.New > 0 {
		row(what+": of these to the newcomer, among the others", "%d, %d", v.New, v.Objects-v.New)
	}
	row(what+": moved", "%.0f objects/s (%.2f s), %.0f µs of CPU of all nodes each", v.Rate, v.Moving, v.CPU)
	row(what+": until settled", "%.2f s (%.2f s of it until the change was made)", v.Seconds, v.Made)
	row(what+": bytes in and out of the primary, on disk and network", "%.2f MB", float64(v.Primary)/1e6)
	v.Served.rows(row, "GET during "+what)
}

func (s *Served) rows(row func(what, format string, args ...any), what string) {
	if s == nil {
		return
	}
	row(what, "p50 %.1f ms, p99 %.1f ms, at most %.0f ms", s.ReadP50, s.ReadP99, s.ReadMax)
	failed := fmt.Sprintf("%d of %d requests, %d served at the second attempt", s.Failed, s.Reads+s.Writes+s.Failed, s.Retried)
	if s.First != "" {
		failed += "; the first: " + s.First
	}
	row(what+": failed", "%s", failed)
}

func (m *measuring) say(format string, args ...any) {
	fmt.Fprintf(m.FigureOptions.Progress, "%6.1fs  %s\n", float64(m.now())/1e9, fmt.Sprintf(format, args...))
}

// prove has the cluster proved to be as it should, nothing left behind included.
func (m *measuring) prove(ctx context.Context) error {
	var wrong []string
	end := time.Now().Add(time.Minute) // what is given up goes in the background
	for {
		err := m.operate(ctx, func(c *api.Client) error {
			wrong = nil
			a, err := c.Audit(ctx, false)
			if err != nil {
				return err
			}
			for _, f := range a.Findings {
				if f.Severity != "remark" {
					wrong = append(wrong, f.Severity+" "+f.Rule+": "+f.Text)
				}
			}
			return nil
		})
		if err == nil && len(wrong) == 0 {
			return nil
		}
		if err == nil {
			err = ais.Errorf(ais.Corrupt, "audit: %s", strings.Join(wrong, "; "))
		}
		if time.Now().After(end) || !pause(ctx, askEvery) {
			return err
		}
	}
}

// homeOf is where a write of an object is sent: host:port.
func (m *measuring) homeOf(ctx context.Context, key int) (string, error) {
	gateway := m.fleet.members()[0]
	u := &url.URL{Scheme: "http", Host: m.fleet.address(gateway.index), Path: "/v1/objects" + m.path(key)}
	req, err := m.client.request(ctx, u, &call{method: "PUT"})
	if err != nil {
		return "", err
	}
	if err := m.client.signer.SignHTTP(req, auth.UnsignedPayload, time.Now()); err != nil {
		return "", err
	}
	r, err := m.client.exchange(req)
	if err != nil {
		return "", err
	}
	to, err := url.Parse(r.header.Get("Location"))
	if err != nil || to.Host == "" {
		return "", fmt.Errorf("put %s at a gateway: %s instead of a redirect", u.Path, class(r, err))
	}
	return to.Host, nil
}

// tick is the unit in which the kernel tells the CPU time of processes to user space, on every architecture.
const tick = 10 * time.Millisecond

// worked is how much CPU time processes have taken so far.
func worked(all []*member, pidOf func(*member) int) (d time.Duration) {
	for _, n := range all {
		b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pidOf(n)), "stat"))
		_, rest, _ := strings.Cut(string(b), ") ") // the name before may hold anything
		if fields := strings.Fields(rest); len(fields) > 12 {
			user, _ := strconv.ParseInt(fields[11], 10, 64)
			system, _ := strconv.ParseInt(fields[12], 10, 64)
			d += time.Duration(user+system) * tick
		}
	}
	return d
}

// passedThrough is how many bytes a process has read and written so far, from and to files and sockets.
func passedThrough(pid int) (n int64) {
	b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "io"))
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "rchar" || name == "wchar" {
			one, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			n += one
		}
	}
	return n
}
