package everywhere

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/transport"
)

func (g *rig) deletes(names []string) (requests []*ais.DeleteRequest) {
	for _, name := range names {
		requests = append(requests, &ais.DeleteRequest{Bucket: g.bucket(), Name: name})
	}
	return requests
}

func (g *rig) left() (count int) {
	for _, f := range g.fakes {
		f.change(func() {
			for name := range f.objects {
				if f.home(name) {
					count++
				}
			}
		})
	}
	return count
}

func TestDeletesGoToTheirHomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3)
		names := g.fill(1000)
		g.put("locked", nil)
		requests := g.deletes(append(names, "locked", "absent"))
		for _, r := range requests {
			r.Condition.IfMatchAny = true
		}
		calls := 0
		for i, o := range g.stores[0].DeleteAll(t.Context(), requests) {
			name := requests[i].Name
			switch {
			case name == "locked" && !ais.IsKind(o.Err, ais.Precondition), name != "locked" && (o.Err != nil || o.Result.Existed != (name != "absent")):
				t.Errorf("%s: got %+v", name, o)
			}
		}
		if n := g.left(); n != 1 {
			t.Errorf("%d are left, want the locked one", n)
		}
		for _, f := range g.fakes {
			f.change(func() { calls += f.asked })
		}
		if calls != len(requests) {
			t.Errorf("the targets were asked %d times for %d names", calls, len(requests))
		}
	})
}

// TestADeleteThatWasNotActedUponIsSentAgain: the home has another map for a while; then the map itself changes.
func TestADeleteThatWasNotActedUponIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3)
		names := g.fill(100)
		f := g.fakes[1]
		f.change(func() { f.fails = ais.Errorf(ais.StaleMap, "not now") })
		done := make(chan []ais.DeleteOutcome)
		go func() { done <- g.stores[0].DeleteAll(t.Context(), g.deletes(names)) }()
		<-time.After(2 * time.Second)
		f.change(func() { f.fails = nil })
		for i, o := range <-done {
			if o.Err != nil || !o.Result.Existed {
				t.Errorf("%s: got %+v", names[i], o)
			}
		}
		if n := g.left(); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// TestADeleteThatMayHaveBeenDoneIsNotSentAgain: the home dies with the request in hand, or says that it does not know.
func TestADeleteThatMayHaveBeenDoneIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3)
		names := g.fill(30)
		f := g.fakes[1]
		f.change(func() { f.fails = ais.Errorf(ais.Unavailable, "a copy did not answer") })
		mine := 0
		for i, o := range g.stores[0].DeleteAll(t.Context(), g.deletes(names)) {
			if !f.home(names[i]) {
				if o.Err != nil {
					t.Errorf("%s: got %+v", names[i], o)
				}
				continue
			}
			if mine++; !ais.IsKind(o.Err, ais.Unavailable) {
				t.Errorf("%s: got %+v, want kind Unavailable", names[i], o)
			}
		}
		f.change(func() {
			if f.asked != mine {
				t.Errorf("the home was asked %d times for %d names", f.asked, mine)
			}
		})
	})
}

// TestADeleteIsSentAgainWhereNothingWasSent: the home takes no connection, then it does.
func TestADeleteIsSentAgainWhereNothingWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3)
		names := g.fill(50)
		g.memory.SetFault(hostOf(1), hostOf(2), transport.Fault{Cut: true})
		done := make(chan []ais.DeleteOutcome)
		go func() { done <- g.stores[0].DeleteAll(t.Context(), g.deletes(names)) }()
		<-time.After(3 * time.Second)
		g.memory.SetFault(hostOf(1), hostOf(2), transport.Fault{})
		for i, o := range <-done {
			if o.Err != nil || !o.Result.Existed {
				t.Errorf("%s: got %+v", names[i], o)
			}
		}
	})
}

func TestDeletesEndWithoutAHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 2)
		g.fakes[1].change(func() { g.fakes[1].fails = ais.Errorf(ais.StaleMap, "never") })
		name := "n"
		for i := 0; !g.fakes[1].home(name); i++ {
			name = fmt.Sprint(i)
		}
		began := time.Now()
		_, err := g.stores[0].Delete(t.Context(), g.deletes([]string{name})[0])
		if !ais.IsKind(err, ais.Unavailable) || time.Since(began) < 10*time.Second || time.Since(began) > 11*time.Second {
			t.Errorf("got %v after %v, want kind Unavailable after the 10 s of holding", err, time.Since(began))
		}
		// Of its own names the node gives the answer as it is: whoever sent the request here tries again.
		began = time.Now()
		if _, err := g.stores[1].Delete(t.Context(), g.deletes([]string{name})[0]); !ais.IsKind(err, ais.StaleMap) || time.Since(began) > 0 {
			t.Errorf("at home: got %v after %v, want kind StaleMap at once", err, time.Since(began))
		}
	})
}

func TestAbortGoesToTheHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		f := g.homeOf("n")
		s := g.elsewhere("n")
		if err := s.Abort(t.Context(), g.bucket(), "n", ais.WriteID{1}); err != nil || f.asked != 1 {
			t.Errorf("got %v, the home was asked %d times", err, f.asked)
		}
		if err := s.Abort(t.Context(), g.bucket(), "n", ais.WriteID{}); !ais.IsKind(err, ais.NotFound) || ais.NounOf(err) != ais.NounUpload {
			t.Errorf("of an upload that is not there: got %v", err)
		}
		done := make(chan error)
		f.change(func() { f.fails = ais.Errorf(ais.StaleMap, "not now") })
		go func() { done <- s.Abort(t.Context(), g.bucket(), "n", ais.WriteID{1}) }()
		<-time.After(time.Second)
		g.setState(f.id, cmap.Down)
		if err := <-done; err != nil || g.homeOf("n").asked == 0 {
			t.Errorf("after the map changed: got %v", err)
		}
	})
}

// TestABucketThatTheHomeDoesNotKnowYet: its control state is behind. One that is gone is gone.
func TestABucketThatTheHomeDoesNotKnowYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		g.put("n", nil)
		s := g.elsewhere("n")
		newer := g.bucket()
		newer.Revision++
		done := make(chan error)
		go func() {
			_, err := s.Delete(t.Context(), &ais.DeleteRequest{Bucket: newer, Name: "n"})
			done <- err
		}()
		<-time.After(time.Second)
		g.view.set(func() { g.view.bucket.Revision++ })
		if err := <-done; err != nil {
			t.Errorf("got %v", err)
		}
		newer.ID = 77
		name := "n"
		for home, _ := g.view.Map().Home(g.view.Slot(77, name)); home == s.config.Self; home, _ = g.view.Map().Home(g.view.Slot(77, name)) {
			name += "n"
		}
		if _, err := s.Delete(t.Context(), &ais.DeleteRequest{Bucket: newer, Name: name}); !ais.IsKind(err, ais.NotFound) || ais.NounOf(err) != ais.NounBucket {
			t.Errorf("a bucket that is gone: got %v, want kind NotFound", err)
		}
	})
}
