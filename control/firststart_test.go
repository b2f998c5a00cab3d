package control

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func TestFirstStart(t *testing.T) {
	s := NewMemory(NewView())
	_, _, err := s.Propose(t.Context(), script()[2])
	wantError(t, "a command before the first start", err, ais.Invalid, "")
	random := bytes.NewReader(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, 20))
	key, err := Begin(t.Context(), s, FirstStart{NowUnix: 1, Random: random})
	if err != nil || key == nil || len(key.AccessKey) != 20 || len(key.Secret) != 40 || !key.Root {
		t.Fatalf("first start: got %+v, %v, want a drawn root key", key, err)
	}
	if secret, ok := s.View().Secret(key.AccessKey); !ok || secret != key.Secret {
		t.Errorf("the drawn key is not in the state")
	}
	if c := s.View().Cluster(); c.ID != 0x0807060504030201 || c.HashSeed != 0x0706050403020109 {
		t.Errorf("identity: got %+v, want what was drawn", c)
	}
	key, err = Begin(t.Context(), s, FirstStart{AccessKey: "other", Secret: "other-secret"})
	if err != nil || key != nil || len(s.View().Keys()) != 1 {
		t.Errorf("second start: got %+v, %v, want nothing to be made", key, err)
	}
}

// The secrets are made once, for the cluster's id; a loser of a race takes the winner's.
func TestFirstStartMakesSecrets(t *testing.T) {
	s := NewMemory(NewView())
	f := FirstStart{AccessKey: "given", Secret: "given-secret", NowUnix: 1, Random: bytes.NewReader(bytes.Repeat([]byte{1}, 16))}
	made := 0
	f.Secrets = func(id ais.ClusterID) (*Secrets, error) {
		made++
		if id != s.View().Cluster().ID || id == 0 {
			t.Errorf("secrets of cluster %s, want %s", id, s.View().Cluster().ID)
		}
		mine, theirs := secrets(), secrets()
		theirs.CAKey = []byte("theirs")
		mustPropose(t, s, ClusterSecrets{theirs})
		return &mine, nil
	}
	for range 2 {
		if _, err := Begin(t.Context(), s, f); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.View().Secrets(); got == nil || string(got.CAKey) != "theirs" || made != 1 {
		t.Errorf("secrets: got %v after %d were made, want those that came first", got, made)
	}
	f.Secrets = func(ais.ClusterID) (*Secrets, error) { return nil, ais.Errorf(ais.Internal, "no randomness") }
	other := NewMemory(NewView())
	mustPropose(t, other, script()[0])
	if _, err := Begin(t.Context(), other, f); !ais.IsKind(err, ais.Internal) || len(other.View().Keys()) != 0 {
		t.Errorf("secrets that cannot be made: got %v, want the error, and no root key yet", err)
	}
}

func TestFirstStartIsTakenUpAfterACrash(t *testing.T) {
	s := NewMemory(NewView())
	mustPropose(t, s, script()[0])
	key, err := Begin(t.Context(), s, FirstStart{AccessKey: "given", Secret: "given-secret", NowUnix: 1})
	if err != nil || key.AccessKey != "given" || s.View().Cluster().ID != 0xc1 {
		t.Errorf("got %+v, %v, want the key given, in the cluster that there was", key, err)
	}
}

func TestFirstStartRefuses(t *testing.T) {
	for what, f := range map[string]FirstStart{
		"half a key":   {AccessKey: "given"},
		"other half":   {Secret: "given-secret"},
		"short secret": {AccessKey: "given", Secret: "1234567"},
		"short name":   {AccessKey: "ab", Secret: "given-secret"},
		"odd name":     {AccessKey: "a/b/c", Secret: "given-secret"},
		"odd secret":   {AccessKey: "given", Secret: "given secret"},
	} {
		s := NewMemory(NewView())
		mustPropose(t, s, script()[0])
		_, err := Begin(t.Context(), s, f)
		wantError(t, what, err, ais.Invalid, ais.NounKey)
		if strings.Contains(err.Error(), "given-secret") {
			t.Errorf("%s: the message tells the secret: %v", what, err)
		}
	}
	s := NewMemory(NewView())
	if _, err := Begin(t.Context(), s, FirstStart{Random: strings.NewReader("x")}); err == nil || s.View().Index() != 0 {
		t.Errorf("without randomness: got %v at index %d, want an error at 0", err, s.View().Index())
	}
}
