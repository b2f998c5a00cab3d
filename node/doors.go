package node

import (
	"context"
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/front"
	"github.com/seed9b016523/ais/s3"
)

// doors are the two dialects with the gate that they share, made for one configuration. A change of
// the configuration makes new ones; requests in flight end in the old.
type doors struct {
	verifier *auth.Verifier
	s3       *s3.Handler
	api      *api.Handler
}

// settings is a node's configuration in one state.
type settings struct {
	view   *control.View
	config *control.Config
}

// configured is the configuration of this node as it is now. It is asked on every request, and made once for each state.
func (n *node) configured() *control.Config {
	view := n.replica.View()
	if s := n.settings.Load(); s != nil && s.view == view {
		return s.config
	}
	s := &settings{view: view, config: view.ConfigOf(n.id())}
	n.settings.Store(s)
	return s.config
}

// id is the node's name in the cluster.
func (n *node) id() string { return n.record.Node.String() }

func (n *node) makeDoors(c *control.Config) (*doors, error) {
	d := &doors{}
	gate := auth.Default()
	gate.Region = c.Get(control.S3Region).Text()
	gate.ClusterKey = n.replica.View().Secrets().TicketKey
	var own namedStore = noStore{}
	if n.target != nil {
		own = leasedStore{store: n.target, lease: n.leased}
	}
	var objects store = doorStore{own, n.everywhere}
	known := knownBuckets{n.buckets, n, make(chan struct{}, catchUpMax)}
	var err error
	if d.verifier, err = auth.NewVerifier(gate, keys{n.replica}); err != nil {
		return nil, err
	}
	d.s3, err = s3.New(s3.Config{Objects: objects, Uploads: objects, DeleteAll: n.everywhere.DeleteAll, Source: n.everywhere.Open, Buckets: known, Verifier: d.verifier,
		Region: gate.Region, Domains: domains(c), Host: n.id(), Log: n.log})
	if err != nil {
		return nil, err
	}
	d.api, err = api.New(api.Config{Objects: objects, Uploads: objects, Buckets: known, State: n.replica,
		Peers: peers{n}, Jobs: jobs{n}, Operator: operator{n}, Joiner: joiner{n}, Verifier: d.verifier, Credentials: keys{n.replica}, Log: n.log})
	return d, err
}

func domains(c *control.Config) []string {
	return strings.Fields(c.Get(control.S3Domain).Text())
}

// frontHandlers are what the public port serves: the gateway, which sends to the right node what is not for
// this one, and behind it the doors.
func (n *node) frontHandlers() front.Handlers {
	h := n.doorHandlers()
	h.S3, h.API = n.gateway.S3, n.gateway.API
	return h
}

// doorHandlers are the doors: whichever are the newest.
func (n *node) doorHandlers() front.Handlers {
	return front.Handlers{
		S3: func(ctx *fasthttp.RequestCtx) {
			if d := n.doors.Load(); !n.cutOff(ctx, ais.StaleMap, d.s3.ErrorBody) {
				d.s3.Serve(ctx)
				n.cutOff(ctx, ais.Unavailable, d.s3.ErrorBody) // the answer is ready now, and may be from a state that was left behind
			}
		},
		API: func(ctx *fasthttp.RequestCtx) {
			path, _ := front.Target(ctx)
			d, control := n.doors.Load(), isControl(string(path))
			if !control && n.cutOff(ctx, ais.StaleMap, d.api.ErrorBody) {
				return
			}
			d.api.Serve(ctx)
			if !control {
				n.cutOff(ctx, ais.Unavailable, d.api.ErrorBody)
			}
		},
		S3Error: func(status int, message, id string) (string, []byte) {
			return n.doors.Load().s3.ErrorBody(status, message, id)
		},
		APIError: func(status int, message, id string) (string, []byte) {
			return n.doors.Load().api.ErrorBody(status, message, id)
		},
	}
}

// cutOff answers a request where this node may not answer from its state: buckets and keys may have changed
// without it. What it holds of objects is guarded on its own, and a body that has begun is not taken back. The kind is
// StaleMap where nothing was done yet.
func (n *node) cutOff(ctx *fasthttp.RequestCtx, kind ais.Kind, errorBody func(status int, message, id string) (string, []byte)) bool {
	err := n.leased()
	if err == nil || ctx.Response.IsBodyStream() {
		return false
	}
	front.SetFailure(ctx, ais.Errorf(kind, "%w", err))
	contentType, body := errorBody(fasthttp.StatusServiceUnavailable, err.Error(), string(front.RequestID(ctx)))
	ctx.Response.SetStatusCode(fasthttp.StatusServiceUnavailable)
	ctx.Response.Header.SetContentType(contentType)
	ctx.Response.Header.Set("Retry-After", "1")
	ctx.Response.SetBodyRaw(body)
	return true
}

// frontConfig takes the limits of the public port from the configuration.
func frontConfig(c *control.Config) front.Config {
	f := front.Default()
	f.Domain = c.Get(control.S3Domain).Text()
	f.Connections = int(c.Get(control.LimitsConnections).Int())
	f.Requests = int(c.Get(control.LimitsRequests).Int())
	f.HeaderBytes = int(c.Get(control.LimitsHeaderSize).Size())
	f.HeaderTimeout = c.Get(control.LimitsHeaderTimeout).Duration()
	f.IdleTimeout = c.Get(control.LimitsIdleTimeout).Duration()
	f.BodyTimeout = c.Get(control.LimitsBodyTimeout).Duration()
	f.WriteTimeout = c.Get(control.LimitsWriteTimeout).Duration()
	f.DrainTimeout = c.Get(control.LimitsDrainTimeout).Duration()
	return f
}

// keys shows the access keys of the control state to the gate.
type keys struct{ state control.Proposer }

// Secret implements auth.Keys.
func (k keys) Secret(accessKey string) (auth.Credential, bool) {
	key, ok := k.state.View().Key(accessKey)
	if !ok {
		return auth.Credential{}, false
	}
	return auth.Credential{AccessKey: key.AccessKey, Secret: key.Secret, Root: key.Root}, true
}

// followConfig applies changes of the configuration while the node runs. What is fixed when the port
// is opened (limits, the domain of host names, congestion control) changes at the next start.
func (n *node) followConfig(ctx context.Context) error {
	view := n.replica.View()
	for {
		next, err := n.replica.Watch(ctx, view.Index())
		if err != nil {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return nil
			}
			return err
		}
		old := view.ConfigOf(n.id())
		view = next
		now := view.ConfigOf(n.id())
		changed := changedKeys(old, now)
		if len(changed) == 0 {
			continue
		}
		n.log.Info("configuration changed", "keys", changed)
		if err := n.applyConfig(now); err != nil {
			n.log.Error("configuration not applied", "error", err)
		}
	}
}

func (n *node) applyConfig(c *control.Config) error {
	if n.target != nil {
		if err := n.target.SetConfig(volumeConfig(c)); err != nil {
			return err
		}
	}
	d, err := n.makeDoors(c)
	if err != nil {
		return err
	}
	n.doors.Store(d)
	return nil
}

// changedKeys is the names of the keys that have another value.
func changedKeys(old, now *control.Config) (changed []string) {
	for _, s := range control.Settings() {
		if old.Get(s.Name).String() != now.Get(s.Name).String() {
			changed = append(changed, string(s.Name))
		}
	}
	return changed
}
