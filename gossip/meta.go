package gossip

import (
	"github.com/tinylib/msgp/msgp"

	"github.com/seed9b016523/ais"
)

const (
	// MetaBytesMax bounds the metadata of a node: what memberlist carries.
	MetaBytesMax = 512

	addressBytesMax = 255
	metaVersion     = 1
	metaFields      = 8 // of version 1, the version among them
)

// Meta is what a node says of itself to all others. It is as old as the last second.
type Meta struct {
	Node    ais.NodeID
	Seat    ais.SeatID
	Epoch   ais.Epoch
	Cluster string           // host:port of its intra-cluster port
	Map     ais.MapVersion   // applied
	Control ais.ControlIndex // applied
	Term    ais.Term         // the newest it has heard of
}

// Encode is the bytes of m. It fails (Invalid) if m has no node or its address is too long.
func (m Meta) Encode() ([]byte, error) {
	if m.Node == 0 {
		return nil, ais.Errorf(ais.Invalid, "gossip: metadata without a node")
	}
	if len(m.Cluster) > addressBytesMax {
		return nil, ais.Errorf(ais.Invalid, "gossip: address of %d bytes, at most %d", len(m.Cluster), addressBytesMax)
	}
	b := msgp.AppendArrayHeader(make([]byte, 0, 64+len(m.Cluster)), metaFields)
	b = msgp.AppendUint64(b, metaVersion)
	b = msgp.AppendUint64(b, uint64(m.Node))
	b = msgp.AppendUint64(b, uint64(m.Seat))
	b = msgp.AppendUint64(b, uint64(m.Epoch))
	b = msgp.AppendString(b, m.Cluster)
	b = msgp.AppendUint64(b, uint64(m.Map))
	b = msgp.AppendUint64(b, uint64(m.Control))
	return msgp.AppendUint64(b, uint64(m.Term)), nil
}

// DecodeMeta reads what Encode wrote, here or in a later version of ais. It keeps nothing of b.
func DecodeMeta(b []byte) (m Meta, err error) {
	if len(b) > MetaBytesMax {
		return Meta{}, ais.Errorf(ais.Invalid, "gossip: metadata of %d bytes, at most %d", len(b), MetaBytesMax)
	}
	r := fieldReader{rest: b}
	count := r.array()
	version := r.uint()
	m.Node = ais.NodeID(r.uint())
	m.Seat = ais.SeatID(r.uint())
	epoch := r.uint()
	m.Epoch = ais.Epoch(epoch)
	m.Cluster = r.text()
	m.Map = ais.MapVersion(r.uint())
	m.Control = ais.ControlIndex(r.uint())
	m.Term = ais.Term(r.uint())
	for range max(int(count), metaFields) - metaFields {
		r.skip()
	}
	switch {
	case r.err != nil:
		return Meta{}, ais.Errorf(ais.Invalid, "gossip: metadata: %w", r.err)
	case len(r.rest) > 0:
		return Meta{}, ais.Errorf(ais.Invalid, "gossip: metadata: %d bytes behind its end", len(r.rest))
	case version < metaVersion || count < metaFields || (version == metaVersion && count != metaFields):
		return Meta{}, ais.Errorf(ais.Invalid, "gossip: metadata: %d fields in version %d", count, version)
	case m.Node == 0 || epoch > uint64(ais.EpochMax) || len(m.Cluster) > addressBytesMax:
		return Meta{}, ais.Errorf(ais.Invalid, "gossip: metadata out of range: node %v, epoch %d, address of %d bytes",
			m.Node, epoch, len(m.Cluster))
	}
	return m, nil
}

// fieldReader reads one field after another and keeps the first error.
type fieldReader struct {
	rest []byte
	err  error
}

func (r *fieldReader) array() (n uint32) {
	if r.err == nil {
		n, r.rest, r.err = msgp.ReadArrayHeaderBytes(r.rest)
	}
	if r.err == nil && int(n) > len(r.rest) { // every field has a byte or more
		r.err = msgp.ErrShortBytes
	}
	if r.err != nil {
		return 0 // so that a number of a few bytes cannot make a loop of billions
	}
	return n
}

func (r *fieldReader) uint() (v uint64) {
	if r.err == nil {
		v, r.rest, r.err = msgp.ReadUint64Bytes(r.rest)
	}
	return v
}

func (r *fieldReader) text() (s string) {
	if r.err == nil {
		s, r.rest, r.err = msgp.ReadStringBytes(r.rest)
	}
	return s
}

func (r *fieldReader) skip() {
	if r.err == nil {
		r.rest, r.err = msgp.Skip(r.rest)
	}
}
