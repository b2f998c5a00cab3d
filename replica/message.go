package replica

import "github.com/seed9b016523/ais"

// Record is one record of a volume on its way: its head, key, metadata, payload and block table, as they lie on
// disk at offset 0 of volume 0. Hashes are those of the writer, so damage on the way shows.
type Record []byte

// Write brings records to a copy, from the home of the slot. The copy has them durably before it answers.
type Write struct {
	Slot   ais.Slot
	Copies uint8          // of the bucket
	Epoch  ais.MapVersion // of the slot for that count, by the sender's map
	// Incarnation of the sender: what an older one than the map's has sent is refused.
	Incarnation ais.Epoch
	// Stable: all entries of (Slot, Copies) stamped up to it are on the whole group. A whole copy stores it.
	Stable ais.Stamp
	// HandedOn: the sender was the home when it stamped the records, and is so no more. A home that serves
	// already refuses them.
	HandedOn bool
	Records  []Record // applied in this order, all or none
}

// Extent brings one extent of a write whose record will follow.
type Extent struct {
	Slot   ais.Slot
	Copies uint8
	Epoch  ais.MapVersion
	Write  ais.WriteID
	Last   bool   // no more of this write follow: make all of it durable
	Drop   bool   // the write is given up; no Record
	Record Record // of type EXTENT
}

// Stable tells a copy how far slots are on their whole groups.
type Stable struct{ Slots []SlotStamp }

// SlotStamp is a stamp of one slot for one count of copies.
type SlotStamp struct {
	Slot   ais.Slot
	Copies uint8
	Epoch  ais.MapVersion
	Stamp  ais.Stamp
}

// ItemKind is what an Item is.
type ItemKind uint8

const (
	ItemEntry     ItemKind = 1 // an object version that lives
	ItemMarker    ItemKind = 2 // a delete marker
	ItemTombstone ItemKind = 3
	ItemUpload    ItemKind = 4 // an open multipart upload
	ItemPart      ItemKind = 5 // a part of one
	ItemClosed    ItemKind = 6 // an upload completed or aborted, by the tombstone that closed it
)

// Item names one thing that a copy holds: what a slot log lists, and what a look gives.
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
	Size     int64 // bytes as clients sent them, those in extents included
	// Hash is the payload's, as in the record.
	Hash uint64
}

// Seal asks whether a target has applied a map, and ended all that it did under older ones.
type Seal struct{ Map ais.MapVersion }

// Sealed answers Seal.
type Sealed struct{ Map ais.MapVersion }

// Look asks a copy for all that it holds of a name.
type Look struct {
	Map    ais.MapVersion // the asker's: the copy answers once it has applied that
	Slot   ais.Slot
	Copies uint8
	Bucket ais.BucketID
	Name   string
}

// Word is for which groups of the asker's chain a copy may speak, and how far its slot was stable.
type Word struct {
	// Map and Cut are those of the copy's map; the asker counts its word only if they are its own.
	Map, Cut ais.MapVersion
	// Groups has one entry for each group of Standing.Chain under that map, in order: whether the copy is
	// a witness of it.
	Groups []bool
	Whole  bool // the copy is whole under Map
	Home   bool // the copy is the home's
	Stable ais.Stamp
	// Pending are the stamps of writes under way at the home: it may have more than it lists.
	Pending []ais.Stamp
}

// Held answers Look.
type Held struct {
	Word  Word
	Items []Item
}

// Scan asks for a page of what a copy holds of a slot, in order of Modified.
type Scan struct {
	Map    ais.MapVersion
	Slot   ais.Slot
	Copies uint8
	After  ais.Stamp // entries stamped later
	Limit  int       // items; at most ScanMax
	Bytes  int       // of records that come with the first items; 0: none
}

// ScanMax bounds the items of a page.
const ScanMax = 4096

// Scanned answers Scan.
type Scanned struct {
	Word  Word
	Items []Item
	More  bool
	// Records are those of the first items, as Fetch would give them: as many as were asked for, and have room.
	Records [][]Record
}

// Fetch asks for the records of items, with what of their payload lies in them.
type Fetch struct {
	Slot  ais.Slot
	Items []Item // as Scan or Look gave them
	Bytes int    // stop after so many bytes of records, at least one is given
}

// Fetched answers Fetch: for each item asked, in order, its records; those not answered for want of room are
// missing at the end. An item that is not there any more (something newer took its place) has none.
type Fetched struct{ Records [][]Record }

// FetchExtent asks for one extent of a write.
type FetchExtent struct {
	Slot     ais.Slot
	Write    ais.WriteID
	Sequence uint32
}

// FetchedExtent answers FetchExtent. The asker's kind of error for one that is not there is NotFound.
type FetchedExtent struct{ Record Record }

// States asks how slots stand at a copy.
type States struct {
	Map   ais.MapVersion
	Slots *ais.SlotSet
}

// SlotState is how one slot stands, for one count of copies of which it holds anything.
type SlotState struct {
	Slot   ais.Slot
	Copies uint8
	Sum    [2]uint64 // the slot's digest
	Count  uint64
	Stable ais.Stamp
	Newest ais.Stamp // of what it holds
}

// Stated answers States: of each slot asked one SlotState per count of copies of which the target holds
// anything. Lacking are those of the slots of which the copy is not whole for every count that it is to hold.
type Stated struct {
	Map     ais.MapVersion
	States  []SlotState
	Lacking *ais.SlotSet
}

// ListRaw asks for all that a copy holds of a bucket in name order, tombstones too, of some slots.
type ListRaw struct {
	Map      ais.MapVersion
	Slots    *ais.SlotSet // only names in these
	Bucket   ais.BucketID
	Prefix   string
	After    string // names behind it
	Versions bool   // noncurrent versions and markers, too
	Uploads  bool   // open uploads instead of entries
	Limit    int    // names
}

// RawEntry is one row of a ListRaw.
type RawEntry struct {
	Item  Item
	Entry ais.ListEntry // of entries and markers; Name, Version as in Item
	// Upload is set of items of kind upload.
	Upload *ais.Upload
}

// RawList answers ListRaw. If More is set nothing is said of names behind the last one.
type RawList struct {
	Map     ais.MapVersion
	Entries []RawEntry // by name; of one name newest first
	More    bool
	Next    string // if More: the last name looked at, whether it is there or not
	// Whole are those of the slots asked for which the copy is a witness of every group of its chain; Words has
	// one for each other slot of which it is a witness of some.
	Whole *ais.SlotSet
	Words []SlotWord
}

// SlotWord is a copy's word on one slot.
type SlotWord struct {
	Slot ais.Slot
	Word Word
}

// ListHomed asks a target for one page of the names in the slots that it is the home of.
type ListHomed struct {
	Map     ais.MapVersion // the page is of exactly this one
	Request ais.ListRequest
	Uploads *ais.UploadListRequest // set: open uploads instead
}
