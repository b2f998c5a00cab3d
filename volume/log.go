package volume

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
)

// ItemKind is what an Item is. The numbers are those that copies use among each other.
type ItemKind uint8

const (
	ItemEntry     ItemKind = 1 // an object version that lives
	ItemMarker    ItemKind = 2 // a delete marker
	ItemTombstone ItemKind = 3
	ItemUpload    ItemKind = 4 // an open multipart upload
	ItemPart      ItemKind = 5 // a part of one
	ItemClosed    ItemKind = 6 // an upload completed or aborted, by the tombstone that closed it
)

// Item names one thing that a store holds: what a slot log lists, and what a name consists of.
type Item struct {
	Kind     ItemKind
	Copies   uint8 // of the bucket
	Bucket   ais.BucketID
	Name     string
	Version  ais.VersionID // of entries, markers, tombstones
	Upload   ais.WriteID   // of uploads, parts, closed uploads
	Part     uint32
	Modified ais.Stamp
	Created  ais.Stamp
	Size     int64  // bytes as clients sent them, those in extents included
	Hash     uint64 // of the payload, as in the record
}

// Log gives up to limit items of a slot that are stamped later than after, in the order of their stamps,
// and whether there are more. A page is of one moment; what is written meanwhile comes with a later page if
// its stamp is later.
func (s *Store) Log(slot ais.Slot, copies uint8, after ais.Stamp, limit int) (items []Item, more bool, err error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.leave()
	if err := s.clear(slot); err != nil {
		return nil, false, err
	}
	snap := s.db.NewSnapshot()
	items, more, err = s.log(snap, slot, copies, after, limit)
	if e := snap.Close(); err == nil {
		err = s.indexError(e)
	}
	return items, more, s.readError(err)
}

func (s *Store) log(r pebble.Reader, slot ais.Slot, copies uint8, after ais.Stamp, limit int) (items []Item, more bool, err error) {
	prefix := logKey(nil, slot, copies, ais.Stamp{})[:4]
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: append(logKey(nil, slot, copies, after), 0),
		UpperBound: successor(bytes.Clone(prefix))})
	if err != nil {
		return nil, false, s.indexError(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		if len(items) == limit {
			more = true
			break
		}
		var l logged
		var ok bool
		if l, ok, err = s.loggedAt(r, it.Value()); err != nil {
			break
		}
		if ok {
			items = append(items, l.item())
		}
	}
	if err == nil {
		err = s.indexError(it.Error())
	}
	if e := it.Close(); err == nil {
		err = s.indexError(e)
	}
	return items, more, err
}

// item is a row as other copies are told of it.
func (l *logged) item() Item {
	switch l.kind {
	case logUpload, logClosed:
		u := &l.upload
		it := Item{Kind: ItemUpload, Copies: u.Copies, Bucket: u.Bucket, Name: u.Name, Upload: l.id, Modified: u.Modified, Created: u.Modified}
		if l.kind == logClosed {
			it.Kind = ItemClosed
		}
		return it
	case logPart:
		p := &l.part
		return Item{Kind: ItemPart, Copies: l.upload.Copies, Bucket: l.bucket, Name: l.name, Upload: l.id, Part: l.number,
			Modified: p.Modified, Created: p.Modified, Size: p.Size, Hash: p.PayloadHash}
	}
	return rowItem(l.bucket, l.name, &l.row)
}

func rowItem(bucket ais.BucketID, name string, x *row) Item {
	it := Item{Kind: ItemEntry, Copies: x.Copies, Bucket: bucket, Name: name, Version: x.version(), Modified: x.Modified,
		Created: x.Created, Size: x.Size, Hash: x.PayloadHash}
	switch x.Kind {
	case rowMarker:
		it.Kind = ItemMarker
	case rowTomb:
		it.Kind = ItemTombstone
	}
	return it
}

// NameItems gives all that the store holds of a name: versions newest first, tombstones, open uploads with
// their parts, closed uploads.
func (s *Store) NameItems(bucket ais.BucketID, name string) ([]Item, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.clear(s.opt.Slot(bucket, name)); err != nil {
		return nil, err
	}
	snap := s.db.NewSnapshot()
	rows, err := s.rowsOf(snap, bucket, name)
	if e := snap.Close(); err == nil {
		err = s.indexError(e)
	}
	if err != nil {
		return nil, s.readError(err)
	}
	var l []Item
	for i := range rows {
		l = append(l, rows[i].item())
	}
	return l, nil
}

// rowsOf gives all rows of a name, in the order of NameItems.
func (s *Store) rowsOf(r pebble.Reader, bucket ais.BucketID, name string) (l []logged, err error) {
	cur, ok, err := s.rowAt(r, currentKey(nil, bucket, name))
	if err != nil {
		return nil, err
	}
	if ok {
		l = append(l, logged{kind: logEntry, bucket: bucket, name: name, at: asCurrent, row: cur})
	}
	entries := func(prefix []byte, at where) error {
		return s.forPrefix(r, prefix, func(_, v []byte) error {
			x, err := decodeRow(v)
			l = append(l, logged{kind: logEntry, bucket: bucket, name: name, at: at, row: x})
			return err
		})
	}
	if s.isVersioned(bucket) {
		if err := entries(versionPrefix(nil, bucket, name), asVersion); err != nil {
			return nil, err
		}
	}
	if s.isBuried(bucket) {
		if err := entries(appendEscaped(appendBucket(nil, spaceTomb, bucket), name), asTomb); err != nil {
			return nil, err
		}
	}
	uploads := func(kind, space byte) error {
		return s.forPrefix(r, appendEscaped(appendBucket(nil, space, bucket), name), func(k, _ []byte) error {
			if len(k) < 16 {
				return ais.Errorf(ais.Corrupt, "upload key %x does not decode", k)
			}
			return s.uploadRows(r, kind, ais.WriteID(k[len(k)-16:]), &l)
		})
	}
	if err := uploads(logUpload, spaceUpload); err != nil {
		return nil, err
	}
	return l, uploads(logClosed, spaceClosed)
}

// uploadRows appends the row of an upload, and of an open one those of its parts.
func (s *Store) uploadRows(r pebble.Reader, kind byte, id ais.WriteID, l *[]logged) error {
	u, ok, err := s.uploadAt(r, id)
	if err != nil || !ok {
		return err
	}
	*l = append(*l, logged{kind: kind, bucket: u.Bucket, name: u.Name, id: id, upload: u})
	if kind == logClosed {
		return nil
	}
	return s.forParts(r, id, 0, func(number uint32, p *partRow) bool {
		*l = append(*l, logged{kind: logPart, bucket: u.Bucket, name: u.Name, id: id, upload: u, number: number, part: *p})
		return true
	})
}

// forPrefix calls fn for every key that begins with prefix.
func (s *Store) forPrefix(r pebble.Reader, prefix []byte, fn func(k, v []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: successor(bytes.Clone(prefix))})
	if err != nil {
		return s.indexError(err)
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		err = fn(it.Key(), it.Value())
	}
	if err == nil {
		err = s.indexError(it.Error())
	}
	if e := it.Close(); err == nil {
		err = s.indexError(e)
	}
	return err
}
