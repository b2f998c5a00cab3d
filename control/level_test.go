//go:build !ais_next

package control

import (
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

// What the next version writes is not overlooked: the commands of level 2, and a state that has one.
func TestTheNextLevelIsRefused(t *testing.T) {
	v := scripted(t, 1)
	next, _, err := v.ApplyEntry(2, []byte(`{"v":1,"kind":"cluster.note","body":{"text":"hello"}}`))
	if next != nil || !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), `unknown kind "cluster.note": a newer ais wrote it`) {
		t.Errorf("a command of level 2: got %v, %v, want it refused", next, err)
	}
	b := strings.Replace(string(stateBytes(t, v)), `"recent":[]`, `"recent":[],"note":"hello"`, 1)
	if _, err := DecodeSnapshot([]byte(b)); !ais.IsKind(err, ais.Corrupt) || !strings.Contains(err.Error(), "note") {
		t.Errorf("a snapshot with a note: got %v, want it refused", err)
	}
}
