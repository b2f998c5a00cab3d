package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport/authority"
	"golang.org/x/sys/unix"
)

// New makes an endpoint over TCP and TLS 1.3; both ends show certificates of the cluster's authority.
// It starts nothing. An identity that does not fit together is an error.
func New(id authority.Identity, o Options) (*Endpoint, error) {
	trust, err := authority.NewTrust(id.CA)
	if err != nil {
		return nil, err
	}
	self, err := id.Peer()
	if err != nil {
		return nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{id.Certificate}, PrivateKey: id.Key}
	base := tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{protocolWire},
		Certificates: []tls.Certificate{certificate},
	}
	l := &tlsLinks{trust: trust, client: base.Clone(), server: &base}
	l.server.ClientAuth = tls.RequireAnyClientCert // any, as far as the library goes: welcome asks the authority
	l.server.VerifyConnection = func(cs tls.ConnectionState) error {
		_, err := l.verify(cs)
		return err
	}
	l.client.InsecureSkipVerify = true // names in certificates are nodes, not hosts: dial asks the authority
	l.client.ClientSessionCache = tls.NewLRUClientSessionCache(sessionsKept)
	return newEndpoint(self, l, o)
}

// sessionsKept is how many peers' TLS sessions are kept to be resumed.
const sessionsKept = 1024

// Bounds within which TCP finds that a peer's machine is gone.
const (
	tcpProbeIdle     = 5 * time.Second
	tcpProbeInterval = 5 * time.Second
	tcpProbeCount    = 3
	tcpUserTimeout   = 20 * time.Second // bytes that are not acknowledged for so long end the connection
)

// tlsLinks is TLS over TCP.
type tlsLinks struct {
	trust          *authority.Trust
	client, server *tls.Config
}

// verify says who is at the other end. It is asked for resumed sessions as for new ones.
func (l *tlsLinks) verify(cs tls.ConnectionState) (Peer, error) {
	if cs.NegotiatedProtocol != protocolWire {
		return Peer{}, ais.Errorf(ais.Denied, "the peer does not speak %s", protocolWire)
	}
	return l.trust.Verify(rawChain(cs.PeerCertificates))
}

func rawChain(certificates []*x509.Certificate) (raw [][]byte) {
	for _, c := range certificates {
		raw = append(raw, c.Raw)
	}
	return raw
}

func (l *tlsLinks) dial(ctx context.Context, to Address) (net.Conn, Peer, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: tcpProbeIdle, Interval: tcpProbeInterval, Count: tcpProbeCount},
		Control:         limitSilence,
	}
	nc, err := d.DialContext(ctx, "tcp", to.Host)
	if err != nil {
		return nil, Peer{}, err
	}
	var peer Peer
	config := l.client.Clone()
	// The server name tells sessions of different peers apart; who answers is checked below.
	config.ServerName = to.Node.String() + ".node"
	config.VerifyConnection = func(cs tls.ConnectionState) (err error) {
		if peer, err = l.verify(cs); err == nil && to.Node != 0 && peer.Node != to.Node {
			err = ais.Errorf(ais.Unavailable, "node %v answers", peer.Node)
		}
		return err
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, Peer{}, ais.Errorf(ais.Unavailable, "%s: %w", to, err)
	}
	return tc, peer, nil
}

// limitSilence sets TCP_USER_TIMEOUT: without it, bytes to a dead machine are sent again for a quarter of an hour.
func limitSilence(_, _ string, raw syscall.RawConn) error {
	var serr error
	err := raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(tcpUserTimeout.Milliseconds()))
	})
	return errors.Join(err, serr)
}

func (l *tlsLinks) welcome(ctx context.Context, nc net.Conn) (net.Conn, Peer, error) {
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: tcpProbeIdle, Interval: tcpProbeInterval, Count: tcpProbeCount})
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = limitSilence("", "", raw)
		}
	}
	tc := tls.Server(nc, l.server)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, Peer{}, err
	}
	peer, err := l.verify(tc.ConnectionState())
	return tc, peer, err
}

// quiet looks into the socket: between two requests there is nothing in it, not even the end.
func (l *tlsLinks) quiet(nc net.Conn) bool {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return false
	}
	tcp, ok := tc.NetConn().(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = errors.Is(err, unix.EAGAIN)
	})
	return err == nil && quiet
}

var _ links = (*tlsLinks)(nil)
