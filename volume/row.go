package volume

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// place is where a record lies: its volume, the offset of its head, its length on the volume with
// padding to 64 bytes, and the length of its head (fixed part, key, metadata).
type place struct {
	Volume  ais.VolumeID
	Off     int64
	Size    int64
	HeadLen int
}

const placeLen = 8 + 4 + 4 + 3

// Offsets and sizes are stored in units of the record alignment, so 32 bits reach 256 GiB.
func (p place) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Volume))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Off/format.Align))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Size/format.Align))
	return append(b, byte(p.HeadLen), byte(p.HeadLen>>8), byte(p.HeadLen>>16))
}

// decoder reads fields off a row; after the first short read it stays failed and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if len(d.b) < n {
		d.bad, d.b = true, nil
		return make([]byte, n)
	}
	x := d.b[:n]
	d.b = d.b[n:]
	return x
}

func (d *decoder) byte() byte     { return d.take(1)[0] }
func (d *decoder) uint64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }
func (d *decoder) uint32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return x
}
func (d *decoder) stamp() (s ais.Stamp)   { copy(s[:], d.take(16)); return s }
func (d *decoder) write() (w ais.WriteID) { copy(w[:], d.take(16)); return w }
func (d *decoder) place() (p place) {
	p.Volume = ais.VolumeID(d.uint64())
	p.Off = int64(d.uint32()) * format.Align
	p.Size = int64(d.uint32()) * format.Align
	h := d.take(3)
	p.HeadLen = int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	return p
}
func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	return string(d.take(int(n)))
}

// rowVersion is the first byte of every entry, upload and part row.
const rowVersion = 1

type rowKind uint8

const (
	rowInline rowKind = 1 // PUT: the payload lies in the record
	rowCommit rowKind = 2 // COMMIT: the payload lies in extents
	rowMarker rowKind = 3 // delete marker
	rowTomb   rowKind = 4 // tombstone
)

const (
	rowNull      byte = 1 << 0 // the version id is null
	rowCreated   byte = 1 << 1 // created differs from modified
	rowComposite byte = 1 << 2 // the checksum is composite
)

// row is what the index knows of one entry: an object version, a delete marker or a tombstone.
type row struct {
	Kind        rowKind
	Null        bool
	Copies      uint8
	Modified    ais.Stamp
	Created     ais.Stamp
	Place       place
	LSN         ais.LSN // of the record: when it came to this mountpath
	PayloadHash uint64
	// Shadows counts the records of this key, other than the one at Place, that lie in volumes at or
	// behind their vacuum progress and within their indexed part. A tombstone may leave its volume
	// only when this is 0, or a rebuild would find an old record and no tombstone.
	Shadows      uint64
	Size         int64
	ModifiedUnix int64
	ETag         ais.ETag
	Checksum     ais.ChecksumAlgorithm
	Composite    bool
	StorageClass string
	// First is the first write id that a COMMIT names; readers pin it. Writes is how many it names.
	First  ais.WriteID
	Writes uint32
}

func (r *row) version() ais.VersionID {
	if r.Null {
		return ais.NullVersion
	}
	return ais.VersionID(r.Created)
}

func (r *row) live() bool { return r.Kind == rowInline || r.Kind == rowCommit }

func (r *row) append(b []byte) []byte {
	var flags byte
	if r.Null {
		flags |= rowNull
	}
	if r.Created != r.Modified {
		flags |= rowCreated
	}
	if r.Composite {
		flags |= rowComposite
	}
	b = append(b, rowVersion, byte(r.Kind), flags, r.Copies)
	b = append(b, r.Modified[:]...)
	if flags&rowCreated != 0 {
		b = append(b, r.Created[:]...)
	}
	b = r.Place.append(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.LSN))
	b = binary.LittleEndian.AppendUint64(b, r.PayloadHash)
	b = binary.AppendUvarint(b, r.Shadows)
	if r.Kind == rowTomb {
		return b
	}
	b = binary.AppendUvarint(b, uint64(r.ModifiedUnix))
	if r.Kind == rowMarker {
		return b
	}
	b = binary.AppendUvarint(b, uint64(r.Size))
	b = append(b, r.ETag.Sum[:]...)
	b = binary.AppendUvarint(b, uint64(r.ETag.Parts))
	b = append(b, byte(r.Checksum))
	b = binary.AppendUvarint(b, uint64(len(r.StorageClass)))
	b = append(b, r.StorageClass...)
	if r.Kind == rowCommit {
		b = append(b, r.First[:]...)
		b = binary.AppendUvarint(b, uint64(r.Writes))
	}
	return b
}

func decodeRow(v []byte) (row, error) {
	d := decoder{b: v}
	if ver := d.byte(); ver != rowVersion {
		return row{}, ais.Errorf(ais.Corrupt, "index row has version %d; this build reads %d", ver, rowVersion)
	}
	r := row{Kind: rowKind(d.byte())}
	flags := d.byte()
	r.Null = flags&rowNull != 0
	r.Composite = flags&rowComposite != 0
	r.Copies = d.byte()
	r.Modified = d.stamp()
	r.Created = r.Modified
	if flags&rowCreated != 0 {
		r.Created = d.stamp()
	}
	r.Place = d.place()
	r.LSN = ais.LSN(d.uint64())
	r.PayloadHash = d.uint64()
	r.Shadows = d.uvarint()
	if r.Kind != rowTomb {
		r.ModifiedUnix = int64(d.uvarint())
	}
	if r.live() {
		r.Size = int64(d.uvarint())
		copy(r.ETag.Sum[:], d.take(16))
		r.ETag.Parts = uint32(d.uvarint())
		r.Checksum = ais.ChecksumAlgorithm(d.byte())
		r.StorageClass = d.string()
	}
	if r.Kind == rowCommit {
		r.First = d.write()
		r.Writes = uint32(d.uvarint())
	}
	if d.bad || r.Kind < rowInline || r.Kind > rowTomb {
		return row{}, ais.Errorf(ais.Corrupt, "index row of %d bytes does not decode", len(v))
	}
	return r, nil
}

// object is the row as the outside sees it; attributes hold only what the row has.
func (r *row) object(bucket ais.BucketID, name string) *ais.Object {
	return &ais.Object{Bucket: bucket, Name: name, Version: r.version(), DeleteMarker: r.Kind == rowMarker,
		Modified: r.Modified, Created: r.Created, Size: r.Size, ModifiedUnix: r.ModifiedUnix,
		PartCount: int(r.ETag.Parts),
		Attributes: ais.Attributes{ETag: r.ETag, StorageClass: r.StorageClass,
			Checksum: ais.Checksum{Algorithm: r.Checksum, Composite: r.Composite}}}
}

// newRow makes the row of an entry record.
func newRow(r *format.Record, m *format.Meta, p place, copies uint8) row {
	x := row{Null: r.Flags&format.FlagNullVersion != 0, Copies: copies, Modified: r.Modified, Created: r.Modified,
		Place: p, LSN: r.LSN, PayloadHash: r.PayloadHash}
	if !m.Created.IsZero() {
		x.Created = m.Created
	}
	switch {
	case r.Type == format.TypeTombstone:
		x.Kind = rowTomb
	case r.Flags&format.FlagDeleteMarker != 0:
		x.Kind = rowMarker
	case r.Type == format.TypeCommit:
		x.Kind = rowCommit
	default:
		x.Kind = rowInline
	}
	x.ModifiedUnix = m.ModifiedUnix
	if x.live() {
		x.Size = int64(r.Logical)
		x.ETag = m.Attributes.ETag
		x.Checksum = m.Attributes.Checksum.Algorithm
		x.Composite = m.Attributes.Checksum.Composite
		x.StorageClass = m.Attributes.StorageClass
	}
	return x
}

// extentRow is what the index knows of one extent.
type extentRow struct {
	Place       place
	PayloadHash uint64
	Stored      int64
}

func (x *extentRow) append(b []byte) []byte {
	b = x.Place.append(b)
	b = binary.LittleEndian.AppendUint64(b, x.PayloadHash)
	return binary.LittleEndian.AppendUint32(b, uint32(x.Stored))
}

func decodeExtentRow(v []byte) (extentRow, error) {
	d := decoder{b: v}
	x := extentRow{Place: d.place(), PayloadHash: d.uint64(), Stored: int64(d.uint32())}
	if d.bad {
		return extentRow{}, ais.Errorf(ais.Corrupt, "extent row of %d bytes does not decode", len(v))
	}
	return x, nil
}

type uploadState uint8

const (
	uploadOpen      uploadState = 1
	uploadCompleted uploadState = 2
	uploadAborted   uploadState = 3
	uploadUnknown   uploadState = 4 // a part was found before its upload: only while replaying
)

// uploadRow is what the index knows of a multipart upload. A closed one stays until no record of it
// lies in any volume and a day has passed, so that a repeated completion gets the same answer.
type uploadRow struct {
	State    uploadState
	Copies   uint8
	Bucket   ais.BucketID
	Name     string
	Slot     ais.Slot
	Modified ais.Stamp // of the record at Place
	Place    place     // of the UPLOAD, or of the TOMBSTONE that closed it; Size 0: not on disk yet
	LSN      ais.LSN   // of that record
	Unix     int64     // milliseconds: begun, or closed
	Shadows  uint64    // as row.Shadows, over UPLOAD, PART and TOMBSTONE records of this upload
}

func (u *uploadRow) append(b []byte) []byte {
	b = append(b, rowVersion, byte(u.State), u.Copies)
	b = binary.LittleEndian.AppendUint64(b, uint64(u.Bucket))
	b = append(b, byte(u.Slot), byte(u.Slot>>8))
	b = append(b, u.Modified[:]...)
	b = u.Place.append(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(u.LSN))
	b = binary.AppendUvarint(b, uint64(u.Unix))
	b = binary.AppendUvarint(b, u.Shadows)
	b = binary.AppendUvarint(b, uint64(len(u.Name)))
	return append(b, u.Name...)
}

func decodeUploadRow(v []byte) (uploadRow, error) {
	d := decoder{b: v}
	ver := d.byte()
	u := uploadRow{State: uploadState(d.byte()), Copies: d.byte(), Bucket: ais.BucketID(d.uint64())}
	s := d.take(2)
	u.Slot = ais.Slot(s[0]) | ais.Slot(s[1])<<8
	u.Modified = d.stamp()
	u.Place = d.place()
	u.LSN = ais.LSN(d.uint64())
	u.Unix = int64(d.uvarint())
	u.Shadows = d.uvarint()
	u.Name = d.string()
	if d.bad || ver != rowVersion {
		return uploadRow{}, ais.Errorf(ais.Corrupt, "upload row of %d bytes does not decode", len(v))
	}
	return u, nil
}

// partRow is what the index knows of one part of an open upload.
type partRow struct {
	Modified    ais.Stamp
	Place       place
	LSN         ais.LSN
	PayloadHash uint64
	Shadows     uint64
	Size        int64
	Unix        int64
	ETag        ais.ETag
	Checksum    ais.Checksum
	Write       ais.WriteID
}

func (p *partRow) append(b []byte) []byte {
	b = append(b, rowVersion)
	b = append(b, p.Modified[:]...)
	b = p.Place.append(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.LSN))
	b = binary.LittleEndian.AppendUint64(b, p.PayloadHash)
	b = binary.AppendUvarint(b, p.Shadows)
	b = binary.AppendUvarint(b, uint64(p.Size))
	b = binary.AppendUvarint(b, uint64(p.Unix))
	b = append(b, p.ETag.Sum[:]...)
	b = append(b, byte(p.Checksum.Algorithm), byte(len(p.Checksum.Value)))
	b = append(b, p.Checksum.Value...)
	return append(b, p.Write[:]...)
}

func decodePartRow(v []byte) (partRow, error) {
	d := decoder{b: v}
	ver := d.byte()
	p := partRow{Modified: d.stamp(), Place: d.place(), LSN: ais.LSN(d.uint64()), PayloadHash: d.uint64(), Shadows: d.uvarint(),
		Size: int64(d.uvarint()), Unix: int64(d.uvarint())}
	copy(p.ETag.Sum[:], d.take(16))
	p.Checksum.Algorithm = ais.ChecksumAlgorithm(d.byte())
	if n := int(d.byte()); n > 0 {
		p.Checksum.Value = append([]byte(nil), d.take(n)...)
	}
	p.Write = d.write()
	if d.bad || ver != rowVersion {
		return partRow{}, ais.Errorf(ais.Corrupt, "part row of %d bytes does not decode", len(v))
	}
	return p, nil
}

// extentsOf is the number of extents of a write of size bytes; an empty write has none.
func extentsOf(size int64) uint32 {
	return uint32((size + ais.ExtentMax - 1) / ais.ExtentMax)
}

// writeOf is one write that an entry names, with the number of its extents.
type writeOf struct {
	ID      ais.WriteID
	Extents uint32
}
