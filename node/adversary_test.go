package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// unborn is a node as runOnce makes it, of which a test takes the steps of a start that it wants.
func unborn(cfg Config) *node {
	return &node{cfg: cfg, surroundings: Surroundings{Version: "test", Announce: io.Discard}, log: slog.New(slog.DiscardHandler), metrics: newRegistry("test")}
}

// A first start that was killed at any point is made good by the next.
func TestAFirstStartIsCutShort(t *testing.T) {
	steps := []struct {
		name string
		do   func(context.Context, *node) error
	}{
		{"the log is open", func(_ context.Context, n *node) (err error) {
			if n.record, _, err = readRecord(n.cfg.Dir); err != nil {
				return err
			}
			n.closers = append(n.closers, n.closeLog)
			return n.openLog()
		}},
		{"it knows who it is", func(ctx context.Context, n *node) error { return n.identify(ctx) }},
		{"there is a secret", func(_ context.Context, n *node) error { return n.openSecret() }},
		{"the disks are open", func(ctx context.Context, n *node) error { return n.openDisks(ctx) }},
		{"the record is written", func(_ context.Context, n *node) error {
			n.record.Epoch = n.disks.Epoch()
			return n.record.write(n.cfg.Dir)
		}},
	}
	for killed := range steps {
		t.Run(steps[killed].name, func(t *testing.T) {
			cfg := testConfig(t, t.TempDir())
			n := unborn(cfg)
			if err := n.lock(); err != nil {
				t.Fatal(err)
			}
			for _, s := range steps[:killed+1] {
				if err := s.do(t.Context(), n); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
			}
			if err := n.close(); err != nil {
				t.Fatal(err)
			}
			start(t, cfg).stop()
		})
	}
}

// deaf is a terminal that is gone.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

// A root key that was drawn and not shown is shown by the next start: nobody could do anything without it.
func TestTheRootKeyIsNotLost(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.RootAccessKey, cfg.RootSecretKey = "", ""
	if err := Run(t.Context(), cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: deaf{}}); err == nil {
		t.Fatal("the start that could not say the key went on")
	}
	n := start(t, cfg)
	n.stop()
	if !strings.Contains(n.said.String(), "secret key") {
		t.Errorf("the next start said %q, want the root key", n.said)
	}
}

// A node that is told to join never forms a cluster of its own, whatever it was told before.
func TestAJoinListForbidsForming(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	n := unborn(cfg)
	if err := n.lock(); err != nil {
		t.Fatal(err)
	}
	var err error
	if n.record, _, err = readRecord(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	n.closers = append(n.closers, n.closeLog)
	if err := errors.Join(n.openLog(), n.identify(t.Context()), n.record.write(cfg.Dir), n.close()); err != nil {
		t.Fatal(err)
	}
	cfg.Join, cfg.Secret = []string{freePort(t)}, "a secret of some length"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := Run(ctx, cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard}); err != nil && ctx.Err() == nil {
		t.Fatalf("the start ended with %v", err)
	}
	if r, _, err := readRecord(cfg.Dir); err != nil || !r.Forming && r.Cluster != 0 {
		t.Errorf("a node that was told to join formed cluster %s (%v)", r.Cluster, err)
	}
}
