package node

import (
	"context"
	"encoding/json"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/transport"
)

// routeEmpty is the call by which a target is asked whether a bucket holds anything. It answers once it
// has applied the state in which the asker saw the bucket.
const routeEmpty = "/target/empty"

type emptyRequest struct {
	Bucket ais.BucketID     `json:"bucket"`
	Index  ais.ControlIndex `json:"index"` // of the asker's state
}

type emptyReply struct {
	Empty bool `json:"empty"`
}

// emptiness asks all targets whether a bucket holds anything. It implements control.Emptiness.
type emptiness struct{ *node }

// Empty implements control.Emptiness: it is conclusive, or an error. Each target that serves has first to end the
// writes that it let in before; then there is what a list of everything shows, and no more.
func (n emptiness) Empty(ctx context.Context, b *ais.Bucket) (bool, error) {
	view := n.replica.View()
	for _, t := range view.Map().Targets() {
		if t.State == cmap.Down || t.State == cmap.Out {
			continue // it takes no write any more; what it held is asked of those that have it, too
		}
		empty, err := n.emptyAt(ctx, t, b, view.Index())
		if err != nil || !empty {
			return false, err
		}
	}
	page, err := n.everywhere.List(ctx, &ais.ListRequest{Bucket: b, Versions: true, Limit: 1})
	if err != nil || len(page.Entries) > 0 {
		return false, err
	}
	uploads, err := n.everywhere.ListUploads(ctx, &ais.UploadListRequest{Bucket: b, Limit: 1})
	if err != nil {
		return false, err
	}
	return len(uploads.Uploads) == 0, nil
}

func (n emptiness) emptyAt(ctx context.Context, t *cmap.Node, b *ais.Bucket, seen ais.ControlIndex) (bool, error) {
	if t.ID == n.record.Node {
		return true, n.target.Quiesce(ctx, b)
	}
	request, err := json.Marshal(emptyRequest{Bucket: b.ID, Index: seen})
	if err != nil {
		return false, ais.Errorf(ais.Internal, "encode: %w", err)
	}
	host, _ := n.book.find(t.ID)
	b2, err := n.network.Call(ctx, transport.Address{Node: t.ID, Host: host}, routeEmpty, request)
	if err != nil {
		return false, ais.Errorf(ais.KindOf(err), "node %s cannot say whether bucket %q is empty: %w", t.ID, b.Name, err)
	}
	var reply emptyReply
	if err := json.Unmarshal(b2, &reply); err != nil {
		return false, ais.Errorf(ais.Internal, "node %s answers %.100q: %w", t.ID, b2, err)
	}
	return reply.Empty, nil
}

// serveEmpty answers for this target.
func (n *node) serveEmpty(ctx context.Context, _ transport.Peer, request []byte) ([]byte, error) {
	var asked emptyRequest
	if err := json.Unmarshal(request, &asked); err != nil {
		return nil, ais.Errorf(ais.Invalid, "%w", err)
	}
	view := n.replica.View()
	if asked.Index > view.Index() {
		var err error
		if view, err = n.replica.Watch(ctx, asked.Index-1); err != nil {
			return nil, err
		}
	}
	b, ok := view.BucketByID(asked.Bucket)
	if !ok {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "bucket with id %d does not exist", asked.Bucket)
	}
	t := n.opened.Load()
	if t == nil {
		return nil, ais.Errorf(ais.Unavailable, "the target is starting")
	}
	if err := t.Quiesce(ctx, b); err != nil {
		return nil, err
	}
	if err := n.leased(); err != nil {
		return nil, err
	}
	return json.Marshal(emptyReply{Empty: true})
}
