package join

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// stretched makes the secrets of the tests once: it takes long on purpose.
var stretched = sync.OnceValue(func() [2]Secret {
	var s [2]Secret
	for i, text := range []string{"correct horse battery", "another secret of it all"} {
		var err error
		if s[i], err = NewSecret(text); err != nil {
			panic(err)
		}
	}
	return s
})

// dice is randomness that repeats.
func dice(seed uint64) io.Reader {
	var b [32]byte
	b[0] = byte(seed)
	return rand.NewChaCha8(b)
}

type member struct {
	*Server
	now      ais.Instant
	admitted []string
	refuse   error
	log      bytes.Buffer
	remote   string
}

func newMember(t testing.TB, secret Secret) *member {
	t.Helper()
	m := &member{now: ais.Instant(time.Hour), remote: "10.0.0.7"}
	var err error
	m.Server, err = NewServer(Options{
		Secret: secret, Random: dice(1), Logger: slog.New(slog.NewTextHandler(&m.log, nil)),
		Admit: func(_ context.Context, remote string, announced []byte) ([]byte, error) {
			m.admitted = append(m.admitted, string(announced))
			return []byte("credentials for " + string(announced)), m.refuse
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// post delivers messages to m; change, if set, may tamper with them.
func (m *member) post(change func(step int, request bool, b []byte) []byte) Post {
	step := 0
	return func(ctx context.Context, _ string, body []byte) (int, []byte, error) {
		step++
		if change != nil {
			body = change(step, true, bytes.Clone(body))
		}
		status, answer := m.Handle(ctx, m.now, m.remote, body)
		if change != nil {
			answer = change(step, false, answer)
		}
		return status, answer, nil
	}
}

func TestJoin(t *testing.T) {
	m := newMember(t, stretched()[0])
	got, err := Client(t.Context(), dice(2), stretched()[0], "http://member"+Path, m.post(nil), []byte("node 7"))
	if err != nil || string(got) != "credentials for node 7" {
		t.Fatalf("join: got %q, %v; want the credentials", got, err)
	}
	if c := m.Counts(); c != (Counts{Hellos: 1, Admitted: 1}) {
		t.Errorf("counts: got %+v, want one hello, one admitted", c)
	}
}

// TestRefusedByAdmit: the member's reason arrives, proven.
func TestRefusedByAdmit(t *testing.T) {
	m := newMember(t, stretched()[0])
	m.refuse = ais.NounErrorf(ais.Precondition, ais.NounName, "node 7 is here already")
	_, err := Client(t.Context(), dice(2), stretched()[0], "", m.post(nil), []byte("node 7"))
	if !ais.IsKind(err, ais.Precondition) || ais.NounOf(err) != ais.NounName || err.Error() != "node 7 is here already" {
		t.Errorf("join: got %v of kind %v; want the reason of Admit", err, ais.KindOf(err))
	}
}

// TestWrongSecret: nobody is admitted, nothing is given away, and the log does not have the secret.
func TestWrongSecret(t *testing.T) {
	m := newMember(t, stretched()[0])
	_, err := Client(t.Context(), dice(2), stretched()[1], "", m.post(nil), []byte("node 7"))
	if !ais.IsKind(err, ais.Denied) {
		t.Errorf("join with a wrong secret: got %v, want Denied", err)
	}
	if len(m.admitted) != 0 || m.Counts().Failed != 1 {
		t.Errorf("got %d admitted, %d failed; want 0 and 1", len(m.admitted), m.Counts().Failed)
	}
	if log := m.log.String(); !strings.Contains(log, "not this cluster's") || strings.Contains(log, "horse") || strings.Contains(log, "another") {
		t.Errorf("log: got %q; want the refusal without secrets", log)
	}
}

// TestFalseMember: a node that does not know the secret cannot pass for a member, nor read what is announced.
func TestFalseMember(t *testing.T) {
	liar := newMember(t, stretched()[1])
	var seen []byte
	step := 0
	post := func(ctx context.Context, _ string, body []byte) (int, []byte, error) {
		seen = append(seen, body...)
		if step++; step == 1 {
			status, answer := liar.Handle(ctx, liar.now, "x", body)
			return status, answer, nil
		}
		// It answers something, with a proof of its own making.
		r := reply{sealed: []byte("come in")}
		return 200, r.encode(), nil
	}
	if _, err := Client(t.Context(), dice(2), stretched()[0], "", post, []byte("node 7 announces")); !ais.IsKind(err, ais.Denied) {
		t.Errorf("join at a false member: got %v, want Denied", err)
	}
	if bytes.Contains(seen, []byte("announces")) {
		t.Error("the announcement was sent in the clear")
	}
}

// TestMiddle: whoever sits between and passes on all but one byte is noticed, whichever byte it is.
func TestMiddle(t *testing.T) {
	for _, test := range []struct {
		step    int
		request bool
	}{{1, true}, {1, false}, {2, true}, {2, false}} {
		t.Run(fmt.Sprintf("step %d request %v", test.step, test.request), func(t *testing.T) {
			m := newMember(t, stretched()[0])
			length := 0
			for i := 0; i == 0 || i < length; i += 13 {
				m.remote = fmt.Sprint(i) // so that none of them is held up
				before := len(m.admitted)
				_, err := Client(t.Context(), dice(uint64(i)), stretched()[0], "", m.post(func(step int, request bool, b []byte) []byte {
					if step == test.step && request == test.request {
						length = len(b)
						b[i] ^= 0x40
					}
					return b
				}), []byte("node"))
				if err == nil {
					t.Fatalf("byte %d of %d changed: the join went well", i, length)
				}
				if test.step == 1 || test.request {
					if len(m.admitted) != before {
						t.Fatalf("byte %d changed: the joiner was admitted", i)
					}
				}
			}
		})
	}
}

// TestReplay: a request counts once, and only for a while.
func TestReplay(t *testing.T) {
	m := newMember(t, stretched()[0])
	var recorded []byte
	record := func(step int, request bool, b []byte) []byte {
		if step == 2 && request {
			recorded = b
		}
		return b
	}
	if _, err := Client(t.Context(), dice(2), stretched()[0], "", m.post(record), []byte("node 7")); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, time.Second, 9 * time.Second, 11 * time.Second, time.Hour} {
		if status, _ := m.Handle(t.Context(), m.now+ais.Instant(later), "x", recorded); status != statusStale {
			t.Errorf("replay after %v: got status %d, want %d", later, status, statusStale)
		}
	}
	other := newMember(t, stretched()[0])
	other.random = dice(3)
	if status, _ := other.Handle(t.Context(), m.now, "x", recorded); status != statusStale {
		t.Errorf("replay at another member: got status %d, want %d", status, statusStale)
	}
	if len(m.admitted) != 1 {
		t.Errorf("admitted: got %d times, want once", len(m.admitted))
	}
}

// TestLife: a ticket lives ten seconds, however the keys of tickets change meanwhile.
func TestLife(t *testing.T) {
	for _, test := range []struct {
		began, takes time.Duration
		want         bool
	}{
		{0, 10 * time.Second, true}, {0, 10*time.Second + 1, false}, {0, -1, false},
		{9 * time.Second, 10 * time.Second, true}, {9 * time.Second, 11 * time.Second, false}, {0, time.Hour, false},
	} {
		m := newMember(t, stretched()[0])
		begin := m.now
		if status, _ := m.Handle(t.Context(), begin, "x", (&hello{share: [32]byte{9}}).encode()); status != 200 {
			t.Fatalf("first hello: status %d", status)
		}
		m.now = begin + ais.Instant(test.began)
		_, err := Client(t.Context(), dice(2), stretched()[0], "", m.post(func(step int, request bool, b []byte) []byte {
			if step == 1 && !request {
				m.now += ais.Instant(test.takes)
				m.Handle(t.Context(), m.now, "x", (&hello{share: [32]byte{9}}).encode()) // may change the key
			}
			return b
		}), nil)
		if (err == nil) != test.want {
			t.Errorf("begun %v after the key, %v long: got %v, want success %v", test.began, test.takes, err, test.want)
		}
	}
}

// TestBombs: ten thousand hellos, and as many forged requests, cost bounded memory and are told to come again.
func TestBombs(t *testing.T) {
	m := newMember(t, stretched()[0])
	junk := dice(5)
	var last challenge
	for i := range 10_000 {
		h := hello{}
		_, _ = io.ReadFull(junk, h.share[:])
		status, answer := m.Handle(t.Context(), m.now, fmt.Sprint("host ", i), h.encode())
		if status == 200 {
			last, _ = parseChallenge(answer)
		}
	}
	if c := m.Counts(); c.Hellos != hellosBurst || c.Busy != 10_000-hellosBurst {
		t.Errorf("hellos: got %d answered, %d told to come again; want %d and %d", c.Hellos, c.Busy, hellosBurst, 10_000-hellosBurst)
	}
	for i := range 10_000 {
		r := request{ticket: last.ticket, sealed: []byte("x")}
		m.Handle(t.Context(), m.now, fmt.Sprint("host ", i), r.encode())
	}
	if c := m.Counts(); c.Failed != proofsBurst || len(m.remotes) > remotesMost || len(m.used) != 0 {
		t.Errorf("forged requests: got %d looked at, %d remotes, %d tickets remembered; want %d, at most %d, 0",
			c.Failed, len(m.remotes), len(m.used), proofsBurst, remotesMost)
	}
	if n := strings.Count(m.log.String(), "\n"); n > 2 {
		t.Errorf("log: got %d lines within one instant, want at most 2", n)
	}
	m.now += ais.Instant(3 * time.Second)
	if _, err := Client(t.Context(), dice(2), stretched()[0], "", m.post(nil), nil); err != nil {
		t.Errorf("an honest join after the flood: got %v, want nil", err)
	}
}

// TestGuessing: one remote gets a few guesses, then one a second; others are not held up by it.
func TestGuessing(t *testing.T) {
	m := newMember(t, stretched()[0])
	guess := func() error {
		_, err := Client(t.Context(), dice(uint64(m.Counts().Hellos)), stretched()[1], "", m.post(nil), nil)
		return err
	}
	for i := range failuresBurst {
		if err := guess(); !ais.IsKind(err, ais.Denied) {
			t.Fatalf("guess %d: got %v, want Denied", i, err)
		}
	}
	if err := guess(); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("one guess more: got %v, want Unavailable", err)
	}
	m.remote = "10.0.0.8"
	if _, err := Client(t.Context(), dice(2), stretched()[0], "", m.post(nil), nil); err != nil {
		t.Errorf("an honest join from elsewhere: got %v, want nil", err)
	}
	m.remote = "10.0.0.7"
	m.now += ais.Instant(time.Second)
	if err := guess(); !ais.IsKind(err, ais.Denied) {
		t.Errorf("a guess a second later: got %v, want Denied", err)
	}
	if err := guess(); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("another one: got %v, want Unavailable", err)
	}
}

// TestAdmitsAtOnce: Admit is not asked by more than a few at a time.
func TestAdmitsAtOnce(t *testing.T) {
	entered, leave := make(chan struct{}, admitsAtOnce), make(chan struct{})
	s, err := NewServer(Options{Secret: stretched()[0], Random: dice(1), Logger: slog.New(slog.DiscardHandler),
		Admit: func(context.Context, string, []byte) ([]byte, error) {
			entered <- struct{}{}
			<-leave
			return nil, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	join := func(seed int) error {
		_, err := Client(t.Context(), dice(uint64(seed)), stretched()[0], "", func(ctx context.Context, _ string, b []byte) (int, []byte, error) {
			status, answer := s.Handle(ctx, 1, "x", b)
			return status, answer, nil
		}, nil)
		return err
	}
	var all sync.WaitGroup
	for i := range admitsAtOnce {
		all.Go(func() {
			if err := join(i); err != nil {
				t.Errorf("join %d: got %v, want nil", i, err)
			}
		})
	}
	for range admitsAtOnce {
		<-entered
	}
	if err := join(99); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("one more: got %v, want Unavailable", err)
	}
	close(leave)
	all.Wait()
}

func TestSecret(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "fifteen letters": false, "sixteen  letters": true, "  fifteen letters  ": false, "äöüäöüäöüäöüäöü": false,
	} {
		s, err := NewSecret(text)
		if (err == nil) != want || err != nil && !ais.IsKind(err, ais.Invalid) {
			t.Errorf("secret %q: got error %v, want accepted %v", text, err, want)
		}
		if got := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(got, "letters") || strings.Contains(got, "{") {
			t.Errorf("secret printed: %s", got)
		}
	}
	if _, err := NewServer(Options{}); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a server without a secret: got %v, want Invalid", err)
	}
}

// TestNetworkFailures: what the client says when there is no member at all.
func TestNetworkFailures(t *testing.T) {
	for _, test := range []struct {
		what   string
		status int
		answer []byte
		err    error
		want   ais.Kind
	}{
		{"no connection", 0, nil, errors.New("refused"), ais.Unavailable},
		{"no such page", 404, []byte("<html>"), nil, ais.Unavailable},
		{"not a member", 200, []byte("<html>"), nil, ais.Invalid},
		{"busy", 503, encodeRefusal(ais.Unavailable, "later"), nil, ais.Unavailable},
		{"canceled", 0, nil, ais.Errorf(ais.Canceled, "x"), ais.Canceled},
	} {
		_, err := Client(t.Context(), dice(1), stretched()[0], "u", func(context.Context, string, []byte) (int, []byte, error) {
			return test.status, test.answer, test.err
		}, nil)
		if !ais.IsKind(err, test.want) {
			t.Errorf("%s: got %v, want kind %v", test.what, err, test.want)
		}
	}
	if _, err := Client(t.Context(), dice(1), stretched()[0], "u", nil, make([]byte, payloadMost+1)); !ais.IsKind(err, ais.Exhausted) {
		t.Errorf("a large announcement: got %v, want Exhausted", err)
	}
}

// TestGolden fixes the bytes of a whole handshake. A change of them is a new version.
func TestGolden(t *testing.T) {
	m := newMember(t, stretched()[0])
	var all []string
	_, err := Client(t.Context(), dice(2), stretched()[0], "", m.post(func(_ int, _ bool, b []byte) []byte {
		sum := sha256.Sum256(b)
		all = append(all, fmt.Sprintf("%d %x", len(b), sum[:8]))
		return b
	}), []byte("node 7"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"71 5b6ea5a2f2ad565b", "237 8e914f7a4d68e756", "227 8c97f62e0e4cf51b", "84 fbe99da858cffeb8"}
	if fmt.Sprint(all) != fmt.Sprint(want) {
		t.Errorf("messages (length, start of SHA-256):\n got %q\nwant %q", all, want)
	}
	h := hello{share: [32]byte{1, 2, 3}, nonce: [32]byte{4, 5, 6}}
	const wantHello = "940101" + "c420" + "0102030000000000000000000000000000000000000000000000000000000000" +
		"c420" + "0405060000000000000000000000000000000000000000000000000000000000"
	if got := hex.EncodeToString(h.encode()); got != wantHello {
		t.Errorf("hello: got %s, want %s", got, wantHello)
	}
}

func FuzzHandle(f *testing.F) {
	s, err := NewServer(Options{Secret: Secret{make([]byte, keySize)}, Random: dice(1), Logger: slog.New(slog.DiscardHandler),
		Admit: func(context.Context, string, []byte) ([]byte, error) {
			f.Error("admitted without the secret")
			return nil, nil
		}})
	if err != nil {
		f.Fatal(err)
	}
	_, c := s.Handle(f.Context(), 1, "x", (&hello{share: [32]byte{9}}).encode())
	f.Add(c)
	f.Add((&hello{share: [32]byte{9}}).encode())
	f.Add((&request{ticket: make([]byte, 100), sealed: []byte("x")}).encode())
	f.Add((&reply{sealed: []byte("x")}).encode())
	f.Add(encodeRefusal(ais.Denied, "no"))
	f.Fuzz(func(t *testing.T, b []byte) {
		status, answer := s.Handle(t.Context(), 1, "x", b)
		if status != 200 && parseRefusal(answer) == nil {
			t.Errorf("status %d without a refusal: %x", status, answer)
		}
		if m, err := parseChallenge(b); err == nil && len(m.ticket) > ticketMost {
			t.Errorf("ticket of %d bytes", len(m.ticket))
		}
		if m, err := parseReply(b); err == nil && len(m.sealed) > sealedMost {
			t.Errorf("sealed of %d bytes", len(m.sealed))
		}
		if o, err := parseOutcome(b); err == nil && len(o.payload) > payloadMost {
			t.Errorf("payload of %d bytes", len(o.payload))
		}
	})
}
