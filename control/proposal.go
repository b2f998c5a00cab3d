package control

import (
	"bytes"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

// ProposalID names a proposal: 16 random bytes, drawn by whoever proposes, never all 0. It goes with
// the command into the log, so that a proposal that was sent twice is applied once.
type ProposalID [16]byte

func (id ProposalID) String() string               { return hex.EncodeToString(id[:]) }
func (id ProposalID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the 32 hexadecimal digits that MarshalText gives.
func (id *ProposalID) UnmarshalText(b []byte) error {
	n, err := hex.Decode(id[:], b[:min(len(b), 2*len(id))])
	if err != nil || n != len(id) || id.String() != string(b) {
		return ais.Errorf(ais.Invalid, "proposal id %.100q: want %d hexadecimal digits in lower case", b, 2*len(id))
	}
	return nil
}

// proposalLayout is the first byte of a proposal. An entry that begins with '{' is a command alone, as
// format 1 has them.
const (
	proposalLayout = 2
	proposalHeader = 1 + len(ProposalID{})
)

// EncodeProposal is the bytes of a log entry: layout 2 (1 byte), the id, the command. The id must not
// be zero. A command that would not be read back is refused with kind Invalid: no log can be followed
// past an entry that nobody can read.
func EncodeProposal(id ProposalID, c Command) ([]byte, error) {
	if id == (ProposalID{}) {
		return nil, ais.Errorf(ais.Invalid, "control: a proposal needs an id other than 0")
	}
	encoded, err := Encode(c)
	if err != nil {
		return nil, err
	}
	if _, err := Decode(encoded); err != nil {
		return nil, err
	}
	b := make([]byte, 0, proposalHeader+len(encoded))
	b = append(b, proposalLayout)
	b = append(b, id[:]...)
	return append(b, encoded...), nil
}

// DecodeProposal reads a log entry: what EncodeProposal gives, or a command alone, of which the id is
// zero.
func DecodeProposal(b []byte) (ProposalID, Command, error) {
	if bytes.HasPrefix(b, []byte("{")) {
		c, err := Decode(b)
		return ProposalID{}, c, err
	}
	if len(b) < proposalHeader || b[0] != proposalLayout {
		return ProposalID{}, nil, ais.Errorf(ais.Invalid, "control: log entry of %d bytes begins with %x: a newer ais wrote it", len(b), b[:min(len(b), 1)])
	}
	id := ProposalID(b[1:proposalHeader])
	if id == (ProposalID{}) {
		return ProposalID{}, nil, ais.Errorf(ais.Invalid, "control: log entry with proposal id 0")
	}
	c, err := Decode(b[proposalHeader:])
	return id, c, err
}

// EntryID is the id of the proposal in a log entry; zero where there is none.
func EntryID(entry []byte) (id ProposalID) {
	if len(entry) >= proposalHeader && entry[0] == proposalLayout {
		copy(id[:], entry[1:])
	}
	return id
}

// recentMax is the number of proposals that the state remembers, and messageMax the bytes of an error
// that it keeps of each. Both are part of apply: they are for ever.
const (
	recentMax  = 1024
	messageMax = 1 << 10
)

// outcome is what became of a proposal: enough to answer it again.
type outcome struct {
	ID      ProposalID       `json:"id"`
	Index   ais.ControlIndex `json:"index"`
	Bucket  ais.BucketID     `json:"bucket,omitempty"`
	Xaction string           `json:"xaction,omitempty"`
	Refused *refusal         `json:"refused,omitempty"`
}

// refusal is an *ais.Error as the state keeps it.
type refusal struct {
	Kind    ais.Kind `json:"kind"`
	Noun    ais.Noun `json:"noun,omitempty"`
	Message string   `json:"message"`
}

// ApplyEntry is the state after an entry of the log, the one at index at. An entry without bytes (the
// first of a term, say) changes the index only, and so does a proposal that was applied before: its
// result is the first one's. Of the last 1,024 proposals the state knows that.
//
// The error of a command that the state refuses is a result, and the view is there, as with Apply. If
// the entry is not readable the view is nil: the log cannot be followed any further.
func (v *View) ApplyEntry(at ais.ControlIndex, entry []byte) (*View, Result, error) {
	if len(entry) == 0 {
		return v.advanced(at), Result{}, nil
	}
	id, c, err := DecodeProposal(entry)
	if err != nil {
		return nil, Result{}, ais.Errorf(ais.KindOf(err), "control: log entry %d: %w", at, err)
	}
	if id == (ProposalID{}) {
		return v.Apply(at, c)
	}
	if first := v.outcomeOf(id); first != nil {
		next := v.advanced(at)
		result, err := next.again(first)
		return next, result, err
	}
	next, result, err := v.Apply(at, c)
	next.remember(id, result, err)
	return next, result, err
}

func (v *View) outcomeOf(id ProposalID) *outcome {
	i := slices.IndexFunc(v.recent, func(o *outcome) bool { return o.ID == id })
	if i < 0 {
		return nil
	}
	return v.recent[i]
}

// remember keeps the outcome of a proposal. The view is the caller's own.
func (v *View) remember(id ProposalID, result Result, err error) {
	o := &outcome{ID: id, Index: v.index}
	if result.Bucket != nil {
		o.Bucket = result.Bucket.ID
	}
	if result.Xaction != nil {
		o.Xaction = result.Xaction.ID
	}
	if err != nil {
		o.Refused = &refusal{Kind: ais.KindOf(err), Noun: ais.NounOf(err), Message: shortened(err.Error())}
	}
	keep := v.recent[max(0, len(v.recent)+1-recentMax):]
	v.recent = append(slices.Clone(keep), o) // a copy: other views share the old list
}

// again is the result of a proposal that was applied before.
func (v *View) again(o *outcome) (Result, error) {
	result := Result{Index: o.Index}
	result.Bucket, _ = v.BucketByID(o.Bucket)
	result.Xaction, _ = v.Xaction(o.Xaction)
	if r := o.Refused; r != nil {
		return result, ais.NounErrorf(r.Kind, r.Noun, "%s", r.Message)
	}
	return result, nil
}

// shortened cuts a message where a character ends.
func shortened(s string) string {
	if len(s) <= messageMax {
		return s
	}
	end := messageMax
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
