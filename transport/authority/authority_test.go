package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed9b016523/ais"
)

// dice is randomness that repeats.
func dice(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func mustNew(t testing.TB, seed byte, cluster ais.ClusterID) *Authority {
	t.Helper()
	a, err := New(dice(seed), cluster)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustIssue(t testing.TB, a *Authority, seed byte, p Peer) *Identity {
	t.Helper()
	key, err := NewKey(dice(seed))
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Issue(dice(seed+1), key.Public().(ed25519.PublicKey), p)
	if err != nil {
		t.Fatal(err)
	}
	return &Identity{CA: a.Certificate(), Certificate: c, Key: key}
}

func mustTrust(t testing.TB, a *Authority) *Trust {
	t.Helper()
	trust, err := NewTrust(a.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// TestGolden fixes the bytes of certificates: nodes of two releases check each other's.
func TestGolden(t *testing.T) {
	a := mustNew(t, 1, 0xc1)
	id := mustIssue(t, a, 2, Peer{Node: 7, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: 0xc1})
	for _, test := range []struct {
		what string
		b    []byte
		want string
	}{
		{"authority", a.Certificate(), "378 2642cf30d0e8486f1fe8bcdec113a60feaa2b79a35ef99d8ddf4f3f5b553cac5"},
		{"node", id.Certificate, "445 ced7051968785e760996b711e7ef1143f5925aa346bfc97c6928005d729d9aab"},
	} {
		if got := fmt.Sprintf("%d %x", len(test.b), sha256.Sum256(test.b)); got != test.want {
			t.Errorf("certificate of the %s (length, SHA-256): got %s, want %s", test.what, got, test.want)
		}
	}
	c, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.URIs[0].String(), "ais://00000000000000c1/node/0000000000000007?roles=proxy,target"; got != want {
		t.Errorf("name: got %s, want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	a := mustNew(t, 1, 0xc1)
	again, err := Open(a.Certificate(), a.Key())
	if err != nil {
		t.Fatal(err)
	}
	trust := mustTrust(t, a)
	if trust.Cluster() != 0xc1 {
		t.Errorf("cluster: got %v", trust.Cluster())
	}
	for roles := ais.Roles(1); roles <= rolesAll; roles++ {
		want := Peer{Node: 7 + ais.NodeID(roles), Roles: roles, Cluster: 0xc1}
		got, err := trust.Verify([][]byte{mustIssue(t, again, 2, want).Certificate})
		if err != nil || got != want {
			t.Errorf("verify: got %v, %v; want %v", got, err, want)
		}
	}
}

// TestForgeries: what the authority did not vouch for, or not for this, is Denied.
func TestForgeries(t *testing.T) {
	a := mustNew(t, 1, 0xc1)
	trust := mustTrust(t, a)
	peer := Peer{Node: 7, Roles: 3, Cluster: 0xc1}
	good := mustIssue(t, a, 2, peer)
	namesake := mustIssue(t, mustNew(t, 9, 0xc1), 2, peer)
	// A node that signs for others with its own key.
	node, err := x509.ParseCertificate(good.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	template := func(change func(*x509.Certificate)) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "x"}, NotBefore: notBefore, NotAfter: notAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			BasicConstraintsValid: true, URIs: []*url.URL{peer.uri()}}
		change(c)
		return c
	}
	sign := func(parent *x509.Certificate, key ed25519.PrivateKey, change func(*x509.Certificate)) []byte {
		der, err := x509.CreateCertificate(nil, template(change), parent, good.Key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	name := func(text string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = []*url.URL{u}
		}
	}
	byNode := sign(node, good.Key, func(*x509.Certificate) {})
	flipped := bytes.Clone(good.Certificate)
	flipped[len(flipped)-1] ^= 1
	for what, chain := range map[string][][]byte{
		"nothing":                    nil,
		"no certificate":             {[]byte("x")},
		"another authority":          {namesake.Certificate},
		"another signature":          {flipped},
		"signed by a node":           {byNode},
		"signed by a node, in chain": {byNode, good.Certificate},
		"the authority":              {a.Certificate()},
		"two":                        {good.Certificate, a.Certificate()},
		"no name":                    {sign(a.certificate, a.key, func(c *x509.Certificate) { c.URIs = nil })},
		"two names":                  {sign(a.certificate, a.key, func(c *x509.Certificate) { c.URIs = append(c.URIs, peer.uri()) })},
		"another cluster":            {sign(a.certificate, a.key, name("ais://00000000000000c2/node/0000000000000007?roles=proxy"))},
		"no cluster":                 {sign(a.certificate, a.key, name("ais://0000000000000000/node/0000000000000007?roles=proxy"))},
		"node 0":                     {sign(a.certificate, a.key, name("ais://00000000000000c1/node/0000000000000000?roles=proxy"))},
		"no roles":                   {sign(a.certificate, a.key, name("ais://00000000000000c1/node/0000000000000007"))},
		"an unknown role":            {sign(a.certificate, a.key, name("ais://00000000000000c1/node/0000000000000007?roles=king"))},
		"roles in another order":     {sign(a.certificate, a.key, name("ais://00000000000000c1/node/0000000000000007?roles=target,proxy"))},
		"more after the roles":       {sign(a.certificate, a.key, name("ais://00000000000000c1/node/0000000000000007?roles=proxy&x=y"))},
		"a user in the name":         {sign(a.certificate, a.key, name("ais://a@00000000000000c1/node/0000000000000007?roles=proxy"))},
		"a fragment":                 {sign(a.certificate, a.key, name("ais://00000000000000c1/node/0000000000000007?roles=proxy#x"))},
		"another scheme":             {sign(a.certificate, a.key, name("spiffe://00000000000000c1/node/0000000000000007?roles=proxy"))},
		"for servers only": {sign(a.certificate, a.key, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})},
		"an authority below the authority": {sign(a.certificate, a.key, func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
		})},
	} {
		if got, err := trust.Verify(chain); !ais.IsKind(err, ais.Denied) {
			t.Errorf("%s: got %v, %v; want Denied", what, got, err)
		}
	}
}

func TestIssueRefusals(t *testing.T) {
	a := mustNew(t, 1, 0xc1)
	public := a.key.Public().(ed25519.PublicKey)
	for what, test := range map[string]struct {
		public ed25519.PublicKey
		p      Peer
		want   ais.Kind
	}{
		"another cluster": {public, Peer{Node: 7, Roles: 1, Cluster: 0xc2}, ais.Denied},
		"no node":         {public, Peer{Roles: 1, Cluster: 0xc1}, ais.Denied},
		"no roles":        {public, Peer{Node: 7, Cluster: 0xc1}, ais.Denied},
		"unknown roles":   {public, Peer{Node: 7, Roles: 0x81, Cluster: 0xc1}, ais.Denied},
		"a short key":     {public[:31], Peer{Node: 7, Roles: 1, Cluster: 0xc1}, ais.Invalid},
	} {
		if _, err := a.Issue(dice(3), test.public, test.p); !ais.IsKind(err, test.want) {
			t.Errorf("%s: got %v, want %v", what, err, test.want)
		}
	}
	if _, err := Open(a.Certificate(), mustNew(t, 4, 0xc1).Key()); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("authority with another's key: got %v, want Invalid", err)
	}
	if _, err := Open(a.Certificate(), []byte("short")); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("authority with a short key: got %v, want Invalid", err)
	}
	if _, err := NewTrust(mustIssue(t, a, 2, Peer{Node: 7, Roles: 1, Cluster: 0xc1}).Certificate); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a node's certificate as an authority: got %v, want Invalid", err)
	}
}

func TestSaveLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !ais.IsKind(err, ais.NotFound) {
		t.Errorf("load from an empty directory: got %v, want NotFound", err)
	}
	a := mustNew(t, 1, 0xc1)
	for seed := range byte(2) { // twice: the second replaces the first
		want := mustIssue(t, a, seed, Peer{Node: 7, Roles: ais.Roles(seed + 1), Cluster: 0xc1})
		if err := Save(dir, want); err != nil {
			t.Fatal(err)
		}
		got, err := Load(dir)
		if err != nil || !bytes.Equal(got.CA, want.CA) || !bytes.Equal(got.Certificate, want.Certificate) || !got.Key.Equal(want.Key) {
			t.Errorf("load: got %v, %v; want what was saved", got, err)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("files: got %v, %v; want one", names, err)
	}
	path := filepath.Join(dir, fileName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v, %v; want 0600", info.Mode(), err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, len(whole) / 3, len(whole) / 2, len(whole) - 30} {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("file cut after %d bytes: got %v, want Corrupt", cut, err)
		}
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !ais.IsKind(err, ais.Denied) {
		t.Errorf("file that the group may read: got %v, want Denied", err)
	}
	if err := Save(dir, &Identity{CA: a.Certificate()}); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("save of a part: got %v, want Invalid", err)
	}
	if err := Save(filepath.Join(dir, "none"), mustIssue(t, a, 1, Peer{Node: 7, Roles: 1, Cluster: 0xc1})); err == nil {
		t.Error("save into no directory: got nil, want an error")
	}
}

func FuzzVerify(f *testing.F) {
	a := mustNew(f, 1, 0xc1)
	id := mustIssue(f, a, 2, Peer{Node: 7, Roles: 3, Cluster: 0xc1})
	trust := mustTrust(f, a)
	f.Add(id.Certificate)
	f.Add(a.Certificate())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := trust.Verify([][]byte{b}); err == nil && (p.Node != 7 || !bytes.Equal(b, id.Certificate)) {
			t.Errorf("a certificate that was not issued passes as %v", p)
		}
		if _, err := NewTrust(b); err == nil && !bytes.Equal(b, a.Certificate()) {
			t.Logf("another authority: %x", b)
		}
	})
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte("-----BEGIN AIS AUTHORITY-----\n-----END AIS AUTHORITY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, err := parseIdentity(b); err == nil {
			if _, err := id.Peer(); err != nil {
				t.Errorf("an identity that does not fit together was read: %v", err)
			}
		}
	})
}

func FuzzPeer(f *testing.F) {
	f.Add("ais://00000000000000c1/node/0000000000000007?roles=proxy,target")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		if p, err := parsePeer(u); err == nil && p.String() != u.String() {
			t.Errorf("%q was read as %v", text, p)
		}
	})
}
