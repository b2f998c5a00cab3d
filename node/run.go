package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/everywhere"
	"github.com/seed9b016523/ais/front"
	"github.com/seed9b016523/ais/gossip"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/proxy"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/join"
)

// Surroundings is what a node gets from the process that it runs in.
type Surroundings struct {
	Log      *slog.Logger
	Announce io.Writer // gets what a person must see once: a root key that was made
	Version  string    // of the program, for metrics and the log
}

// Run runs a node until ctx is canceled, then drains and stops it. It returns when everything that it
// started has ended; the error is the first of a part that failed, or nil after an ordinary stop.
//
// A node whose control state is to be replaced (its cluster has gone on without it in a newer generation,
// or the operator starts one here) stops and starts again within Run.
func Run(ctx context.Context, cfg Config, s Surroundings) error {
	for {
		err, newer := runOnce(ctx, cfg, s), outdated{}
		switch {
		case errors.Is(err, errForceNew):
			err = ForceNew(ctx, cfg, s, "")
		case errors.As(err, &newer):
			err = setStateAside(cfg, s, newer.newer)
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
}

// runOnce runs a node until it stops, for whatever reason.
func runOnce(ctx context.Context, cfg Config, s Surroundings) (err error) {
	n := &node{cfg: cfg, surroundings: s, log: s.Log, metrics: newRegistry(s.Version), began: time.Now()}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.lock(); err != nil {
		return err
	}
	var lc net.ListenConfig
	adminPort, err := lc.Listen(ctx, "tcp", cfg.Admin)
	if err != nil {
		return ais.Errorf(ais.Unavailable, "admin port: %w", err)
	}
	// The admin port answers from now on, while the node starts and until everything else has ended.
	// The public one is opened when there is something to serve: until then clients are refused at
	// once, and may go to another node.
	g := newGroup(ctx)
	n.group = g
	g.start("admin port", lastPhase, func(ctx context.Context) error { return n.admin().Run(ctx, adminPort) })
	if err := n.openAndServe(g); err != nil {
		g.fail(err)
	}
	err = g.wait()
	n.log.Info("stopped", "dir", cfg.Dir)
	return err
}

// openAndServe opens the parts, which replays what the last life has left behind, and starts them.
func (n *node) openAndServe(g *group) error {
	if err := n.open(g); err != nil {
		return err
	}
	publicPort, congestion, err := front.Listen(g.ctx, n.cfg.Listen, n.configured().Get(control.NetTCPCongestion).Text())
	if err != nil {
		return ais.Errorf(ais.KindOf(err), "public port: %w", err)
	}
	g.start("public port", frontPhase, func(ctx context.Context) error { return n.front.Run(ctx, publicPort) })
	g.start("configuration", storePhase, n.followConfig)
	n.health.ready.Store(true)
	n.log.Info("ready", "listen", publicPort.Addr(), "admin", n.cfg.Admin, "node", n.record.Node,
		"congestion", congestion, "took", time.Since(n.began).Round(time.Millisecond))
	return nil
}

// node is the parts of a running node.
type node struct {
	cfg          Config
	surroundings Surroundings
	log          *slog.Logger
	metrics      *prometheus.Registry
	began        time.Time
	health       health

	record     record // who this node is
	secret     []byte // what joins are proved by
	logOptions raftlog.Options
	raftLog    *raftlog.Log
	boot       *raftlog.Boot
	logOwned   bool             // the replica closes the log
	committed  ais.ControlIndex // what the log knew to be agreed on when it was opened

	group     *group
	network   *lateNetwork
	book      *book
	postman   *consensus.Postman
	replica   *consensus.Replica
	endpoint  *transport.Endpoint
	authority ed25519.PublicKey // of the cluster's authority
	joins     func() (*join.Server, error)
	gateway   *proxy.Gateway
	passed    passed
	courier   *courier.Courier // to the other targets

	everywhere *everywhere.Store

	// Of what starts late, for the metrics.
	talk       atomic.Pointer[gossip.Gossip]
	joinServer atomic.Pointer[join.Server]

	disks    *mountpath.Set                // nil on a node that is no target
	target   *target.Target                // nil likewise
	opened   atomic.Pointer[target.Target] // the same, once it is open
	buckets  *control.Buckets
	front    *front.Server
	doors    atomic.Pointer[doors]
	settings atomic.Pointer[settings] // of the newest configuration

	closers []func() error // in the order of opening
}

// close lets go of everything, the last opened first.
func (n *node) close() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i]())
	}
	return errors.Join(errs...)
}

// newRegistry is the metrics of this node alone: a process may run several.
func newRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ais_build_info", Help: "1, with the version of the program.",
		ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	r.MustRegister(build)
	return r
}

// lock makes the node's directory and takes it for this process.
func (n *node) lock() error {
	if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
		return ais.Errorf(ais.Unavailable, "dir: %w", err)
	}
	lock, err := mountpath.LockFile(filepath.Join(n.cfg.Dir, "lock"))
	if err != nil {
		return ais.Errorf(ais.KindOf(err), "another node runs on %s: %w", n.cfg.Dir, err)
	}
	n.closers = append(n.closers, lock.Close)
	return nil
}
