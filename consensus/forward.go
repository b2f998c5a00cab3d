package consensus

import (
	"context"
	"encoding/json"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/transport"
)

// RoutePropose is the call by which a node hands a command to the primary. The request is the proposal as
// the log will hold it (control.EncodeProposal), the reply a proposeReply as JSON.
const RoutePropose = "/consensus/propose"

// ProposeBytesMax bounds a request on RoutePropose.
const ProposeBytesMax = control.CommandMax + 1<<10

// proposeReply is what became of a command. A refusal by the state has an index, and is no failure of
// the call.
type proposeReply struct {
	Index   ais.ControlIndex `json:"index"`
	Bucket  *ais.Bucket      `json:"bucket,omitempty"`
	Xaction *control.Xaction `json:"xaction,omitempty"`
	Refused *proposeRefusal  `json:"refused,omitempty"`
}

type proposeRefusal struct {
	Kind    ais.Kind `json:"kind"`
	Noun    ais.Noun `json:"noun,omitempty"`
	Message string   `json:"message"`
}

// forwarder hands commands over by calls.
type forwarder struct {
	network transport.Network
	book    AddressBook
}

// NewForwarder makes a Forwarder over a network.
func NewForwarder(n transport.Network, book AddressBook) Forwarder { return forwarder{n, book} }

// Forward implements Forwarder.
func (f forwarder) Forward(ctx context.Context, to ais.NodeID, id control.ProposalID, c control.Command) (ais.ControlIndex, control.Result, error) {
	host, ok := f.book(to)
	if !ok {
		return 0, control.Result{}, ais.Errorf(ais.Unavailable, "the address of node %s is not known", to)
	}
	request, err := control.EncodeProposal(id, c)
	if err != nil {
		return 0, control.Result{}, err
	}
	b, err := f.network.Call(ctx, transport.Address{Node: to, Host: host}, RoutePropose, request)
	if err != nil {
		if ais.IsKind(err, ais.Canceled) { // the try was given up: what became of it is open
			err = ais.Errorf(ais.Unavailable, "node %s: %w", to, err)
		}
		return 0, control.Result{}, err
	}
	var reply proposeReply
	if err := json.Unmarshal(b, &reply); err != nil || reply.Index == 0 {
		return 0, control.Result{}, ais.Errorf(ais.Internal, "node %s answers a proposal with %.100q", to, b)
	}
	result := control.Result{Bucket: reply.Bucket, Xaction: reply.Xaction, Index: reply.Index}
	if r := reply.Refused; r != nil {
		return reply.Index, result, ais.NounErrorf(r.Kind, r.Noun, "%s", r.Message)
	}
	return reply.Index, result, nil
}

// ServePropose is the other end: a transport.CallHandler.
func (r *Replica) ServePropose(ctx context.Context, _ transport.Peer, request []byte) ([]byte, error) {
	id, c, err := control.DecodeProposal(request)
	if err != nil {
		return nil, err
	}
	if err := control.Check(c); err != nil {
		return nil, err
	}
	index, result, err := r.ProposeHere(ctx, id, c)
	if index == 0 {
		return nil, err
	}
	reply := proposeReply{Index: index, Bucket: result.Bucket, Xaction: result.Xaction}
	if err != nil {
		reply.Refused = &proposeRefusal{Kind: ais.KindOf(err), Noun: ais.NounOf(err), Message: err.Error()}
	}
	b, err := json.Marshal(reply)
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "encode the outcome of a proposal: %w", err)
	}
	return b, nil
}
