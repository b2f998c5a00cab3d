package volume

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// CheckReport is what Check found. Sizes are bytes.
type CheckReport struct {
	Volumes  int            `json:"volumes"`
	Records  int64          `json:"records"` // live ones, verified
	Bytes    int64          `json:"bytes"`
	Dead     int64          `json:"dead"`
	Findings []CheckFinding `json:"findings"`
}

// CheckFinding is one thing that is wrong.
type CheckFinding struct {
	Volume ais.VolumeID `json:"volume"`
	Offset int64        `json:"offset"`
	Object string       `json:"object,omitempty"`
	What   string       `json:"what"`
}

// findingsMax bounds a report; a disk that is worse than this needs no longer list.
const findingsMax = 1000

// Check reads every record that the index points at, verifies head and payload, and holds the account
// of the volumes to the index. It changes nothing. The store must be running, and serves meanwhile.
func (s *Store) Check(ctx context.Context) (*CheckReport, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	r := &CheckReport{}
	c := &checker{s: s, ctx: ctx, report: r}
	snap := s.db.NewSnapshot()
	defer func() { c.err = errors.Join(c.err, snap.Close()) }()
	for _, space := range []byte{spaceCurrent, spaceVersion, spaceTomb, spaceExtent, spaceUploadID, spacePart, spaceSystem} {
		if err := c.space(snap, space); err != nil {
			return nil, err
		}
	}
	for _, f := range s.fileList() {
		row, dead := f.known()
		r.Volumes++
		r.Dead += dead
		switch row.State {
		case StateMissing:
			c.add(place{Volume: f.id}, "", fmt.Errorf("the volume is missing"))
		case StateQuarantined:
			c.add(place{Volume: f.id}, "", fmt.Errorf("the volume is in quarantine"))
		}
	}
	if err := s.CheckAccount(); err != nil {
		if s.broken() != nil && !IsIndexError(err) {
			return nil, err
		}
		c.add(place{}, "", err)
	}
	return r, c.err
}

type checker struct {
	s      *Store
	ctx    context.Context
	report *CheckReport
	buf    []byte
	err    error
}

func (c *checker) add(p place, object string, err error) {
	if len(c.report.Findings) < findingsMax {
		c.report.Findings = append(c.report.Findings, CheckFinding{Volume: p.Volume, Offset: p.Off, Object: object, What: err.Error()})
	}
}

// space checks what the rows of one key space point at.
func (c *checker) space(snap *pebble.Snapshot, space byte) error {
	it, err := snap.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		return c.s.readError(c.s.indexError(err))
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		if err = c.ctx.Err(); err != nil {
			err = ais.Errorf(ais.Canceled, "check: %w", err)
			break
		}
		c.row(space, it.Key(), it.Value())
	}
	if err == nil {
		err = c.s.indexError(it.Error())
	}
	if e := it.Close(); err == nil {
		err = c.s.indexError(e)
	}
	return err
}

// row checks one row.
func (c *checker) row(space byte, k, v []byte) {
	var p place
	var hash uint64
	var err error
	hasHash := true
	switch space {
	case spaceExtent:
		var x extentRow
		x, err = decodeExtentRow(v)
		p, hash = x.Place, x.PayloadHash
	case spaceUploadID:
		var u uploadRow
		u, err = decodeUploadRow(v)
		p, hasHash = u.Place, false
		if err == nil && p.Size == 0 {
			return
		}
	case spacePart:
		var x partRow
		x, err = decodePartRow(v)
		p, hash = x.Place, x.PayloadHash
	case spaceSystem:
		var x systemRow
		x, err = decodeSystemRow(v)
		p, hasHash = x.Place, false
	default:
		var x row
		x, err = decodeRow(v)
		p, hash = x.Place, x.PayloadHash
	}
	object := ""
	if space == spaceCurrent && len(k) > 9 {
		object = string(k[9:])
	}
	if err == nil {
		err = c.record(p, hash, hasHash)
	}
	switch {
	case errors.Is(err, errMoved): // vacuum or a writer was faster; the row that counts now is sound, or checked next time
	case err != nil:
		c.add(p, object, err)
	default:
		c.report.Records++
		c.report.Bytes += p.Size
	}
}

// record verifies a record where it lies.
func (c *checker) record(p place, hash uint64, hasHash bool) error {
	f := c.s.file(p.Volume)
	if f == nil || !f.acquire() {
		return c.s.moved(p)
	}
	defer f.release()
	if int64(cap(c.buf)) < p.Size {
		c.buf = make([]byte, p.Size)
	}
	b := c.buf[:p.Size]
	if err := f.readFull(b, p.Off); err != nil {
		return err
	}
	rec, n, err := format.DecodeHead(b, f.placeID, p.Off)
	if err != nil {
		return ais.Errorf(ais.Corrupt, "the head of the record does not verify: %w", err)
	}
	if hasHash && rec.PayloadHash != hash {
		return ais.Errorf(ais.Corrupt, "the record is not the one that the index means")
	}
	return format.VerifyPayload(&rec, b[n:])
}
