package volume

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// WriteRange is a write that a record refers to: its extents are numbered from 0 to Extents-1.
type WriteRange struct {
	Write   ais.WriteID
	Extents uint32
}

// CommitWrites gives the writes that a record in wire form (its bytes as they lie at offset 0 of volume 0)
// refers to: those of a COMMIT, or the one of a PART. Any other record has none. A write without extents is
// left out. The error is of kind ais.Corrupt, or ais.Invalid of a record that this build does not know.
func CommitWrites(record []byte) ([]WriteRange, error) {
	rec, n, err := format.DecodeHead(record, 0, 0)
	if err != nil {
		return nil, wireError(err)
	}
	var l []WriteRange
	switch rec.Type {
	case format.TypePart:
		if x := extentsOf(int64(rec.Logical)); x > 0 {
			l = append(l, WriteRange{rec.Write, x})
		}
	case format.TypeCommit:
		if uint64(len(record)-n) < rec.Stored {
			return nil, ais.Errorf(ais.Corrupt, "a COMMIT on its way has %d bytes of its list, want %d", len(record)-n, rec.Stored)
		}
		parts, err := format.DecodeCommit(record[n : n+int(rec.Stored)])
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if parts[i].Extents > 0 {
				l = append(l, WriteRange{parts[i].Write, parts[i].Extents})
			}
		}
	}
	return l, nil
}

// wireError is what a record on its way is refused with that cannot be read.
func wireError(err error) error {
	if ais.KindOf(err) == ais.Invalid {
		return err // of a build that knows more
	}
	return ais.Errorf(ais.Corrupt, "a record on its way: %w", err)
}
