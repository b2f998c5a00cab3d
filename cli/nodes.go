package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

// findNode finds the node that a person means: its id, the beginning of it where no other node's id
// begins so, or one of its addresses.
func findNode(nodes []api.Node, name string) (*api.Node, error) {
	var found []*api.Node
	for i := range nodes {
		n := &nodes[i]
		switch name {
		case n.ID, n.Addresses.Public, n.Addresses.Cluster, n.Addresses.Gossip:
			return n, nil
		}
		if name != "" && strings.HasPrefix(n.ID, strings.ToLower(name)) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return nil, ais.Errorf(ais.NotFound, "no node %q; 'ais show cluster' lists them", name)
	case 1:
		return found[0], nil
	}
	return nil, ais.Errorf(ais.Invalid, "%q begins the ids of %d nodes, %s and %s among them: give more of it", name, len(found), found[0].ID, found[1].ID)
}

// node asks the cluster for the node that a person means.
func (r *remote) node(ctx context.Context, name string) (*api.Node, error) {
	cluster, err := r.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	return findNode(cluster.Nodes, name)
}

func completeNode(ctx context.Context, g *globals, _ string) ([]string, cobra.ShellCompDirective) {
	return completeNodes(ctx, g), cobra.ShellCompDirectiveNoFileComp
}

// completeNodes offers the ids of all nodes, with what tells them apart.
func completeNodes(ctx context.Context, g *globals) (ids []string) {
	ask(ctx, g, func(ctx context.Context, r *remote) error {
		cluster, err := r.Cluster(ctx)
		if err != nil {
			return err
		}
		for _, n := range cluster.Nodes {
			ids = append(ids, cobra.CompletionWithDesc(n.ID, fmt.Sprintf("%s, %s, %s", n.Addresses.Public, strings.Join(n.Roles, ","), n.State)))
		}
		return nil
	})
	return ids
}
