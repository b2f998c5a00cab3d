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

// rebalancer is the part of a target that fills slots.
type rebalancer interface {
	// Rebalance is how the fill of a map version fares here, or fared: false where nothing is known of it.
	Rebalance(v ais.MapVersion) (api.RebalanceStatus, bool)
}

// whole is the part of a target that knows whether it lacks anything.
type whole interface {
	WholeUnder() ais.MapVersion
}

// holder is the part of a target that says what it holds.
type holder interface {
	// States answers as of the map in the question.
	States(ctx context.Context, from ais.NodeID, q *replica.States) (*replica.Stated, error)
	Scan(ctx context.Context, from ais.NodeID, q *replica.Scan) (*replica.Scanned, error)
	// Audit says how each mountpath stands; deep reads and verifies every record.
	Audit(ctx context.Context, deep bool) ([]audit.Store, error)
}

// jobs asks targets about jobs, and about what they hold. It implements api.Jobs.
type jobs struct{ *node }

// filler is the target of this node as far as it fills; nil if it does not.
func (n *node) filler() rebalancer {
	if t := n.opened.Load(); t != nil {
		r, _ := any(t).(rebalancer)
		return r
	}
	return nil
}

// holds is the target of this node as far as it says what it holds.
func (n *node) holds() (holder, error) {
	if t := n.opened.Load(); t != nil {
		if h, ok := any(t).(holder); ok {
			return h, nil
		}
	}
	return nil, ais.Errorf(ais.Unavailable, "node %s has no disks, or they are being opened", n.record.Node)
}

// newestRebalance is how this node fares in the newest rebalance of the register: false where it has no part.
func (n *node) newestRebalance(view *control.View) (api.RebalanceStatus, bool) {
	id, _ := view.Rebalance()
	v, ok := api.RebalanceVersion(id)
	if r := n.filler(); ok && r != nil {
		return r.Rebalance(v)
	}
	return api.RebalanceStatus{}, false
}

func (n *node) reportRebalance(view *control.View, r *api.NodeReport) {
	if w, ok := any(n.opened.Load()).(whole); ok {
		r.Whole = w.WholeUnder()
	}
	if s, ok := n.newestRebalance(view); ok {
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
	known := map[ais.MapVersion]api.RebalanceStatus{}
	if r := n.filler(); r != nil {
		for _, v := range versions {
			if s, ok := r.Rebalance(v); ok {
				known[v] = s
			}
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
		h, err := n.holds()
		if err != nil {
			return nil, err
		}
		return h.Audit(ctx, deep)
	}
	return all, n.question(ctx, id, routeStores, storesQuestion{deep}, &all)
}

func (n *node) serveStores(ctx context.Context, _ transport.Peer, request []byte) ([]byte, error) {
	var q storesQuestion
	if err := json.Unmarshal(request, &q); err != nil {
		return nil, ais.Errorf(ais.Invalid, "stores: %w", err)
	}
	h, err := n.holds()
	if err != nil {
		return nil, err
	}
	all, err := h.Audit(ctx, q.Deep)
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
	h, err := n.holds()
	if err != nil {
		return nil, err
	}
	return h.States(ctx, id, q)
}

// scan asks a target for all that it holds of a slot, for one count of copies.
func (n jobs) scan(ctx context.Context, id ais.NodeID, m ais.MapVersion, slot ais.Slot, copies uint8) (items []replica.Item, err error) {
	q := replica.Scan{Map: m, Slot: slot, Copies: copies, Limit: replica.ScanMax}
	for {
		var page *replica.Scanned
		if id != n.record.Node {
			page, err = n.courier.Scan(ctx, id, &q)
		} else {
			var h holder
			if h, err = n.holds(); err == nil {
				page, err = h.Scan(ctx, id, &q)
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
