package node

import (
	"context"

	"github.com/seed9b016523/ais/api"
)

// Nodes implements api.Status: this node is all there is.
func (n *node) Nodes(ctx context.Context) []api.Node {
	roles := make([]string, len(n.cfg.Roles))
	for i, r := range n.cfg.Roles {
		roles[i] = string(r)
	}
	me := api.Node{ID: n.id(), State: "alive", Roles: roles, Version: n.surroundings.Version, Epoch: int64(n.disks.Epoch()),
		Started: n.began.UTC(), Endpoint: "http://" + n.cfg.Listen}
	usage, stores := n.disks.Usage(ctx), n.target.Status()
	for i, p := range n.disks.Paths() {
		m := api.Mountpath{ID: p.ID.String(), Path: p.Dir, State: "enabled", Total: usage[i].Total, Free: usage[i].Free}
		if err := stores[i].Err; err != nil {
			m.State, m.Error = "disabled", err.Error()
		}
		m.Used = stores[i].Stats.Live + stores[i].Stats.Dead + stores[i].Stats.Index
		me.Mountpaths = append(me.Mountpaths, m)
	}
	return []api.Node{me}
}
