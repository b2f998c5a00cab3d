package join

import (
	"context"
	"fmt"
	"io"

	"github.com/seed9b016523/ais"
)

// Post sends a body to a member's Path and gives the answer: the status of HTTP, and at most MessageMost bytes of
// the body. Its errors are those of the network.
type Post func(ctx context.Context, url string, body []byte) (status int, reply []byte, err error)

// Client asks the member at url (http://host:port + Path) to be taken in: it announces a payload, which only a member that
// knows the secret can read, and gives the payload that the member seals in return.
//
// Errors: Denied if the member does not prove the secret, or says that this side does not; what the member's
// Admit answered; Unavailable if it cannot be reached or is busy. Only the error of Admit is proven to be the member's.
func Client(ctx context.Context, random io.Reader, secret Secret, url string, post Post, announce []byte) ([]byte, error) {
	if len(announce) > payloadMost {
		return nil, ais.Errorf(ais.Exhausted, "join: announcement of %d bytes: at most %d", len(announce), payloadMost)
	}
	own, err := newShare(random)
	if err != nil {
		return nil, err
	}
	var first hello
	copy(first.share[:], own.PublicKey().Bytes())
	if _, err := io.ReadFull(random, first.nonce[:]); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	helloBytes := first.encode()
	challengeBytes, err := exchange(ctx, url, post, helloBytes)
	if err != nil {
		return nil, err
	}
	c, err := parseChallenge(challengeBytes)
	if err != nil {
		return nil, err
	}
	h, err := agree(secret, own, c.share, helloBytes, challengeBytes)
	if err != nil {
		return nil, err
	}
	ask := request{ticket: c.ticket}
	if ask.sealed, err = sealOnce(h.joinerSeal, announce); err != nil {
		return nil, err
	}
	ask.proof = prove(h.joinerProof, h.transcript[:], ask.sealed)
	requestBytes := ask.encode()
	replyBytes, err := exchange(ctx, url, post, requestBytes)
	if err != nil {
		return nil, err
	}
	return h.readReply(requestBytes, replyBytes)
}

// readReply checks the member's proof before anything of its reply counts.
func (h *handshake) readReply(requestBytes, replyBytes []byte) ([]byte, error) {
	r, err := parseReply(replyBytes)
	if err != nil {
		return nil, err
	}
	if !proves(h.memberProof, r.proof, h.transcript[:], requestBytes, r.sealed) {
		return nil, ais.Errorf(ais.Denied, "join: the node that answers does not know the cluster's secret")
	}
	plain, err := openOnce(h.memberSeal, r.sealed)
	if err != nil {
		return nil, err
	}
	o, err := parseOutcome(plain)
	if err != nil {
		return nil, err
	}
	if o.err != nil {
		return nil, o.err
	}
	return o.payload, nil
}

// exchange makes one round trip.
func exchange(ctx context.Context, url string, post Post, body []byte) ([]byte, error) {
	status, reply, err := post(ctx, url, body)
	switch {
	case err != nil && ais.KindOf(err) != ais.Internal:
		return nil, err
	case err != nil:
		return nil, ais.Errorf(ais.Unavailable, "join: %s: %w", url, err)
	case status == statusGood:
		return reply, nil
	}
	if err := parseRefusal(reply); err != nil {
		return nil, err
	}
	return nil, ais.Errorf(ais.Unavailable, "join: %s: status %d", url, status)
}
