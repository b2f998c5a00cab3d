package target

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// Bounds of what is fetched at once.
const (
	fetchBytes = 3 << 20 // of records; one is fetched however large it is
	fetchItems = 512
	scanBytes  = 1 << 20 // of records that come with the answer to a scan: all of a small slot
)

// gain is what was fetched.
type gain struct {
	objects int64 // entries with payload, or parts
	bytes   int64
}

// pull fetches items from another target and adopts them here, on all of the mounts: records, and first what they
// refer to. Those that are there no more are passed over: something newer took their place, which the caller
// gets otherwise. cold: it is a fill, which stops before clients' writes do when space runs short.
func (t *Target) pull(ctx context.Context, from ais.NodeID, slot ais.Slot, items []replica.Item, to []*mount, cold bool) (g gain, err error) {
	for len(items) > 0 {
		if err := t.pace(ctx); err != nil {
			return g, err
		}
		q := &replica.Fetch{Slot: slot, Items: items[:min(len(items), fetchItems)], Bytes: fetchBytes}
		reply, err := t.opt.Peers.Fetch(ctx, from, q)
		if err != nil {
			return g, err
		}
		if len(reply.Records) == 0 || len(reply.Records) > len(q.Items) {
			return g, ais.Errorf(ais.Internal, "node %s gives %d of %d records of slot %d", from, len(reply.Records), len(q.Items), slot)
		}
		got, err := t.take(ctx, from, slot, q.Items, reply.Records, to, cold)
		g.objects, g.bytes = g.objects+got.objects, g.bytes+got.bytes
		if err != nil {
			return g, err
		}
		items = items[len(reply.Records):]
	}
	return g, nil
}

// take adopts fetched records.
func (t *Target) take(ctx context.Context, from ais.NodeID, slot ais.Slot, items []replica.Item, records [][]replica.Record, to []*mount, cold bool) (g gain, err error) {
	acks := make(chan error, len(records)*len(to))
	waiting := 0
	defer func() {
		for range waiting {
			if e := <-acks; e != nil && err == nil {
				err = e
			}
		}
	}()
	for i, rs := range records {
		if len(rs) == 0 {
			continue
		}
		for _, m := range to {
			st, err := m.serving()
			if err != nil {
				return g, err
			}
			if err := t.takePayload(ctx, from, slot, st, rs, cold); err != nil {
				return g, err
			}
			waiting++
			st.Adopt(plain(rs), volume.AdoptOptions{Cold: cold, Copies: items[i].Copies}, func(err error) { acks <- err })
		}
		if k := items[i].Kind; k == replica.ItemEntry || k == replica.ItemPart {
			g.objects++
		}
		g.bytes += items[i].Size
	}
	return g, nil
}

// takePayload fetches the extents that records refer to and that a store lacks.
func (t *Target) takePayload(ctx context.Context, from ais.NodeID, slot ais.Slot, st *volume.Store, records []replica.Record, cold bool) error {
	missing, err := st.Missing(plain(records))
	if err != nil {
		return err
	}
	return t.fetchWrites(ctx, from, slot, st, missing, cold)
}

// fetchWrites fetches the extents of writes, durably.
func (t *Target) fetchWrites(ctx context.Context, from ais.NodeID, slot ais.Slot, st *volume.Store, missing []volume.WriteRange, cold bool) error {
	for _, w := range missing {
		for seq := range w.Extents {
			if err := t.pace(ctx); err != nil {
				return err
			}
			x, err := t.opt.Peers.FetchExtent(ctx, from, &replica.FetchExtent{Slot: slot, Write: w.Write, Sequence: seq})
			if err != nil {
				return err
			}
			if err := st.AdoptExtent(ctx, w.Write, x.Record, cold); err != nil {
				return err
			}
			t.fills.spend(int64(len(x.Record)))
		}
		if err := st.SyncWrite(ctx, w.Write); err != nil {
			return err
		}
	}
	return nil
}

// itemOf and volumeItem turn what a store lists into what copies tell each other, which is the same.
func itemOf(i *volume.Item) replica.Item {
	return replica.Item{Kind: replica.ItemKind(i.Kind), Copies: i.Copies, Bucket: i.Bucket, Name: i.Name, Version: i.Version,
		Upload: i.Upload, Part: i.Part, Modified: i.Modified, Created: i.Created, Size: i.Size, Hash: i.Hash}
}

func itemsOf(l []volume.Item) []replica.Item {
	out := make([]replica.Item, len(l))
	for i := range l {
		out[i] = itemOf(&l[i])
	}
	return out
}

func volumeItem(i *replica.Item) volume.Item {
	return volume.Item{Kind: volume.ItemKind(i.Kind), Copies: i.Copies, Bucket: i.Bucket, Name: i.Name, Version: i.Version,
		Upload: i.Upload, Part: i.Part, Modified: i.Modified, Created: i.Created, Size: i.Size, Hash: i.Hash}
}

// itemKey is what two items must have in common for the newer to take the place of the older.
type itemKey struct {
	bucket  ais.BucketID
	name    string
	version ais.VersionID
	upload  ais.WriteID
	part    uint32
}

func keyOf(i *replica.Item) itemKey {
	return itemKey{i.Bucket, i.Name, i.Version, i.Upload, i.Part}
}

// readRecords reads the records of an item held here; none if something newer has taken its place.
func (t *Target) readRecords(ctx context.Context, mounts []*mount, it *replica.Item) (from *volume.Store, records []replica.Record, err error) {
	for _, m := range mounts {
		st, e := m.serving()
		if e != nil {
			err = e
			continue
		}
		rs, e := st.ReadItem(ctx, volumeItem(it))
		if e != nil {
			err = e
			continue
		}
		if len(rs) > 0 {
			for _, r := range rs {
				records = append(records, r)
			}
			return st, records, nil
		}
	}
	return nil, nil, err
}

// newestOf merges what the local copies of a name, or of a slot, hold.
func newestOf(lists ...[]replica.Item) map[itemKey]*replica.Item {
	out := map[itemKey]*replica.Item{}
	for _, l := range lists {
		for i := range l {
			k := keyOf(&l[i])
			if old, ok := out[k]; !ok || old.Modified.Less(l[i].Modified) {
				out[k] = &l[i]
			}
		}
	}
	return out
}
