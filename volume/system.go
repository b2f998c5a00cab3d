package volume

import (
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// systemState is what the system records of a mountpath say, kept in memory and in the index. The
// committer writes it; systemMu guards it for readers.
type systemState struct {
	floors  facts         // of all buckets
	narrow  []narrowFloor // of some buckets
	names   map[latchKey][]nameFloor
	marks   facts
	purges  facts
	losses  map[ais.VolumeID]*loss
	pending []*loss // found, and in no system record yet
	listed  map[ais.VolumeID]bool
	settled ais.MapVersion
	made    ais.MapVersion // when the store was made
	hasMade bool           // a record says so
}

func newSystemState(made ais.MapVersion) systemState {
	return systemState{names: make(map[latchKey][]nameFloor), losses: make(map[ais.VolumeID]*loss), made: made}
}

// narrowFloor says that records of some buckets in some slots, below an LSN, were given up.
type narrowFloor struct {
	record, lsn ais.LSN
	slots       *ais.SlotSet
	buckets     []ais.BucketID
}

// nameFloor says that records of one name below an LSN, stamped up to upTo, are dead.
type nameFloor struct {
	record, lsn ais.LSN
	upTo        ais.Stamp
}

// systemRow is a system record in the index: where it lies, its LSN, and its payload.
type systemRow struct {
	Place   place
	LSN     ais.LSN
	Payload []byte
}

// systemKey is where the index has a system record: by its subject, so that the newest takes the place of the
// one before; one that has many subjects by its own LSN.
func systemKey(b []byte, y *format.System, record ais.LSN) []byte {
	b = append(b, spaceSystem, byte(y.Kind))
	switch y.Kind {
	case format.SystemFloor, format.SystemPurge, format.SystemFloors, format.SystemPurges, format.SystemMarks, format.SystemNameFloor:
		b = binary.BigEndian.AppendUint64(b, uint64(record))
	case format.SystemLimit, format.SystemVolumeGone, format.SystemLoss:
		b = binary.BigEndian.AppendUint64(b, uint64(y.Volume))
	}
	return b
}

func decodeSystemRow(v []byte) (systemRow, error) {
	d := decoder{b: v}
	x := systemRow{Place: d.place(), LSN: ais.LSN(d.uint64())}
	if d.bad {
		return x, ais.Errorf(ais.Corrupt, "system row of %d bytes does not decode", len(v))
	}
	x.Payload = slices.Clone(d.b)
	return x, nil
}

func (b *batch) systemRowAt(key []byte) (systemRow, bool, error) {
	v, ok, done, err := get(b.r, key)
	if err != nil || !ok {
		return systemRow{}, false, b.s.indexError(err)
	}
	x, err := decodeSystemRow(v)
	if e := done(); err == nil {
		err = b.s.indexError(e)
	}
	return x, err == nil, err
}

// applySystem indexes a system record: the newest of its subject, by LSN. Records that it leaves without any
// subject go.
func (b *batch) applySystem(r *format.Record, payload []byte, p place) error {
	y, err := format.DecodeSystem(payload)
	if err != nil {
		return err
	}
	key := systemKey(nil, &y, r.LSN)
	old, ok, err := b.systemRowAt(key)
	if err != nil {
		return err
	}
	if ok {
		if r.LSN < old.LSN || r.LSN == old.LSN && !b.s.lost(old.Place) {
			return nil
		}
		b.unlive(old.Place, false)
	}
	gone, keep := b.s.learn(&y, r.LSN)
	for _, k := range gone {
		if err := b.dropSystem(k); err != nil {
			return err
		}
	}
	if keep {
		b.setSystem(&y, p, r.LSN, payload)
		b.enlive(p, false, ais.Stamp{})
	}
	return b.takeEffect(&y, r.LSN)
}

// takeEffect does what a system record asks of the rest of the index.
func (b *batch) takeEffect(y *format.System, record ais.LSN) error {
	switch y.Kind {
	case format.SystemLimit:
		if f := b.s.file(y.Volume); f != nil {
			f.row.Limit = int64(y.Offset)
			b.touch(f)
		}
	case format.SystemFloor:
		slots := &ais.SlotSet{}
		slots.Add(y.Slot)
		b.startDrop(slots, y.All, record)
	case format.SystemFloors:
		b.startDrop(y.Slots, y.All, record)
	case format.SystemNameFloor:
		return b.dropName(y.Bucket, y.Name)
	case format.SystemVolumeList:
		// A full list is newer than every notice that a volume has gone.
		return b.dropGone(record)
	}
	return nil
}

// setSystem writes the row of a system record.
func (b *batch) setSystem(y *format.System, p place, lsn ais.LSN, payload []byte) {
	b.key = systemKey(b.key[:0], y, lsn)
	b.val = p.append(b.val[:0])
	b.val = binary.LittleEndian.AppendUint64(b.val, uint64(lsn))
	b.val = append(b.val, payload...)
	b.set()
}

// dropSystem takes a system record out of the index that says nothing any more.
func (b *batch) dropSystem(key []byte) error {
	x, ok, err := b.systemRowAt(key)
	if err != nil || !ok {
		return err
	}
	b.key = append(b.key[:0], key...)
	b.del()
	b.unlive(x.Place, false)
	return nil
}

// dropGone forgets notices of removed volumes older than a full list.
func (b *batch) dropGone(before ais.LSN) error {
	prefix := []byte{spaceSystem, byte(format.SystemVolumeGone)}
	it, err := b.r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: successor(slices.Clone(prefix))})
	if err != nil {
		return b.s.indexError(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		var x systemRow
		if x, err = decodeSystemRow(it.Value()); err != nil {
			break
		}
		if x.LSN < before {
			b.key = append(b.key[:0], it.Key()...)
			b.del()
			b.unlive(x.Place, false)
		}
	}
	if e := it.Close(); err == nil {
		err = b.s.indexError(e)
	}
	return err
}

// learn takes a system record into memory. It returns the keys of records that say nothing any more, and
// whether this one says anything.
func (s *Store) learn(y *format.System, record ais.LSN) (gone [][]byte, keep bool) {
	s.systemMu.Lock()
	defer s.systemMu.Unlock()
	t := &s.system
	keep = true
	switch y.Kind {
	case format.SystemFloor:
		slots := &ais.SlotSet{}
		slots.Add(y.Slot)
		gone, keep = t.learnFloor(s, &format.System{Kind: y.Kind, All: y.All, Buckets: y.Buckets, LSN: y.LSN, Slots: slots}, record)
	case format.SystemFloors:
		gone, keep = t.learnFloor(s, y, record)
	case format.SystemPurge:
		gone, keep = t.learnPurges([]format.Purge{{From: y.From, To: y.To, UpTo: y.UpTo}}, record)
	case format.SystemPurges:
		gone, keep = t.learnPurges(y.Purges, record)
	case format.SystemMarks:
		gone, keep = t.learnMarks(y, record)
	case format.SystemLoss:
		gone = t.learnLoss(&loss{volume: y.Volume, lsn: y.LSN, version: y.Version, slots: y.Slots})
	case format.SystemNameFloor:
		keep = t.learnNameFloor(s, y, record, &gone)
	case format.SystemSettled:
		t.settled = max(t.settled, y.Version)
	case format.SystemMade:
		t.made, t.hasMade = y.Version, true
	case format.SystemVolumeList:
		t.listed = make(map[ais.VolumeID]bool, len(y.Volumes))
		for _, v := range y.Volumes {
			t.listed[v] = true
		}
	case format.SystemVolumeGone:
		delete(t.listed, y.Volume)
	}
	return gone, keep
}

// factKeys gives the keys of records of facts, that of a fact of either kind: old volumes have kinds of their
// own for a fact about one slot or range.
func factKeys(gone [][]byte, records []ais.LSN, kinds ...format.SystemKind) [][]byte {
	for _, lsn := range records {
		for _, k := range kinds {
			gone = append(gone, systemKey(nil, &format.System{Kind: k}, lsn))
		}
	}
	return gone
}

// learnFloor notes that slots were given up. Marks of them that are older die.
func (t *systemState) learnFloor(s *Store, y *format.System, record ais.LSN) (gone [][]byte, keep bool) {
	floorKinds := []format.SystemKind{format.SystemFloor, format.SystemFloors}
	if y.All {
		l := t.floors.take(fact{record: record, lsn: y.LSN, version: y.Version}, y.Slots.All(), nil)
		keep = t.floors.has(record)
		gone = factKeys(gone, without(l, record), floorKinds...)
		gone = append(gone, t.voidMarks(y.Slots, y.LSN)...)
		for k, l := range t.names {
			if slot := s.opt.Slot(k.bucket, k.name); y.Slots.Has(slot) {
				l = slices.DeleteFunc(l, func(n nameFloor) bool {
					if n.lsn >= y.LSN {
						return false
					}
					gone = factKeys(gone, []ais.LSN{n.record}, format.SystemNameFloor)
					return true
				})
				if t.names[k] = l; len(l) == 0 {
					delete(t.names, k)
				}
			}
		}
	} else if !slices.ContainsFunc(t.narrow, func(n narrowFloor) bool { return n.record == record }) {
		t.narrow = append(t.narrow, narrowFloor{record, y.LSN, y.Slots, y.Buckets})
	}
	var superfluous []ais.LSN
	var narrow []narrowFloor
	for i := range t.narrow {
		if n := &t.narrow[i]; t.covered(n) {
			superfluous = append(superfluous, n.record)
		} else {
			narrow = append(narrow, *n)
		}
	}
	t.narrow = narrow
	if !y.All {
		keep = !slices.Contains(superfluous, record)
	}
	return factKeys(gone, without(superfluous, record), floorKinds...), keep
}

// without is a list of records but for one.
func without(l []ais.LSN, record ais.LSN) []ais.LSN {
	return slices.DeleteFunc(l, func(x ais.LSN) bool { return x == record })
}

// covered reports whether newer floors say all that a narrow one says.
func (t *systemState) covered(n *narrowFloor) bool {
	by := func(o *narrowFloor) bool {
		if o.lsn <= n.lsn {
			return false
		}
		for _, id := range n.buckets {
			if !slices.Contains(o.buckets, id) {
				return false
			}
		}
		return subset(n.slots, o.slots)
	}
	for i := range t.narrow {
		if by(&t.narrow[i]) {
			return true
		}
	}
	for slot := range n.slots.All() {
		if f := t.floors.get(slot); f == nil || f.lsn < n.lsn {
			return false
		}
	}
	return true
}

// subset reports whether all of a is in b.
func subset(a, b *ais.SlotSet) bool {
	for i := range a {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

func (t *systemState) learnPurges(l []format.Purge, record ais.LSN) (gone [][]byte, keep bool) {
	var records []ais.LSN
	for i := range l {
		records = append(records, t.purges.take(fact{record: record, lsn: record, upTo: l[i].UpTo}, slotRange(l[i].From, l[i].To), nil)...)
	}
	return factKeys(gone, without(records, record), format.SystemPurge, format.SystemPurges), t.purges.has(record)
}

// learnNameFloor notes that records of a name are dead.
func (t *systemState) learnNameFloor(s *Store, y *format.System, record ais.LSN, gone *[][]byte) (keep bool) {
	if f := t.floors.get(s.opt.Slot(y.Bucket, y.Name)); f != nil && f.lsn > y.LSN {
		return false
	}
	k := latchKey{y.Bucket, y.Name}
	l := t.names[k]
	for i := range l {
		if l[i].record == record {
			return true
		}
		if l[i].lsn > y.LSN && l[i].upTo.Compare(y.UpTo) >= 0 {
			return false
		}
	}
	l = slices.DeleteFunc(l, func(n nameFloor) bool {
		if n.lsn > y.LSN || n.upTo.Compare(y.UpTo) > 0 {
			return false
		}
		*gone = factKeys(*gone, []ais.LSN{n.record}, format.SystemNameFloor)
		return true
	})
	t.names[k] = append(l, nameFloor{record, y.LSN, y.UpTo})
	return true
}

// dead reports whether a record lies below a floor: of its slot, of its bucket in it, of its name. Extents
// never do; who names them decides.
func (s *Store) dead(r *format.Record) bool {
	if r.Type == format.TypeSystem || r.Type == format.TypeExtent {
		return false
	}
	return s.below(r.Slot, r.Bucket, r.Key, r.LSN, r.Modified)
}

// givenUp reports whether what came with an LSN lies below a floor of its slot, or of its bucket in it.
func (s *Store) givenUp(slot ais.Slot, bucket ais.BucketID, lsn ais.LSN) bool {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	return s.system.givenUp(slot, bucket, lsn)
}

func (t *systemState) givenUp(slot ais.Slot, bucket ais.BucketID, lsn ais.LSN) bool {
	if f := t.floors.get(slot); f != nil && lsn < f.lsn {
		return true
	}
	for i := range t.narrow {
		if n := &t.narrow[i]; lsn < n.lsn && n.slots.Has(slot) && slices.Contains(n.buckets, bucket) {
			return true
		}
	}
	return false
}

// below is dead of an entry, upload or part.
func (s *Store) below(slot ais.Slot, bucket ais.BucketID, name []byte, lsn ais.LSN, modified ais.Stamp) bool {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	t := &s.system
	if t.givenUp(slot, bucket, lsn) {
		return true
	}
	if len(t.names) == 0 {
		return false
	}
	for _, n := range t.names[latchKey{bucket, string(name)}] {
		if lsn < n.lsn && modified.Compare(n.upTo) <= 0 {
			return true
		}
	}
	return false
}

// purgeable reports whether the purge of a tombstone is agreed.
func (s *Store) purgeable(slot ais.Slot, modified ais.Stamp) bool {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	p := s.system.purges.get(slot)
	return p != nil && modified.Compare(p.upTo) <= 0
}

// loadSystem reads all system rows into memory.
func (s *Store) loadSystem() error {
	return s.forRange([]byte{spaceSystem}, []byte{spaceSystem + 1}, func(_, v []byte) error {
		x, err := decodeSystemRow(v)
		if err != nil {
			return err
		}
		y, err := format.DecodeSystem(x.Payload)
		if err != nil {
			return err
		}
		s.learn(&y, x.LSN)
		return nil
	})
}
