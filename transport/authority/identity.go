package authority

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed9b016523/ais"
)

// Identity is what a node needs to be believed by its peers and to believe them: its key, its
// certificate, and that of its cluster's authority.
type Identity struct {
	CA          []byte             // DER
	Certificate []byte             // DER, issued by CA for the public half of Key
	Key         ed25519.PrivateKey // the node's own; it never leaves it
}

// Peer is who the identity is of; an error of kind Invalid where its parts do not fit together.
func (id *Identity) Peer() (Peer, error) {
	t, err := NewTrust(id.CA)
	if err != nil {
		return Peer{}, err
	}
	p, err := t.Verify([][]byte{id.Certificate})
	if err != nil {
		return Peer{}, ais.Errorf(ais.Invalid, "identity: %w", err)
	}
	c, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		return Peer{}, ais.Errorf(ais.Invalid, "identity: %w", err)
	}
	if len(id.Key) != ed25519.PrivateKeySize || !id.Key.Public().(ed25519.PublicKey).Equal(c.PublicKey) {
		return Peer{}, ais.Errorf(ais.Invalid, "identity: the key is not that of the certificate")
	}
	return p, nil
}

// The file of an identity, and the types of its PEM blocks, in their order.
const (
	fileName       = "identity.pem"
	pemCA          = "AIS AUTHORITY"
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY" // PKCS 8
)

// Save writes an identity into a directory: one file, readable by its owner alone, that is there as a whole or
// not at all, and durable when Save returns.
func Save(dir string, id *Identity) error {
	if _, err := id.Peer(); err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		return ais.Errorf(ais.Invalid, "identity: %w", err)
	}
	var b []byte
	for _, block := range []pem.Block{{Type: pemCA, Bytes: id.CA}, {Type: pemCertificate, Bytes: id.Certificate}, {Type: pemKey, Bytes: key}} {
		b = append(b, pem.EncodeToMemory(&block)...)
	}
	if err := replaceFile(dir, fileName, b); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	return nil
}

func replaceFile(dir, name string, b []byte) error {
	f, err := os.CreateTemp(dir, name+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left of it after the rename
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load reads what Save wrote: NotFound if there is nothing, Denied if others may read it, Corrupt if it is not whole.
func Load(dir string) (*Identity, error) {
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ais.Errorf(ais.NotFound, "identity: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, ais.Errorf(ais.Denied, "identity: %s has mode %v: others may read it; want 0600", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id, err := parseIdentity(b)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "%s: %w", path, err)
	}
	return id, nil
}

func parseIdentity(b []byte) (*Identity, error) {
	id := &Identity{}
	var key []byte
	for _, part := range []struct {
		kind string
		to   *[]byte
	}{{pemCA, &id.CA}, {pemCertificate, &id.Certificate}, {pemKey, &key}} {
		block, rest := pem.Decode(b)
		if block == nil || block.Type != part.kind {
			return nil, ais.Errorf(ais.Corrupt, "identity: no %s", part.kind)
		}
		*part.to, b = block.Bytes, rest
	}
	if len(b) != 0 {
		return nil, ais.Errorf(ais.Corrupt, "identity: %d bytes too many", len(b))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "identity: key: %w", err)
	}
	var ok bool
	if id.Key, ok = parsed.(ed25519.PrivateKey); !ok {
		return nil, ais.Errorf(ais.Corrupt, "identity: a key of another kind: %T", parsed)
	}
	_, err = id.Peer()
	return id, err
}
