package volume

import (
	"context"
	"maps"
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// Mark says of a slot that it is whole here as of a map version, for all counts of copies above Above.
type Mark struct {
	Version ais.MapVersion
	Above   uint8
}

// SetMarks marks slots whole, durably, in one record. A mark takes the place of the one before, and dies
// with GiveUp of the slot and with damage to what the store holds of it.
func (s *Store) SetMarks(ctx context.Context, m Mark, slots *ais.SlotSet) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.writeSystem(&format.System{Kind: format.SystemMarks, Version: m.Version, Above: m.Above, Slots: slots})
}

// Mark gives the mark of a slot; ok is false if it is not whole here.
func (s *Store) Mark(slot ais.Slot) (m Mark, ok bool) {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	f := s.system.marks.get(slot)
	if f == nil {
		return Mark{}, false
	}
	for _, l := range s.system.pending {
		if f.lsn < l.lsn && l.slots.Has(slot) {
			return Mark{}, false
		}
	}
	return Mark{Version: f.version, Above: f.above}, true
}

// Since is the map version from which on nothing that came of the slot was lost here: that at which the store
// was made, at which the slot was given up, or the one after that under which damage was found.
func (s *Store) Since(slot ais.Slot) ais.MapVersion {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	v := s.system.made
	if f := s.system.floors.get(slot); f != nil {
		v = max(v, f.version)
	}
	for _, l := range s.system.losses {
		if l.slots.Has(slot) {
			v = max(v, l.version)
		}
	}
	for _, l := range s.system.pending {
		if l.slots.Has(slot) {
			v = max(v, l.version)
		}
	}
	return v
}

// LastSettled is the newest settled map of which SetSettled has returned; 0: none.
func (s *Store) LastSettled() ais.MapVersion {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	return s.system.settled
}

// SetSettled notes durably that all that a settled map gives up has been given up. An older one than is known
// changes nothing.
func (s *Store) SetSettled(ctx context.Context, v ais.MapVersion) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if v <= s.LastSettled() {
		return nil
	}
	return s.writeSystem(&format.System{Kind: format.SystemSettled, Version: v})
}

// learnMarks takes marks into memory, but of slots that were given up or damaged after them.
func (t *systemState) learnMarks(y *format.System, record ais.LSN) (gone [][]byte, keep bool) {
	l := t.marks.take(fact{record: record, lsn: record, version: y.Version, above: y.Above}, y.Slots.All(), func(slot ais.Slot) bool {
		if f := t.floors.get(slot); f != nil && f.lsn > record {
			return false
		}
		for _, x := range t.losses {
			if x.lsn > record && x.slots.Has(slot) {
				return false
			}
		}
		return true
	})
	return factKeys(nil, without(l, record), format.SystemMarks), t.marks.has(record)
}

// voidMarks drops the marks of slots that were made before an LSN, and gives the keys of the records that say
// nothing any more.
func (t *systemState) voidMarks(slots *ais.SlotSet, before ais.LSN) [][]byte {
	var l []ais.LSN
	for slot := range slots.All() {
		if f := t.marks.get(slot); f != nil && f.lsn < before {
			l = t.marks.drop(slot, l)
		}
	}
	return factKeys(nil, l, format.SystemMarks)
}

// loss is what was lost with a volume: marks of the slots that are older are void, and only what came under
// version or a later map is sure to be here.
type loss struct {
	volume  ais.VolumeID
	lsn     ais.LSN
	version ais.MapVersion
	slots   *ais.SlotSet
}

// learnLoss takes a loss that is on disk into memory.
func (t *systemState) learnLoss(l *loss) (gone [][]byte) {
	if old := t.losses[l.volume]; old == nil || old.lsn < l.lsn {
		t.losses[l.volume] = l
	}
	t.pending = slices.DeleteFunc(t.pending, func(p *loss) bool { return p.volume == l.volume && p.lsn <= l.lsn })
	return t.voidMarks(l.slots, l.lsn)
}

// damage is a range of a volume that was found bad: to 0 is to its end.
type damage struct {
	volume   ais.VolumeID
	from, to int64
}

// damagesMax bounds the places of damage that are remembered so that each is accounted for once; beyond
// that a place may void marks again.
const damagesMax = 4096

// noteDamage accounts for what an event says was found: the slots whose records may have been there are whole
// no more. While the store is being opened that waits until all else is known.
func (s *Store) noteDamage(e *Event) {
	d := damage{volume: e.Volume, from: e.Offset}
	switch {
	case e.Kind == EventPoisoned || e.Kind == EventMissing || e.Kind == EventDamage && e.Offset == 0:
	case e.Kind == EventDamage && e.Bytes > 0:
		d.to = e.Offset + e.Bytes
	case e.Kind == EventDamage || e.Kind == EventCorruptRead:
		d.to = e.Offset + 1 // one record
	default:
		return
	}
	s.damageMu.Lock()
	known := s.damaged[d]
	if len(s.damaged) < damagesMax {
		s.damaged[d] = true
	}
	opening := !s.opened.Load()
	s.damageMu.Unlock()
	if known || opening {
		return
	}
	if l := s.lossOf(d); l.slots.Count() > 0 {
		s.systemMu.Lock()
		s.system.pending = append(s.system.pending, l)
		s.systemMu.Unlock()
		s.wakeKeeper()
	}
}

// judgeDamage ends the opening of a store: what was found bad and is in no record of a loss yet voids marks.
func (s *Store) judgeDamage() {
	s.damageMu.Lock()
	found := slices.Collect(maps.Keys(s.damaged))
	s.damageMu.Unlock()
	for _, d := range found {
		l := s.lossOf(d)
		s.systemMu.Lock()
		old := s.system.losses[d.volume]
		if l.slots.Count() > 0 && (old == nil || !subset(l.slots, old.slots)) {
			s.system.pending = append(s.system.pending, l)
		}
		s.systemMu.Unlock()
	}
	s.opened.Store(true)
}

// lossOf is what is lost with a damaged range: the slots of the records there, if the volume's table says
// so, else all slots.
func (s *Store) lossOf(d damage) *loss {
	now := max(s.opt.MapVersion, s.opt.Clock.now())
	l := &loss{volume: d.volume, lsn: s.opt.Clock.LSN(), version: now + 1, slots: &ais.SlotSet{}}
	entries, ok := s.tableOf(d.volume)
	if !ok {
		for i := range l.slots {
			l.slots[i] = ^uint64(0)
		}
		return l
	}
	for i := range entries {
		e := &entries[i]
		from := int64(e.Offset64) * format.Align
		if to := from + int64(e.Size64)*format.Align; to > d.from && (d.to == 0 || from < d.to) && e.Type != format.TypeSystem {
			l.slots.Add(e.Slot)
		}
	}
	return l
}

// tableOf gives the table of a volume's records: from its footer, or from memory while it is being filled.
func (s *Store) tableOf(id ais.VolumeID) ([]format.FooterEntry, bool) {
	f := s.file(id)
	if f == nil || f.unreadable || f.missing.Load() {
		return nil, false
	}
	f.mu.Lock()
	entries, live := slices.Clone(f.mu.footer), f.mu.writing != nil
	f.mu.Unlock()
	if live {
		return entries, true
	}
	entries, err := f.readFooter()
	return entries, err == nil && entries != nil
}

// writeLosses makes what was found durable: the newest of a volume with all that was lost of it before.
func (s *Store) writeLosses() error {
	for {
		s.systemMu.RLock()
		var y *format.System
		if len(s.system.pending) > 0 {
			p := s.system.pending[0]
			y = &format.System{Kind: format.SystemLoss, Volume: p.volume, Slots: &ais.SlotSet{}}
			if old := s.system.losses[p.volume]; old != nil {
				*y.Slots = *old.slots
			}
			for _, x := range s.system.pending {
				if x.volume == p.volume {
					y.LSN, y.Version = max(y.LSN, x.lsn), max(y.Version, x.version)
					for i := range y.Slots {
						y.Slots[i] |= x.slots[i]
					}
				}
			}
		}
		s.systemMu.RUnlock()
		if y == nil {
			return nil
		}
		if err := s.writeSystem(y); err != nil {
			return err
		}
	}
}

// writeMade notes the map version at which the store was taken into use, once.
func (s *Store) writeMade() error {
	s.systemMu.RLock()
	y := &format.System{Kind: format.SystemMade, Version: s.system.made}
	has := s.system.hasMade
	s.systemMu.RUnlock()
	if has {
		return nil
	}
	return s.writeSystem(y)
}
