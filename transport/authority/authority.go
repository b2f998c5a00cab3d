package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"time"

	"github.com/seed9b016523/ais"
)

// Certificates are valid from the far past to the far future, and are checked as of a fixed day: no wall
// clock decides whether two nodes may talk. A node is shut out by the map, not by a date.
var (
	notBefore = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // "no expiration", RFC 5280 §4.1.2.5
	asOf      = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Authority is the certificate and the key with which a cluster vouches for its nodes. It does not change.
type Authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

// New makes the authority of a cluster, drawing its key and serial number from random.
func New(random io.Reader, cluster ais.ClusterID) (*Authority, error) {
	key, err := NewKey(random)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "ais cluster " + cluster.String()},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		URIs:                  []*url.URL{clusterURI(cluster)},
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return Open(der, key.Seed())
}

// clusterURI is the cluster's name in its authority's certificate: ais://<cluster>.
func clusterURI(c ais.ClusterID) *url.URL { return &url.URL{Scheme: "ais", Host: c.String()} }

// Open makes an authority of what its Certificate and Key gave.
func Open(certificate, key []byte) (*Authority, error) {
	t, err := NewTrust(certificate)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.SeedSize {
		return nil, ais.Errorf(ais.Invalid, "authority: a key of %d bytes: want %d", len(key), ed25519.SeedSize)
	}
	a := &Authority{certificate: t.ca, key: ed25519.NewKeyFromSeed(key)}
	if !a.key.Public().(ed25519.PublicKey).Equal(t.ca.PublicKey) {
		return nil, ais.Errorf(ais.Invalid, "authority: the key is not that of the certificate")
	}
	return a, nil
}

// Certificate is the authority's certificate, DER; the caller must not change it.
func (a *Authority) Certificate() []byte { return a.certificate.Raw }

// Key is the secret from which Open makes the authority again: 32 bytes.
func (a *Authority) Key() []byte { return a.key.Seed() }

// Issue vouches for a node: the certificate, DER, says that whoever has the private half of public is
// this peer, which must be of the authority's own cluster.
func (a *Authority) Issue(random io.Reader, public ed25519.PublicKey, p Peer) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	if want := clusterURI(p.Cluster).String(); a.certificate.URIs[0].String() != want {
		return nil, ais.Errorf(ais.Denied, "authority: of cluster %s, not %v", a.certificate.URIs[0].Host, p.Cluster)
	}
	if len(public) != ed25519.PublicKeySize {
		return nil, ais.Errorf(ais.Invalid, "authority: a public key of %d bytes: want %d", len(public), ed25519.PublicKeySize)
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "ais node " + p.Node.String()},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{p.uri()},
	}
	der, err := x509.CreateCertificate(nil, template, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("authority: node %v: %w", p.Node, err)
	}
	return der, nil
}

// newSerial draws a serial number of 128 bits: positive, at most 20 bytes (RFC 5280 §4.1.2.2).
func newSerial(random io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, fmt.Errorf("authority: serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 1
	return new(big.Int).SetBytes(b[:]), nil
}

// NewKey draws a key.
func NewKey(random io.Reader) (ed25519.PrivateKey, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("authority: key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// Trust checks certificates against an authority. It does not change.
type Trust struct {
	ca      *x509.Certificate
	cluster ais.ClusterID
	roots   *x509.CertPool
}

// NewTrust reads the certificate of an authority, DER. A certificate that is not one that New makes is Invalid.
func NewTrust(certificate []byte) (*Trust, error) {
	ca, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "authority: certificate: %w", err)
	}
	t := &Trust{ca: ca, roots: x509.NewCertPool()}
	if _, ok := ca.PublicKey.(ed25519.PublicKey); !ok || !ca.IsCA || len(ca.URIs) != 1 {
		return nil, ais.Errorf(ais.Invalid, "authority: the certificate is not that of an authority")
	}
	if err := t.cluster.UnmarshalText([]byte(ca.URIs[0].Host)); err != nil || clusterURI(t.cluster).String() != ca.URIs[0].String() {
		return nil, ais.Errorf(ais.Invalid, "authority: %q names no cluster", ca.URIs[0])
	}
	if err := ca.CheckSignatureFrom(ca); err != nil {
		return nil, ais.Errorf(ais.Invalid, "authority: certificate: %w", err)
	}
	t.roots.AddCert(ca)
	return t, nil
}

// Cluster is the authority's cluster.
func (t *Trust) Cluster() ais.ClusterID { return t.cluster }

// Verify says which node a chain of certificates (DER, a node's own first) is of. Whatever the authority did not
// vouch for is Denied.
func (t *Trust) Verify(chain [][]byte) (Peer, error) {
	if len(chain) != 1 {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: %d of them: want one", len(chain))
	}
	c, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: %w", err)
	}
	if c.IsCA || bytes.Equal(c.Raw, t.ca.Raw) {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: an authority is no node")
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		options := x509.VerifyOptions{Roots: t.roots, Intermediates: x509.NewCertPool(), CurrentTime: asOf, KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := c.Verify(options); err != nil {
			return Peer{}, ais.Errorf(ais.Denied, "certificate: %w", err)
		}
	}
	if len(c.URIs) != 1 {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: %d names: want one", len(c.URIs))
	}
	p, err := parsePeer(c.URIs[0])
	if err != nil {
		return Peer{}, err
	}
	if p.Cluster != t.cluster {
		return Peer{}, ais.Errorf(ais.Denied, "certificate: of cluster %v, not %v", p.Cluster, t.cluster)
	}
	return p, nil
}
