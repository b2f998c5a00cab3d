package join

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// Status codes of HTTP that Handle gives.
const (
	statusGood    = 200
	statusInvalid = 400
	statusDenied  = 403
	statusStale   = 409
	statusBusy    = 503
)

// Bounds of a Server.
const (
	ticketLife    = ais.Instant(10 * time.Second) // from challenge to request
	admitsAtOnce  = 16                            // Admit calls in flight; one more is told to come again
	admitsMost    = 4096                          // handshakes that proved the secret within a ticket's life; one more likewise
	hellosRate    = 500                           // hellos a second; one more is told to come again
	hellosBurst   = 1000
	proofsRate    = 500 // requests with a good ticket a second; one more likewise
	proofsBurst   = 1000
	failuresRate  = 1 // requests a second of one remote that fail to prove the secret; above, all of its requests wait
	failuresBurst = 20
	remotesMost   = 1024 // remotes whose failures are remembered; then the one longest silent is forgotten
)

// Admit decides about a joiner that has proved the secret. It gets what the joiner announced and gives what is
// sealed for it. It may be called twice for one joiner, whose answer was lost.
type Admit func(ctx context.Context, remote string, announced []byte) (payload []byte, err error)

// Options is what a Server is made of.
type Options struct {
	Secret Secret // of NewSecret
	Random io.Reader
	Admit  Admit
	Logger *slog.Logger
}

// Server is a member's side of the handshake. It may be used by many goroutines at once. Its memory is
// bounded, however many ask: before a joiner has proved the secret, all that is remembered is in its own ticket.
type Server struct {
	secret Secret
	admit  Admit
	log    *slog.Logger
	admits chan struct{}

	mu      sync.Mutex // guards what follows; nothing is locked under it
	random  io.Reader
	keys    [2]ticketKey // the one in use, and the one before
	used    map[[nonceSize]byte]ais.Instant
	hellos  bucket
	proofs  bucket
	remotes map[string]*remoteState
	counts  Counts
	logged  ais.Instant
}

// remoteState is the failures of one remote.
type remoteState struct {
	bucket bucket
	last   ais.Instant
}

// Counts are totals since the Server was made.
type Counts struct {
	Hellos   uint64 // answered
	Admitted uint64 // joiners that Admit took in
	Refused  uint64 // joiners that Admit refused
	Failed   uint64 // requests without a valid proof: a wrong secret, a forgery
	Stale    uint64 // requests with a ticket that is old, used or not ours
	Invalid  uint64 // messages that are none
	Busy     uint64 // told to come again
}

// NewServer makes a member's side.
func NewServer(o Options) (*Server, error) {
	if len(o.Secret.key) == 0 {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounConfig, "join: no secret")
	}
	return &Server{
		secret: o.Secret, admit: o.Admit, log: o.Logger, random: o.Random,
		admits:  make(chan struct{}, admitsAtOnce),
		used:    map[[nonceSize]byte]ais.Instant{},
		hellos:  bucket{rate: hellosRate, burst: hellosBurst},
		proofs:  bucket{rate: proofsRate, burst: proofsBurst},
		remotes: map[string]*remoteState{},
	}, nil
}

// Counts is what the server has counted.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Handle answers the body of one POST to Path. now is this machine's clock; remote is the asker's address
// without its port. Callers bound the body by MessageMost. It blocks only in Admit.
func (s *Server) Handle(ctx context.Context, now ais.Instant, remote string, body []byte) (status int, answer []byte) {
	r, kind, _ := start(body)
	var err error
	switch {
	case r.err != nil:
		err = ais.Errorf(ais.Invalid, "join: no message: %w", r.err)
	case kind == kindHello:
		answer, err = s.hello(now, body)
	case kind == kindRequest:
		answer, err = s.request(ctx, now, remote, body)
	default:
		err = ais.Errorf(ais.Invalid, "join: message of kind %d", kind)
	}
	if err == nil {
		return statusGood, answer
	}
	s.note(now, remote, err)
	return refusalOf(err)
}

func refusalOf(err error) (int, []byte) {
	k := ais.KindOf(err)
	text := encodeRefusal(k, err.Error())
	switch k {
	case ais.Invalid, ais.Exhausted:
		return statusInvalid, text
	case ais.Denied:
		return statusDenied, text
	case ais.StaleMap:
		return statusStale, text
	}
	return statusBusy, text
}

// hello makes a challenge.
func (s *Server) hello(now ais.Instant, body []byte) ([]byte, error) {
	m, err := parseHello(body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hellos.take(now) {
		return nil, ais.Errorf(ais.Unavailable, "join: too many ask; try again")
	}
	own, err := newShare(s.random)
	if err != nil {
		return nil, err
	}
	var c challenge
	copy(c.share[:], own.PublicKey().Bytes())
	if _, err := io.ReadFull(s.random, c.nonce[:]); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	t := ticket{made: now, key: own, nonce: c.nonce, hello: m}
	if c.ticket, err = s.seal(now, &t); err != nil {
		return nil, err
	}
	s.counts.Hellos++
	return c.encode(), nil
}

// errStale is the answer to every ticket that is not good, whatever is wrong with it.
var errStale = errors.New("the ticket is not valid any more; begin again")

// request checks a joiner's proof and asks Admit.
func (s *Server) request(ctx context.Context, now ais.Instant, remote string, body []byte) ([]byte, error) {
	m, err := parseRequest(body)
	if err != nil {
		return nil, err
	}
	h, announced, err := s.check(now, remote, &m)
	if err != nil {
		return nil, err
	}
	select {
	case s.admits <- struct{}{}:
		defer func() { <-s.admits }()
	default:
		return nil, ais.Errorf(ais.Unavailable, "join: %d joins are under way; try again", admitsAtOnce)
	}
	var o outcome
	if o.payload, err = s.admit(ctx, remote, announced); err == nil && len(o.payload) > payloadMost {
		err = ais.Errorf(ais.Internal, "join: payload of %d bytes: at most %d", len(o.payload), payloadMost)
	}
	s.decided(remote, err)
	if err != nil {
		o = outcome{err: &ais.Error{Kind: ais.KindOf(err), Noun: ais.NounOf(err), Message: err.Error()}}
	}
	var answer reply
	if answer.sealed, err = sealOnce(h.memberSeal, o.encode()); err != nil {
		return nil, err
	}
	answer.proof = prove(h.memberProof, h.transcript[:], body, answer.sealed)
	return answer.encode(), nil
}

// decided counts and logs what became of a joiner that knows the secret.
func (s *Server) decided(remote string, err error) {
	s.mu.Lock()
	if err == nil {
		s.counts.Admitted++
	} else {
		s.counts.Refused++
	}
	s.mu.Unlock()
	if err != nil {
		s.log.Warn("join refused", slog.String("remote", remote), slog.Any("error", err))
		return
	}
	s.log.Info("join", slog.String("remote", remote))
}

// check opens the ticket of a request and verifies its proof. The proof is used up by that: the same request
// is not accepted again.
func (s *Server) check(now ais.Instant, remote string, m *request) (*handshake, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mayFail(now, remote) {
		return nil, nil, ais.Errorf(ais.Unavailable, "join: too many requests without a proof came from here; try again")
	}
	t, err := s.open(now, m.ticket)
	if err != nil {
		return nil, nil, ais.Errorf(ais.StaleMap, "join: %w", err)
	}
	if !s.proofs.take(now) {
		return nil, nil, ais.Errorf(ais.Unavailable, "join: too many ask; try again")
	}
	h, err := t.handshake(s.secret, m.ticket)
	if err != nil {
		return nil, nil, err
	}
	if !proves(h.joinerProof, m.proof, h.transcript[:], m.sealed) {
		s.failed(now, remote)
		return nil, nil, ais.Errorf(ais.Denied, "join: the secret is not this cluster's")
	}
	announced, err := openOnce(h.joinerSeal, m.sealed)
	if err != nil {
		return nil, nil, err
	}
	if _, again := s.used[t.nonce]; again {
		return nil, nil, ais.Errorf(ais.StaleMap, "join: %w", errStale)
	}
	if !s.makeRoom(now) {
		return nil, nil, ais.Errorf(ais.Unavailable, "join: too many join; try again")
	}
	s.used[t.nonce] = now
	return h, announced, nil
}

// makeRoom forgets used tickets that are too old to come again.
func (s *Server) makeRoom(now ais.Instant) bool {
	if len(s.used) < admitsMost {
		return true
	}
	for nonce, at := range s.used {
		if now-at > 2*ticketLife {
			delete(s.used, nonce)
		}
	}
	return len(s.used) < admitsMost
}
