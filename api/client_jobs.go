package api

import (
	"context"
	"net/http"
	"net/url"
)

func xactionPath(id string) string { return xactionsPrefix + url.PathEscape(id) }

// XactionQuery says which jobs are wanted; empty fields want all.
type XactionQuery struct {
	Kind  string
	State string // a state, or "active": not finished, or finished just now
	Node  string // id
}

// Register gives the register of jobs in the order of creation, and which map is the newest.
func (c *Client) Register(ctx context.Context, q XactionQuery) (*Xactions, error) {
	query := url.Values{}
	for name, value := range map[string]string{"kind": q.Kind, "state": q.State, "node": q.Node} {
		if value != "" {
			query.Set(name, value)
		}
	}
	out := new(Xactions)
	return out, c.json(ctx, http.MethodGet, "/v1/xactions", query, nil, out)
}

// Xactions gives the jobs of a kind in the order of creation; kind "" is all kinds.
func (c *Client) Xactions(ctx context.Context, kind string) ([]Xaction, error) {
	r, err := c.Register(ctx, XactionQuery{Kind: kind})
	return r.Xactions, err
}

// Xaction gives one job: kind NotFound if the register does not have it.
func (c *Client) Xaction(ctx context.Context, id string) (*Xaction, error) {
	out := new(Xaction)
	return out, c.json(ctx, http.MethodGet, xactionPath(id), nil, nil, out)
}

// StartXaction starts a job of a kind.
func (c *Client) StartXaction(ctx context.Context, kind string) (*Xaction, error) {
	out := new(Xaction)
	return out, c.json(ctx, http.MethodPost, "/v1/xactions", nil, XactionStart{Kind: kind}, out)
}

// PlanXaction says what a job of a kind would move; nothing is started.
func (c *Client) PlanXaction(ctx context.Context, kind string) (*MovePlan, error) {
	out := new(MovePlan)
	return out, c.json(ctx, http.MethodPost, "/v1/xactions", nil, XactionStart{Kind: kind, DryRun: true}, out)
}

// StopXaction ends a job: kind Precondition where it has ended otherwise.
func (c *Client) StopXaction(ctx context.Context, id string) (*Xaction, error) {
	out := new(Xaction)
	return out, c.json(ctx, http.MethodPost, xactionPath(id)+"/stop", nil, nil, out)
}

// WatchXaction hands a job to each whenever it has moved on, until it ends: then it is the result. A result of
// nil says that the stream ended and the job perhaps did not; ask again.
func (c *Client) WatchXaction(ctx context.Context, id string, each func(*Xaction)) (*Xaction, error) {
	resp, err := c.do(ctx, &call{method: http.MethodGet, path: xactionPath(id) + "/events", read: true, control: true})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readEvents(resp.Body, each)
}

// Audit proves where everything lies; deep has every record read and verified, which takes as long as that
// takes.
func (c *Client) Audit(ctx context.Context, deep bool) (*Audit, error) {
	var query url.Values
	if deep {
		query = url.Values{"deep": {"true"}}
	}
	out := new(Audit)
	return out, c.json(ctx, http.MethodGet, "/v1/cluster/audit", query, nil, out)
}

// DecommissionPlan says what would move if a node were decommissioned.
func (c *Client) DecommissionPlan(ctx context.Context, node string) (*MovePlan, error) {
	out := new(MovePlan)
	return out, c.json(ctx, http.MethodGet, "/v1/cluster/nodes/"+url.PathEscape(node)+"/moves", nil, nil, out)
}

// Losses says what may be lost for ever if a node is forgotten.
func (c *Client) Losses(ctx context.Context, node string) (*Losses, error) {
	out := new(Losses)
	return out, c.json(ctx, http.MethodGet, "/v1/cluster/nodes/"+url.PathEscape(node)+"/losses", nil, nil, out)
}

// ForceForget takes a node out of the map for ever, on the word that what it holds is lost.
func (c *Client) ForceForget(ctx context.Context, node string) (*Changed, error) {
	out := new(Changed)
	return out, c.json(ctx, http.MethodPost, "/v1/cluster/nodes/"+url.PathEscape(node)+"/forget", url.Values{"force": {"true"}}, nil, out)
}
