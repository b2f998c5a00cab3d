package target

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
)

// teller tells a story in a town: what it asks for must come true.
type teller struct {
	*town
	c *client
	b *ais.Bucket
}

// tell runs a story in a town of so many targets with one bucket of so many copies. In the end all faults are
// over, everything lies where it belongs, and what clients saw is what one store could have told.
func tell(t *testing.T, targets, copies int, keys []string, story func(s *teller)) {
	t.Helper()
	var h *history
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1, keys, copies)
		h = &w.history
		defer w.end()
		w.lagMost = time.Millisecond
		for range targets {
			w.join()
		}
		w.settled()
		s := &teller{town: w, c: w.client(0, 1), b: w.bucket[0]}
		s.c.lag = 0
		story(s)
		w.calm()
		w.audit()
		w.finalReads()
	})
	if part, ok := h.check(); !ok {
		dump(t, part)
		t.Error("the history of a key is not that of a register")
	}
}

// put writes a value through a gateway.
func (s *teller) put(name, value string) {
	s.t.Helper()
	if err := s.tryPut(name, value, ais.Condition{}, ""); err != nil {
		s.t.Fatalf("put %s=%s: %v\n%s", name, value, err, s.picture())
	}
}

func (s *teller) tryPut(name, value string, cond ais.Condition, text string) error {
	s.history.mint(value)
	data := content(value, 100)
	called := s.history.now()
	sent, err := s.c.write(s.b, name, func(ctx context.Context, t *Target) error {
		q := putRequest(s.b, name, data)
		q.Condition = cond
		q.Seal = func() (ais.Attributes, error) { return ais.Attributes{ETag: tagOf([]byte(value))}, nil }
		_, err := t.Put(ctx, q)
		return err
	})
	s.c.outcome(act{key: s.b.Name + "/" + name, kind: "put", value: value, cond: text}, called, sent, err)
	return err
}

func (s *teller) remove(name string) {
	s.t.Helper()
	called := s.history.now()
	sent, err := s.c.write(s.b, name, func(ctx context.Context, t *Target) error {
		_, err := t.Delete(ctx, &ais.DeleteRequest{Bucket: s.b, Name: name})
		return err
	})
	s.c.outcome(act{key: s.b.Name + "/" + name, kind: "delete"}, called, sent, err)
	if err != nil {
		s.t.Fatalf("delete %s: %v\n%s", name, err, s.picture())
	}
}

// want holds what a gateway reads to a value; "" is that there is nothing. A list must show the same.
func (s *teller) want(name, value string) {
	s.t.Helper()
	called := s.history.now()
	got, err := s.c.read(s.b, name)
	if err != nil || got != value {
		s.t.Fatalf("get %s: got %q, %v, want %q\n%s", name, got, err, value, s.picture())
	}
	s.history.add(0, act{key: s.b.Name + "/" + name, kind: "get"}, called, told{value: got})
	page, err := s.c.page(s.b, "", 1000)
	if err != nil {
		s.t.Fatalf("list: %v\n%s", err, s.picture())
	}
	i := slices.IndexFunc(page.Entries, func(e ais.ListEntry) bool { return e.Name == name })
	if (i >= 0) != (value != "") || i >= 0 && s.valueOfTag(page.Entries[i].ETag) != value {
		s.t.Fatalf("list: got %+v, want %s with %q", page.Entries, name, value)
	}
}

// wantNoAnswer: nobody can say, and nobody says that there is nothing.
func (s *teller) wantNoAnswer(name string) {
	s.t.Helper()
	if got, err := s.c.read(s.b, name); !ais.IsKind(err, ais.Unavailable) && !ais.IsKind(err, ais.StaleMap) {
		s.t.Fatalf("get %s: got %q, %v, want Unavailable\n%s", name, got, err, s.picture())
	}
	if page, err := s.c.page(s.b, "", 1000); !ais.IsKind(err, ais.Unavailable) {
		s.t.Fatalf("list: got %+v, %v, want Unavailable", page, err)
	}
}

func (s *teller) slot(name string) ais.Slot { return cmap.SlotOf(townSeed, s.b.ID, name) }

// home is the target that orders the writes of a name now.
func (s *teller) home(name string) *citizen {
	id, _ := s.Newest().Home(s.slot(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[id]
}

// group is who holds a name now.
func (s *teller) group(name string) (all []*citizen) {
	ids := s.Newest().Group(s.slot(name), s.copies(s.b.ID))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		all = append(all, s.nodes[id])
	}
	return all
}

func (s *teller) state(id ais.NodeID) cmap.State {
	n, ok := s.Newest().Node(id)
	if !ok {
		return cmap.Out
	}
	return n.State
}

// fill lets copies be filled, or not.
func (s *teller) fill(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filling.Enabled = on
}

// joinAsHome takes targets in until one becomes the home of a name.
func (s *teller) joinAsHome(name string) *citizen {
	s.t.Helper()
	for range 20 {
		if c := s.join(); s.home(name) == c {
			s.follows()
			return c
		}
	}
	s.t.Fatalf("20 targets joined, and none became the home of %s", name)
	return nil
}

// follows waits until everybody who lives goes by the newest map.
func (s *teller) follows() {
	s.t.Helper()
	s.await("all go by the newest map", time.Minute, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.nodes {
			if _, in := s.newest().Node(c.id); in && !c.dead && !c.paused && c.at != len(s.states)-1 {
				return false
			}
		}
		return true
	})
}

// down has a target die, and waits until the map says so.
func (s *teller) down(c *citizen) {
	s.t.Helper()
	c.crash(disk.LoseAll)
	s.await(fmt.Sprintf("node %d is down", c.id), time.Minute, func() bool { return s.state(c.id) == cmap.Down })
	s.follows()
}

// back has a dead target start again, and waits until the map says so.
func (s *teller) back(c *citizen) {
	s.t.Helper()
	c.start()
	s.await(fmt.Sprintf("node %d is back", c.id), time.Minute, func() bool {
		n, ok := s.Newest().Node(c.id)
		return ok && n.State == cmap.Alive && n.Epoch == c.epoch
	})
	s.follows()
}

// leaveInOrder plans a target out, and waits until it is gone.
func (s *teller) leaveInOrder(c *citizen) {
	s.t.Helper()
	s.change(func(m *cmap.Map) (*cmap.Map, error) {
		return m.SetStates([]cmap.StateChange{{ID: c.id, State: cmap.Decommission}})
	})
	s.await(fmt.Sprintf("node %d is gone", c.id), 5*time.Minute, func() bool { _, in := s.Newest().Node(c.id); return !in })
	s.settled()
}

func TestOverwriteAtTheNewHomeWhileTheOldCopyMigrates(t *testing.T) {
	for copies := 1; copies <= 2; copies++ {
		tell(t, 3, copies, townKeys(2), func(s *teller) {
			s.put("k0", "old")
			s.put("k1", "kept")
			s.fill(false)
			c := s.joinAsHome("k0")
			s.put("k0", "new")
			s.want("k0", "new")
			s.want("k1", "kept")
			s.fill(true)
			s.settled()
			s.want("k0", "new")
			s.leaveInOrder(c)
			s.want("k0", "new")
			s.want("k1", "kept")
		})
	}
}

func TestDeleteOfAnObjectNotYetMoved(t *testing.T) {
	for copies := 1; copies <= 2; copies++ {
		tell(t, 3, copies, townKeys(2), func(s *teller) {
			s.put("k0", "doomed")
			s.fill(false)
			c := s.joinAsHome("k0")
			s.remove("k0")
			s.want("k0", "")
			s.fill(true)
			s.settled()
			s.want("k0", "")
			s.leaveInOrder(c)
			s.want("k0", "")
		})
	}
}

// TestLeftoversAtAnOldHolder: what moved away and was deleted, the tombstone long purged, does not come back when
// the old holder is the home again. [four ways in which a delete came undone]
func TestLeftoversAtAnOldHolder(t *testing.T) {
	for copies := 1; copies <= 2; copies++ {
		tell(t, 3, copies, townKeys(2), func(s *teller) {
			s.put("k0", "doomed")
			c := s.joinAsHome("k0")
			s.settled()
			s.remove("k0")
			s.sleep(3 * purgeEvery)
			s.leaveInOrder(c)
			s.want("k0", "")
		})
	}
}

// TestReturnAfterMissingOverwritesAndDeletes, also after longer than tombstones are kept: while a target is
// away none goes.
func TestReturnAfterMissingOverwritesAndDeletes(t *testing.T) {
	for _, away := range []time.Duration{time.Second, 5 * purgeEvery} {
		tell(t, 3, 2, townKeys(3), func(s *teller) {
			s.put("k0", "old")
			s.put("k1", "doomed")
			c := s.home("k0")
			s.down(c)
			s.put("k0", "new")
			s.remove("k1")
			s.put("k2", "born")
			s.sleep(away)
			s.back(c)
			s.want("k0", "new")
			s.want("k1", "")
			s.want("k2", "born")
			s.settled()
			s.want("k0", "new")
			s.want("k1", "")
		})
	}
}

func TestJoinDuringAJoin(t *testing.T) {
	for copies := 1; copies <= 2; copies++ {
		tell(t, 2, copies, townKeys(6), func(s *teller) {
			for i, k := range s.keys {
				s.put(k, fmt.Sprint("v", i))
			}
			s.fill(false)
			s.joinAsHome("k0")
			s.put("k0", "new")
			s.join()
			s.join()
			s.want("k0", "new")
			for i, k := range s.keys[1:] {
				s.want(k, fmt.Sprint("v", i+1))
			}
			s.remove("k1")
			s.fill(true)
			s.settled()
			s.want("k0", "new")
			s.want("k1", "")
		})
	}
}

// TestAbortAtNinetyPercent: a run that is taken up again moves what is left, not all.
func TestAbortAtNinetyPercent(t *testing.T) {
	tell(t, 2, 1, townKeys(200), func(s *teller) {
		for _, k := range s.keys {
			s.put(k, "v"+k)
		}
		s.fill(false)
		s.mu.Lock()
		s.waits = true
		s.mu.Unlock()
		c := s.join()
		s.follows()
		moves := 0
		for _, k := range s.keys {
			if s.home(k) == c {
				moves++
			}
		}
		v := s.Newest().Version()
		done := func() int { r, _ := c.target.Rebalance(v); return int(r.ObjRcv) }
		s.mu.Lock()
		s.filling = Filling{Enabled: true, Multiplier: 1, Version: v}
		s.asked = func() {
			if done() >= moves*9/10 {
				s.filling.Enabled, s.filling.Aborted = false, true
			}
		}
		s.mu.Unlock()
		s.await("the run is aborted", time.Minute, func() bool { r, _ := c.target.Rebalance(v); return r.Aborted })
		first := done()
		if first < moves/2 || first >= moves {
			s.t.Errorf("aborted after %d of %d objects: this tests nothing", first, moves)
		}
		for _, k := range s.keys[:20] {
			s.want(k, "v"+k)
		}
		s.mu.Lock()
		s.asked, s.waits = nil, false
		s.filling = Filling{Enabled: true, Multiplier: 1, Version: v}
		s.mu.Unlock()
		s.settled()
		// What a look has brought meanwhile is not fetched again either.
		if rest := done() - first; rest > moves-first {
			s.t.Errorf("the run that was taken up again moved %d objects, want the %d that were left", rest, moves-first)
		}
	})
}

func TestRebalanceDisabledForLong(t *testing.T) {
	tell(t, 3, 2, townKeys(4), func(s *teller) {
		for _, k := range s.keys {
			s.put(k, "v"+k)
		}
		s.fill(false)
		s.joinAsHome("k0")
		s.sleep(10 * time.Minute)
		for _, k := range s.keys {
			s.want(k, "v"+k)
		}
		s.put("k1", "new")
		s.remove("k2")
		s.join()
		s.sleep(10 * time.Minute)
		s.want("k0", "vk0")
		s.want("k1", "new")
		s.want("k2", "")
	})
}

// TestNeighbourDiesWhileItIsNeeded: then nobody knows, and nobody says that there is nothing.
func TestNeighbourDiesWhileItIsNeeded(t *testing.T) {
	tell(t, 2, 1, townKeys(2), func(s *teller) {
		s.put("k0", "v")
		old := s.home("k0")
		s.fill(false)
		s.joinAsHome("k0")
		s.down(old)
		s.wantNoAnswer("k0")
		if err := s.tryPut("k0", "second", ais.Condition{IfNoneMatchAny: true}, "none"); !ais.IsKind(err, ais.Unavailable) {
			s.t.Errorf("a put on the condition that there is nothing: got %v, want Unavailable", err)
		}
		s.back(old)
		s.want("k0", "v")
	})
}

// TestTwoConditionsDoNotBothHold at a home that has to ask others first. [two If-None-Match both won]
func TestTwoConditionsDoNotBothHold(t *testing.T) {
	tell(t, 3, 2, townKeys(1), func(s *teller) {
		s.fill(false)
		s.joinAsHome("k0")
		var wg sync.WaitGroup
		won := make([]bool, 8)
		for i := range won {
			wg.Go(func() {
				x := *s
				x.c = s.client(i, 7)
				won[i] = x.tryPut("k0", fmt.Sprint("v", i), ais.Condition{IfNoneMatchAny: true}, "none") == nil
			})
		}
		wg.Wait()
		n := 0
		for _, w := range won {
			if w {
				n++
			}
		}
		if n != 1 {
			s.t.Errorf("%d puts on the condition that there is nothing have won, want 1", n)
		}
	})
}

// TestReadsDoNotUndoWritesBesideThem: a home that is not whole writes anew what it finds elsewhere, while the name is
// overwritten.
func TestReadsDoNotUndoWritesBesideThem(t *testing.T) {
	tell(t, 2, 2, townKeys(1), func(s *teller) {
		for round := range 5 {
			s.put("k0", fmt.Sprint("old", round))
			s.fill(false)
			c := s.joinAsHome("k0")
			var wg sync.WaitGroup
			for i := range 4 {
				x := *s
				x.c = s.client(i, 7)
				x.c.lag = 0
				wg.Go(func() {
					called := s.history.now()
					if v, err := x.c.read(s.b, "k0"); err == nil {
						s.history.add(i, act{key: "b1/k0", kind: "get"}, called, told{value: v})
					}
				})
				wg.Go(func() { _ = x.tryPut("k0", fmt.Sprint("new", round, i), ais.Condition{}, "") })
			}
			wg.Wait()
			s.fill(true)
			s.settled()
			s.leaveInOrder(c)
		}
	})
}

// TestUploadOverManyMaps: parts that were put long ago are there when the upload is completed. [a 20-minute upload
// held everything back, or died with each map change]
func TestUploadOverManyMaps(t *testing.T) {
	tell(t, 3, 2, townKeys(1), func(s *teller) {
		var u *ais.Upload
		var part ais.PartInfo
		s.history.mint("whole")
		data := content("whole", 300_000)
		_, err := s.c.write(s.b, "k0", func(ctx context.Context, t *Target) (err error) {
			u, err = t.CreateUpload(ctx, s.b, "k0", ais.Attributes{})
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
		_, err = s.c.write(s.b, "k0", func(ctx context.Context, t *Target) (err error) {
			part, err = t.PutPart(ctx, &ais.PartRequest{Bucket: s.b, Name: "k0", Upload: u.ID, Number: 1, Size: int64(len(data)), Body: bytes.NewReader(data),
				Seal: func() (ais.ETag, ais.Checksum, error) { return tagOf(data), ais.Checksum{}, nil }})
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
		c := s.joinAsHome("k0")
		s.sleep(10 * time.Minute)
		s.down(c)
		s.sleep(10 * time.Minute)
		s.fill(false)
		s.joinAsHome("k0")
		called := s.history.now()
		complete := func(ctx context.Context, t *Target) error {
			_, err := t.Complete(ctx, &ais.CompleteRequest{Bucket: s.b, Name: "k0", Upload: u.ID, Parts: []ais.CompletedPart{{Number: 1, ETag: part.ETag}},
				Seal: func(a ais.Attributes, _ []ais.PartInfo) (ais.Attributes, error) {
					a.ETag = tagOf([]byte("whole"))
					return a, nil
				}})
			return err
		}
		sent, err := s.c.write(s.b, "k0", complete)
		s.c.outcome(act{key: "b1/k0", kind: "put", value: "whole"}, called, sent, err)
		if err != nil {
			s.t.Fatalf("complete: %v\n%s", err, s.picture())
		}
		s.want("k0", "whole")
		// Once more, elsewhere: the same answer, and nothing is changed.
		s.joinAsHome("k0")
		if _, err := s.c.write(s.b, "k0", complete); err != nil {
			s.t.Errorf("the same completion again: %v", err)
		}
		s.want("k0", "whole")
	})
}

// TestTailThatNobodyElseHas: a write that reached its home's disk only is seen by nobody, and gone when the home
// comes back; or it is seen by all from then on. [an unacknowledged tail was seen, then vanished]
func TestTailThatNobodyElseHas(t *testing.T) {
	for _, away := range []bool{false, true} {
		tell(t, 3, 2, townKeys(1), func(s *teller) {
			s.put("k0", "old")
			g := s.group("k0")
			s.part(g[0].id, g[1].id, true)
			x := *s
			x.c = s.client(1, 7)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = x.tryPut("k0", "tail", ais.Condition{}, "")
			}()
			s.sleep(200 * time.Millisecond)
			g[0].crash(disk.KeepAll)
			<-done
			s.part(g[0].id, g[1].id, false)
			if away {
				s.await("it is down", time.Minute, func() bool { return s.state(g[0].id) == cmap.Down })
				s.follows()
				s.want("k0", "old")
			}
			s.back(g[0])
			for range 3 {
				called := s.history.now()
				v, err := s.c.read(s.b, "k0")
				if err != nil {
					s.t.Fatal(err)
				}
				s.history.add(0, act{key: "b1/k0", kind: "get"}, called, told{value: v})
				s.sleep(time.Second)
			}
			s.settled()
			s.down(s.home("k0"))
		})
	}
}

// TestReadsGoOnWhileALeaseRunsOut: another whole copy answers at once when the home has died.
func TestReadsGoOnWhileALeaseRunsOut(t *testing.T) {
	tell(t, 3, 2, townKeys(1), func(s *teller) {
		s.put("k0", "v")
		s.sleep(3 * stableEvery)
		s.home("k0").crash(disk.LoseAll)
		began := time.Now()
		s.mu.Lock()
		s.frozen = true
		s.mu.Unlock()
		value, err := s.c.read(s.b, "k0")
		if err != nil || value != "v" || time.Since(began) > time.Second {
			s.t.Errorf("read of a name whose home has died: got %q, %v after %v, want the value at once", value, err, time.Since(began))
		}
		s.mu.Lock()
		s.frozen = false
		s.mu.Unlock()
	})
}

// TestWrongNodeSaysNoneNewer: the home of old is back, who took the newer write is not. [c = 2, home down, replica
// down, home back]
func TestWrongNodeSaysNoneNewer(t *testing.T) {
	tell(t, 3, 2, townKeys(1), func(s *teller) {
		s.put("k0", "old")
		g := s.group("k0")
		s.down(g[0])
		s.put("k0", "new")
		others := s.group("k0")
		for _, c := range others {
			s.down(c)
		}
		s.back(g[0])
		s.wantNoAnswer("k0")
		s.back(others[len(others)-1]) // the last that was there alone
		s.want("k0", "new")
	})
}

// TestTwoQuickJoins: the home of before the last may still be at work. [two quick joins: the new home asked only the
// last one]
func TestTwoQuickJoins(t *testing.T) {
	tell(t, 2, 1, townKeys(1), func(s *teller) {
		s.put("k0", "old")
		first := s.home("k0")
		// It hears of nothing for a while, and goes on under its lease.
		s.mu.Lock()
		s.lagMost = time.Millisecond
		s.mu.Unlock()
		var last *citizen
		for homes := 0; homes < 2; {
			c := s.join()
			s.mu.Lock()
			for i := range first.due {
				if i > first.at {
					first.due[i] = time.Now().Add(townLife / 2)
				}
			}
			s.mu.Unlock()
			if s.home("k0") == c {
				last = c
				homes++
			}
		}
		_ = last
		ctx, cancel := context.WithTimeout(s.ctx, townLife)
		defer cancel()
		s.history.mint("late")
		called := s.history.now()
		sent, err := s.at(ctx, first.id, func(ctx context.Context, t *Target) error {
			q := putRequest(s.b, "k0", content("late", 100))
			q.Seal = func() (ais.Attributes, error) { return ais.Attributes{ETag: tagOf([]byte("late"))}, nil }
			_, err := t.Put(ctx, q)
			return err
		})
		s.c.outcome(act{key: "b1/k0", kind: "put", value: "late"}, called, sent, err)
		value := "old"
		if err == nil {
			value = "late"
		}
		s.want("k0", value)
	})
}

// TestStoppedHomeDoesNotAnswer from what it holds once others have taken its place.
func TestStoppedHomeDoesNotAnswer(t *testing.T) {
	tell(t, 3, 2, townKeys(1), func(s *teller) {
		s.put("k0", "old")
		c := s.home("k0")
		c.pause(true)
		s.await("it is down", time.Minute, func() bool { return s.state(c.id) == cmap.Down })
		s.follows()
		s.put("k0", "new")
		s.mu.Lock()
		s.frozen = true // nobody takes it up again
		s.mu.Unlock()
		c.pause(false)
		for range 20 {
			if v, err := s.readAt(s.ctx, c.id, s.b, "k0"); err == nil && v != "new" {
				s.t.Fatalf("a home that was stopped for longer than its lease answers %q, the value is %q", v, "new")
			}
			s.sleep(50 * time.Millisecond)
		}
		s.mu.Lock()
		s.frozen = false
		s.mu.Unlock()
	})
}

// TestStampsAreNotGivenTwice after a short restart that lost what was not synced. [the same version was given twice]
func TestStampsAreNotGivenTwice(t *testing.T) {
	tell(t, 2, 2, townKeys(1), func(s *teller) {
		var last ais.Stamp
		for i := range 6 {
			var o *ais.Object
			value := fmt.Sprint("v", i)
			s.history.mint(value)
			called := s.history.now()
			sent, err := s.c.write(s.b, "k0", func(ctx context.Context, t *Target) (err error) {
				q := putRequest(s.b, "k0", content(value, 100))
				q.Seal = func() (ais.Attributes, error) { return ais.Attributes{ETag: tagOf([]byte(value))}, nil }
				o, err = t.Put(ctx, q)
				return err
			})
			s.c.outcome(act{key: "b1/k0", kind: "put", value: value}, called, sent, err)
			if err != nil {
				s.t.Fatal(err)
			}
			if !last.Less(o.Modified) {
				s.t.Errorf("write %d has stamp %v, the one before it %v", i, o.Modified, last)
			}
			last = o.Modified
			c := s.home("k0")
			c.crash(disk.LoseAll)
			s.back(c)
			s.want("k0", value)
		}
	})
}

// TestCopiesOfOtherCounts: who is whole for two copies has nothing to say of what is to have one.
func TestCopiesOfOtherCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1, townKeys(3), 1, 2)
		defer w.end()
		w.lagMost = time.Millisecond
		for range 3 {
			w.join()
		}
		w.settled()
		s := &teller{town: w, c: w.client(0, 1), b: w.bucket[0]}
		s.c.lag = 0
		for _, k := range w.keys {
			s.put(k, "v"+k)
		}
		for _, k := range w.keys {
			s.leaveInOrder(s.home(k))
			s.join()
			w.settled()
			for _, k := range w.keys {
				s.want(k, "v"+k)
			}
		}
		w.calm()
		w.audit()
	})
}
