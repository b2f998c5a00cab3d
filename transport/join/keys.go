package join

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/seed9b016523/ais"
)

// SecretLeast is how many characters a secret has at least.
const SecretLeast = 16

// stretches is how often PBKDF2 turns over the secret: about a tenth of a second per guess for whoever
// tricks a joiner into a handshake and tries words afterwards.
const stretches = 1 << 18

// Secret is the cluster's secret, stretched. It cannot be printed.
type Secret struct{ key []byte }

// NewSecret reads a secret as people write it: white space around it does not count. One that is shorter than
// SecretLeast is Invalid. It takes a tenth of a second.
func NewSecret(text string) (Secret, error) {
	text = strings.TrimSpace(text)
	if n := len([]rune(text)); n < SecretLeast {
		return Secret{}, ais.NounErrorf(ais.Invalid, ais.NounConfig, "cluster secret of %d characters: at least %d", n, SecretLeast)
	}
	key, err := pbkdf2.Key(sha256.New, text, []byte("ais join 1 secret"), stretches, keySize)
	if err != nil {
		return Secret{}, fmt.Errorf("join: secret: %w", err)
	}
	return Secret{key}, nil
}

// String hides the secret from logs.
func (Secret) String() string { return "(secret)" }

// GoString does too.
func (Secret) GoString() string { return "(secret)" }

// handshake is what both sides know after hello and challenge, if they know the secret.
type handshake struct {
	joinerProof, memberProof []byte
	joinerSeal, memberSeal   []byte
	transcript               [sha256.Size]byte
}

// agree derives the keys: HKDF with the stretched secret as salt over the shared key of X25519, one label each,
// bound to both messages as they went over the wire.
func agree(s Secret, own *ecdh.PrivateKey, share [keySize]byte, helloBytes, challengeBytes []byte) (*handshake, error) {
	common, err := shared(own, share)
	if err != nil {
		return nil, err
	}
	h := &handshake{transcript: digest(helloBytes, challengeBytes)}
	root, err := hkdf.Extract(sha256.New, common, s.key)
	if err != nil {
		return nil, fmt.Errorf("join: keys: %w", err)
	}
	for _, k := range []struct {
		to    *[]byte
		label string
	}{
		{&h.joinerProof, "joiner proof"}, {&h.memberProof, "member proof"},
		{&h.joinerSeal, "joiner seal"}, {&h.memberSeal, "member seal"},
	} {
		if *k.to, err = hkdf.Expand(sha256.New, root, "ais join 1 "+k.label+string(h.transcript[:]), keySize); err != nil {
			return nil, fmt.Errorf("join: keys: %w", err)
		}
	}
	return h, nil
}

// shared is what X25519 gives both sides. A share that would make it known to all is Invalid.
func shared(own *ecdh.PrivateKey, share [keySize]byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(share[:])
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "join: share: %w", err)
	}
	common, err := own.ECDH(public) // an error for the points of small order
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "join: share: %w", err)
	}
	return common, nil
}

// digest is SHA-256 over parts, each behind its length.
func digest(parts ...[]byte) (sum [sha256.Size]byte) {
	d := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		d.Write(n[:])
		d.Write(p)
	}
	d.Sum(sum[:0])
	return sum
}

// prove is the HMAC of one side over the transcript and what it sends beside.
func prove(key []byte, parts ...[]byte) (proof [proofSize]byte) {
	sum := digest(parts...)
	m := hmac.New(sha256.New, key)
	m.Write(sum[:])
	m.Sum(proof[:0])
	return proof
}

func proves(key []byte, proof [proofSize]byte, parts ...[]byte) bool {
	want := prove(key, parts...)
	return hmac.Equal(want[:], proof[:])
}

// newAEAD is AES-256-GCM.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return cipher.NewGCM(block)
}

// sealOnce seals under a key that seals nothing else, so the nonce is zero.
func sealOnce(key, plain []byte) ([]byte, error) {
	a, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, make([]byte, a.NonceSize()), plain, nil), nil
}

func openOnce(key, sealed []byte) ([]byte, error) {
	a, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := a.Open(nil, make([]byte, a.NonceSize()), sealed, nil)
	if err != nil {
		return nil, ais.Errorf(ais.Denied, "join: sealed message: %w", err)
	}
	return plain, nil
}

// newShare draws a key of X25519.
func newShare(random io.Reader) (*ecdh.PrivateKey, error) {
	var seed [keySize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return ecdh.X25519().NewPrivateKey(seed[:])
}
