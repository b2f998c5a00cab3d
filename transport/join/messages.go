package join

import (
	"github.com/seed9b016523/ais"
	"github.com/tinylib/msgp/msgp"
)

// Path is where a member takes the handshake's messages, by POST on its public port.
const Path = "/v1/join"

// version is the first field of every message; a member refuses others.
const version = 1

// messageKind is the second field.
type messageKind uint8

const (
	kindHello     messageKind = 1
	kindChallenge messageKind = 2
	kindRequest   messageKind = 3
	kindReply     messageKind = 4
	kindRefusal   messageKind = 5
)

// Sizes, in bytes.
const (
	keySize     = 32 // of X25519, and of the keys derived
	nonceSize   = 32
	proofSize   = 32
	ticketMost  = 256
	payloadMost = 64 << 10 // of what either side seals
	sealedMost  = payloadMost + 4<<10
	// MessageMost bounds the body of a message, in either direction.
	MessageMost = sealedMost + 1<<10
)

// hello opens a handshake: the joiner's share of the key, and randomness. Nothing in it is secret.
type hello struct {
	share [keySize]byte
	nonce [nonceSize]byte
}

// challenge answers a hello. The ticket is all that the member remembers of the handshake, sealed
// under a key of its own, so that a million hellos cost it no memory.
type challenge struct {
	share  [keySize]byte
	nonce  [nonceSize]byte
	ticket []byte
}

// request proves the secret and carries what the joiner announces.
type request struct {
	ticket []byte
	proof  [proofSize]byte
	sealed []byte
}

// reply proves the secret back and carries the credentials, or the reason of a refusal.
type reply struct {
	proof  [proofSize]byte
	sealed []byte
}

func appendStart(k messageKind, fields uint32) []byte {
	b := msgp.AppendArrayHeader(nil, fields+2)
	b = msgp.AppendUint8(b, version)
	return msgp.AppendUint8(b, uint8(k))
}

func (m *hello) encode() []byte {
	b := appendStart(kindHello, 2)
	b = msgp.AppendBytes(b, m.share[:])
	return msgp.AppendBytes(b, m.nonce[:])
}

func (m *challenge) encode() []byte {
	b := appendStart(kindChallenge, 3)
	b = msgp.AppendBytes(b, m.share[:])
	b = msgp.AppendBytes(b, m.nonce[:])
	return msgp.AppendBytes(b, m.ticket)
}

func (m *request) encode() []byte {
	b := appendStart(kindRequest, 3)
	b = msgp.AppendBytes(b, m.ticket)
	b = msgp.AppendBytes(b, m.proof[:])
	return msgp.AppendBytes(b, m.sealed)
}

func (m *reply) encode() []byte {
	b := appendStart(kindReply, 2)
	b = msgp.AppendBytes(b, m.proof[:])
	return msgp.AppendBytes(b, m.sealed)
}

// reading takes a message apart; the first error sticks.
type reading struct {
	b   []byte
	err error
}

// start reads what appendStart wrote.
func start(b []byte) (r *reading, kind messageKind, fields uint32) {
	r = &reading{b: b}
	if len(b) > MessageMost {
		r.fail(ais.Errorf(ais.Exhausted, "join: message of %d bytes: at most %d", len(b), MessageMost))
		return r, 0, 0
	}
	fields, r.b, r.err = msgp.ReadArrayHeaderBytes(r.b)
	if r.err == nil && fields < 2 {
		r.fail(ais.Errorf(ais.Invalid, "join: message of %d fields", fields))
	}
	if v := r.uint8(); r.err == nil && v != version {
		r.fail(ais.Errorf(ais.Invalid, "join: version %d: want %d", v, version))
	}
	kind = messageKind(r.uint8())
	return r, kind, fields - 2
}

func (r *reading) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reading) uint8() (n uint8) {
	if r.err == nil {
		n, r.b, r.err = msgp.ReadUint8Bytes(r.b)
	}
	return n
}

// fixed reads exactly as many bytes as there is room for.
func (r *reading) fixed(to []byte) {
	if b := r.bytes(len(to)); r.err == nil && copy(to, b) != len(to) {
		r.fail(ais.Errorf(ais.Invalid, "join: field of %d bytes: want %d", len(b), len(to)))
	}
}

// bytes reads at most so many bytes; they are a part of the message.
func (r *reading) bytes(most int) (b []byte) {
	if r.err == nil {
		b, r.b, r.err = msgp.ReadBytesZC(r.b)
	}
	if r.err == nil && len(b) > most {
		r.fail(ais.Errorf(ais.Invalid, "join: field of %d bytes: at most %d", len(b), most))
	}
	return b
}

func (r *reading) text(most int) string {
	var b []byte
	if r.err == nil {
		b, r.b, r.err = msgp.ReadStringZC(r.b)
	}
	if r.err == nil && len(b) > most {
		r.fail(ais.Errorf(ais.Invalid, "join: field of %d bytes: at most %d", len(b), most))
	}
	return string(b)
}

// end checks that nothing is left over.
func (r *reading) end() error {
	if r.err == nil && len(r.b) != 0 {
		r.fail(ais.Errorf(ais.Invalid, "join: %d bytes too many", len(r.b)))
	}
	if _, ok := r.err.(*ais.Error); r.err != nil && !ok {
		r.err = ais.Errorf(ais.Invalid, "join: %w", r.err)
	}
	return r.err
}

// expect checks the kind and the number of fields.
func (r *reading) expect(kind, want messageKind, fields, wantFields uint32) {
	if r.err == nil && (kind != want || fields != wantFields) {
		r.fail(ais.Errorf(ais.Invalid, "join: message of kind %d with %d fields: want %d with %d", kind, fields, want, wantFields))
	}
}

func parseHello(b []byte) (m hello, err error) {
	r, kind, fields := start(b)
	r.expect(kind, kindHello, fields, 2)
	r.fixed(m.share[:])
	r.fixed(m.nonce[:])
	return m, r.end()
}

func parseChallenge(b []byte) (m challenge, err error) {
	r, kind, fields := start(b)
	r.expect(kind, kindChallenge, fields, 3)
	r.fixed(m.share[:])
	r.fixed(m.nonce[:])
	m.ticket = r.bytes(ticketMost)
	return m, r.end()
}

func parseRequest(b []byte) (m request, err error) {
	r, kind, fields := start(b)
	r.expect(kind, kindRequest, fields, 3)
	m.ticket = r.bytes(ticketMost)
	r.fixed(m.proof[:])
	m.sealed = r.bytes(sealedMost)
	return m, r.end()
}

func parseReply(b []byte) (m reply, err error) {
	r, kind, fields := start(b)
	r.expect(kind, kindReply, fields, 2)
	r.fixed(m.proof[:])
	m.sealed = r.bytes(sealedMost)
	return m, r.end()
}

// messageTextMost bounds the text of a refusal.
const messageTextMost = 1 << 10

// encodeRefusal is an answer that proves nothing: whoever reads it must not act on it, only show it.
func encodeRefusal(k ais.Kind, text string) []byte {
	b := appendStart(kindRefusal, 2)
	b = msgp.AppendUint8(b, uint8(k))
	return msgp.AppendString(b, text[:min(len(text), messageTextMost)])
}

// parseRefusal reads a refusal; nil if b is none.
func parseRefusal(b []byte) error {
	r, kind, fields := start(b)
	r.expect(kind, kindRefusal, fields, 2)
	k, text := ais.Kind(r.uint8()), r.text(messageTextMost)
	if r.end() != nil || k > ais.Canceled {
		return nil
	}
	return ais.Errorf(k, "join: refused: %s", text)
}

// outcome is what a reply seals: the credentials, or the error with which the member refused the node.
type outcome struct {
	err     *ais.Error
	payload []byte
}

func (o *outcome) encode() []byte {
	e := o.err
	if e == nil {
		e = &ais.Error{}
	}
	b := msgp.AppendArrayHeader(nil, 5)
	b = msgp.AppendBool(b, o.err == nil)
	b = msgp.AppendUint8(b, uint8(e.Kind))
	b = msgp.AppendString(b, string(e.Noun))
	b = msgp.AppendString(b, e.Message[:min(len(e.Message), messageTextMost)])
	return msgp.AppendBytes(b, o.payload)
}

func parseOutcome(b []byte) (o outcome, err error) {
	r := &reading{b: b}
	var fields uint32
	var good bool
	if fields, r.b, r.err = msgp.ReadArrayHeaderBytes(r.b); r.err == nil && fields != 5 {
		r.fail(ais.Errorf(ais.Invalid, "join: outcome of %d fields: want 5", fields))
	}
	if r.err == nil {
		good, r.b, r.err = msgp.ReadBoolBytes(r.b)
	}
	e := &ais.Error{Kind: ais.Kind(r.uint8()), Noun: ais.Noun(r.text(255)), Message: r.text(messageTextMost)}
	o.payload = r.bytes(payloadMost)
	if !good {
		o.err = e
	}
	if e.Kind > ais.Canceled {
		e.Kind = ais.Internal
	}
	return o, r.end()
}
