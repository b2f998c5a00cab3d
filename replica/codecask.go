package replica

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// itemLeast is the bytes of an Item without a name.
const itemLeast = 1 + 1 + 8 + 4 + 16 + 16 + 4 + 16 + 16 + 8 + 8

func (i *Item) appendTo(b []byte) []byte {
	b = appendU64(append(b, byte(i.Kind), i.Copies), uint64(i.Bucket))
	b = appendBlob(b, i.Name)
	b = append(b, i.Version[:]...)
	b = appendU32(append(b, i.Upload[:]...), i.Part)
	b = append(b, i.Modified[:]...)
	b = append(b, i.Created[:]...)
	return appendU64(appendU64(b, uint64(i.Size)), i.Hash)
}

func appendItems(b []byte, items []Item) []byte {
	b = appendCount(b, len(items))
	for i := range items {
		b = items[i].appendTo(b)
	}
	return b
}

func (d *decoder) item() Item {
	i := Item{Kind: ItemKind(d.u8()), Copies: d.u8(), Bucket: ais.BucketID(d.u64()), Name: d.text()}
	if i.Kind < ItemEntry || i.Kind > ItemClosed {
		d.fail(ais.Errorf(ais.Invalid, "item of kind %d", i.Kind))
	}
	i.Version, i.Upload, i.Part = d.id16(), d.id16(), d.u32()
	i.Modified, i.Created = d.id16(), d.id16()
	i.Size, i.Hash = int64(d.u64()), d.u64()
	return i
}

func (d *decoder) items() []Item { return list(d, itemLeast, d.item) }

const (
	wordWhole = 1
	wordHome  = 2

	// wordLeast is the bytes of a Word without groups and stamps.
	wordLeast = 8 + 8 + 1 + 16 + 4 + 4
)

func (w *Word) appendTo(b []byte) []byte {
	b = appendU64(appendU64(b, uint64(w.Map)), uint64(w.Cut))
	b = append(b, bit(w.Whole, wordWhole)|bit(w.Home, wordHome))
	b = appendCount(append(b, w.Stable[:]...), len(w.Groups))
	for _, g := range w.Groups {
		b = append(b, bit(g, 1))
	}
	b = appendCount(b, len(w.Pending))
	for i := range w.Pending {
		b = append(b, w.Pending[i][:]...)
	}
	return b
}

func (d *decoder) stamp() ais.Stamp { return d.id16() }

func (d *decoder) word() Word {
	w := Word{Map: ais.MapVersion(d.u64()), Cut: ais.MapVersion(d.u64())}
	f := d.flags(wordWhole | wordHome)
	w.Whole, w.Home, w.Stable = f&wordWhole != 0, f&wordHome != 0, d.id16()
	w.Groups = list(d, 1, d.bool)
	w.Pending = list(d, len(ais.Stamp{}), d.stamp)
	return w
}

// AppendTo appends the bytes of s.
func (s *Seal) AppendTo(b []byte) []byte { return appendU64(append(b, codecVersion), uint64(s.Map)) }

// DecodeSeal reads what Seal.AppendTo gives.
func DecodeSeal(b []byte) (*Seal, error) {
	d := decode(b)
	s := &Seal{Map: ais.MapVersion(d.u64())}
	if err := d.end("seal"); err != nil {
		return nil, err
	}
	return s, nil
}

// AppendTo appends the bytes of s.
func (s *Sealed) AppendTo(b []byte) []byte { return appendU64(append(b, codecVersion), uint64(s.Map)) }

// DecodeSealed reads what Sealed.AppendTo gives.
func DecodeSealed(b []byte) (*Sealed, error) {
	d := decode(b)
	s := &Sealed{Map: ais.MapVersion(d.u64())}
	if err := d.end("sealed"); err != nil {
		return nil, err
	}
	return s, nil
}

// AppendTo appends the bytes of l.
func (l *Look) AppendTo(b []byte) []byte {
	b = appendU64(append(b, codecVersion), uint64(l.Map))
	b = append(appendU16(b, uint16(l.Slot)), l.Copies)
	return appendBlob(appendU64(b, uint64(l.Bucket)), l.Name)
}

// DecodeLook reads what Look.AppendTo gives.
func DecodeLook(b []byte) (*Look, error) {
	d := decode(b)
	l := &Look{
		Map: ais.MapVersion(d.u64()), Slot: ais.Slot(d.u16()), Copies: d.u8(), Bucket: ais.BucketID(d.u64()), Name: d.text(),
	}
	if err := d.end("look"); err != nil {
		return nil, err
	}
	return l, nil
}

// AppendTo appends the bytes of h.
func (h *Held) AppendTo(b []byte) []byte {
	return appendItems(h.Word.appendTo(append(b, codecVersion)), h.Items)
}

// DecodeHeld reads what Held.AppendTo gives.
func DecodeHeld(b []byte) (*Held, error) {
	d := decode(b)
	h := &Held{Word: d.word(), Items: d.items()}
	if err := d.end("held"); err != nil {
		return nil, err
	}
	return h, nil
}

// AppendTo appends the bytes of s.
func (s *Scan) AppendTo(b []byte) []byte {
	b = appendU64(append(b, codecVersion), uint64(s.Map))
	b = append(appendU16(b, uint16(s.Slot)), s.Copies)
	return appendU64(appendU64(append(b, s.After[:]...), uint64(s.Limit)), uint64(s.Bytes))
}

// DecodeScan reads what Scan.AppendTo gives.
func DecodeScan(b []byte) (*Scan, error) {
	d := decode(b)
	s := &Scan{
		Map: ais.MapVersion(d.u64()), Slot: ais.Slot(d.u16()), Copies: d.u8(), After: d.id16(), Limit: int(d.u64()), Bytes: int(d.u64()),
	}
	if err := d.end("scan"); err != nil {
		return nil, err
	}
	return s, nil
}

// AppendTo appends the bytes of s.
func (s *Scanned) AppendTo(b []byte) []byte {
	size := 0
	for _, of := range s.Records {
		for _, r := range of {
			size += len(r)
		}
	}
	const others = 512 // a word and some items, mostly
	b = slices.Grow(b, size+others)
	return appendRecordLists(append(appendItems(s.Word.appendTo(append(b, codecVersion)), s.Items), bit(s.More, 1)), s.Records)
}

// DecodeScanned reads what Scanned.AppendTo gives; the records alias b.
func DecodeScanned(b []byte) (*Scanned, error) {
	d := decode(b)
	s := &Scanned{Word: d.word(), Items: d.items(), More: d.bool(), Records: list(d, 4, d.records)}
	if err := d.end("scanned"); err != nil {
		return nil, err
	}
	return s, nil
}

// AppendTo appends the bytes of f.
func (f *Fetch) AppendTo(b []byte) []byte {
	b = appendU16(append(b, codecVersion), uint16(f.Slot))
	return appendItems(appendU64(b, uint64(f.Bytes)), f.Items)
}

// DecodeFetch reads what Fetch.AppendTo gives.
func DecodeFetch(b []byte) (*Fetch, error) {
	d := decode(b)
	f := &Fetch{Slot: ais.Slot(d.u16()), Bytes: int(d.u64()), Items: d.items()}
	if err := d.end("fetch"); err != nil {
		return nil, err
	}
	return f, nil
}

// AppendTo appends the bytes of f.
func (f *Fetched) AppendTo(b []byte) []byte {
	return appendRecordLists(append(slices.Grow(b, f.Size()), codecVersion), f.Records)
}

func appendRecordLists(b []byte, all [][]Record) []byte {
	b = appendCount(b, len(all))
	for _, of := range all {
		b = appendRecords(b, of)
	}
	return b
}

// Size is how many bytes AppendTo appends.
func (f *Fetched) Size() int {
	n := 1 + 4
	for _, of := range f.Records {
		n += 4
		for _, r := range of {
			n += 4 + len(r)
		}
	}
	return n
}

// DecodeFetched reads what Fetched.AppendTo gives; the records alias b.
func DecodeFetched(b []byte) (*Fetched, error) {
	d := decode(b)
	f := &Fetched{Records: list(d, 4, d.records)}
	if err := d.end("fetched"); err != nil {
		return nil, err
	}
	return f, nil
}

// AppendTo appends the bytes of f.
func (f *FetchExtent) AppendTo(b []byte) []byte {
	b = appendU16(append(b, codecVersion), uint16(f.Slot))
	return appendU32(append(b, f.Write[:]...), f.Sequence)
}

// DecodeFetchExtent reads what FetchExtent.AppendTo gives.
func DecodeFetchExtent(b []byte) (*FetchExtent, error) {
	d := decode(b)
	f := &FetchExtent{Slot: ais.Slot(d.u16()), Write: d.id16(), Sequence: d.u32()}
	if err := d.end("fetch of an extent"); err != nil {
		return nil, err
	}
	return f, nil
}

// AppendTo appends the bytes of f.
func (f *FetchedExtent) AppendTo(b []byte) []byte {
	return appendBlob(append(slices.Grow(b, f.Size()), codecVersion), f.Record)
}

// Size is how many bytes AppendTo appends.
func (f *FetchedExtent) Size() int { return 1 + 4 + len(f.Record) }

// DecodeFetchedExtent reads what FetchedExtent.AppendTo gives; the record aliases b.
func DecodeFetchedExtent(b []byte) (*FetchedExtent, error) {
	d := decode(b)
	f := &FetchedExtent{Record: d.blob()}
	if err := d.end("fetched extent"); err != nil {
		return nil, err
	}
	return f, nil
}

// AppendTo appends the bytes of s.
func (s *States) AppendTo(b []byte) []byte {
	return appendSlots(appendU64(append(b, codecVersion), uint64(s.Map)), s.Slots)
}

// DecodeStates reads what States.AppendTo gives.
func DecodeStates(b []byte) (*States, error) {
	d := decode(b)
	s := &States{Map: ais.MapVersion(d.u64()), Slots: d.slots()}
	if err := d.end("states"); err != nil {
		return nil, err
	}
	return s, nil
}

// slotStateSize is the bytes of a SlotState.
const slotStateSize = 2 + 1 + 2*8 + 8 + 16 + 16

// AppendTo appends the bytes of s.
func (s *Stated) AppendTo(b []byte) []byte {
	b = appendCount(appendU64(append(b, codecVersion), uint64(s.Map)), len(s.States))
	for i := range s.States {
		x := &s.States[i]
		b = append(appendU16(b, uint16(x.Slot)), x.Copies)
		b = appendU64(appendU64(appendU64(b, x.Sum[0]), x.Sum[1]), x.Count)
		b = append(append(b, x.Stable[:]...), x.Newest[:]...)
	}
	return appendSlots(b, s.Lacking)
}

// DecodeStated reads what Stated.AppendTo gives.
func DecodeStated(b []byte) (*Stated, error) {
	d := decode(b)
	s := &Stated{Map: ais.MapVersion(d.u64())}
	s.States = list(d, slotStateSize, func() SlotState {
		return SlotState{
			Slot: ais.Slot(d.u16()), Copies: d.u8(), Sum: [2]uint64{d.u64(), d.u64()}, Count: d.u64(),
			Stable: d.id16(), Newest: d.id16(),
		}
	})
	s.Lacking = d.slots()
	if err := d.end("stated"); err != nil {
		return nil, err
	}
	return s, nil
}
