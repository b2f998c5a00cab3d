//go:build ais_next

package control

import (
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

// Level is the command level after the one in level.go. An ais built with the tag ais_next stands for
// the next version in tests that run two versions in one cluster.
const Level = 2

// KindClusterNote is the one kind that level 2 adds.
const KindClusterNote Kind = "cluster.note"

// noteMax is the limit of a note, in bytes.
const noteMax = 1 << 10

func nextKinds() []kindRow {
	return []kindRow{{KindClusterNote, 2, 1, false, decodeAs[ClusterNote]}}
}

// nextState is what those kinds keep in the state.
type nextState struct {
	Text string `json:"note,omitempty"`
}

// Note is the text of the last ClusterNote.
func (v *View) Note() string { return v.next.Text }

// ClusterNote leaves a text in the state.
type ClusterNote struct {
	Text string `json:"text"`
}

func (ClusterNote) Kind() Kind { return KindClusterNote }

func (c ClusterNote) check() error {
	if len(c.Text) > noteMax || !utf8.ValidString(c.Text) {
		return ais.Errorf(ais.Invalid, "note of %d bytes: want at most %d of valid UTF-8", len(c.Text), noteMax)
	}
	return nil
}

func (c ClusterNote) apply(next *View, _ ais.ControlIndex) (Result, error) {
	next.next.Text = c.Text
	return Result{}, nil
}
