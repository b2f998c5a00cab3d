package target

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
)

// nemesis does so many evil things to a town. Joins and leaves are the commonest.
type nemesis struct {
	w     *town
	rng   *rand.Rand
	most  int           // targets
	rests time.Duration // between two evils, at most
}

func (x *nemesis) pick(ok func(*citizen) bool) *citizen {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	var all []*citizen
	for _, c := range x.w.sorted() {
		if _, in := x.w.newest().Node(c.id); in && ok(c) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[x.rng.IntN(len(all))]
}

func (x *nemesis) some(least, most time.Duration) time.Duration {
	return least + time.Duration(x.rng.Int64N(int64(most-least)))
}

func (x *nemesis) rest(least, most time.Duration) {
	timer := time.NewTimer(x.some(least, most))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.w.ctx.Done():
	}
}

// members are the targets to which slots are dealt.
func (x *nemesis) members() int { return len(x.w.Newest().Members()) }

func (x *nemesis) run(n int) {
	var later sync.WaitGroup
	defer later.Wait()
	for range n {
		x.rest(50*time.Millisecond, x.rests)
		switch k := x.rng.IntN(100); {
		case k < 20 && x.members() < x.most:
			x.w.join()
		case k < 35 && x.members() > 2:
			x.leave()
		case k < 60:
			x.crash(&later)
		case k < 75:
			if c := x.pick(func(c *citizen) bool { return !c.dead && !c.paused }); c != nil {
				c.pause(true)
				d := x.some(100*time.Millisecond, 3*townLife)
				later.Go(func() { x.w.sleep(d); c.pause(false) })
			}
		case k < 88:
			a, b := x.pick(func(*citizen) bool { return true }), x.pick(func(*citizen) bool { return true })
			if a != b && a != nil {
				d := x.some(100*time.Millisecond, 3*townLife)
				if x.rng.IntN(2) == 0 {
					x.w.part(a.id, b.id, true)
					later.Go(func() { x.w.sleep(d); x.w.part(a.id, b.id, false) })
				} else {
					x.w.delay(a.id, b.id, x.some(time.Millisecond, 2*time.Second))
					later.Go(func() { x.w.sleep(d); x.w.delay(a.id, b.id, 0) })
				}
			}
		case k < 94:
			x.w.mu.Lock()
			x.w.filling.Enabled = !x.w.filling.Enabled
			x.w.mu.Unlock()
		case k < 97:
			x.w.mu.Lock()
			x.w.lagMost = x.some(10*time.Millisecond, 3*time.Second)
			x.w.mu.Unlock()
		default:
			x.w.change((*cmap.Map).Touch)
		}
	}
}

func (w *town) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	}
}

// leave takes a target out: in order, or because it has been down for long.
func (x *nemesis) leave() {
	if x.rng.IntN(3) == 0 {
		if c := x.pick(func(c *citizen) bool { n, _ := x.w.newest().Node(c.id); return n.State == cmap.Down }); c != nil {
			x.w.change(func(m *cmap.Map) (*cmap.Map, error) {
				return m.SetStates([]cmap.StateChange{{ID: c.id, State: cmap.Out}})
			})
		}
		return
	}
	if c := x.pick(func(c *citizen) bool { n, _ := x.w.newest().Node(c.id); return n.State == cmap.Alive }); c != nil {
		x.w.change(func(m *cmap.Map) (*cmap.Map, error) {
			return m.SetStates([]cmap.StateChange{{ID: c.id, State: cmap.Decommission}})
		})
	}
}

func (x *nemesis) crash(later *sync.WaitGroup) {
	c := x.pick(func(c *citizen) bool { return !c.dead })
	if c == nil {
		return
	}
	c.crash(disk.CrashMode(x.rng.IntN(3)))
	d := x.some(50*time.Millisecond, time.Second)
	if x.rng.IntN(2) == 0 {
		d = x.some(time.Second, 6*townLife)
	}
	later.Go(func() { x.w.sleep(d); x.w.restart(c) })
}

// restart starts a dead target again, unless it is no part of the map any more.
func (w *town) restart(c *citizen) {
	if _, in := w.Newest().Node(c.id); in && w.ctx.Err() == nil {
		c.start()
	}
}

// calm ends all faults and waits until the town has come to rest.
func (w *town) calm() {
	w.mu.Lock()
	w.filling.Enabled, w.lagMost = true, townHaste
	clear(w.parted)
	clear(w.slow)
	for _, c := range w.nodes {
		c.paused = false
	}
	w.rewire()
	all := w.sorted()
	w.mu.Unlock()
	for _, c := range all {
		if c.dead {
			w.restart(c)
		}
	}
	w.await("who was planned out is gone", 2*time.Minute, func() bool {
		return !slices.ContainsFunc(w.Newest().Nodes(), func(n cmap.Node) bool { return n.Planned() })
	})
	w.settled()
	w.await("what was given up is gone", time.Minute, func() bool {
		for _, c := range w.living() {
			for _, m := range c.target.mounts {
				if st := m.store.Load(); st == nil || st.Dropping() > 0 {
					return false
				}
			}
		}
		return true
	})
}

// living are the targets of the newest map.
func (w *town) living() (all []*citizen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.sorted() {
		if _, in := w.newest().Node(c.id); in && !c.dead {
			all = append(all, c)
		}
	}
	return all
}

// audit proves where all lies, once the town is calm.
func (w *town) audit() {
	w.t.Helper()
	m := w.Newest()
	type lies struct {
		slot   ais.Slot
		copies int
	}
	held := map[lies]map[ais.NodeID][]string{}
	for _, c := range w.living() {
		for i, mount := range c.target.mounts {
			for _, h := range mount.store.Load().HeldSlots() {
				if h.Digest.Count == 0 {
					continue
				}
				k := lies{h.Slot, int(h.Copies)}
				if held[k] == nil {
					held[k] = map[ais.NodeID][]string{}
				}
				held[k][c.id] = append(held[k][c.id], fmt.Sprintf("%x/%d", h.Digest.Sum, h.Digest.Count))
				if !slices.Contains(m.Group(h.Slot, int(h.Copies)), c.id) {
					w.t.Errorf("node %d, mountpath %d holds %d entries of slot %d, copies %d; its group is %v", c.id, i, h.Digest.Count, h.Slot, h.Copies, m.Group(h.Slot, int(h.Copies)))
				}
			}
		}
	}
	for k, by := range held {
		group := m.Group(k.slot, k.copies)
		want, all := "", []string{}
		for _, id := range group {
			for _, d := range by[id] {
				all = append(all, d)
				want = d
			}
			if len(by[id]) == 0 {
				all = append(all, "nothing")
			}
		}
		for _, d := range all {
			if d != want {
				w.t.Errorf("the copies of slot %d (copies %d, group %v) differ: %v%s", k.slot, k.copies, group, all, w.contents(group, k.slot, k.copies))
				break
			}
		}
	}
}

// contents is what the copies of a slot hold, for a failure.
func (w *town) contents(group []ais.NodeID, slot ais.Slot, copies int) (text string) {
	for _, id := range group {
		for i, m := range w.nodes[id].target.mounts {
			items, _, err := m.store.Load().Log(slot, uint8(copies), ais.Stamp{}, 100)
			text += fmt.Sprintf("\n  node %d, mountpath %d, stable %v: %v", id, i, m.store.Load().Stable(slot, uint8(copies)), err)
			for _, it := range items {
				text += fmt.Sprintf(" [kind %d %d/%s %v part %d upload %v created %v]", it.Kind, it.Bucket, it.Name, it.Modified, it.Part, it.Upload, it.Created)
			}
		}
	}
	return text
}

// finalReads reads every key at every copy.
func (w *town) finalReads() {
	w.t.Helper()
	m := w.Newest()
	for _, b := range w.bucket {
		for _, name := range w.keys {
			for _, id := range m.Group(cmap.SlotOf(townSeed, b.ID, name), w.copies(b.ID)) {
				called := w.history.now()
				value, err := w.readAt(w.ctx, id, b, name)
				for n := 0; err != nil && n < 100; n++ { // stables are told once a second
					w.sleep(100 * time.Millisecond)
					value, err = w.readAt(w.ctx, id, b, name)
				}
				if err != nil {
					w.t.Errorf("final read of %s/%s at node %d: %v", b.Name, name, id, err)
					continue
				}
				w.history.add(2000+int(id), act{key: b.Name + "/" + name, kind: "get"}, called, told{value: value})
			}
		}
	}
}

// dump tells the story of one key.
func dump(t testing.TB, part []porcupine.Operation) {
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, op := range part[max(0, len(part)-25):] {
		t.Logf("%6d–%6d client %d: %+v -> %v", op.Call, op.Return%1e6, op.ClientId, op.Input, op.Output)
	}
}

// townKeys are names in a few slots.
func townKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	return keys
}

func runTown(t *testing.T, seed uint64) {
	var h *history
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 9))
		w := newTown(t, seed, townKeys(3), []int{1 + rng.IntN(3), 2}[:1+rng.IntN(2)]...)
		h = &w.history
		for _, b := range w.bucket {
			for _, k := range w.keys {
				w.note("%s/%s: %s, slot %d", b.Name, k, b.Policy, cmap.SlotOf(townSeed, b.ID, k))
			}
		}
		defer w.end()
		for range 2 + rng.IntN(2) {
			w.join()
		}
		w.settled()
		var clients, evil sync.WaitGroup
		done := make(chan struct{})
		x := &nemesis{w: w, rng: rand.New(rand.NewPCG(seed, 5)), most: 5, rests: 3 * time.Second}
		if seed%5 == 0 { // there is time to purge tombstones
			x.rests = 2 * purgeEvery
		}
		for i := range 3 {
			clients.Go(func() { w.client(i, seed).run(x.rests/8, done) })
		}
		evil.Go(func() { x.run(14) })
		evil.Wait()
		close(done)
		clients.Wait()
		w.calm()
		w.audit()
		w.finalReads()
	})
	if part, ok := h.check(); !ok {
		dump(t, part)
		t.Errorf("seed %d: the history of a key is not that of a register", seed)
	}
	t.Logf("%d operations: %v", len(h.ops), h.count)
}

// seeds gives those to run: AIS_TOWN_SEEDS is "from-to".
func seeds(t testing.TB, n uint64) (from, to uint64) {
	from, to = 1, n
	if s := os.Getenv("AIS_TOWN_SEEDS"); s != "" {
		a, b, _ := strings.Cut(s, "-")
		var err error
		if from, err = strconv.ParseUint(a, 10, 64); err == nil {
			to, err = strconv.ParseUint(b, 10, 64)
		}
		if err != nil {
			t.Fatalf("AIS_TOWN_SEEDS=%q: want from-to", s)
		}
	}
	return from, to
}

// TestTown runs towns under faults: every answer that clients get is one that a single store could have given, and
// in the end all lies where it belongs.
func TestTown(t *testing.T) {
	from, to := seeds(t, 3)
	for seed := from; seed <= to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runTown(t, seed) })
	}
}
