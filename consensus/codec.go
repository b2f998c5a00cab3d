package consensus

import (
	"encoding/json"
	"time"

	"github.com/tinylib/msgp/msgp"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/lease"
)

// The wire form of a Message, all MessagePack:
//
//	array of 4: version, 1 or 2 · sender's generation · kind · body
//
//	kind  body
//	1     binary: a raftpb.Message in Protocol Buffers, as go.etcd.io/raft defines it
//	2     array of 8: node, epoch, sent, generation, term, map, control, start (JSON of cmap.Start, or empty);
//	      in version 2 an array of 10: the same · whole · sealed, not both 0
//	3     array of 8: node, epoch, sent, generation, term, map, control, life in nanoseconds
//	4     epoch
//	5     array of 2: seat, control index
//	6     node that is accused; version 2 only
//
// Version 2 is used only where it must be, and for receivers that know it (cmap.Versions.Wire). Sender and
// receiver are not in a message: the transport knows both.

// WireVersion is the newest version of messages between nodes that this program reads.
const WireVersion = 2

const (
	kindRaft    = 1
	kindRenewal = 2
	kindGrant   = 3
	kindGoodbye = 4
	kindPull    = 5
	kindAccuse  = 6
)

// EncodeMessage gives the bytes of a message.
func EncodeMessage(m *Message) ([]byte, error) {
	b := msgp.AppendArrayHeader(nil, 4)
	b = msgp.AppendUint(b, m.wireVersion())
	b = msgp.AppendUint16(b, uint16(m.Generation))
	switch {
	case m.Raft != nil:
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Raft)
		if err != nil {
			return nil, ais.Errorf(ais.Internal, "encode a message of raft: %w", err)
		}
		return msgp.AppendBytes(msgp.AppendUint(b, kindRaft), body), nil
	case m.Renewal != nil:
		l := &m.Renewal.Lease
		var start []byte
		if m.Renewal.Start != nil {
			var err error
			if start, err = json.Marshal(m.Renewal.Start); err != nil {
				return nil, ais.Errorf(ais.Internal, "encode a start: %w", err)
			}
		}
		size := uint32(8)
		if m.wireVersion() > 1 {
			size = 10
		}
		b = msgp.AppendArrayHeader(msgp.AppendUint(b, kindRenewal), size)
		b = appendHead(b, l.Node, l.Epoch, l.Sent, l.Generation, l.Term, l.Map, l.Control)
		b = msgp.AppendBytes(b, start)
		if size == 10 {
			b = msgp.AppendUint64(msgp.AppendUint64(b, uint64(l.Whole)), uint64(l.Sealed))
		}
		return b, nil
	case m.Grant != nil:
		g := m.Grant
		b = msgp.AppendArrayHeader(msgp.AppendUint(b, kindGrant), 8)
		b = appendHead(b, g.Node, g.Epoch, g.Sent, g.Generation, g.Term, g.Map, g.Control)
		return msgp.AppendInt64(b, int64(g.Life)), nil
	case m.Goodbye != nil:
		return msgp.AppendUint32(msgp.AppendUint(b, kindGoodbye), uint32(m.Goodbye.Epoch)), nil
	case m.Pull != nil:
		b = msgp.AppendArrayHeader(msgp.AppendUint(b, kindPull), 2)
		return msgp.AppendUint64(msgp.AppendUint64(b, uint64(m.Pull.Seat)), uint64(m.Pull.After)), nil
	case m.Accuse != nil:
		return msgp.AppendUint64(msgp.AppendUint(b, kindAccuse), uint64(m.Accuse.Node)), nil
	}
	return nil, ais.Errorf(ais.Internal, "encode an empty message")
}

// wireVersion is the oldest version that can hold the message.
func (m *Message) wireVersion() uint {
	if m.Accuse != nil || m.Renewal != nil && (m.Renewal.Lease.Whole != 0 || m.Renewal.Lease.Sealed != 0) {
		return 2
	}
	return 1
}

func appendHead(b []byte, n ais.NodeID, e ais.Epoch, sent ais.Instant, g ais.Generation, t ais.Term, v ais.MapVersion, c ais.ControlIndex) []byte {
	b = msgp.AppendUint64(b, uint64(n))
	b = msgp.AppendUint32(b, uint32(e))
	b = msgp.AppendInt64(b, int64(sent))
	b = msgp.AppendUint16(b, uint16(g))
	b = msgp.AppendUint64(b, uint64(t))
	b = msgp.AppendUint64(b, uint64(v))
	return msgp.AppendUint64(b, uint64(c))
}

// reader reads MessagePack; after the first error it reads nothing more.
type reader struct {
	b   []byte
	err error
}

func read[T any](r *reader, f func([]byte) (T, []byte, error)) (v T) {
	if r.err == nil {
		v, r.b, r.err = f(r.b)
	}
	return v
}

func (r *reader) array(want uint32) {
	if n := read(r, msgp.ReadArrayHeaderBytes); r.err == nil && n != want {
		r.err = ais.Errorf(ais.Invalid, "array of %d: want %d", n, want)
	}
}

func (r *reader) bytes() []byte {
	return read(r, func(b []byte) ([]byte, []byte, error) { return msgp.ReadBytesZC(b) })
}

// DecodeMessage reads what EncodeMessage gives. From and To are for the caller to fill in. The message
// shares nothing with b. Errors are of kind Invalid.
func DecodeMessage(b []byte) (*Message, error) {
	m, r := &Message{}, &reader{b: b}
	r.array(4)
	version := read(r, msgp.ReadUint64Bytes)
	if r.err == nil && (version < 1 || version > WireVersion) {
		return nil, ais.Errorf(ais.Invalid, "message of version %d: this ais knows versions 1 to %d", version, WireVersion)
	}
	m.Generation = ais.Generation(read(r, msgp.ReadUint16Bytes))
	switch kind := read(r, msgp.ReadUint64Bytes); kind {
	case kindRaft:
		body := r.bytes()
		if r.err == nil {
			m.Raft = &raftpb.Message{}
			r.err = proto.Unmarshal(body, m.Raft)
		}
	case kindRenewal:
		m.Renewal = &Renewal{}
		l := &m.Renewal.Lease
		size := uint32(8)
		if version > 1 {
			size = 10
		}
		r.array(size)
		*l = r.head()
		if start := r.bytes(); r.err == nil && len(start) > 0 {
			m.Renewal.Start = &cmap.Start{}
			r.err = json.Unmarshal(start, m.Renewal.Start)
		}
		if version > 1 {
			l.Whole = ais.MapVersion(read(r, msgp.ReadUint64Bytes))
			l.Sealed = ais.MapVersion(read(r, msgp.ReadUint64Bytes))
		}
	case kindGrant:
		r.array(8)
		h := r.head()
		m.Grant = &lease.Grant{Node: h.Node, Epoch: h.Epoch, Sent: h.Sent, Generation: h.Generation, Term: h.Term, Map: h.Map, Control: h.Control}
		m.Grant.Life = time.Duration(read(r, msgp.ReadInt64Bytes))
	case kindGoodbye:
		m.Goodbye = &Goodbye{Epoch: ais.Epoch(read(r, msgp.ReadUint32Bytes))}
	case kindPull:
		r.array(2)
		m.Pull = &Pull{Seat: ais.SeatID(read(r, msgp.ReadUint64Bytes))}
		m.Pull.After = ais.ControlIndex(read(r, msgp.ReadUint64Bytes))
	case kindAccuse:
		m.Accuse = &Accuse{Node: ais.NodeID(read(r, msgp.ReadUint64Bytes))}
	default:
		if r.err == nil {
			r.err = ais.Errorf(ais.Invalid, "unknown kind %d", kind)
		}
	}
	if r.err == nil && uint(version) != m.wireVersion() {
		r.err = ais.Errorf(ais.Invalid, "version %d: want %d for what it says", version, m.wireVersion())
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = ais.Errorf(ais.Invalid, "%d bytes after the end", len(r.b))
	}
	if r.err != nil {
		return nil, ais.Errorf(ais.Invalid, "message: %w", r.err)
	}
	return m, nil
}

// head reads the fields that renewals and grants begin with.
func (r *reader) head() (l lease.Renewal) {
	l.Node = ais.NodeID(read(r, msgp.ReadUint64Bytes))
	l.Epoch = ais.Epoch(read(r, msgp.ReadUint32Bytes))
	l.Sent = ais.Instant(read(r, msgp.ReadInt64Bytes))
	l.Generation = ais.Generation(read(r, msgp.ReadUint16Bytes))
	l.Term = ais.Term(read(r, msgp.ReadUint64Bytes))
	l.Map = ais.MapVersion(read(r, msgp.ReadUint64Bytes))
	l.Control = ais.ControlIndex(read(r, msgp.ReadUint64Bytes))
	return l
}
