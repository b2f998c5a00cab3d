package auth

import (
	"errors"
	"fmt"

	"github.com/seed9b016523/ais"
)

// Reason says why a request was refused, for front doors that must name it in their dialect. It is
// the cause inside the *ais.Error, so both ReasonOf(err) and errors.Is(err, SignatureMismatch) work.
type Reason uint8

const (
	NoReason              Reason = 0
	AccessDenied          Reason = 1  // none of the below
	SignatureMismatch     Reason = 2  // the signature computed here is another
	UnknownAccessKey      Reason = 3  // no such access key
	ClockSkew             Reason = 4  // signed too far from the time here
	MalformedHeader       Reason = 5  // the Authorization header cannot be read, or its scope is not ours
	MalformedQuery        Reason = 6  // the X-Amz- parameters cannot be read, or their scope is not ours
	MissingSecurityHeader Reason = 7  // a header that signing needs is absent: the date, the payload hash
	UnsignedHeader        Reason = 8  // host or an x-amz- header is there but not signed
	ExpiredPresign        Reason = 9  // the presigned URL's time is over
	EarlyPresign          Reason = 10 // the presigned URL's time has not come
	SeveralMechanisms     Reason = 11 // credentials in more than one place
	UnsupportedMechanism  Reason = 12 // SigV2, SigV4A, Basic and whatever else
	UnsupportedPayload    Reason = 13 // x-amz-content-sha256 has a value that is not taken here
	SessionToken          Reason = 14 // temporary credentials: there are none here
	InvalidToken          Reason = 15 // bearer token: malformed or wrongly signed
	ExpiredToken          Reason = 16 // bearer token: time is over
	InvalidTicket         Reason = 17 // ticket: malformed, wrongly signed, or for another request
	ExpiredTicket         Reason = 18 // ticket: time is over
	InvalidURI            Reason = 19 // a '%' without two hexadecimal digits in path or query

	PayloadMismatch        Reason = 20 // the body has another SHA-256 than was signed
	IncompleteBody         Reason = 21 // the body ends before its declared length
	OverlongBody           Reason = 22 // the body goes on after its declared length
	MissingLength          Reason = 23 // aws-chunked without x-amz-decoded-content-length
	MalformedChunk         Reason = 24 // the framing of an aws-chunked body is broken
	ChunkSignatureMismatch Reason = 25 // a chunk, or the trailer, has another signature
	MalformedTrailer       Reason = 26 // trailers that cannot be read, or are not those announced
)

// Error makes a Reason usable as the cause of an error.
func (r Reason) Error() string {
	switch r {
	case NoReason:
		return "no reason"
	case AccessDenied:
		return "access denied"
	case SignatureMismatch:
		return "signature mismatch"
	case UnknownAccessKey:
		return "unknown access key"
	case ClockSkew:
		return "clock skew"
	case MalformedHeader:
		return "malformed authorization header"
	case MalformedQuery:
		return "malformed authorization query"
	case MissingSecurityHeader:
		return "missing security header"
	case UnsignedHeader:
		return "unsigned header"
	case ExpiredPresign:
		return "presigned request expired"
	case EarlyPresign:
		return "presigned request not valid yet"
	case SeveralMechanisms:
		return "several mechanisms"
	case UnsupportedMechanism:
		return "unsupported mechanism"
	case UnsupportedPayload:
		return "unsupported payload mode"
	case SessionToken:
		return "session token"
	case InvalidToken:
		return "invalid token"
	case ExpiredToken:
		return "expired token"
	case InvalidTicket:
		return "invalid ticket"
	case ExpiredTicket:
		return "expired ticket"
	case InvalidURI:
		return "invalid URI"
	case PayloadMismatch:
		return "payload mismatch"
	case IncompleteBody:
		return "incomplete body"
	case OverlongBody:
		return "overlong body"
	case MissingLength:
		return "missing decoded length"
	case MalformedChunk:
		return "malformed chunk"
	case ChunkSignatureMismatch:
		return "chunk signature mismatch"
	case MalformedTrailer:
		return "malformed trailer"
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// kind says which of the system's error kinds a reason is.
func (r Reason) kind() (ais.Kind, ais.Noun) {
	switch r {
	case MalformedHeader, MalformedQuery, MissingSecurityHeader, SeveralMechanisms, UnsupportedMechanism,
		UnsupportedPayload, InvalidURI:
		return ais.Invalid, ""
	case UnknownAccessKey:
		return ais.Denied, ais.NounKey
	case PayloadMismatch, IncompleteBody, OverlongBody, MissingLength, MalformedChunk, MalformedTrailer:
		return ais.Invalid, ais.NounBody
	}
	return ais.Denied, ""
}

// ReasonOf is the reason inside err, or NoReason if this package did not refuse.
func ReasonOf(err error) Reason {
	if r, ok := errors.AsType[Reason](err); ok {
		return r
	}
	return NoReason
}

// refuse makes the error of a refusal; the message is for the person who asked.
func refuse(r Reason, format string, args ...any) error {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	kind, noun := r.kind()
	return &ais.Error{Kind: kind, Noun: noun, Message: message, Err: r}
}
