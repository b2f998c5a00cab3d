package replica

import (
	"github.com/seed9b016523/ais"
	"pgregory.net/rapid"
)

// The draw functions make any message. Empty slices are nil, as decoders give them.

func id16(t *rapid.T) (id [16]byte) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return id
}

func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int | ~int64](t *rapid.T) T {
	return T(rapid.Uint64().Draw(t, "number"))
}

func toss(t *rapid.T) bool   { return rapid.Bool().Draw(t, "bool") }
func text(t *rapid.T) string { return rapid.String().Draw(t, "text") }

func drawList[T any](t *rapid.T, one func(*rapid.T) T) (all []T) {
	for range rapid.IntRange(0, 3).Draw(t, "count") {
		all = append(all, one(t))
	}
	return all
}

func drawRecord(t *rapid.T) Record {
	if b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "record"); len(b) > 0 {
		return b
	}
	return nil
}

func drawRecords(t *rapid.T) []Record { return drawList(t, drawRecord) }

func drawSlots(t *rapid.T) *ais.SlotSet {
	s := &ais.SlotSet{}
	for range rapid.IntRange(0, 4).Draw(t, "runs") {
		from := rapid.Uint16().Draw(t, "from")
		to := min(int(from)+rapid.IntRange(0, 300).Draw(t, "run"), ais.Slots-1)
		for slot := int(from); slot <= to; slot++ {
			s.Add(ais.Slot(slot))
		}
	}
	return s
}

func drawItem(t *rapid.T) Item {
	return Item{
		Kind: ItemKind(rapid.IntRange(int(ItemEntry), int(ItemClosed)).Draw(t, "kind")), Copies: number[uint8](t),
		Bucket: number[ais.BucketID](t), Name: text(t), Version: id16(t), Upload: id16(t), Part: number[uint32](t),
		Modified: id16(t), Created: id16(t), Size: number[int64](t), Hash: number[uint64](t),
	}
}

func drawWord(t *rapid.T) Word {
	return Word{
		Map: number[ais.MapVersion](t), Cut: number[ais.MapVersion](t), Groups: drawList(t, toss), Whole: toss(t), Home: toss(t),
		Stable: id16(t), Pending: drawList(t, func(t *rapid.T) ais.Stamp { return id16(t) }),
	}
}

func drawWrite(t *rapid.T) *Write {
	return &Write{
		Slot: number[ais.Slot](t), Copies: number[uint8](t), Epoch: number[ais.MapVersion](t),
		Incarnation: number[ais.Epoch](t), Stable: id16(t), HandedOn: toss(t), Records: drawRecords(t),
	}
}

func drawExtent(t *rapid.T) *Extent {
	return &Extent{
		Slot: number[ais.Slot](t), Copies: number[uint8](t), Epoch: number[ais.MapVersion](t), Write: id16(t),
		Last: toss(t), Drop: toss(t), Record: drawRecord(t),
	}
}

func drawStable(t *rapid.T) *Stable {
	return &Stable{Slots: drawList(t, func(t *rapid.T) SlotStamp {
		return SlotStamp{Slot: number[ais.Slot](t), Copies: number[uint8](t), Epoch: number[ais.MapVersion](t), Stamp: id16(t)}
	})}
}

func drawSeal(t *rapid.T) *Seal     { return &Seal{Map: number[ais.MapVersion](t)} }
func drawSealed(t *rapid.T) *Sealed { return &Sealed{Map: number[ais.MapVersion](t)} }

func drawLook(t *rapid.T) *Look {
	return &Look{
		Map: number[ais.MapVersion](t), Slot: number[ais.Slot](t), Copies: number[uint8](t), Bucket: number[ais.BucketID](t), Name: text(t),
	}
}

func drawHeld(t *rapid.T) *Held { return &Held{Word: drawWord(t), Items: drawList(t, drawItem)} }

func drawScan(t *rapid.T) *Scan {
	return &Scan{
		Map: number[ais.MapVersion](t), Slot: number[ais.Slot](t), Copies: number[uint8](t), After: id16(t), Limit: number[int](t), Bytes: number[int](t),
	}
}

func drawScanned(t *rapid.T) *Scanned {
	return &Scanned{Word: drawWord(t), Items: drawList(t, drawItem), More: toss(t), Records: drawList(t, drawRecords)}
}

func drawFetch(t *rapid.T) *Fetch {
	return &Fetch{Slot: number[ais.Slot](t), Items: drawList(t, drawItem), Bytes: number[int](t)}
}

func drawFetched(t *rapid.T) *Fetched { return &Fetched{Records: drawList(t, drawRecords)} }

func drawFetchExtent(t *rapid.T) *FetchExtent {
	return &FetchExtent{Slot: number[ais.Slot](t), Write: id16(t), Sequence: number[uint32](t)}
}

func drawFetchedExtent(t *rapid.T) *FetchedExtent { return &FetchedExtent{Record: drawRecord(t)} }

func drawStates(t *rapid.T) *States {
	return &States{Map: number[ais.MapVersion](t), Slots: drawSlots(t)}
}

func drawStated(t *rapid.T) *Stated {
	return &Stated{Map: number[ais.MapVersion](t), Lacking: drawSlots(t), States: drawList(t, func(t *rapid.T) SlotState {
		return SlotState{
			Slot: number[ais.Slot](t), Copies: number[uint8](t), Sum: [2]uint64{number[uint64](t), number[uint64](t)},
			Count: number[uint64](t), Stable: id16(t), Newest: id16(t),
		}
	})}
}

func drawListRaw(t *rapid.T) *ListRaw {
	return &ListRaw{
		Map: number[ais.MapVersion](t), Slots: drawSlots(t), Bucket: number[ais.BucketID](t), Prefix: text(t), After: text(t),
		Versions: toss(t), Uploads: toss(t), Limit: number[int](t),
	}
}

func drawEntry(t *rapid.T) ais.ListEntry {
	return ais.ListEntry{
		Name: text(t), IsPrefix: toss(t), DeleteMarker: toss(t), Latest: toss(t), Version: id16(t), Size: number[int64](t),
		ModifiedUnix: number[int64](t), ETag: ais.ETag{Sum: id16(t), Parts: number[uint32](t)},
		Checksum: number[ais.ChecksumAlgorithm](t), Composite: toss(t), StorageClass: text(t), Owner: text(t),
	}
}

func drawUpload(t *rapid.T) ais.Upload {
	return ais.Upload{
		ID: id16(t), Bucket: number[ais.BucketID](t), Name: text(t), InitiatedUnix: number[int64](t),
		Attributes: ais.Attributes{
			ETag: ais.ETag{Sum: id16(t), Parts: number[uint32](t)}, ContentType: text(t), LegalHold: toss(t),
			User: drawList(t, func(t *rapid.T) ais.Pair { return ais.Pair{Name: text(t), Value: text(t)} }),
		},
	}
}

func drawRawList(t *rapid.T) *RawList {
	l := &RawList{Map: number[ais.MapVersion](t), More: toss(t), Next: text(t), Whole: drawSlots(t)}
	l.Words = drawList(t, func(t *rapid.T) SlotWord { return SlotWord{Slot: number[ais.Slot](t), Word: drawWord(t)} })
	l.Entries = drawList(t, func(t *rapid.T) RawEntry {
		e := RawEntry{Item: drawItem(t), Entry: drawEntry(t)}
		if toss(t) {
			u := drawUpload(t)
			e.Upload = &u
		}
		return e
	})
	return l
}

func drawBucket(t *rapid.T) *ais.Bucket {
	if toss(t) {
		return nil
	}
	return &ais.Bucket{
		ID: number[ais.BucketID](t), Name: text(t), CreatedUnix: number[int64](t), Owner: text(t), Policy: text(t),
		Versioning: number[ais.Versioning](t), MinCopies: number[int](t), Region: text(t),
		Revision: number[ais.ControlIndex](t), Deleting: toss(t),
	}
}

func drawListHomed(t *rapid.T) *ListHomed {
	l := &ListHomed{Map: number[ais.MapVersion](t), Request: ais.ListRequest{
		Bucket: drawBucket(t), Prefix: text(t), Delimiter: text(t), After: text(t), Versions: toss(t), Limit: number[int](t),
	}}
	if toss(t) {
		v := ais.VersionID(id16(t))
		l.Request.AfterVersion = &v
	}
	return l
}

func drawListUploads(t *rapid.T) *ListHomed {
	return &ListHomed{Map: number[ais.MapVersion](t), Uploads: &ais.UploadListRequest{
		Bucket: drawBucket(t), Prefix: text(t), Delimiter: text(t), AfterName: text(t), AfterUpload: id16(t), Limit: number[int](t),
	}}
}

func drawListPage(t *rapid.T) *ais.ListPage {
	return &ais.ListPage{Entries: drawList(t, drawEntry), Truncated: toss(t), Next: text(t), NextVersion: id16(t)}
}

func drawUploadPage(t *rapid.T) *ais.UploadPage {
	return &ais.UploadPage{
		Uploads: drawList(t, drawUpload), Prefixes: drawList(t, text), Truncated: toss(t), NextName: text(t), NextUpload: id16(t),
	}
}
