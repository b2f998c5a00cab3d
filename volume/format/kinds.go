package format

import (
	"errors"
	"fmt"

	"github.com/seed9b016523/ais"
)

// Version is the format version of volumes that this build writes, and the only one that it reads.
const Version = 1

// RecordVersion is the layout version of records that this build writes, and the only one it reads.
const RecordVersion = 1

// Sizes of the format, in bytes.
const (
	HeaderSize = 4096          // volume header, at the start of every volume
	Align      = 64            // every record starts on a multiple of it
	HeadFixed  = 112           // fixed part of a record's head
	BlockSize  = ais.BlockSize // payload is hashed in blocks of it, the last may be shorter
	TableEntry = 12            // of one block in a block table
	VolumeMax  = 64 << 30      // end of the last record of a volume
)

// alignLog and blockLog are the base-2 logarithms of Align and BlockSize, as the bytes have them.
const (
	alignLog = 6
	blockLog = 16
)

// Algorithm kinds. This build refuses every other.
const (
	ChecksumHighwayHash64 = 1
	compressionNone       = 0
	encryptionNone        = 0
)

// The ways in which bytes are not a record of this build. They are compared with errors.Is.
var (
	// ErrShort: the bytes end before the head does; NeedHead says how many it has.
	ErrShort = errors.New("record head is cut off")
	// ErrBad: there is no valid record here.
	ErrBad = errors.New("no valid record")
	// ErrUnknown: valid, but written by a build that knows more than this one; the error around it is
	// of kind ais.Invalid and says what. It must never be passed over as if it were not there.
	ErrUnknown = errors.New("unknown to this build")
)

// unknownf makes an error of kind ais.Invalid around ErrUnknown.
func unknownf(format string, args ...any) error {
	return ais.Errorf(ais.Invalid, "%s: %w", fmt.Sprintf(format, args...), ErrUnknown)
}

// Class says what a volume is written for.
type Class uint8

const (
	ClassSmall Class = 1 // records with a small payload or none, grouped by sync
	ClassLarge Class = 2 // extents from clients
	ClassCold  Class = 3 // what vacuum, resilver and rebalance move
	ClassShard Class = 4 // a shard of a coded set
)

func (c Class) String() string {
	switch c {
	case ClassSmall:
		return "small"
	case ClassLarge:
		return "large"
	case ClassCold:
		return "cold"
	case ClassShard:
		return "shard"
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Type says what a record is.
type Type uint8

const (
	TypePut       Type = 1 // an object with its payload, or a delete marker
	TypeExtent    Type = 2 // a piece of the payload of a write, named (write id, sequence)
	TypeCommit    Type = 3 // an object whose payload lies in extents; its payload is AppendCommit
	TypeTombstone Type = 4 // the name's version is deleted, or the upload has ended
	TypeUpload    Type = 5 // a multipart upload was opened
	TypePart      Type = 6 // a part of an upload
	TypeSystem    Type = 7 // a fact about slots and volumes; its payload is AppendSystem
	TypeFooter    Type = 8 // table of a sealed volume; its payload is AppendFooter
)

func (t Type) String() string {
	switch t {
	case TypePut:
		return "PUT"
	case TypeExtent:
		return "EXTENT"
	case TypeCommit:
		return "COMMIT"
	case TypeTombstone:
		return "TOMBSTONE"
	case TypeUpload:
		return "UPLOAD"
	case TypePart:
		return "PART"
	case TypeSystem:
		return "SYSTEM"
	case TypeFooter:
		return "FOOTER"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

func (t Type) known() bool { return t >= TypePut && t <= TypeFooter }

// Flags of a record. A flag that a build does not know makes it refuse the record.
type Flags uint16

const (
	FlagNullVersion     Flags = 1 // the key's version id is null
	FlagDeleteMarker    Flags = 2 // of a PUT without payload
	FlagUploadCompleted Flags = 4 // of a TOMBSTONE of an upload id: it became an object
	FlagUploadAborted   Flags = 8 // of a TOMBSTONE of an upload id: its parts are dead

	// flagsKnown leaves out 16, which is reserved for "replaces the unversioned object".
	flagsKnown = FlagNullVersion | FlagDeleteMarker | FlagUploadCompleted | FlagUploadAborted
)
