package volume

import "github.com/seed9b016523/ais"

// RawListRequest asks for all that a store holds of a bucket in name order, tombstones too.
type RawListRequest struct {
	Bucket   ais.BucketID
	Prefix   string
	After    string              // names behind it
	Versions bool                // noncurrent versions and their markers, too
	Uploads  bool                // open uploads instead of entries
	Limit    int                 // names
	Keep     func(ais.Slot) bool // only names in these slots; nil: all
}

// RawEntry is one row of a raw list.
type RawEntry struct {
	Item   Item
	Entry  ais.ListEntry // of entries and markers; Name and Version as in Item
	Upload *ais.Upload   // of uploads
}

// ListRaw gives a page of names in order with all their rows, and whether there may be more behind it. A
// page may have fewer names than asked for, or none, and more be set: go on behind the last name looked at.
func (s *Store) ListRaw(r RawListRequest) (entries []RawEntry, next string, more bool, err error) {
	return nil, "", false, ais.Errorf(ais.Internal, "not built yet")
}
