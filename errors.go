package ais

import (
	"errors"
	"fmt"
)

// Kind says what an error means to whoever asked. The set is closed, numbered, append-only, and
// the same on the wire: front doors map kinds to their dialect, nothing else does.
type Kind uint8

const (
	Internal     Kind = 0  // none of the below: a bug, or an operating error that has no better name
	NotFound     Kind = 1  // the thing named does not exist
	Exists       Kind = 2  // it exists already, or is not empty
	Invalid      Kind = 3  // the request contradicts itself or the rules; repeating it is useless
	Denied       Kind = 4  // the asker may not
	Precondition Kind = 5  // a condition of the request does not hold
	StaleMap     Kind = 6  // the asker's cluster map, epoch or term is old
	Unavailable  Kind = 7  // not now; try again
	Corrupt      Kind = 8  // stored bytes do not match their checksum, and no good copy is here
	Exhausted    Kind = 9  // out of space or past a limit
	Canceled     Kind = 10 // the asker went away
)

var kindNames = [...]string{"Internal", "NotFound", "Exists", "Invalid", "Denied", "Precondition",
	"StaleMap", "Unavailable", "Corrupt", "Exhausted", "Canceled"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Noun says what an error is about, where one kind needs more than one answer.
type Noun string

const (
	NounObject   Noun = "object"
	NounVersion  Noun = "version"
	NounBucket   Noun = "bucket"
	NounUpload   Noun = "upload"
	NounPart     Noun = "part"       // a part named at completion is missing or has another ETag
	NounOrder    Noun = "part-order" // parts named out of order
	NounPartSize Noun = "part-size"  // a part but the last is too small
	NounName     Noun = "name"
	NounSize     Noun = "size"
	NounBody     Noun = "body" // body shorter or longer than declared
	NounMarker   Noun = "delete-marker"
	NounKey      Noun = "access-key"
	NounConfig   Noun = "config-key"
	NounPayload  Noun = "payload" // bytes that a record refers to are not here
	NounNode     Noun = "node"    // a node that does not answer
)

// Error is the one error shape. Message is for people; Kind and Noun are for programs.
type Error struct {
	Kind    Kind
	Noun    Noun // may be empty
	Message string
	Err     error // cause, may be nil
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind; %w keeps the cause.
func Errorf(k Kind, format string, args ...any) error {
	return NounErrorf(k, "", format, args...)
}

// NounErrorf is Errorf with the noun that the error is about.
func NounErrorf(k Kind, n Noun, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Noun: n, Message: err.Error(), Err: errors.Unwrap(err)}
}

// KindOf is the kind of the outermost *Error in err's chain; Internal if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// NounOf is the noun of the first *Error in err's chain that has one.
func NounOf(err error) Noun {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Noun != "" {
			return e.Noun
		}
		err = e.Err
	}
	return ""
}

// IsKind reports whether err is of kind k.
func IsKind(err error, k Kind) bool { return err != nil && KindOf(err) == k }
