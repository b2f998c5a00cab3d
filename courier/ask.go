package courier

import (
	"context"
	"fmt"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// Routes of the questions: calls, whose request and reply are one message of package replica each.
const (
	RouteSeal        = "/courier/seal"
	RouteLook        = "/courier/look"
	RouteScan        = "/courier/scan"
	RouteFetch       = "/courier/fetch"
	RouteFetchExtent = "/courier/fetch-extent"
	RouteStates      = "/courier/states"
	RouteListRaw     = "/courier/list-raw"
	RouteList        = "/courier/list"
	RouteListUploads = "/courier/list-uploads"
)

// Seal asks a node whether it has applied a map and ended what it did under older ones.
func (c *Courier) Seal(ctx context.Context, to ais.NodeID, q *replica.Seal) (*replica.Sealed, error) {
	return ask(ctx, c, to, RouteSeal, q, replica.DecodeSealed)
}

// Look asks a node for all that it holds of a name.
func (c *Courier) Look(ctx context.Context, to ais.NodeID, q *replica.Look) (*replica.Held, error) {
	return ask(ctx, c, to, RouteLook, q, replica.DecodeHeld)
}

// Scan asks for a page of what a node holds of a slot.
func (c *Courier) Scan(ctx context.Context, to ais.NodeID, q *replica.Scan) (*replica.Scanned, error) {
	return ask(ctx, c, to, RouteScan, q, replica.DecodeScanned)
}

// Fetch asks for the records of items. They alias one buffer, which is the caller's.
func (c *Courier) Fetch(ctx context.Context, to ais.NodeID, q *replica.Fetch) (*replica.Fetched, error) {
	return ask(ctx, c, to, RouteFetch, q, replica.DecodeFetched)
}

// FetchExtent asks for one extent of a write; NotFound where the node has it not.
func (c *Courier) FetchExtent(ctx context.Context, to ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error) {
	return ask(ctx, c, to, RouteFetchExtent, q, replica.DecodeFetchedExtent)
}

// States asks how slots stand at a node.
func (c *Courier) States(ctx context.Context, to ais.NodeID, q *replica.States) (*replica.Stated, error) {
	return ask(ctx, c, to, RouteStates, q, replica.DecodeStated)
}

// ListRaw asks for all that a node holds of a bucket in name order.
func (c *Courier) ListRaw(ctx context.Context, to ais.NodeID, q *replica.ListRaw) (*replica.RawList, error) {
	return ask(ctx, c, to, RouteListRaw, q, replica.DecodeRawList)
}

// List asks for a page of the names that a node is the home of.
func (c *Courier) List(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	return ask(ctx, c, to, RouteList, q, replica.DecodeListPage)
}

// ListUploads asks for a page of the open uploads that a node is the home of; q.Uploads is set.
func (c *Courier) ListUploads(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	return ask(ctx, c, to, RouteListUploads, q, replica.DecodeUploadPage)
}

// message is what has bytes.
type message interface{ AppendTo([]byte) []byte }

// ask calls a node. Errors keep the peer's kind and noun; an answer that is none is Unavailable, since it says
// nothing about the question.
func ask[A any](ctx context.Context, c *Courier, to ais.NodeID, route string, q message, read func([]byte) (*A, error)) (*A, error) {
	address, err := c.address(to)
	if err != nil {
		return nil, err
	}
	reply, err := c.network.Call(ctx, address, route, q.AppendTo(nil))
	if err != nil {
		return nil, fmt.Errorf("node %v: %s: %w", to, route, err)
	}
	a, err := read(reply)
	if err != nil {
		return nil, ais.Errorf(ais.Unavailable, "node %v: %s: %w", to, route, err)
	}
	return a, nil
}

func (c *Courier) address(to ais.NodeID) (transport.Address, error) {
	host, ok := c.find(to)
	if !ok {
		return transport.Address{}, ais.Errorf(ais.Unavailable, "the address of node %v is not known", to)
	}
	return transport.Address{Node: to, Host: host}, nil
}

// Bounds of the questions that a node answers at once, on each route; one more is refused as Unavailable.
const (
	askedMost   = 4096    // of those with small answers; they may wait for a map
	fetchedMost = 128     // of those that carry payload
	askedBytes  = 8 << 20 // of one question: a Fetch of 4096 names
)

// mountQuestions serves the calls.
func mountQuestions(m *transport.Mux, r Receiver) {
	targets := transport.Rule{Roles: ais.RoleTarget, MaxBytes: askedBytes, InFlight: askedMost}
	heavy := targets
	heavy.InFlight = fetchedMost
	lists := targets
	lists.Roles = ais.RoleTarget | ais.RoleProxy // one of them is enough: gateways merge lists
	mount(m, RouteSeal, targets, replica.DecodeSeal, r.Seal, (*replica.Sealed).AppendTo)
	mount(m, RouteLook, targets, replica.DecodeLook, r.Look, (*replica.Held).AppendTo)
	told := heavy
	told.Roles = lists.Roles // an audit is made by whichever node is asked for it
	mount(m, RouteScan, told, replica.DecodeScan, r.Scan, (*replica.Scanned).AppendTo)
	mount(m, RouteFetch, heavy, replica.DecodeFetch, r.Fetch, (*replica.Fetched).AppendTo)
	mount(m, RouteFetchExtent, heavy, replica.DecodeFetchExtent, r.FetchExtent, (*replica.FetchedExtent).AppendTo)
	mount(m, RouteStates, told, replica.DecodeStates, r.States, (*replica.Stated).AppendTo)
	mount(m, RouteListRaw, lists, replica.DecodeListRaw, r.ListRaw, (*replica.RawList).AppendTo)
	mount(m, RouteList, lists, replica.DecodeListHomed, r.List,
		func(p *ais.ListPage, b []byte) []byte { return replica.AppendListPage(b, p) })
	mount(m, RouteListUploads, lists, decodeListUploads, r.ListUploads,
		func(p *ais.UploadPage, b []byte) []byte { return replica.AppendUploadPage(b, p) })
}

func decodeListUploads(b []byte) (*replica.ListHomed, error) {
	q, err := replica.DecodeListHomed(b)
	if err == nil && q.Uploads == nil {
		return nil, ais.Errorf(ais.Invalid, "list of uploads: it asks for names")
	}
	return q, err
}

func mount[Q, A any](m *transport.Mux, route string, rule transport.Rule, read func([]byte) (*Q, error),
	answer func(context.Context, ais.NodeID, *Q) (*A, error), write func(*A, []byte) []byte) {
	m.Handle(route, rule, func(ctx context.Context, from transport.Peer, request []byte) ([]byte, error) {
		q, err := read(request)
		if err != nil {
			return nil, err
		}
		a, err := answer(ctx, from.Node, q)
		if err != nil {
			return nil, err
		}
		return write(a, nil), nil
	})
}
