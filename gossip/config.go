package gossip

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/seed9b016523/ais"
)

// KeyBytes is the length of the cluster's gossip key: AES-256.
const KeyBytes = 32

const (
	// Timings of a local network: a round trip is far below probeTimeout. A dead node is suspected
	// after probeInterval to twice that, dead suspicionMultiple × probeInterval later (× log₁₀ of the
	// number of nodes above ten).
	probeInterval     = 500 * time.Millisecond
	probeTimeout      = 250 * time.Millisecond
	suspicionMultiple = 2
	gossipInterval    = 100 * time.Millisecond
	pushPullInterval  = 15 * time.Second
	streamTimeout     = 3 * time.Second // for the whole of one
	reclaimAfter      = time.Nanosecond // a dead node may come back at another address at once
	awarenessMax      = 2               // how often probeInterval a node waits that seems slow itself
	packetBytes       = 1400            // one Ethernet frame
	handoffPackets    = 1024
)

// Config says who this node is. All fields are needed but Advertise, if Bind names an address, and Seeds.
type Config struct {
	Node      ais.NodeID
	Cluster   ais.ClusterID
	Bind      string // host:port of both the UDP and the TCP socket
	Advertise string // host:port as others reach it; "" is Bind. Port 0 is the one that was bound
	Key       []byte // KeyBytes; Gossip keeps it
	Logger    *slog.Logger

	// Meta says how this node is now. It is called once a second, by one goroutine, and at joining;
	// it must not block.
	Meta func() Meta
	// Seeds are gossip addresses (host:port) of nodes that may be there. It is asked again and again
	// while this node is alone, and now and then after. It must not block. May be nil.
	Seeds func() []string
}

func (c *Config) validate() error {
	switch {
	case c.Node == 0 || c.Cluster == 0:
		return ais.Errorf(ais.Invalid, "gossip: node %v of cluster %v", c.Node, c.Cluster)
	case len(c.Key) != KeyBytes:
		return ais.Errorf(ais.Invalid, "gossip: key of %d bytes, want %d", len(c.Key), KeyBytes)
	case c.Meta == nil || c.Logger == nil:
		return ais.Errorf(ais.Invalid, "gossip: Meta and Logger are needed")
	}
	for _, address := range []string{c.Bind, c.Advertise} {
		if address == "" && address != c.Bind {
			continue
		}
		_, number, err := net.SplitHostPort(address)
		if err == nil {
			_, err = strconv.ParseUint(number, 10, 16)
		}
		if err != nil {
			return ais.Errorf(ais.Invalid, "gossip: address %q: %w", address, err)
		}
	}
	return nil
}

// advertised is the address that others are told.
func (c *Config) advertised(ctx context.Context) (netip.AddrPort, error) {
	address := c.Advertise
	if address == "" {
		address = c.Bind
	}
	resolved, err := resolve(ctx, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if resolved.Addr().IsUnspecified() {
		return netip.AddrPort{}, ais.Errorf(ais.Invalid, "gossip: others cannot reach %s: say an address to advertise", address)
	}
	return resolved, nil
}

// resolve gives one address of host:port.
func resolve(ctx context.Context, address string) (netip.AddrPort, error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, ais.Errorf(ais.Invalid, "gossip: address %q: %w", address, err)
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return netip.AddrPort{}, ais.Errorf(ais.Invalid, "gossip: address %q: %w", address, err)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)), nil
	}
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, ais.Errorf(ais.Unavailable, "gossip: address %q: %w", address, err)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(n)), nil
}

// memberlistConfig is all of memberlist's settings but the hooks.
func (c *Config) memberlistConfig(p *port, logs *logWriter) *memberlist.Config {
	m := memberlist.DefaultLANConfig()
	m.Name = c.Node.String()
	m.Label = c.Cluster.String()
	m.Transport = p
	m.LogOutput = logs
	m.SecretKey = c.Key
	m.GossipVerifyIncoming, m.GossipVerifyOutgoing = true, true
	m.EnableCompression = false // a few hundred bytes, and sealed: nothing to gain

	m.ProbeInterval, m.ProbeTimeout = probeInterval, probeTimeout
	m.SuspicionMult, m.SuspicionMaxTimeoutMult = suspicionMultiple, 1
	m.AwarenessMaxMultiplier = awarenessMax
	m.GossipInterval = gossipInterval
	m.PushPullInterval = pushPullInterval
	m.TCPTimeout = streamTimeout
	m.DeadNodeReclaimTime = reclaimAfter
	m.UDPBufferSize = packetBytes
	m.HandoffQueueDepth = handoffPackets
	return m
}
