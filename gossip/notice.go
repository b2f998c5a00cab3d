package gossip

import (
	"encoding/binary"

	"github.com/hashicorp/memberlist"

	"github.com/seed9b016523/ais"
)

const (
	noticeVersion = 1
	noticeBytes   = 22
)

type noticeKind uint8

const (
	noticeAccuse noticeKind = 1 // about does not answer by
	noticeLeave  noticeKind = 2 // about goes away in order
)

// notice is what memberlist does not tell the users of its interface: that a node is suspected, and
// that one that is gone went in order.
type notice struct {
	kind  noticeKind
	by    ais.NodeID
	about ais.NodeID
	epoch ais.Epoch // of about
}

func (n notice) encode() []byte {
	b := make([]byte, 0, noticeBytes)
	b = append(b, noticeVersion, byte(n.kind))
	b = binary.BigEndian.AppendUint64(b, uint64(n.by))
	b = binary.BigEndian.AppendUint64(b, uint64(n.about))
	return binary.BigEndian.AppendUint32(b, uint32(n.epoch))
}

func decodeNotice(b []byte) (n notice, err error) {
	if len(b) != noticeBytes || b[0] != noticeVersion {
		return notice{}, ais.Errorf(ais.Invalid, "gossip: notice of %d bytes, or of another version", len(b))
	}
	n = notice{
		kind:  noticeKind(b[1]),
		by:    ais.NodeID(binary.BigEndian.Uint64(b[2:])),
		about: ais.NodeID(binary.BigEndian.Uint64(b[10:])),
		epoch: ais.Epoch(binary.BigEndian.Uint32(b[18:])),
	}
	known := n.kind == noticeAccuse && n.by != n.about || n.kind == noticeLeave && n.by == n.about
	if !known || n.by == 0 || n.about == 0 || n.epoch > ais.EpochMax {
		return notice{}, ais.Errorf(ais.Invalid, "gossip: notice %+v makes no sense", n)
	}
	return n, nil
}

// broadcast is a notice on its way to all. A newer one about the same node takes its place, which
// bounds the queue by the number of members.
type broadcast struct {
	about ais.NodeID
	bytes []byte
}

var _ memberlist.NamedBroadcast = broadcast{}

func (b broadcast) Name() string    { return b.about.String() }
func (b broadcast) Message() []byte { return b.bytes }
func (b broadcast) Finished()       {}

func (b broadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(broadcast)
	return ok && o.about == b.about
}
