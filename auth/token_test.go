package auth

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func TestToken(t *testing.T) {
	now := exampleTime()
	v := newTestVerifier(t)
	token := NewToken(testCredential(), now.Add(time.Hour))
	ask := func(authorization string, at time.Time) (Identity, error) {
		id, p, err := v.Authenticate(request("GET", "/v1/buckets", "h", at, "authorization", authorization))
		if err == nil && p.Mode != PayloadPlain {
			t.Errorf("the payload of a token request has mode %d, want %d", p.Mode, PayloadPlain)
		}
		return id, err
	}
	want := Identity{Kind: Bearer, AccessKey: testKey, Root: true}
	for _, scheme := range []string{"Bearer ", "bearer  "} {
		if id, err := ask(scheme+token, now.Add(time.Hour-time.Second)); err != nil || id != want {
			t.Errorf("%q and the token: got %+v, %v, want %+v", scheme, id, err, want)
		}
	}
	other := testCredential()
	other.Secret = "guessed"
	unknown := Credential{AccessKey: "nobody", Secret: testSecret}
	for name, tc := range map[string]struct {
		token string
		at    time.Time
		want  Reason
	}{
		"at its last moment":   {token, now.Add(time.Hour), ExpiredToken},
		"made with a guess":    {NewToken(other, now.Add(time.Hour)), now, InvalidToken},
		"of an unknown key":    {NewToken(unknown, now.Add(time.Hour)), now, UnknownAccessKey},
		"empty":                {"", now, InvalidToken},
		"another version":      {"ais2." + token[5:], now, InvalidToken},
		"without a MAC":        {token[:strings.LastIndex(token, ".")], now, InvalidToken},
		"with an empty MAC":    {token[:strings.LastIndex(token, ".")+1], now, InvalidToken},
		"too long":             {token + strings.Repeat("A", sealedMax), now, InvalidToken},
		"without access key":   {NewToken(Credential{Secret: "x"}, now.Add(time.Hour)), now, InvalidToken},
		"a ticket as a token":  {"t1." + token[5:], now, InvalidToken},
		"in standard encoding": {"ais1." + base64.StdEncoding.EncodeToString([]byte("12345678x")) + ".AAAA", now, InvalidToken},
	} {
		id, err := ask("Bearer "+tc.token, tc.at)
		wantReason(t, "token "+name, err, tc.want)
		if id != (Identity{}) {
			t.Errorf("token %s: refused but the identity is %+v, want none", name, id)
		}
	}
	for i := range token {
		for bit := range 8 {
			bad := []byte(token)
			bad[i] ^= 1 << bit
			if id, err := v.VerifyToken(bad, now); err == nil {
				t.Errorf("byte %d, bit %d flipped: taken for %+v", i, bit, id)
			}
		}
	}
}

func TestTicket(t *testing.T) {
	now := exampleTime()
	v := newTestVerifier(t)
	key := []byte("0123456789abcdef")
	ticket := func(method, path, query, accessKey string) string {
		s, err := NewTicket(key, accessKey, []byte(method), []byte(path), []byte(query), now)
		if err != nil {
			t.Fatalf("NewTicket: %v", err)
		}
		return TicketParameter + "=" + s
	}
	good := ticket("PUT", "/v1/objects/b/a b", "redirect=false&x=1", testKey)
	want := Identity{Kind: Ticket, AccessKey: testKey, Root: true}
	for name, tc := range map[string]struct {
		method, target string
		after          time.Duration
		want           Reason
	}{
		"good":               {"PUT", "/v1/objects/b/a b?redirect=false&x=1&" + good, 0, NoReason},
		"encoded, reordered": {"PUT", "/v1/objects/b/a%20b?" + good + "&x=1&redirect=false", 59 * time.Second, NoReason},
		"late":               {"PUT", "/v1/objects/b/a b?redirect=false&x=1&" + good, TicketLife, ExpiredTicket},
		"another method":     {"GET", "/v1/objects/b/a b?redirect=false&x=1&" + good, 0, InvalidTicket},
		"another path":       {"PUT", "/v1/objects/b/a?redirect=false&x=1&" + good, 0, InvalidTicket},
		"another query":      {"PUT", "/v1/objects/b/a b?redirect=false&x=2&" + good, 0, InvalidTicket},
		"more query":         {"PUT", "/v1/objects/b/a b?redirect=false&x=1&force=true&" + good, 0, InvalidTicket},
		"twice":              {"PUT", "/v1/objects/b/a b?redirect=false&x=1&" + good + "&" + good, 0, InvalidTicket},
		"nobody's":           {"GET", "/x?" + ticket("GET", "/x", "", "nobody"), 0, UnknownAccessKey},
		"empty":              {"GET", "/x?" + TicketParameter + "=", 0, InvalidTicket},
		"a token":            {"GET", "/x?" + TicketParameter + "=" + NewToken(testCredential(), now.Add(time.Hour)), 0, InvalidTicket},
		"bad path":           {"GET", "/%zz?" + ticket("GET", "/x", "", testKey), 0, InvalidURI},
	} {
		req := request(tc.method, tc.target, "h", now.Add(tc.after))
		id, _, err := v.Authenticate(req)
		wantReason(t, "ticket "+name, err, tc.want)
		again, err := v.VerifyTicket(req)
		wantReason(t, "VerifyTicket "+name, err, tc.want)
		if err == nil && id != want || again != id {
			t.Errorf("ticket %s: got %+v and %+v, want %+v", name, id, again, want)
		}
	}
	alone, err := NewVerifier(Default(), testKeys())
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	_, _, err = alone.Authenticate(request("GET", "/x?"+ticket("GET", "/x", "", testKey), "h", now))
	wantReason(t, "a ticket where there is no cluster key", err, InvalidTicket)
	_, err = NewTicket(key, testKey, []byte("GET"), []byte("/"), []byte("a=%"), now)
	wantReason(t, "a ticket for a bad query", err, InvalidURI)
	_, err = NewTicket(key, testKey, []byte("GET"), []byte("/%"), nil, now)
	wantReason(t, "a ticket for a bad path", err, InvalidURI)
	for i := range good {
		if i <= len(TicketParameter) {
			continue
		}
		bad := []byte(good)
		bad[i] ^= 1
		if id, _, err := v.Authenticate(request("PUT", "/v1/objects/b/a b?redirect=false&x=1&"+string(bad), "h", now)); err == nil {
			t.Errorf("byte %d of the ticket flipped: taken for %+v", i, id)
		}
	}
}
