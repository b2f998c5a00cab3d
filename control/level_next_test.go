//go:build ais_next

package control

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func TestNote(t *testing.T) {
	note := ClusterNote{"hello <é>"}
	golden := `{"v":1,"kind":"cluster.note","body":{"text":"hello <é>"}}`
	if b, err := Encode(note); err != nil || string(b) != golden {
		t.Errorf("encoded: got %s, %v, want %s", b, err, golden)
	}
	v := walk(t, scripted(t, 1), []step{{NodeJoin{node(1, ais.RoleProxy, Level)}, 0, ""}})
	if err := CheckLevel(v, note); !ais.IsKind(err, ais.Unavailable) || !strings.Contains(err.Error(), "cluster.note needs command level 2, the cluster is at level 1") {
		t.Errorf("a note at level 1: got %v, want kind Unavailable", err)
	}
	if b := stateBytes(t, v); bytes.Contains(b, []byte("note")) {
		t.Errorf("a state without a note, which the version before must be able to read: %s", b)
	}
	v = walk(t, v, []step{{ClusterLevel{2}, 0, ""}})
	if err := CheckLevel(v, note); err != nil {
		t.Errorf("a note at level 2: %v", err)
	}
	v = walk(t, v, []step{{note, 0, ""}})
	if got := reread(t, v).Note(); got != note.Text {
		t.Errorf("note: got %q, want %q", got, note.Text)
	}
	for _, bad := range []string{"\xff", strings.Repeat("x", noteMax+1)} {
		if err := Check(ClusterNote{bad}); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("a note of %d bytes: got %v, want kind Invalid", len(bad), err)
		}
	}
}
