package node

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/transport"
)

// The calls by which a target is asked about jobs, and about its disks.
const (
	routeRebalances = "/node/rebalances" // of map versions, as JSON: an object of api.RebalanceStatus by version
	routeStores     = "/node/stores"     // of a storesQuestion, as JSON: a list of audit.Store
)

// versionsMax bounds the map versions of one question.
const versionsMax = 4096

type storesQuestion struct {
	Deep bool `json:"deep"` // read and verify every record
}

// jobs asks targets about jobs, and about what they hold. It implements api.Jobs.
type jobs struct{ *node }

// holds is the target of this node.
func (n *node) holds() (*target.Target, error) {
	if t := n.opened.Load(); t != nil {
		return t, nil
	}
	return nil, ais.Errorf(ais.Unavailable, "node %s has no disks, or they are being opened", n.record.Node)
}

// newestRebalance is how this node fares in the newest rebalance of the register: false where it has no part.
func (n *node) newestRebalance(view *control.View) (api.RebalanceStatus, bool) {
	id, _ := view.Rebalance()
	if v, ok := api.RebalanceVersion(id); ok {
		return n.rebalance(view, v)
	}
	return api.RebalanceStatus{}, false
}

// rebalance is how this node fares in the rebalance of a map version: the sum of its fills under that version
// and the later ones which gave no slot to others, and so began no rebalance.
func (n *node) rebalance(view *control.View, v ais.MapVersion) (sum api.RebalanceStatus, known bool) {
	sum.Version = v
	t := n.opened.Load()
	if t == nil {
		return sum, false
	}
	for last := lastVersion(view, v); v <= last; v++ {
		s, ok := t.Rebalance(v)
		if !ok {
			continue
		}
		if !known {
			sum.Start, known = s.Start, true
		}
		sum.ObjRcv, sum.SizeRcv = sum.ObjRcv+s.ObjRcv, sum.SizeRcv+s.SizeRcv
		sum.ObjSent, sum.SizeSent = sum.ObjSent+s.ObjSent, sum.SizeSent+s.SizeSent
		// What is left of one fill is what the next one begins with.
		sum.SlotsTotal, sum.SlotsDone = sum.SlotsDone+s.SlotsTotal, sum.SlotsDone+s.SlotsDone
		sum.End, sum.Aborted, sum.Err = s.End, s.Aborted, s.Err
	}
	return sum, known
}

// lastVersion is the last map version that is part of the rebalance of v: behind it comes the next one's.
func lastVersion(view *control.View, v ais.MapVersion) ais.MapVersion {
	last := view.Map().Version()
	for _, x := range view.Xactions() {
		if next, ok := api.RebalanceVersion(x.ID); ok && x.Kind == control.KindRebalance && next > v {
			last = min(last, next-1)
		}
	}
	return min(last, v+versionsMax)
}

func (n *node) reportRebalance(view *control.View, r *api.NodeReport) {
	t := n.opened.Load()
	if t == nil {
		return
	}
	r.Whole = t.WholeUnder()
	s, ok := n.newestRebalance(view)
	if !ok { // it may lack something without: a first target, whose slots nobody had
		s, ok = n.rebalance(view, view.Map().Version())
	}
	if ok {
		r.Rebalance = &s
	}
}

// Rebalances implements api.Jobs.
func (n jobs) Rebalances(ctx context.Context, id ais.NodeID, versions []ais.MapVersion) (map[ais.MapVersion]api.RebalanceStatus, error) {
	if id == n.record.Node {
		return n.rebalances(versions), nil
	}
	reply := map[ais.MapVersion]api.RebalanceStatus{}
	return reply, n.question(ctx, id, routeRebalances, versions, &reply)
}

func (n *node) rebalances(versions []ais.MapVersion) map[ais.MapVersion]api.RebalanceStatus {
	known, view := map[ais.MapVersion]api.RebalanceStatus{}, n.replica.View()
	for _, v := range versions {
		if s, ok := n.rebalance(view, v); ok {
			known[v] = s
		}
	}
	return known
}

func (n *node) serveRebalances(_ context.Context, _ transport.Peer, request []byte) ([]byte, error) {
	var versions []ais.MapVersion
	if err := json.Unmarshal(request, &versions); err != nil {
		return nil, ais.Errorf(ais.Invalid, "versions: %w", err)
	}
	if len(versions) > versionsMax {
		return nil, ais.Errorf(ais.Invalid, "%d versions: at most %d", len(versions), versionsMax)
	}
	return json.Marshal(n.rebalances(versions))
}

// stores asks a target how its mountpaths stand.
func (n jobs) stores(ctx context.Context, id ais.NodeID, deep bool) (all []audit.Store, err error) {
	if id == n.record.Node {
		t, err := n.holds()
		if err != nil {
			return nil, err
		}
		return t.Audit(ctx, deep)
	}
	return all, n.question(ctx, id, routeStores, storesQuestion{deep}, &all)
}

func (n *node) serveStores(ctx context.Context, _ transport.Peer, request []byte) ([]byte, error) {
	var q storesQuestion
	if err := json.Unmarshal(request, &q); err != nil {
		return nil, ais.Errorf(ais.Invalid, "stores: %w", err)
	}
	t, err := n.holds()
	if err != nil {
		return nil, err
	}
	all, err := t.Audit(ctx, q.Deep)
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// question calls another node with a value, and reads its reply into another.
func (n *node) question(ctx context.Context, id ais.NodeID, route string, request, reply any) error {
	host, ok := n.book.find(id)
	if !ok {
		return ais.Errorf(ais.NotFound, "there is no node %s", id)
	}
	b, err := json.Marshal(request)
	if err != nil {
		return ais.Errorf(ais.Internal, "encode: %w", err)
	}
	if b, err = n.network.Call(ctx, transport.Address{Node: id, Host: host}, route, b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return ais.Errorf(ais.Internal, "node %s answers %s with %.100q: %w", id, route, b, err)
	}
	return nil
}

// states asks a target what it holds of slots.
func (n jobs) states(ctx context.Context, id ais.NodeID, q *replica.States) (*replica.Stated, error) {
	if id != n.record.Node {
		return n.courier.States(ctx, id, q)
	}
	t, err := n.holds()
	if err != nil {
		return nil, err
	}
	return t.States(ctx, id, q)
}

// scan asks a target for all that it holds of a slot, for one count of copies.
func (n jobs) scan(ctx context.Context, id ais.NodeID, m ais.MapVersion, slot ais.Slot, copies uint8) (items []replica.Item, err error) {
	q := replica.Scan{Map: m, Slot: slot, Copies: copies, Limit: replica.ScanMax}
	for {
		var page *replica.Scanned
		if id != n.record.Node {
			page, err = n.courier.Scan(ctx, id, &q)
		} else {
			var t *target.Target
			if t, err = n.holds(); err == nil {
				page, err = t.Scan(ctx, id, &q)
			}
		}
		if err != nil {
			return nil, err
		}
		if items = append(items, page.Items...); !page.More || len(page.Items) == 0 {
			return items, nil
		}
		q.After = page.Items[len(page.Items)-1].Modified
	}
}

// Asking the targets what they hold.
const (
	toldMax   = 20 * time.Second // for the answer of one target; its states are megabytes where it is full
	toldIn    = 16               // under way at a time
	deepHours = 24 * time.Hour   // for one target to read all that it holds
)

// Told implements api.Jobs.
func (n jobs) Told(ctx context.Context, m *cmap.Map) []audit.Told {
	return n.told(ctx, m, everySlot(), false)
}

func everySlot() *ais.SlotSet {
	all := &ais.SlotSet{}
	for slot := range ais.Slots {
		all.Add(ais.Slot(slot))
	}
	return all
}

// told asks every target that may answer: which are those that are neither down nor out.
func (n jobs) told(ctx context.Context, m *cmap.Map, slots *ais.SlotSet, deep bool) []audit.Told {
	var all []audit.Told
	for _, t := range m.Targets() {
		switch t.State {
		case cmap.Out:
		case cmap.Down:
			all = append(all, audit.Told{Node: t.ID, Err: ais.Errorf(ais.Unavailable, "it is down")})
		default:
			all = append(all, audit.Told{Node: t.ID})
		}
	}
	var asks sync.WaitGroup
	turn := make(chan struct{}, toldIn)
	for i := range all {
		t := &all[i]
		if t.Err != nil {
			continue
		}
		turn <- struct{}{}
		asks.Go(func() {
			t.Stores, t.Stated, t.Err = n.tell(ctx, m.Version(), t.Node, slots, deep)
			<-turn
		})
	}
	asks.Wait()
	return all
}

// tell asks one target. The disks come first: what reading them takes long must not make its states old.
func (n jobs) tell(ctx context.Context, m ais.MapVersion, id ais.NodeID, slots *ais.SlotSet, deep bool) ([]audit.Store, *replica.Stated, error) {
	patience := toldMax
	if deep {
		patience = deepHours
	}
	long, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stores, err := n.stores(long, id, deep)
	if err != nil {
		return nil, nil, err
	}
	short, cancel := context.WithTimeout(ctx, toldMax)
	defer cancel()
	stated, err := n.states(short, id, &replica.States{Map: m, Slots: slots})
	return stores, stated, err
}
