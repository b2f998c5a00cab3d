package raftlog

import (
	"encoding/binary"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
)

// confMembersMax bounds each list of seats in a snapshot; a cluster has some hundreds of nodes.
const confMembersMax = 1 << 16

const snapshotHeader = 1 + 8 + 8

// encodeSnapshot is the payload of the snapshot row, and what a snapshot file holds.
func encodeSnapshot(s Snapshot) []byte {
	b := make([]byte, 0, snapshotHeader+64+len(s.Data))
	b = append(b, snapshotLayout)
	b = binary.LittleEndian.AppendUint64(b, s.Index)
	b = binary.LittleEndian.AppendUint64(b, s.Term)
	b = appendConf(b, s.Conf)
	return append(b, s.Data...)
}

// appendConf writes a configuration: four lists, each its length and its seats, and a flag.
func appendConf(b []byte, c *raftpb.ConfState) []byte {
	for _, list := range [...][]uint64{c.GetVoters(), c.GetLearners(), c.GetVotersOutgoing(), c.GetLearnersNext()} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
		for _, seat := range list {
			b = binary.LittleEndian.AppendUint64(b, seat)
		}
	}
	if c.GetAutoLeave() {
		return append(b, 1)
	}
	return append(b, 0)
}

// decodeSnapshot reads what encodeSnapshot gives. The data is a copy.
func decodeSnapshot(b []byte) (s Snapshot, err error) {
	if len(b) > 0 && b[0] != snapshotLayout {
		return s, ais.Errorf(ais.Invalid, "snapshot has layout %d, this ais knows layout %d: a newer ais wrote it", b[0], snapshotLayout)
	}
	if len(b) < snapshotHeader {
		return s, ais.Errorf(ais.Corrupt, "snapshot has %d bytes: at least %d", len(b), snapshotHeader)
	}
	s.Index = binary.LittleEndian.Uint64(b[1:])
	s.Term = binary.LittleEndian.Uint64(b[9:])
	conf, data, ok := cutConf(b[snapshotHeader:])
	if !ok {
		return Snapshot{}, ais.Errorf(ais.Corrupt, "snapshot of index %d: its members are not readable", s.Index)
	}
	s.Conf = conf
	s.Data = append([]byte(nil), data...)
	return s, nil
}

// cutConf reads what appendConf wrote, and gives what follows it.
func cutConf(b []byte) (c *raftpb.ConfState, rest []byte, ok bool) {
	c = &raftpb.ConfState{}
	for _, list := range [...]*[]uint64{&c.Voters, &c.Learners, &c.VotersOutgoing, &c.LearnersNext} {
		if len(b) < 4 {
			return nil, nil, false
		}
		n := int(binary.LittleEndian.Uint32(b))
		b = b[4:]
		if n > confMembersMax || len(b) < 8*n {
			return nil, nil, false
		}
		for range n {
			*list = append(*list, binary.LittleEndian.Uint64(b))
			b = b[8:]
		}
	}
	if len(b) < 1 || b[0] > 1 {
		return nil, nil, false
	}
	if b[0] == 1 {
		c.AutoLeave = new(true)
	}
	return c, b[1:], true
}
