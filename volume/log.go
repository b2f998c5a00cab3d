package volume

import (
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
// and whether there are more. What is written meanwhile may be in the page or not.
func (s *Store) Log(slot ais.Slot, copies uint8, after ais.Stamp, limit int) (items []Item, more bool, err error) {
	return nil, false, ais.Errorf(ais.Internal, "not built yet")
}

// NameItems gives all that the store holds of a name: versions newest first, tombstones, open uploads with
// their parts, closed uploads.
func (s *Store) NameItems(bucket ais.BucketID, name string) ([]Item, error) {
	return nil, ais.Errorf(ais.Internal, "not built yet")
}
