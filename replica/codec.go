package replica

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
)

// codecVersion is the first byte of every message. A reader who does not know it refuses the message.
const codecVersion = 1

// Every message has a method AppendTo, which appends its bytes, and a function Decode…, which reads them and refuses
// with kind Invalid whatever is cut off, too long or not in its place. docs/replication.md draws the
// bytes. A decoded message may alias the bytes that it was read from; a set of slots that was nil comes as
// an empty one, empty slices come as nil.

// bit gives the bit of a flag that is on.
func bit(on bool, of byte) byte {
	if on {
		return of
	}
	return 0
}

func appendU16(b []byte, n uint16) []byte { return binary.LittleEndian.AppendUint16(b, n) }
func appendU32(b []byte, n uint32) []byte { return binary.LittleEndian.AppendUint32(b, n) }
func appendU64(b []byte, n uint64) []byte { return binary.LittleEndian.AppendUint64(b, n) }

// appendCount appends the length of what follows.
func appendCount(b []byte, n int) []byte { return appendU32(b, uint32(n)) }

func appendBlob[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(appendCount(b, len(v)), v...)
}

func appendRecords(b []byte, records []Record) []byte {
	b = appendCount(b, len(records))
	for _, r := range records {
		b = appendBlob(b, r)
	}
	return b
}

// sized appends what fill does, behind its length.
func sized(b []byte, fill func([]byte) []byte) []byte {
	at := len(b)
	b = fill(appendU32(b, 0))
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendSlots(b []byte, s *ais.SlotSet) []byte {
	if s == nil {
		return appendU32(b, 0)
	}
	return sized(b, s.AppendTo)
}

// decoder takes a message apart. After the first error it gives zeros, and end says what was wrong.
type decoder struct {
	b   []byte // what is left
	err error
}

// decode begins a message.
func decode(b []byte) *decoder {
	d := &decoder{b: b}
	if v := d.u8(); d.err == nil && v != codecVersion {
		d.fail(ais.Errorf(ais.Invalid, "message of version %d: want %d", v, codecVersion))
	}
	return d
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

// end reports the first error, with the name of the message; bytes that are left are one.
func (d *decoder) end(what string) error {
	if d.err == nil && len(d.b) > 0 {
		d.fail(ais.Errorf(ais.Invalid, "%d bytes too many", len(d.b)))
	}
	if d.err != nil {
		return ais.Errorf(ais.Invalid, "%s: %w", what, d.err)
	}
	return nil
}

// take gives the next n bytes; nil where there are fewer.
func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.fail(ais.Errorf(ais.Invalid, "cut off: %d bytes are left of %d", len(d.b), n))
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) u8() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if v := d.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if v := d.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if v := d.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// id16 reads the ids and stamps of 16 bytes.
func (d *decoder) id16() (id [16]byte) {
	copy(id[:], d.take(len(id)))
	return id
}

// flags reads a byte of which only the bits of known may be set.
func (d *decoder) flags(known byte) byte {
	f := d.u8()
	if f&^known != 0 {
		d.fail(ais.Errorf(ais.Invalid, "flags %#x: known are %#x", f, known))
		return 0
	}
	return f
}

func (d *decoder) bool() bool { return d.flags(1) != 0 }

// count reads how many things follow, each of at least so many bytes.
func (d *decoder) count(least int) int {
	n := d.u32()
	if uint64(n)*uint64(least) > uint64(len(d.b)) {
		d.fail(ais.Errorf(ais.Invalid, "%d things of %d bytes or more in %d bytes", n, least, len(d.b)))
		return 0
	}
	return int(n)
}

// blob reads bytes behind their length; they alias the message. None are nil.
func (d *decoder) blob() []byte {
	if n := d.count(1); n > 0 {
		return d.take(n)
	}
	return nil
}

func (d *decoder) text() string { return string(d.blob()) }

func (d *decoder) slots() *ais.SlotSet {
	s, err := ais.ReadSlotSet(d.blob())
	if err != nil {
		d.fail(err)
		return &ais.SlotSet{}
	}
	return s
}

func (d *decoder) records() []Record {
	return list(d, 4, func() Record { return d.blob() })
}

// list reads how many things follow, each of at least so many bytes, and those.
func list[T any](d *decoder, least int, read func() T) []T {
	n := d.count(least)
	if n == 0 {
		return nil
	}
	all := make([]T, n)
	for i := range all {
		if all[i] = read(); d.err != nil {
			return nil
		}
	}
	return all
}

const (
	writeHandedOn = 1

	extentLast = 1
	extentDrop = 2
)

// AppendTo appends the bytes of w.
func (w *Write) AppendTo(b []byte) []byte {
	b = appendU16(append(b, codecVersion), uint16(w.Slot))
	b = append(b, w.Copies, bit(w.HandedOn, writeHandedOn))
	b = appendU32(appendU64(b, uint64(w.Epoch)), uint32(w.Incarnation))
	b = append(b, w.Stable[:]...)
	return appendRecords(b, w.Records)
}

// DecodeWrite reads what Write.AppendTo gives; the records alias b.
func DecodeWrite(b []byte) (*Write, error) {
	d := decode(b)
	w := &Write{Slot: ais.Slot(d.u16()), Copies: d.u8()}
	w.HandedOn = d.flags(writeHandedOn) != 0
	w.Epoch, w.Incarnation = ais.MapVersion(d.u64()), ais.Epoch(d.u32())
	w.Stable = d.id16()
	w.Records = d.records()
	if err := d.end("write"); err != nil {
		return nil, err
	}
	return w, nil
}

// Size is how many bytes AppendTo appends.
func (w *Write) Size() int {
	n := 1 + 2 + 1 + 1 + 8 + 4 + 16 + 4
	for _, r := range w.Records {
		n += 4 + len(r)
	}
	return n
}

// AppendTo appends the bytes of x.
func (x *Extent) AppendTo(b []byte) []byte { return append(x.AppendHead(b), x.Record...) }

// AppendHead is AppendTo but for the record, which ends the message: whoever sends both need not copy it.
func (x *Extent) AppendHead(b []byte) []byte {
	b = appendU16(append(b, codecVersion), uint16(x.Slot))
	b = append(b, x.Copies, bit(x.Last, extentLast)|bit(x.Drop, extentDrop))
	b = appendU64(b, uint64(x.Epoch))
	b = append(b, x.Write[:]...)
	return appendCount(b, len(x.Record))
}

// DecodeExtent reads what Extent.AppendTo gives; the record aliases b.
func DecodeExtent(b []byte) (*Extent, error) {
	d := decode(b)
	x := &Extent{Slot: ais.Slot(d.u16()), Copies: d.u8()}
	f := d.flags(extentLast | extentDrop)
	x.Last, x.Drop = f&extentLast != 0, f&extentDrop != 0
	x.Epoch = ais.MapVersion(d.u64())
	x.Write = d.id16()
	x.Record = d.blob()
	if err := d.end("extent"); err != nil {
		return nil, err
	}
	return x, nil
}

// slotStampSize is the bytes of a SlotStamp.
const slotStampSize = 2 + 1 + 8 + 16

// AppendTo appends the bytes of s.
func (s *Stable) AppendTo(b []byte) []byte {
	b = appendCount(append(b, codecVersion), len(s.Slots))
	for i := range s.Slots {
		x := &s.Slots[i]
		b = append(appendU16(b, uint16(x.Slot)), x.Copies)
		b = append(appendU64(b, uint64(x.Epoch)), x.Stamp[:]...)
	}
	return b
}

// DecodeStable reads what Stable.AppendTo gives.
func DecodeStable(b []byte) (*Stable, error) {
	d := decode(b)
	s := &Stable{Slots: list(d, slotStampSize, func() SlotStamp {
		return SlotStamp{Slot: ais.Slot(d.u16()), Copies: d.u8(), Epoch: ais.MapVersion(d.u64()), Stamp: d.id16()}
	})}
	if err := d.end("stable"); err != nil {
		return nil, err
	}
	return s, nil
}
