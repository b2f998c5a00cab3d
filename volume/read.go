package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sys/unix"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// keepExtents is up to how many extents of an object are looked up and pinned when it is opened. The
// extents of larger objects are looked up as the read comes to them.
const keepExtents = inlineReap

// readChunk is how many bytes are read, verified and sent at once: few enough to stay in the cache.
const readChunk = 4 * ais.BlockSize

// Reader reads one object version; it is an ais.ObjectReader.
type Reader struct {
	s      *Store
	object ais.Object
	row    row

	buf    []byte // pooled: the record of the entry
	inline []byte // payload inside buf

	parts   []format.CommitPart
	extents []extentRow // of a small enough single write, with their volumes pinned
	pinned  bool        // the first write is pinned
	closed  bool
}

// bufferPool recycles read buffers by size class.
type bufferPool struct{ small, large sync.Pool }

const smallRead = 16 << 10

func (p *bufferPool) get(n int) []byte {
	pool, size := &p.small, smallRead
	if n > smallRead {
		pool, size = &p.large, readChunk+largeAlign
	}
	if n > size {
		return make([]byte, n)
	}
	if b, ok := pool.Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, size)
}

func (p *bufferPool) put(b []byte) {
	b = b[:cap(b)]
	switch cap(b) {
	case smallRead:
		p.small.Put(&b)
	case readChunk + largeAlign:
		p.large.Put(&b)
	}
}

// movesMax is how often a read follows an entry that vacuum or other writers move under it.
const movesMax = 1000

// errMoved: the place that the index gave is gone; the index knows a newer one.
var errMoved = errors.New("moved")

// Stat gives an object version with all its attributes. v nil is the current version. Not found is
// of kind NotFound and noun object, version, or delete-marker.
func (s *Store) Stat(bucket ais.BucketID, name string, v *ais.VersionID) (*ais.Object, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	for tries := 0; ; tries++ {
		r, latest, err := s.lookup(bucket, name, v)
		if err != nil {
			return nil, err
		}
		buf := s.reads.get(r.Place.HeadLen)
		rec, err := s.readHead(&r, name, buf)
		if err == nil {
			var o *ais.Object
			if o, err = objectOf(&r, &rec, bucket, name, latest); err == nil {
				s.reads.put(buf)
				return o, nil
			}
		}
		s.reads.put(buf)
		if !errors.Is(err, errMoved) || tries > movesMax {
			return nil, s.corruptRead(&r, err)
		}
	}
}

// Open opens an object version for reading; the caller closes it.
func (s *Store) Open(bucket ais.BucketID, name string, v *ais.VersionID) (*Reader, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	rd, err := s.openCounted(bucket, name, v)
	if err != nil {
		s.leave()
	}
	return rd, err
}

// openCounted is Open for a caller that the gate has let in; the reader's Close lets it out.
func (s *Store) openCounted(bucket ais.BucketID, name string, v *ais.VersionID) (*Reader, error) {
	for tries := 0; ; tries++ {
		r, latest, err := s.lookup(bucket, name, v)
		if err != nil {
			return nil, err
		}
		rd, err := s.open(&r, bucket, name, latest)
		if err == nil {
			return rd, nil
		}
		if !errors.Is(err, errMoved) || tries > movesMax {
			return nil, s.corruptRead(&r, err)
		}
	}
}

// corruptRead reports what a reader found.
func (s *Store) corruptRead(r *row, err error) error {
	if ais.IsKind(err, ais.Corrupt) {
		s.event(Event{Kind: EventCorruptRead, Volume: r.Place.Volume, Offset: r.Place.Off, Err: err})
	}
	return err
}

// lookup finds the row of a version; latest says whether it is the newest of its name.
func (s *Store) lookup(bucket ais.BucketID, name string, v *ais.VersionID) (r row, latest bool, err error) {
	if s.drops.left.Load() > 0 {
		if err := s.clear(s.opt.Slot(bucket, name)); err != nil {
			return row{}, false, err
		}
	}
	var scratch [ais.NameMax + 16]byte
	if v == nil {
		r, ok, err := s.rowAt(s.db, currentKey(scratch[:0], bucket, name))
		if err != nil || ok {
			return r, true, s.readError(err)
		}
		m, ok, err := s.newestVersion(s.db, bucket, name, ais.Stamp{})
		if err != nil {
			return row{}, false, s.readError(err)
		}
		if ok && m.Kind == rowMarker {
			return m, true, ais.NounErrorf(ais.NotFound, ais.NounMarker, "%s", m.version())
		}
		return row{}, false, ais.NounErrorf(ais.NotFound, ais.NounObject, "no object %q", name)
	}
	x, at, _, hasCur, err := s.find(s.db, scratch[:0], bucket, name, *v)
	if err != nil {
		return row{}, false, s.readError(err)
	}
	if at == nowhere || at == asTomb {
		return row{}, false, ais.NounErrorf(ais.NotFound, ais.NounVersion, "no version %s of object %q", *v, name)
	}
	if x.Kind == rowMarker {
		return x, false, ais.NounErrorf(ais.NotFound, ais.NounMarker, "version %s of object %q is a delete marker", *v, name)
	}
	latest = at == asCurrent
	if at == asVersion && !hasCur {
		m, ok, err := s.newestVersion(s.db, bucket, name, ais.Stamp{})
		if err != nil {
			return row{}, false, s.readError(err)
		}
		latest = ok && m.Created == x.Created
	}
	return x, latest, nil
}

// readHead reads and verifies the head of a row's record into buf, which has room for it.
func (s *Store) readHead(r *row, name string, buf []byte) (format.Record, error) {
	f := s.file(r.Place.Volume)
	if f == nil || !f.acquire() {
		return format.Record{}, s.moved(r.Place)
	}
	defer f.release()
	if err := f.readFull(buf[:r.Place.HeadLen], r.Place.Off); err != nil {
		return format.Record{}, err
	}
	return s.checkHead(f, r, name, buf)
}

// moved is errMoved, or an error if the volume is not on its way out but lost.
func (s *Store) moved(p place) error {
	f := s.file(p.Volume)
	if f != nil && f.missing.Load() {
		return ais.Errorf(ais.Corrupt, "volume %s is missing", p.Volume)
	}
	return errMoved
}

func (s *Store) checkHead(f *file, r *row, name string, buf []byte) (format.Record, error) {
	rec, _, err := format.DecodeHead(buf, f.placeID, r.Place.Off)
	if err != nil {
		return rec, ais.Errorf(ais.Corrupt, "volume %s: record at %d: %w", f.id, r.Place.Off, err)
	}
	if string(rec.Key) != name || rec.Modified != r.Modified {
		return rec, ais.Errorf(ais.Corrupt, "volume %s: record at %d is not that of %q", f.id, r.Place.Off, name)
	}
	return rec, nil
}

func objectOf(r *row, rec *format.Record, bucket ais.BucketID, name string, latest bool) (*ais.Object, error) {
	m, err := format.DecodeMeta(rec.Meta)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "metadata of %q: %w", name, err)
	}
	return &ais.Object{Bucket: bucket, Name: name, Version: r.version(), Latest: latest, DeleteMarker: r.Kind == rowMarker,
		Modified: r.Modified, Created: r.Created, Size: r.Size, ModifiedUnix: r.ModifiedUnix,
		PartCount: int(m.PartCount), Attributes: m.Attributes}, nil
}

func (s *Store) open(r *row, bucket ais.BucketID, name string, latest bool) (*Reader, error) {
	f := s.file(r.Place.Volume)
	if f == nil || !f.acquire() {
		return nil, s.moved(r.Place)
	}
	defer f.release()
	rd := &Reader{s: s, row: *r, buf: s.reads.get(int(r.Place.Size))}
	if err := rd.load(f, bucket, name, latest); err != nil {
		rd.unpin()
		return nil, err
	}
	if r.Kind == rowCommit {
		if err := rd.pin(bucket, name); err != nil {
			rd.unpin()
			return nil, err
		}
	}
	return rd, nil
}

// load reads the whole record and verifies it.
func (rd *Reader) load(f *file, bucket ais.BucketID, name string, latest bool) error {
	r := &rd.row
	if err := f.readFull(rd.buf, r.Place.Off); err != nil {
		return err
	}
	rec, err := rd.s.checkHead(f, r, name, rd.buf)
	if err != nil {
		return err
	}
	o, err := objectOf(r, &rec, bucket, name, latest)
	if err != nil {
		return err
	}
	rd.object = *o
	rest := rd.buf[r.Place.HeadLen:]
	if r.Kind == rowInline && rd.s.config.Load().VerifyGet || r.Kind == rowCommit {
		if err := format.VerifyPayload(&rec, rest); err != nil {
			return ais.Errorf(ais.Corrupt, "volume %s: record at %d: %w", f.id, r.Place.Off, err)
		}
	}
	if uint64(len(rest)) < rec.Stored {
		return ais.Errorf(ais.Corrupt, "volume %s: record at %d is longer than its place", f.id, r.Place.Off)
	}
	if r.Kind == rowInline {
		rd.inline = rest[:rec.Stored:rec.Stored]
		return nil
	}
	if r.Kind == rowCommit {
		rd.parts, err = format.DecodeCommit(rest[:rec.Stored])
		if err != nil {
			return ais.Errorf(ais.Corrupt, "volume %s: commit at %d: %w", f.id, r.Place.Off, err)
		}
		rd.s.reads.put(rd.buf)
		rd.buf = nil
	}
	return nil
}

// pin keeps the extents of the object where a read finds them. The row is read again after the pin: if
// it is still the same, the extents were not given up before the pin could be seen.
func (rd *Reader) pin(bucket ais.BucketID, name string) error {
	s, r := rd.s, &rd.row
	if r.Writes == 0 {
		return nil
	}
	s.pins.add(r.First)
	rd.pinned = true
	if r.Writes == 1 && rd.parts[0].Extents <= keepExtents {
		for seq := range rd.parts[0].Extents {
			x, err := s.pinExtent(r.First, seq)
			if err != nil {
				return err
			}
			rd.extents = append(rd.extents, x)
		}
		return nil
	}
	x, at, _, _, err := s.find(s.db, nil, bucket, name, r.version())
	if err != nil {
		return s.readError(err)
	}
	if at == nowhere || x.First != r.First {
		return errMoved
	}
	return nil
}

// pinExtent looks an extent up and pins its volume.
func (s *Store) pinExtent(w ais.WriteID, seq uint32) (extentRow, error) {
	for range 100 {
		x, ok, err := s.extentAt(s.db, w, seq)
		if err != nil {
			return x, s.readError(err)
		}
		if !ok {
			return x, errMoved
		}
		f := s.file(x.Place.Volume)
		if f != nil && f.acquire() {
			return x, nil
		}
		if err := s.moved(x.Place); !errors.Is(err, errMoved) {
			return x, err
		}
	}
	return extentRow{}, ais.Errorf(ais.Unavailable, "extent %s/%d keeps moving", w, seq)
}

func (s *Store) extentAt(r pebble.Reader, w ais.WriteID, seq uint32) (extentRow, bool, error) {
	var scratch [32]byte
	v, ok, done, err := get(r, extentKey(scratch[:0], w, seq))
	if err != nil || !ok {
		return extentRow{}, false, s.indexError(err)
	}
	x, err := decodeExtentRow(v)
	if e := done(); err == nil {
		err = s.indexError(e)
	}
	return x, err == nil, err
}

// writesOf gives the writes that a COMMIT names: from the row if it is one, else from its record.
func (s *Store) writesOf(r *row) ([]writeOf, error) {
	if r.Writes == 1 {
		return []writeOf{{r.First, extentsOf(r.Size)}}, nil
	}
	if r.Writes == 0 {
		return nil, nil
	}
	f := s.file(r.Place.Volume)
	if f == nil || !f.acquire() {
		return nil, ais.Errorf(ais.Corrupt, "volume %s of a commit is gone", r.Place.Volume)
	}
	defer f.release()
	buf := make([]byte, r.Place.Size)
	if err := f.readFull(buf, r.Place.Off); err != nil {
		return nil, err
	}
	rec, n, err := format.DecodeHead(buf, f.placeID, r.Place.Off)
	if err == nil {
		err = format.VerifyPayload(&rec, buf[n:])
	}
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "volume %s: commit at %d: %w", f.id, r.Place.Off, err)
	}
	parts, err := format.DecodeCommit(buf[n : n+int(rec.Stored)])
	if err != nil {
		return nil, err
	}
	return writesOfParts(parts), nil
}

// Object is the entry. It stays valid after Close.
func (rd *Reader) Object() *ais.Object { return &rd.object }

// Inline is the verified payload of a small object; valid until Close.
func (rd *Reader) Inline() []byte { return rd.inline }

// Part gives offset and size of a part.
func (rd *Reader) Part(n int) (offset, size int64, ok bool) {
	if rd.object.PartCount == 0 {
		return 0, rd.object.Size, n == 1
	}
	for i := range rd.parts {
		p := &rd.parts[i]
		if int(p.Number) == n {
			return offset, int64(p.Size), true
		}
		offset += int64(p.Size)
	}
	return 0, 0, false
}

// Parts are the parts of a multipart object.
func (rd *Reader) Parts() []ais.PartInfo {
	l := make([]ais.PartInfo, 0, len(rd.parts))
	for i := range rd.parts {
		p := &rd.parts[i]
		l = append(l, ais.PartInfo{Number: int(p.Number), Size: int64(p.Size), ETag: p.ETag, Checksum: p.Checksum})
	}
	return l
}

// Close releases what the reader pins.
func (rd *Reader) Close() error {
	if rd.closed {
		return nil
	}
	rd.unpin()
	rd.s.leave()
	return nil
}

// unpin gives back what the reader holds.
func (rd *Reader) unpin() {
	rd.closed = true
	if rd.buf != nil {
		rd.s.reads.put(rd.buf)
		rd.buf, rd.inline = nil, nil
	}
	for i := range rd.extents {
		if f := rd.s.file(rd.extents[i].Place.Volume); f != nil {
			f.release()
		}
	}
	if rd.pinned && rd.s.pins.drop(rd.row.First) {
		rd.s.wakeReaper()
	}
}

// WriteRange sends size bytes from offset to w.
func (rd *Reader) WriteRange(ctx context.Context, w io.Writer, offset, size int64) error {
	if offset < 0 || size < 0 || offset+size > rd.object.Size {
		return ais.Errorf(ais.Invalid, "range %d+%d of an object of %d bytes", offset, size, rd.object.Size)
	}
	if rd.row.Kind == rowInline {
		_, err := w.Write(rd.inline[offset : offset+size])
		return err
	}
	var conn *net.TCPConn
	if sock, ok := w.(ais.SocketWriter); ok && !rd.s.config.Load().VerifyGet {
		var err error
		if conn, err = sock.Socket(); err != nil {
			return err
		}
	}
	for i := range rd.parts {
		p := &rd.parts[i]
		if offset >= int64(p.Size) {
			offset -= int64(p.Size)
			continue
		}
		n := min(size, int64(p.Size)-offset)
		for left := n; left > 0; {
			if err := ctx.Err(); err != nil {
				return ais.Errorf(ais.Canceled, "read: %w", err)
			}
			if err := rd.s.broken(); err != nil {
				return err // the store waits for its readers before it is opened anew
			}
			seq := uint32(offset / int64(p.ExtentSize))
			in := offset % int64(p.ExtentSize)
			k := min(left, int64(p.ExtentSize)-in)
			if err := rd.writeExtent(w, conn, p, seq, in, k); err != nil {
				return err
			}
			offset += k
			left -= k
		}
		offset = 0
		if size -= n; size == 0 {
			return nil
		}
	}
	if size > 0 {
		return ais.Errorf(ais.Corrupt, "object %q: its parts are %d bytes short", rd.object.Name, size)
	}
	return nil
}

// writeExtent sends n bytes from offset `in` of one extent.
func (rd *Reader) writeExtent(w io.Writer, conn *net.TCPConn, p *format.CommitPart, seq uint32, in, n int64) error {
	var x extentRow
	if int(seq) < len(rd.extents) {
		x = rd.extents[seq]
	} else {
		var err error
		if x, err = rd.s.pinExtent(p.Write, seq); err != nil {
			if errors.Is(err, errMoved) {
				err = ais.Errorf(ais.Corrupt, "extent %s/%d of %q is not in the index", p.Write, seq, rd.object.Name)
			}
			return rd.corrupt(&x, err)
		}
		defer rd.s.file(x.Place.Volume).release()
	}
	if in+n > x.Stored {
		return rd.corrupt(&x, ais.Errorf(ais.Corrupt, "extent %s/%d has %d bytes, want %d", p.Write, seq, x.Stored, in+n))
	}
	f := rd.s.file(x.Place.Volume)
	if conn != nil {
		if done, err := f.sendfile(conn, x.Place.Off+int64(x.Place.HeadLen)+in, n); done || err != nil {
			return err
		}
	}
	return rd.corrupt(&x, rd.sendVerified(f, w, &x, in, n))
}

func (rd *Reader) corrupt(x *extentRow, err error) error {
	if ais.IsKind(err, ais.Corrupt) {
		rd.s.event(Event{Kind: EventCorruptRead, Volume: x.Place.Volume, Offset: x.Place.Off, Err: err})
	}
	return err
}

// sendVerified reads whole blocks, verifies them while they are in the cache, and sends what was
// asked of them.
func (rd *Reader) sendVerified(f *file, w io.Writer, x *extentRow, in, n int64) error {
	verify := rd.s.config.Load().VerifyGet
	rec := format.Record{Stored: uint64(x.Stored), PayloadHash: x.PayloadHash}
	payload := x.Place.Off + int64(x.Place.HeadLen)
	buf := rd.s.reads.get(readChunk)
	defer rd.s.reads.put(buf)
	var table format.Table
	if verify {
		var err error
		raw := make([]byte, rec.TableLen())
		if len(raw) > 0 {
			if err = f.readFull(raw, payload+x.Stored); err != nil {
				return err
			}
		}
		if table, err = format.ParseTable(&rec, raw); err != nil {
			return fmt.Errorf("volume %s: extent at %d: %w", f.id, x.Place.Off, err)
		}
	}
	for pos := in - in%ais.BlockSize; pos < in+n; {
		k := min(readChunk, x.Stored-pos)
		if last := in + n; pos+k > last { // no more blocks than are asked for
			k = min(k, (last-pos+ais.BlockSize-1)/ais.BlockSize*ais.BlockSize)
		}
		chunk := buf[:k]
		if err := f.readFull(chunk, payload+pos); err != nil {
			return err
		}
		if verify {
			for b := int64(0); b < k; b += ais.BlockSize {
				if err := table.VerifyBlock(int((pos+b)/ais.BlockSize), chunk[b:min(b+ais.BlockSize, k)]); err != nil {
					return fmt.Errorf("volume %s: extent at %d: %w", f.id, x.Place.Off, err)
				}
			}
		}
		from, to := max(in-pos, 0), min(in+n-pos, k)
		if _, err := w.Write(chunk[from:to]); err != nil {
			return ais.Errorf(ais.Canceled, "send: %w", err)
		}
		pos += k
	}
	return nil
}

// sendfile sends a range of the volume without copying it through this process; done is false where
// the disk has no descriptors.
func (f *file) sendfile(conn *net.TCPConn, off, n int64) (done bool, err error) {
	r, err := f.reader()
	if err != nil {
		return false, err
	}
	fd, ok := r.Fd()
	if !ok {
		return false, nil
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return true, ais.Errorf(ais.Canceled, "send: %w", err)
	}
	var sendErr error
	werr := raw.Write(func(sock uintptr) bool {
		for n > 0 {
			k, err := unix.Sendfile(int(sock), fd, &off, int(min(n, 1<<30)))
			switch {
			case errors.Is(err, syscall.EAGAIN):
				return false
			case errors.Is(err, syscall.EINTR):
				continue
			case err != nil:
				sendErr = err
				return true
			case k == 0:
				sendErr = ais.Errorf(ais.Corrupt, "volume %s ends at %d", f.id, off)
				return true
			}
			n -= int64(k)
		}
		return true
	})
	if sendErr == nil {
		sendErr = werr
	}
	if sendErr != nil && !ais.IsKind(sendErr, ais.Corrupt) {
		return true, ais.Errorf(ais.Canceled, "send: %w", sendErr)
	}
	return true, sendErr
}
