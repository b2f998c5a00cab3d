package api

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

func nodePath(node, rest string) string { return "/v1/nodes/" + url.PathEscape(node) + rest }

// Cluster gives the state of the cluster.
func (c *Client) Cluster(ctx context.Context) (*Cluster, error) {
	out := new(Cluster)
	return out, c.json(ctx, http.MethodGet, "/v1/cluster", nil, nil, out)
}

// Map gives the map that a node goes by; node "" is the one that is asked.
func (c *Client) Map(ctx context.Context, node string) (*cmap.Map, error) {
	var query url.Values
	if node != "" {
		query = url.Values{"node": {node}}
	}
	out := new(cmap.Map)
	return out, c.json(ctx, http.MethodGet, "/v1/cluster/map", query, nil, out)
}

// NodeVerb is what can be done about a node.
type NodeVerb string

const (
	Maintain     NodeVerb = "maintenance"  // plan it down
	Activate     NodeVerb = "activate"     // take back maintenance or decommission
	Decommission NodeVerb = "decommission" // plan it out
	MakePrimary  NodeVerb = "primary"      // hand the primary's term to it
	Forget       NodeVerb = "forget"       // take it out of the map for ever
)

// ChangeNode does something about a node: kind Precondition where that cannot be done now.
func (c *Client) ChangeNode(ctx context.Context, node string, verb NodeVerb) (*Changed, error) {
	out := new(Changed)
	return out, c.json(ctx, http.MethodPost, "/v1/cluster/nodes/"+url.PathEscape(node)+"/"+string(verb), nil, nil, out)
}

// ForceNew starts a new generation with the node that is asked; confirm is the cluster's id.
func (c *Client) ForceNew(ctx context.Context, confirm string) (*Changed, error) {
	out := new(Changed)
	return out, c.json(ctx, http.MethodPost, "/v1/cluster/force-new", nil, ForceNew{Confirm: confirm}, out)
}

// Export gives the control state, secrets included, as the node that is asked has it.
func (c *Client) Export(ctx context.Context) ([]byte, error) {
	resp, err := c.do(ctx, &call{method: http.MethodGet, path: "/v1/cluster/export", read: true, control: true})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, replyMax))
	if err != nil {
		return nil, ais.Errorf(ais.Unavailable, "export: read the reply: %w", err)
	}
	return b, nil
}

// Mountpaths gives the disks of a node.
func (c *Client) Mountpaths(ctx context.Context, node string) ([]Mountpath, error) {
	var out Mountpaths
	err := c.json(ctx, http.MethodGet, nodePath(node, "/mountpaths"), nil, nil, &out)
	return out.Mountpaths, err
}

// Config gives all configuration keys with the cluster's values.
func (c *Client) Config(ctx context.Context) ([]Setting, error) {
	return c.settings(ctx, http.MethodGet, "/v1/config", nil)
}

// ChangeConfig sets configuration keys of the cluster, all or none; nil takes a key back to its default.
func (c *Client) ChangeConfig(ctx context.Context, change SettingsChange) ([]Setting, error) {
	return c.settings(ctx, http.MethodPatch, "/v1/config", change)
}

// NodeConfig gives all configuration keys with the values that hold on a node.
func (c *Client) NodeConfig(ctx context.Context, node string) ([]Setting, error) {
	return c.settings(ctx, http.MethodGet, nodePath(node, "/config"), nil)
}

// ChangeNodeConfig sets configuration keys of a node, over those of the cluster; nil takes a key back
// to the cluster's value.
func (c *Client) ChangeNodeConfig(ctx context.Context, node string, change SettingsChange) ([]Setting, error) {
	return c.settings(ctx, http.MethodPatch, nodePath(node, "/config"), change)
}

func (c *Client) settings(ctx context.Context, method, path string, change SettingsChange) ([]Setting, error) {
	var in any
	if method == http.MethodPatch {
		in = change
	}
	var out Settings
	err := c.json(ctx, method, path, nil, in, &out)
	return out.Settings, err
}

// ForceDecommission plans a node out though the others may not be able to carry what it holds.
func (c *Client) ForceDecommission(ctx context.Context, node string) (*Changed, error) {
	out := new(Changed)
	return out, c.json(ctx, http.MethodPost, "/v1/cluster/nodes/"+url.PathEscape(node)+"/decommission", url.Values{"force": {"true"}}, nil, out)
}
