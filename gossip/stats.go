package gossip

import "sync/atomic"

// Stats counts since Run began.
type Stats struct {
	Packets        uint64 // that carry the cluster's label
	PacketsForeign uint64 // without it, too long or too short: dropped before anything else
	PacketsRefused uint64 // with it, but sealed with another key, or senseless
	StreamsRefused uint64 // more at once than there may be
	StreamsBroken  uint64 // with another label or key, too long, too slow, or senseless
	MembersRefused uint64 // news of members with metadata that cannot be read, or one too many
	NoticesRefused uint64 // that cannot be read
	HintsDropped   uint64 // because nobody read them
	LogDropped     uint64 // lines of memberlist
}

type counts struct {
	packets, packetsForeign, packetsRefused atomic.Uint64
	streamsRefused, streamsBroken           atomic.Uint64
	membersRefused, noticesRefused          atomic.Uint64
	hintsDropped, logDropped                atomic.Uint64
}

func (c *counts) stats() Stats {
	return Stats{
		Packets:        c.packets.Load(),
		PacketsForeign: c.packetsForeign.Load(),
		PacketsRefused: c.packetsRefused.Load(),
		StreamsRefused: c.streamsRefused.Load(),
		StreamsBroken:  c.streamsBroken.Load(),
		MembersRefused: c.membersRefused.Load(),
		NoticesRefused: c.noticesRefused.Load(),
		HintsDropped:   c.hintsDropped.Load(),
		LogDropped:     c.logDropped.Load(),
	}
}
