package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/term"
)

// diary is what happened, with the time since it was begun.
type diary struct {
	began time.Time
	mu    struct {
		sync.Mutex
		lines []string
	}
}

func newDiary() *diary { return &diary{began: time.Now()} }

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.lines = append(d.mu.lines, fmt.Sprintf("%s "+format, append([]any{time.Since(d.began)}, args...)...))
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.mu.lines, lines) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(d.mu.lines, "\n  "), strings.Join(lines, "\n  "))
	}
}

// runner is a dutyRunner that tells a diary what it tells the machine.
func runner(t *testing.T, d *diary, o Options) *dutyRunner {
	o.Config.Logger = slog.New(slog.DiscardHandler)
	r := &dutyRunner{opt: o, tell: func(ctx context.Context, e Event) error {
		d.note("%T %v", e, e)
		return ctx.Err()
	}}
	r.begin(t.Context())
	return r
}

// TestFenceIsTriedAgain until it succeeds, and the machine is told once.
func TestFenceIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, tries := newDiary(), 0
		r := runner(t, d, Options{Fence: func(_ context.Context, of ais.Term) error {
			if tries++; tries < 4 {
				return errors.New("not yet")
			}
			d.note("fenced %d", of)
			return nil
		}})
		r.take(Duty{Kind: DutyFence, Term: 5})
		<-time.After(10 * time.Second)
		r.stop()
		d.want(t, "300ms fenced 5", "300ms consensus.Fenced {5}")
	})
}

// TestWithoutDuties: a program that has none is ready at once.
func TestWithoutDuties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r := runner(t, d, Options{})
		for _, duty := range []Duty{{DutyFence, 5}, {DutyServe, 5}, {DutyEnd, 5}} {
			r.take(duty)
			synctest.Wait()
		}
		r.probe(3, func(Event) { t.Error("a probe without a prober") })
		r.stop()
		d.want(t, "0s consensus.Fenced {5}", "0s consensus.Ended {5}")
	})
}

// TestFenceHangsWhenTheTermIsLost: it is called off; the machine hears nothing of it but the end, and that
// not before it has returned.
func TestFenceHangsWhenTheTermIsLost(t *testing.T) {
	for _, c := range []struct {
		name  string
		fails bool // how the fence ends when it is called off
	}{{"it says that it failed", true}, {"it says that it is done", false}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDiary()
			r := runner(t, d, Options{Fence: func(ctx context.Context, of ais.Term) error {
				<-ctx.Done()
				d.note("called off %d", of)
				<-time.After(2 * time.Second) // it has to clean up
				d.note("returned %d", of)
				if c.fails {
					return ctx.Err()
				}
				return nil
			}})
			r.take(Duty{Kind: DutyFence, Term: 5})
			<-time.After(time.Minute)
			r.take(Duty{Kind: DutyEnd, Term: 5})
			<-time.After(time.Minute)
			r.stop()
			t.Log(c.name)
			d.want(t, "1m0s called off 5", "1m2s returned 5", "1m2s consensus.Ended {5}")
		})
	}
}

// TestServeEndsBeforeTheTermDoes: Ended is told when Serve has returned, and every probe.
func TestServeEndsBeforeTheTermDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r := runner(t, d, Options{
			Serve: func(ctx context.Context, of ais.Term) {
				<-ctx.Done()
				<-time.After(time.Second)
				d.note("served %d", of)
			},
			Probe: func(ctx context.Context, id ais.NodeID) error {
				<-ctx.Done()
				<-time.After(3 * time.Second)
				return ctx.Err()
			},
		})
		r.take(Duty{Kind: DutyFence, Term: 5})
		r.take(Duty{Kind: DutyServe, Term: 5})
		<-time.After(10 * time.Second)
		r.probe(3, func(e Event) { d.note("%T %v", e, e) })
		r.take(Duty{Kind: DutyEnd, Term: 5})
		<-time.After(10 * time.Second)
		// Between terms nobody is probed; the next term is another.
		r.probe(3, func(Event) { t.Error("probed between two terms") })
		r.take(Duty{Kind: DutyServe, Term: 6})
		<-time.After(10 * time.Second)
		r.stop()
		d.want(t, "0s consensus.Fenced {5}", "11s served 5", "13s consensus.Probed {0000000000000003 false}", "13s consensus.Ended {5}", "31s served 6")
	})
}

// TestProbesHaveASecond: a node that does not answer has not passed; one that does has.
func TestProbesHaveASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		r := runner(t, d, Options{Probe: func(ctx context.Context, id ais.NodeID) error {
			if id == 3 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}})
		r.take(Duty{Kind: DutyServe, Term: 5})
		deliver := func(e Event) { d.note("%v", e) }
		r.probe(3, deliver)
		synctest.Wait()
		r.probe(4, deliver)
		<-time.After(time.Minute)
		r.stop()
		d.want(t, "0s {0000000000000003 true}", "1s {0000000000000004 false}")
	})
}

// TestDutiesOfAReplica: a node that is made primary fences and serves; when the office is handed over its
// duties end before it could have another term, and the next one's begin.
func TestDutiesOfAReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		defer f.stopAll()
		serving, most, fenced := map[ais.NodeID]ais.Term{}, 0, map[ais.Term]ais.NodeID{}
		var mu sync.Mutex
		duties := func(id ais.NodeID) func(*Options) {
			return func(o *Options) {
				o.Fence = func(_ context.Context, of ais.Term) error {
					mu.Lock()
					defer mu.Unlock()
					if was, ok := fenced[of]; ok && was != id {
						t.Errorf("nodes %d and %d fence term %d", was, id, of)
					}
					fenced[of] = id
					return nil
				}
				o.Serve = func(ctx context.Context, of ais.Term) {
					mu.Lock()
					serving[id] = of
					most = max(most, len(serving))
					if fenced[of] != id {
						t.Errorf("node %d serves term %d, and has not fenced it", id, of)
					}
					mu.Unlock()
					<-ctx.Done()
					mu.Lock()
					delete(serving, id)
					mu.Unlock()
				}
			}
		}
		for id := range ais.NodeID(3) {
			f.prepare(id + 1).opt = duties(id + 1)
			f.start(f.nodes[id+1], id == 0)
		}
		f.form()
		for _, to := range []ais.NodeID{2, 3, 1} {
			if err := f.primary().replica.SetPrimary(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			f.wait("the office is handed over", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(serving) == 1 && serving[to] != 0
			})
		}
		if most > 2 {
			t.Errorf("%d nodes served at once", most)
		}
		f.stopAll()
		if len(serving) != 0 {
			t.Errorf("all have ended, and %v serve", serving)
		}
	})
}

// TestNoCampaignBeforeTheDutiesHaveEnded: a node that has lost the office, and whose duties still run, does
// not campaign, whoever else is gone, and does not take the office if it is handed to it.
func TestNoCampaignBeforeTheDutiesHaveEnded(t *testing.T) {
	r := newRig(t)
	r.form(3)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	old := r.nodes[1]
	old.holdTerm = true
	for _, id := range []ais.NodeID{2, 3} {
		r.cut[[2]ais.NodeID{1, id}], r.cut[[2]ais.NodeID{id, 1}] = true, true
	}
	r.until("another serves", func() bool { p := r.primary(); return p != nil && p != old })
	if got := old.machine.Status().State; got != term.Stopping {
		t.Fatalf("the old primary, whose duties run, is %s, want stopping", got)
	}
	clear(r.cut)
	r.run(2 * time.Second)
	next := r.primary()
	r.step(next, SetPrimary{Node: 1})
	r.run(12 * time.Second)
	if r.primary() != next {
		t.Error("the office was handed to a node whose old duties still run")
	}
	r.kill(next)
	rest := r.nodes[5-next.id]
	rest.holdTerm = true // whoever is elected stays in fencing: nothing but elections is looked at
	campaigned := false
	for range 400 {
		r.run(TickDefault)
		state := old.machine.raft.BasicStatus().RaftState
		campaigned = campaigned || state != raft.StateFollower
	}
	if campaigned {
		t.Error("a node whose old duties still run has campaigned")
	}
	if rest.machine.office == nil {
		t.Error("the third node is not primary, though the first may vote for it")
	}
	// Its duties end, and it is a candidate like any other.
	old.holdTerm = false
	r.perform(old)
	if !old.machine.duties.MayCampaign() {
		t.Error("the duties have ended, and the node may not campaign")
	}
	r.kill(rest)
	r.start(next, false)
	r.until("one of the two serves", func() bool { return r.primary() != nil })
}

// TestLongFence: a fence that takes a minute costs one election, and no lease.
func TestLongFence(t *testing.T) {
	r := newRig(t)
	r.form(3)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	r.nodes[2].holdTerm, r.nodes[3].holdTerm = true, true
	r.kill(r.nodes[1])
	var next *member
	r.until("another is elected and fences", func() bool {
		for _, id := range []ais.NodeID{2, 3} {
			if m := r.nodes[id]; m.machine.duties.State() == term.Fencing {
				next = m
			}
		}
		return next != nil
	})
	elected := next.machine.term
	for range int(time.Minute / TickDefault) {
		r.run(TickDefault)
		for _, id := range []ais.NodeID{2, 3} {
			m := r.nodes[id].machine
			if m.term != elected {
				t.Fatalf("node %d is in term %d while the primary of term %d fences", id, m.term, elected)
			}
			if m.LeaseDeadline() <= r.now {
				t.Fatalf("node %d has no lease while the primary fences", id)
			}
		}
	}
	r.step(next, Propose{Ticket: 1, ID: newID(1), Command: keyPut("abcdef")})
	if o := next.outcomes[1]; !ais.IsKind(o.Err, ais.Unavailable) || o.Index != 0 {
		t.Errorf("a command while the primary fences: got %+v, want Unavailable", o)
	}
	if len(next.duties) != 1 || next.duties[0] != (Duty{Kind: DutyFence, Term: elected}) {
		t.Errorf("duties asked for: %v, want one fence of term %d", next.duties, elected)
	}
	next.holdTerm = false
	r.perform(next)
	if !next.machine.serving() || next.machine.term != elected {
		t.Errorf("after the fence: %s in term %d, want serving in term %d", next.machine.duties.State(), next.machine.term, elected)
	}
}
