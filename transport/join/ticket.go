package join

import (
	"crypto/cipher"
	"crypto/ecdh"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/seed9b016523/ais"
)

// ticket is what a member must remember of a handshake between its challenge and the request.
type ticket struct {
	made  ais.Instant
	key   *ecdh.PrivateKey // the member's, of this handshake alone
	nonce [nonceSize]byte  // of the challenge: names the handshake
	hello hello
}

// The plain text of a ticket: made (8 bytes, big-endian), key, nonce, the hello's share and nonce. On the wire
// it stands sealed behind the nonce of AES-GCM.
const (
	ticketPlain = 8 + keySize + nonceSize + keySize + nonceSize
	ticketNonce = 12
)

// ticketKey seals tickets for one ticket life and opens them for one more; then it is gone, and with it
// whatever could be learned from tickets that somebody kept.
type ticketKey struct {
	aead cipher.AEAD // nil: there is none yet
	made ais.Instant
	used uint64 // tickets sealed: the nonce of the next one
}

// seal makes a ticket's bytes. s.mu is held.
func (s *Server) seal(now ais.Instant, t *ticket) ([]byte, error) {
	if k := &s.keys[0]; k.aead == nil || now-k.made >= ticketLife || now < k.made {
		var key [keySize]byte
		if _, err := io.ReadFull(s.random, key[:]); err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
		aead, err := newAEAD(key[:])
		if err != nil {
			return nil, err
		}
		s.keys[1], s.keys[0] = s.keys[0], ticketKey{aead: aead, made: now}
	}
	k := &s.keys[0]
	b := make([]byte, ticketNonce, ticketMost)
	binary.BigEndian.PutUint64(b[ticketNonce-8:], k.used)
	k.used++
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, ticketPlain), uint64(t.made))
	for _, part := range [][]byte{t.key.Bytes(), t.nonce[:], t.hello.share[:], t.hello.nonce[:]} {
		plain = append(plain, part...)
	}
	return k.aead.Seal(b, b, plain, nil), nil
}

// open reads a ticket of this server that is not too old. s.mu is held.
func (s *Server) open(now ais.Instant, b []byte) (*ticket, error) {
	if len(b) < ticketNonce {
		return nil, errStale
	}
	for _, k := range s.keys {
		if k.aead == nil {
			continue
		}
		plain, err := k.aead.Open(nil, b[:ticketNonce], b[ticketNonce:], nil)
		if err != nil || len(plain) != ticketPlain {
			continue
		}
		t := &ticket{made: ais.Instant(binary.BigEndian.Uint64(plain))}
		rest := plain[8:]
		if t.key, err = ecdh.X25519().NewPrivateKey(rest[:keySize]); err != nil {
			return nil, fmt.Errorf("join: ticket: %w", err)
		}
		rest = rest[keySize:]
		for _, to := range [][]byte{t.nonce[:], t.hello.share[:], t.hello.nonce[:]} {
			rest = rest[copy(to, rest):]
		}
		if now < t.made || now-t.made > ticketLife {
			return nil, errStale
		}
		return t, nil
	}
	return nil, errStale
}

// handshake derives the keys that the joiner has, if it knows the secret.
func (t *ticket) handshake(secret Secret, sealed []byte) (*handshake, error) {
	c := challenge{nonce: t.nonce, ticket: sealed}
	copy(c.share[:], t.key.PublicKey().Bytes())
	return agree(secret, t.key, t.hello.share, t.hello.encode(), c.encode())
}
