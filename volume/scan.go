package volume

import (
	"errors"
	"fmt"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// found is one valid record of a scan. Key, metadata and payload alias the scanner's buffer: they are
// good until the callback returns.
type found struct {
	rec     format.Record
	at      span
	payload []byte // nil unless the scan reads payloads
	file    *file  // set where records of many volumes are kept
	torn    bool   // nothing valid lies right before it
}

// gap is a range in which no valid record lies.
type gap struct {
	from, to int64
	damage   bool // a later record says that bytes in it were durable
}

// scan walks the records of a volume from an offset to the end of what counts, and calls fn for each
// valid one. Where no valid record lies it looks ahead on the alignment, and keeps what comes behind:
// a gap before a record that was formed when bytes in the gap were durable already is damage; any
// other is a write that was torn.
//
// With payloads set, a record counts only if its payload verifies: the rule for tails. Without, heads
// are enough: for volumes that were sealed.
func (f *file) scan(from, to int64, payloads bool, fn func(*found) error) (gaps []gap, err error) {
	w := &window{f: f, to: to, size: windowSize}
	if !payloads && f.class == format.ClassLarge {
		w.size = format.HeaderSize // only heads are wanted, and they lie far apart
	}
	var open *gap
	for off := from; off < to; {
		rec, payload, err := w.record(off, payloads)
		if errors.Is(err, format.ErrUnknown) {
			return gaps, fmt.Errorf("volume %s: record at %d: %w", f.id, off, err)
		}
		if err != nil && !errors.Is(err, errNoRecord) {
			return gaps, err
		}
		if err != nil {
			if open == nil {
				gaps = append(gaps, gap{from: off, to: to})
				open = &gaps[len(gaps)-1]
			}
			next, err := w.candidate(off + format.Align)
			if err != nil {
				return gaps, err
			}
			off = next
			continue
		}
		torn := open != nil
		if torn {
			open.to = off
			open = nil
		}
		for i := range gaps {
			if int64(rec.DurableTo) > gaps[i].from {
				gaps[i].damage = true
			}
		}
		at := span{off, off + footprint(rec.Type, f.class, rec.Size())}
		if err := fn(&found{rec: rec, at: at, payload: payload, torn: torn}); err != nil {
			return gaps, err
		}
		off = at.To
	}
	for i := range gaps {
		for _, b := range w.bad {
			gaps[i].damage = gaps[i].damage || b.From < gaps[i].to && gaps[i].from < b.To
		}
	}
	return gaps, nil
}

// errNoRecord: nothing valid lies at an offset.
var errNoRecord = errors.New("no record")

// windowSize is how much a scan reads at once.
const windowSize = 1 << 20

// window is the part of a volume that a scan has in memory.
type window struct {
	f    *file
	to   int64
	size int
	buf  []byte
	from int64
	bad  []span // what could not be read
}

// need gives n bytes from off, fewer at the end.
func (w *window) need(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), w.to-off))
	if n <= 0 {
		return nil, nil
	}
	if off >= w.from && off+int64(n) <= w.from+int64(len(w.buf)) {
		return w.buf[off-w.from : off-w.from+int64(n)], nil
	}
	size := int(min(int64(max(n, w.size)), w.to-off))
	if cap(w.buf) < size {
		w.buf = make([]byte, size)
	}
	w.buf = w.buf[:size]
	w.from = off
	if err := w.f.readFull(w.buf, off); err != nil {
		if ais.IsKind(err, ais.Corrupt) {
			w.buf = w.buf[:0]
			return nil, err
		}
		w.readAround(off)
	}
	return w.buf[:n], nil
}

// readAround fills the window where the disk cannot read all of it: what cannot be read becomes zeros,
// in which no record lies, and is remembered as bad. One unreadable sector must not take the rest of a
// mountpath with it.
func (w *window) readAround(off int64) {
	const piece = 4096
	for from := 0; from < len(w.buf); from += piece {
		p := w.buf[from:min(from+piece, len(w.buf))]
		if err := w.f.readFull(p, off+int64(from)); err != nil {
			clear(p)
			w.bad = append(w.bad, span{off + int64(from), off + int64(from+len(p))})
		}
	}
}

// record reads the record at off, or gives errNoRecord.
func (w *window) record(off int64, payloads bool) (format.Record, []byte, error) {
	var rec format.Record
	b, err := w.need(off, format.HeadFixed)
	if err != nil {
		return rec, nil, err
	}
	n, ok := format.NeedHead(b)
	if !ok {
		return rec, nil, errNoRecord
	}
	if b, err = w.need(off, n); err != nil {
		return rec, nil, err
	}
	rec, n, err = format.DecodeHead(b, w.f.placeID, off)
	if errors.Is(err, format.ErrUnknown) {
		return rec, nil, err
	}
	if err != nil || off+rec.Size() > w.to {
		return rec, nil, errNoRecord
	}
	if !payloads && rec.Type != format.TypeSystem && rec.Type != format.TypeCommit {
		return rec, nil, nil
	}
	// Reading the payload may move the window: the head is decoded again where it then lies.
	size := n + int(rec.Stored) + rec.TableLen()
	if b, err = w.need(off, size); err != nil {
		return rec, nil, err
	}
	if rec, n, err = format.DecodeHead(b, w.f.placeID, off); err != nil {
		return rec, nil, errNoRecord
	}
	if err := format.VerifyPayload(&rec, b[n:]); err != nil {
		return rec, nil, errNoRecord
	}
	return rec, b[n : n+int(rec.Stored)], nil
}

// candidate gives the next offset from `off` on at which a record may begin, or the end.
func (w *window) candidate(off int64) (int64, error) {
	for off < w.to {
		b, err := w.need(off, windowSize)
		if err != nil {
			return 0, err
		}
		if i := format.NextCandidate(b, 0); i >= 0 && i < len(b) {
			return off + int64(i), nil
		}
		off += int64(len(b)) &^ (format.Align - 1)
		if len(b) < format.Align {
			break
		}
	}
	return w.to, nil
}
