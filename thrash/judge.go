package thrash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed9b016523/ais/api"
)

// Bounds of what comes after the faults.
const (
	healMax   = 4 * time.Minute // all nodes alive: one that fell often waits minutes for its return
	settleMax = 5 * time.Minute // all copies whole, from then on
	auditMax  = 10 * time.Minute
)

// judge ends all faults, waits until the cluster has come right, and holds what it has to the histories.
func (r *run) judge(ctx context.Context) error {
	healed := time.Now()
	if err := r.heal(ctx); err != nil && ctx.Err() == nil {
		r.ledger.violation(&Violation{Kind: Unhealed, Message: err.Error() + r.tails()})
	}
	if err := r.awaitSettled(ctx); !r.settles {
		r.ledger.event("nobody waits for a settled map")
	} else if ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		r.ledger.violation(&Violation{Kind: Unhealed, Message: err.Error()})
	} else {
		r.ledger.mu.Lock()
		r.ledger.mu.report.Settled = time.Since(healed).Seconds()
		r.ledger.mu.Unlock()
		r.ledger.event("settled %v after the last fault", time.Since(healed).Round(100*time.Millisecond))
	}
	r.readAll(ctx)
	r.listAll(ctx)
	r.audit(ctx)
	r.reportDied()
	r.ledger.line(lineEvery)
	return ctx.Err()
}

// heal starts whatever does not run, and waits until all are ready and alive.
func (r *run) heal(ctx context.Context) error {
	if r.wire != nil {
		r.wire.heal()
	}
	for _, m := range r.fleet.members() {
		if r.fleet.pidOf(m) == 0 {
			if err := r.fleet.start(m, false); err != nil {
				return err
			}
		}
	}
	for _, m := range r.fleet.members() {
		if err := r.fleet.awaitReady(ctx, m, healMax); err != nil {
			r.fleet.dump(ctx, m)
			return err
		}
	}
	want := len(r.fleet.members())
	return r.until(ctx, healMax, "all nodes are alive again", func(c *api.Cluster) error { return allAlive(c, want) })
}

// awaitSettled waits until every copy is whole under the newest map.
func (r *run) awaitSettled(ctx context.Context) error {
	if !r.settles {
		return nil
	}
	return r.until(ctx, settleMax, "every copy is whole under the newest map", settled)
}

func settled(c *api.Cluster) error {
	if c.Map.Settled != c.Map.Version {
		return fmt.Errorf("the map has version %d, and %d is settled: %s", c.Map.Version, c.Map.Settled, strings.Join(c.Notes, "; "))
	}
	return nil
}

// readAll reads every key from every node, and judges all histories.
func (r *run) readAll(ctx context.Context) {
	members := r.fleet.running()
	all := r.names.every()
	queue := make(chan *History)
	var readers sync.WaitGroup
	for i := range max(2, min(r.Clients, 2*runtime.NumCPU())) {
		w := newWorker(r, r.Clients+2+i)
		readers.Go(func() {
			for h := range queue {
				if ctx.Err() != nil {
					continue // to the end of the queue
				}
				w.readFromAll(ctx, h, members)
				h.Lock()
				bad := h.bad
				h.Unlock()
				if !bad && ctx.Err() == nil {
					r.checkKey(h)
				}
			}
		})
	}
	for _, name := range sortedKeys(all) {
		queue <- all[name]
	}
	close(queue)
	readers.Wait()
}

// readFromAll reads a key from every node. As nothing else is under way they have to agree: if they do not,
// they are asked once more, for a change of unknown outcome might just have taken effect.
func (w *worker) readFromAll(ctx context.Context, h *History, members []*member) {
	for round := range 2 {
		saw := map[ID][]int{}
		for _, m := range members {
			k := &call{method: "GET", path: w.path(h.name), header: map[string]string{}}
			id, ok := w.look(ctx, h, k, &asked{how: "GET"}, func() int { return m.index })
			if !ok {
				if ctx.Err() == nil {
					w.ledger.violation(&Violation{Kind: Unhealed, Key: h.name, Message: fmt.Sprintf("%s does not answer a read of %s, though nothing is wrong any more", m.name(), h.name)})
				}
				return
			}
			saw[id] = append(saw[id], m.index)
		}
		if len(saw) <= 1 {
			return
		}
		if round == 1 {
			w.ledger.violation(&Violation{Kind: Disagree, Key: h.name, Message: fmt.Sprintf("%s is %v at the nodes", h.name, saw), History: h.tell()})
		}
	}
}

// listAll lists all from every node. All must say the same, and what the histories say.
func (r *run) listAll(ctx context.Context) {
	all := r.names.every()
	w := newWorker(r, r.Clients+1)
	var first []Entry
	from := -1
	for _, m := range r.fleet.running() {
		var entries []Entry
		ok := w.walk(ctx, "", 1000, func() int { return m.index }, func(p *Page) {
			entries = append(entries, p.Entries...)
			for _, v := range checkPage(p, all) {
				r.ledger.violation(&v)
			}
		})
		switch {
		case ctx.Err() != nil:
			return
		case !ok:
			r.ledger.violation(&Violation{Kind: Unhealed, Message: m.name() + " does not list the bucket, though nothing is wrong any more"})
		case from < 0:
			first, from = entries, m.index
		case !slices.Equal(first, entries):
			r.ledger.violation(&Violation{Kind: Disagree, Message: fmt.Sprintf("node %d lists %d names, node %d %d: %s", from, len(first), m.index, len(entries), difference(first, entries))})
		}
	}
}

// difference names the first few entries that one list has and another has not.
func difference(a, b []Entry) string {
	in := func(list []Entry, e Entry) bool { return slices.Contains(list, e) }
	var said []string
	for _, e := range a {
		if !in(b, e) && len(said) < 5 {
			said = append(said, fmt.Sprintf("only the first has %v", e))
		}
	}
	for _, e := range b {
		if !in(a, e) && len(said) < 10 {
			said = append(said, fmt.Sprintf("only the second has %v", e))
		}
	}
	return strings.Join(said, "; ")
}

// audit runs ais audit, if this ais has it.
func (r *run) audit(ctx context.Context) {
	running := r.fleet.running()
	if len(running) == 0 || ctx.Err() != nil {
		return
	}
	if help, err := exec.CommandContext(ctx, r.Program, "audit", "--help").Output(); err != nil || !strings.Contains(string(help), "ais audit") {
		r.ledger.note("this ais has no audit: placement and copies were not proved")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, auditMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Program, "audit")
	cmd.Env = append(r.fleet.environment(), "AIS_ENDPOINT=http://"+running[0].listen(publicPort), "AIS_ACCESS_KEY="+r.fleet.access, "AIS_SECRET_KEY="+r.fleet.secret)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.ledger.violation(&Violation{Kind: Audit, Message: fmt.Sprintf("ais audit: %v: %s", err, out[max(0, len(out)-4000):])})
		return
	}
	r.ledger.note("ais audit: %s", lastLine(string(out)))
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// tails is the end of each node's log.
func (r *run) tails() string {
	var b strings.Builder
	for _, m := range r.fleet.members() {
		fmt.Fprintf(&b, "\n%s:\n%s", m.name(), tail(filepath.Join(r.Dir, m.name()+".log"), 5))
	}
	return b.String()
}

// tail is the last lines of a file.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
