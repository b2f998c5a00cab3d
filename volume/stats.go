package volume

// Stats is a snapshot of a store for people and metrics. Sizes are bytes.
type Stats struct {
	Total, Free, Reserve int64 // of the filesystem
	Index                int64
	Volumes              int
	Quarantined, Missing int
	Records              int64
	Live, Dead, Tombs    int64
	Vacuumed, Reclaimed  int64 // volumes removed, and their bytes, since the start
	Torn, Damaged        int64 // findings since the start
	Pending              int
	Failed               bool
}

// Stats sums up the volumes.
func (s *Store) Stats() Stats {
	x := Stats{Total: s.space.total.Load(), Free: s.space.free.Load(), Reserve: s.reserve(), Index: s.space.index.Load(),
		Vacuumed: s.counters.vacuumed.Load(), Reclaimed: s.counters.reclaimed.Load(),
		Torn: s.counters.torn.Load(), Damaged: s.counters.damaged.Load(), Failed: s.failed.Load()}
	for _, f := range s.fileList() {
		row, dead := f.known()
		x.Volumes++
		x.Records += row.Count
		x.Live += row.Live
		x.Dead += dead
		x.Tombs += row.Tombs
		switch row.State {
		case StateQuarantined:
			x.Quarantined++
		case StateMissing:
			x.Missing++
		}
	}
	s.pendingMu.Lock()
	x.Pending = len(s.pending)
	s.pendingMu.Unlock()
	return x
}

// Volumes gives what is known of every volume, in order of id.
func (s *Store) Volumes() []VolumeInfo {
	var l []VolumeInfo
	for _, f := range s.fileList() {
		row, dead := f.known()
		l = append(l, VolumeInfo{ID: f.id, State: row.State.String(), Class: row.Class.String(), End: row.End, Live: row.Live,
			Dead: dead, Tombs: row.Tombs, Records: row.Count, VacuumTo: row.VacuumTo, Limit: row.Limit})
	}
	return l
}

// Tombstones is the bytes of tombstones that no agreed purge covers.
func (s *Store) Tombstones() int64 {
	purged := s.purgedTo()
	var n int64
	for _, f := range s.fileList() {
		if row, _ := f.known(); row.Tombs > 0 && purged.Less(row.NewestTomb) {
			n += row.Tombs
		}
	}
	return n
}
