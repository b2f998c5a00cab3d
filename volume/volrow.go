package volume

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// State is where a volume stands in its life.
type State uint8

const (
	StateOpen        State = 1 // this process appends to it
	StateClosed      State = 2 // of a past life, or full and not yet sealed: nothing is appended
	StateSealed      State = 3 // its footer is written and synced
	StateUnlinking   State = 4 // nothing in it is needed; the file may be gone already
	StateQuarantined State = 5 // damage was found: it is read where it verifies, and never removed
	StateMissing     State = 6 // the index knows it and the file is not there
)

func (s State) String() string {
	switch s {
	case StateOpen:
		return "open"
	case StateClosed:
		return "closed"
	case StateSealed:
		return "sealed"
	case StateUnlinking:
		return "unlinking"
	case StateQuarantined:
		return "quarantined"
	case StateMissing:
		return "missing"
	}
	return "unknown"
}

// span is a range of a volume, from the start of a record to its end with padding.
type span struct{ From, To int64 }

// volRow is what the index knows of a volume.
type volRow struct {
	State State
	Class format.Class
	// End is the offset behind the last record that the index covers.
	End int64
	// IndexedTo: the index covers every record before it (rule R1), and it is durable. Above are the
	// single records that it covers too, while one between is still pending.
	IndexedTo int64
	Above     []span
	// Live is the bytes on the volume, padding included, of records that the index points at, Tombs
	// those of tombstones among them, Count how many records. The dead bytes follow exactly: all that
	// is indexed, less the header and Live.
	Live  int64
	Tombs int64
	Count int64
	// NewestTomb is the newest tombstone that ever lay here; purgeable is all of Tombs once purges
	// are agreed up to it.
	NewestTomb ais.Stamp
	// Limit, if not 0, is the last offset known durable before a write or sync failed: nothing behind
	// it was ever acknowledged, nothing behind it is ever replayed.
	Limit int64
	// VacuumTo is how far vacuum has come; records before it are dead duplicates or dead.
	VacuumTo int64
	// LastUnix is when the last record was indexed, in milliseconds, for the choice of idle volumes.
	LastUnix int64
	// Footer is the bytes of the footer: neither live nor dead.
	Footer int64
}

// Dead is the bytes that a vacuum would give back now.
func (v *volRow) Dead() int64 {
	covered := v.IndexedTo
	for _, s := range v.Above {
		covered += s.To - s.From
	}
	return max(0, covered-format.HeaderSize-v.Footer-v.Live)
}

func (v *volRow) append(b []byte) []byte {
	b = append(b, rowVersion, byte(v.State), byte(v.Class))
	for _, x := range []int64{v.End, v.IndexedTo, v.Live, v.Tombs, v.Count, v.Limit, v.VacuumTo, v.LastUnix, v.Footer} {
		b = binary.AppendUvarint(b, uint64(x))
	}
	b = append(b, v.NewestTomb[:]...)
	b = binary.AppendUvarint(b, uint64(len(v.Above)))
	for _, s := range v.Above {
		b = binary.AppendUvarint(b, uint64(s.From))
		b = binary.AppendUvarint(b, uint64(s.To))
	}
	return b
}

func decodeVolRow(p []byte) (volRow, error) {
	d := decoder{b: p}
	ver := d.byte()
	v := volRow{State: State(d.byte()), Class: format.Class(d.byte())}
	for _, x := range []*int64{&v.End, &v.IndexedTo, &v.Live, &v.Tombs, &v.Count, &v.Limit, &v.VacuumTo, &v.LastUnix, &v.Footer} {
		*x = int64(d.uvarint())
	}
	v.NewestTomb = d.stamp()
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		v.Above = append(v.Above, span{int64(d.uvarint()), int64(d.uvarint())})
	}
	if d.bad || ver != rowVersion {
		return volRow{}, ais.Errorf(ais.Corrupt, "volume row of %d bytes does not decode", len(p))
	}
	return v, nil
}
