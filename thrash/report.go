package thrash

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// Count is what came of the requests of one kind.
type Count struct {
	Requests int64 `json:"requests"` // of clients; some take several attempts
	Retries  int64 `json:"retries"`  // further attempts
	Failed   int64 `json:"failed"`   // requests that got no answer, with all their attempts
}

// Report is what a run has found.
type Report struct {
	Seed       uint64            `json:"seed"`
	Run        string            `json:"run"`
	Seconds    float64           `json:"seconds"`
	Nodes      int               `json:"nodes"`
	Requests   map[string]*Count `json:"requests"` // by kind
	Errors     map[string]int64  `json:"errors"`   // attempts that failed, by class
	Faults     map[string]*Fault `json:"faults"`   // by nemesis
	Keys       int               `json:"keys"`
	Checked    int               `json:"histories_checked"`
	Settled    float64           `json:"settled_seconds"` // from the end of the faults until all copies were whole; -1: not seen
	Wrongs     map[Wrong]int     `json:"violations"`
	Violations []Violation       `json:"-"`
	Notes      []string          `json:"notes,omitempty"`
	Dir        string            `json:"dir,omitempty"` // where the nodes' data and logs are, if they were kept
}

// Fault counts what one nemesis did.
type Fault struct {
	Done        int `json:"done"`
	Skipped     int `json:"skipped"`     // the cluster could not have borne it then
	Unavailable int `json:"unavailable"` // this machine, or this version of ais, cannot
}

// violationsMax is how many violations of a kind are told with their histories; the rest is counted.
const violationsMax = 8

// ledger is the report while it grows.
type ledger struct {
	out   io.Writer
	clock func() int64

	mu struct {
		sync.Mutex
		report Report
		last   map[string]int64 // requests at the last line
		events []string         // since the last line
	}
}

func newLedger(o *Options, run uint32, clock func() int64) *ledger {
	l := &ledger{out: o.Progress, clock: clock}
	l.mu.report = Report{Seed: o.Seed, Run: fmt.Sprintf("%08x", run), Nodes: o.Nodes, Requests: map[string]*Count{}, Errors: map[string]int64{},
		Faults: map[string]*Fault{}, Wrongs: map[Wrong]int{}, Settled: -1}
	l.mu.last = map[string]int64{}
	return l
}

// request counts a request of a client.
func (l *ledger) request(kind string, attempts int, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.mu.report.Requests[kind]
	if c == nil {
		c = &Count{}
		l.mu.report.Requests[kind] = c
	}
	c.Requests++
	c.Retries += int64(max(0, attempts-1))
	if failed {
		c.Failed++
	}
}

func (l *ledger) failure(class string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.report.Errors[class]++
}

// fault counts and tells what a nemesis does.
func (l *ledger) fault(name string, count func(*Fault)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.mu.report.Faults[name]
	if f == nil {
		f = &Fault{}
		l.mu.report.Faults[name] = f
	}
	count(f)
}

func (l *ledger) event(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.events = append(l.mu.events, strings.TrimSpace(stamp(l.clock()))+" "+fmt.Sprintf(format, args...))
}

func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.report.Notes = append(l.mu.report.Notes, fmt.Sprintf(format, args...))
}

// violation counts what must not be, and tells it at once.
func (l *ledger) violation(v *Violation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.mu.report
	r.Wrongs[v.Kind]++
	if r.Wrongs[v.Kind] > violationsMax {
		return
	}
	r.Violations = append(r.Violations, *v)
	fmt.Fprintf(l.out, "VIOLATION %s at %s: %s\n", v.Kind, strings.TrimSpace(stamp(l.clock())), v.Message)
	if v.History != "" {
		fmt.Fprintf(l.out, "  %s\n", strings.ReplaceAll(strings.TrimRight(v.History, "\n"), "\n", "\n  "))
	}
}

// line tells what has happened since the line before.
func (l *ledger) line(span time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%8s ", time.Duration(l.clock()).Round(time.Second))
	var all, retries, failed int64
	for _, c := range l.mu.report.Requests {
		all, retries, failed = all+c.Requests, retries+c.Retries, failed+c.Failed
	}
	now := map[string]int64{"requests": all, "retries": retries, "failed": failed}
	fmt.Fprintf(&b, " %6.0f requests/s, %d retries, %d failed", float64(all-l.mu.last["requests"])/span.Seconds(), retries-l.mu.last["retries"], failed-l.mu.last["failed"])
	for class, n := range l.mu.report.Errors {
		now["error "+class] = n
	}
	for _, class := range sortedKeys(l.mu.report.Errors) {
		if n := l.mu.report.Errors[class] - l.mu.last["error "+class]; n > 0 {
			fmt.Fprintf(&b, "; %s: %d", class, n)
		}
	}
	l.mu.last = now
	for _, e := range l.mu.events {
		fmt.Fprintf(&b, "\n          %s", e)
	}
	l.mu.events = nil
	fmt.Fprintln(l.out, b.String())
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// finish gives the report, complete.
func (l *ledger) finish() *Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.report.Seconds = time.Duration(l.clock()).Seconds()
	r := l.mu.report
	return &r
}

// Failed reports whether anything was found that must not be.
func (r *Report) Failed() bool { return len(r.Wrongs) > 0 }

// Print writes the table of a run.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nseed %d, run %s, %d nodes, %.0f s: %d keys, %d histories checked\n", r.Seed, r.Run, r.Nodes, r.Seconds, r.Keys, r.Checked)
	fmt.Fprintln(t, "REQUESTS\tSENT\tRETRIES\tFAILED\t")
	for _, kind := range sortedKeys(r.Requests) {
		c := r.Requests[kind]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", kind, c.Requests, c.Retries, c.Failed)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, class := range sortedKeys(r.Errors) {
		fmt.Fprintf(w, "  %s: %d", class, r.Errors[class])
	}
	fmt.Fprintln(w)
	fmt.Fprintln(t, "NEMESIS\tDONE\tSKIPPED\tNOT AVAILABLE\t")
	for _, name := range sortedKeys(r.Faults) {
		f := r.Faults[name]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", name, f.Done, f.Skipped, f.Unavailable)
	}
	fmt.Fprintln(t, "VIOLATION\tCOUNT\t\t\t")
	for _, kind := range Wrongs {
		fmt.Fprintf(t, "%s\t%d\t\t\t\n", kind, r.Wrongs[kind])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if r.Dir != "" {
		fmt.Fprintf(w, "data and logs of the nodes: %s\n", r.Dir)
	}
	return nil
}

// Summary is a report in a line.
func (r *Report) Summary() string {
	var said []string
	for _, kind := range Wrongs {
		if n := r.Wrongs[kind]; n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(said) == 0 {
		return "nothing is wrong"
	}
	return strings.Join(said, ", ")
}
