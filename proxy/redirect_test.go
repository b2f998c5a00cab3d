package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais/auth"
)

func TestRedirectCarriesTicket(t *testing.T) {
	gateway, home, _ := pair(t)
	for _, c := range [][3]string{
		{"GET", "/v1/objects/bbb/a%2Fb/%C3%A9", ""}, {"PUT", "/v1/objects/bbb/n", "hello"}, {"DELETE", "/v1/objects/bbb/n?version=00", ""},
		{"HEAD", "/v1/objects/bbb/n?version=a&redirect=true", ""},
	} {
		a := gateway.do(c[0], c[1], c[2])
		location := a.header.Get("Location")
		if a.status != 307 || !strings.HasPrefix(location, "http://"+home.public+strings.Split(c[1], "?")[0]+"?") {
			t.Errorf("%v: got %d to %q, want 307 to the home", c, a.status, location)
			continue
		}
		at, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		b := home.send(home.request(c[0], at.RequestURI(), c[2]))
		if b.status != 200 || c[0] != "HEAD" && !strings.Contains(b.body, "identity ticket "+testCredential.AccessKey+" <nil>") {
			t.Errorf("%v followed: got %d %.200s", c, b.status, b.body)
		}
		if b := home.send(home.request("POST", at.RequestURI(), c[2])); strings.Contains(b.body, "<nil>\nHost") {
			t.Errorf("%v: the ticket is good for another method", c)
		}
		// The object has moved meanwhile: the ticket comes to a node that is not the home, which passes it on.
		late := gateway.send(gateway.request(c[0], at.RequestURI(), c[2]))
		if late.status != 200 || late.header.Get("X-Node") != home.id.String() {
			t.Errorf("%v, late: got %d from %s", c, late.status, late.header.Get("X-Node"))
		}
	}
	if got := gateway.counted("redirected"); got != 4 {
		t.Errorf("counted %v redirects, want 4", got)
	}
}

func TestPresignedRedirectHasOneProof(t *testing.T) {
	gateway, home, _ := pair(t)
	r := gateway.request("GET", "/v1/objects/bbb/n?version=a", "")
	if err := auth.NewSigner(testCredential, "us-east-1").PresignHTTP(r, time.Hour, time.Now()); err != nil {
		t.Fatal(err)
	}
	a := gateway.send(r)
	at, err := url.Parse(a.header.Get("Location"))
	if a.status != 307 || err != nil || strings.Contains(at.RawQuery, "X-Amz-") || !strings.HasPrefix(at.RawQuery, "version=a&") {
		t.Fatalf("got %d to %q", a.status, a.header.Get("Location"))
	}
	if b := home.send(home.request("GET", at.RequestURI(), "")); !strings.Contains(b.body, "identity ticket") {
		t.Errorf("followed: got %.200s", b.body)
	}
}

func TestWhatIsNotRedirectedIsPassedOn(t *testing.T) {
	gateway, home, b := pair(t)
	requests := func() map[string]*http.Request {
		streaming := gateway.request("PUT", "/v1/objects/bbb/n", "hello")
		_ = auth.NewSigner(testCredential, "us-east-1").SignHTTP(streaming, auth.StreamingUnsignedTrailer, time.Now())
		return map[string]*http.Request{
			"redirect=false": sign(t, gateway.request("GET", "/v1/objects/bbb/n?version=a&redirect=false", "")),
			"unsigned":       gateway.request("GET", "/v1/objects/bbb/n", ""),
			"S3":             sign(t, gateway.request("GET", "/bbb/n", "")),
			"signed chunks":  streaming,
		}
	}
	for name, r := range requests() {
		if a := gateway.send(r); a.status != 200 || a.header.Get("X-Node") != home.id.String() {
			t.Errorf("%s: got %d from %s", name, a.status, a.header.Get("X-Node"))
		}
	}
	doubtful := home.home()
	doubtful.Doubtful = true
	b.set("", doubtful)
	if a := gateway.do("GET", "/v1/objects/bbb/n", ""); a.status != 200 {
		t.Errorf("a home in doubt: got %d, want it passed on", a.status)
	}
	hidden := home.home()
	hidden.Public = ""
	b.set("", hidden)
	if a := gateway.do("GET", "/v1/objects/bbb/n", ""); a.status != 200 {
		t.Errorf("a home without a public address: got %d, want it passed on", a.status)
	}
}
