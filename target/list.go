package target

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/merge"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// homed is which slots this target is the home of, under one map.
type homed struct {
	m     *cmap.Map
	marks uint64
	ready bool
	all   ais.SlotSet
	mu    sync.Mutex
	on    map[int][]*ais.SlotSet // by count of copies and mountpath: those that are read from there
	lacks map[int]*ais.SlotSet   // by count of copies: those that are not whole here
	said  map[int][]rawReply     // by count of copies: with these words of others they can be listed
}

// homes gives the slots of which this target answers lists, or an error if it may not answer for one of them.
func (t *Target) homes(version ais.MapVersion) (*homed, error) {
	m := t.cluster.Load()
	if m.Version() != version {
		return nil, ais.Errorf(ais.StaleMap, "a list under map %d, this target goes by %d", version, m.Version())
	}
	marks := t.marks.Load()
	if h := t.homedNow.Load(); h != nil && h.m == m && h.marks == marks && h.ready {
		return h, nil
	}
	h := &homed{m: m, marks: marks, ready: true, lacks: map[int]*ais.SlotSet{}, on: map[int][]*ais.SlotSet{}, said: map[int][]rawReply{}}
	for _, slot := range t.scope {
		if home, ok := m.Home(slot); !ok || home != t.opt.Self {
			continue
		}
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		ready := s.ready && s.m == m
		s.mu.Unlock()
		if !ready {
			return nil, ais.Errorf(ais.Unavailable, "slot %d is being taken over", slot)
		}
		h.all.Add(slot)
	}
	t.homedNow.Store(h)
	return h, nil
}

// leads are the slots that are read from each mountpath, for a count of copies.
func (h *homed) leads(t *Target, copies int) ([]*ais.SlotSet, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if on := h.on[copies]; on != nil {
		return on, nil
	}
	on := make([]*ais.SlotSet, len(t.mounts))
	by := map[*volume.Store]*ais.SlotSet{}
	for i, mount := range t.mounts {
		on[i] = &ais.SlotSet{}
		if st := mount.store.Load(); st != nil {
			by[st] = on[i]
		}
	}
	for slot := range h.all.All() {
		lead, err := t.leadOf(h.m, slot, copies)
		if err != nil {
			return nil, err
		}
		set := by[lead]
		if set == nil {
			return nil, ais.Errorf(ais.Unavailable, "a mountpath is being opened")
		}
		set.Add(slot)
	}
	h.on[copies] = on
	return on, nil
}

// lacking are the slots of which the copy here is not whole, for a count of copies.
func (h *homed) lacking(t *Target, copies int) *ais.SlotSet {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.lacks[copies]; l != nil {
		return l
	}
	l := &ais.SlotSet{}
	for slot := range h.all.All() {
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		if !t.whole(s, copies) {
			l.Add(slot)
		}
		s.mu.Unlock()
	}
	h.lacks[copies] = l
	return l
}

// current is nil if a page that was made by h may be told: no newer map was applied meanwhile.
func (t *Target) current(h *homed) error {
	if m := t.cluster.Load(); m.Version() != h.m.Version() {
		return ais.Errorf(ais.StaleMap, "the map has changed from %d to %d meanwhile", h.m.Version(), m.Version())
	}
	return nil
}

// List gives one page of the names of a bucket in the slots that this target is the home of, under one map. It is
// complete, or an error.
func (t *Target) List(ctx context.Context, _ ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	page, err := t.list(ctx, q.Map, &q.Request)
	if err == nil {
		err = t.opt.Lease()
	}
	return page, err
}

func (t *Target) list(ctx context.Context, version ais.MapVersion, r *ais.ListRequest) (*ais.ListPage, error) {
	h, err := t.homes(version)
	if err != nil {
		return nil, err
	}
	var elsewhere *ais.ListPage
	bound, inside := listBound{}, ""
	if r.Versions && r.AfterVersion != nil {
		inside = r.After
	}
	if lacks := h.lacking(t, t.opt.Copies(r.Bucket.ID)); lacks.Count() > 0 {
		if elsewhere, err = t.bringNames(ctx, h, lacks, r.Bucket, &replica.ListRaw{Prefix: r.Prefix, After: behind(r.After, r.Prefix, r.Delimiter), Versions: r.Versions, Limit: r.Limit}, r, inside, &bound); err != nil {
			return nil, err
		}
	}
	on, err := h.leads(t, t.opt.Copies(r.Bucket.ID))
	if err != nil {
		return nil, err
	}
	pages := make([]*ais.ListPage, 0, len(t.mounts)+1)
	for i, mount := range t.mounts {
		if err := ctx.Err(); err != nil {
			return nil, ais.Errorf(ais.Canceled, "list: %w", err)
		}
		if on[i].Count() == 0 {
			continue
		}
		st, err := mount.serving()
		if err != nil {
			return nil, err
		}
		p, err := st.List(r, on[i].Has)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	if elsewhere != nil && len(elsewhere.Entries) > 0 {
		hidden := map[string]bool{}
		for i := range elsewhere.Entries {
			if e := &elsewhere.Entries[i]; !e.IsPrefix {
				hidden[e.Name] = true
			}
		}
		for _, p := range pages {
			p.Entries = slices.DeleteFunc(p.Entries, func(e ais.ListEntry) bool { return !e.IsPrefix && hidden[e.Name] })
		}
		pages = append(pages, elsewhere)
	}
	if len(pages) == 0 {
		pages = append(pages, &ais.ListPage{})
	}
	page := merge.Pages(pages, r.Limit)
	bound.cut(page)
	return page, t.current(h)
}

// behind is the name behind which a list goes on: behind all that lies under a common prefix that ended the page before.
func behind(after, prefix, delimiter string) string {
	rest, under := strings.CutPrefix(after, prefix)
	if i := strings.Index(rest, delimiter); under && delimiter != "" && i >= 0 && i+len(delimiter) == len(rest) {
		return after + "\xff" // no name has this byte
	}
	return after
}

// listBound is the name up to which all sources have spoken.
type listBound struct {
	set  bool
	name string
}

func (b *listBound) lower(name string) {
	if !b.set || name < b.name {
		b.set, b.name = true, name
	}
}

// cut ends a page where a source has said no more.
func (b *listBound) cut(p *ais.ListPage) {
	if !b.set {
		return
	}
	n := len(p.Entries)
	for n > 0 && p.Entries[n-1].Name > b.name {
		n--
	}
	if n == len(p.Entries) && p.Truncated && p.Next <= b.name {
		return
	}
	p.Entries, p.Truncated = p.Entries[:n], true
	p.Next, p.NextVersion = b.name, ais.VersionID{} // of which there is nothing to tell
	if n > 0 {
		p.Next, p.NextVersion = p.Entries[n-1].Name, p.Entries[n-1].Version
	}
}

// bringNames finds out which names others hold in slots that are not whole here, and looks at each. What stays
// elsewhere, large objects, it gives as a page.
func (t *Target) bringNames(ctx context.Context, h *homed, lacks *ais.SlotSet, b *ais.Bucket, q *replica.ListRaw, r *ais.ListRequest, inside string, bound *listBound) (*ais.ListPage, error) {
	q.Map, q.Slots, q.Bucket, q.Limit = h.m.Version(), lacks, b.ID, max(q.Limit, 1)
	names, err := t.rawNames(ctx, h, lacks, q, bound)
	if err != nil {
		return nil, err
	}
	if inside != "" && lacks.Has(t.slotOf(b.ID, inside)) {
		names = append(names, inside) // the page goes on within it
	}
	out := &ais.ListPage{}
	var mu sync.Mutex
	err = sideBySide(ctx, mendAtOnce, names, func(ctx context.Context, name string) error {
		o, err := t.operate(b, name)
		if err != nil {
			return err
		}
		found, err := t.look(ctx, o)
		if err != nil || found == nil || r == nil {
			return err
		}
		entries := found.entries(r)
		mu.Lock()
		defer mu.Unlock()
		out.Entries = append(out.Entries, entries...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out.Entries, func(a, b ais.ListEntry) int { return strings.Compare(a.Name, b.Name) })
	out.Entries = slices.CompactFunc(out.Entries, func(a, b ais.ListEntry) bool { return a.IsPrefix && b.IsPrefix && a.Name == b.Name })
	return out, nil
}

// sideBySide calls fn for each of a list, so many at a time, and gives the first error.
func sideBySide[T any](ctx context.Context, n int, list []T, fn func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan T)
	var wg sync.WaitGroup
	for range min(n, len(list)) {
		wg.Go(func() {
			for x := range work {
				if ctx.Err() != nil {
					continue
				}
				if err := fn(ctx, x); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, x := range list {
		work <- x
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// rawReply is what another target has told of names.
type rawReply struct {
	from ais.NodeID
	list *replica.RawList
}

// sameWords reports whether the same targets have said the same of what they may speak for.
func sameWords(a, b []rawReply) bool {
	return slices.EqualFunc(a, b, func(a, b rawReply) bool {
		if a.list == nil || b.list == nil {
			return a.list == b.list
		}
		return a.from == b.from && *a.list.Whole == *b.list.Whole && slices.EqualFunc(a.list.Words, b.list.Words, func(x, y replica.SlotWord) bool {
			return x.Slot == y.Slot && x.Word.Cut == y.Word.Cut && slices.Equal(x.Word.Groups, y.Word.Groups)
		})
	})
}

// listable is nil if every group of every slot that is not whole here has had a witness. What was found once holds as
// long as the others say the same.
func (t *Target) listable(h *homed, lacks *ais.SlotSet, copies int, replies []rawReply, last error) error {
	h.mu.Lock()
	said := h.said[copies]
	h.mu.Unlock()
	if said != nil && sameWords(said, replies) {
		return nil
	}
	for slot := range lacks.All() {
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		st := s.tenure(copies).st
		s.mu.Unlock()
		inquiry := replica.NewInquiry(st)
		inquiry.Answer(t.opt.Self, t.ownWords(st, t.locals(st.Map, slot, st.Copies)))
		for _, r := range replies {
			if r.list == nil || inquiry.Final() {
				continue
			}
			if r.list.Whole.Has(slot) {
				words := make([]bool, len(st.Chain))
				for i := range words {
					words[i] = true
				}
				inquiry.Answer(r.from, words)
				continue
			}
			if i, ok := slices.BinarySearchFunc(r.list.Words, slot, func(w replica.SlotWord, slot ais.Slot) int { return int(w.Slot) - int(slot) }); ok &&
				r.list.Words[i].Word.Cut == st.Map.Cut() {
				inquiry.Answer(r.from, r.list.Words[i].Word.Groups)
			}
		}
		if !inquiry.Final() {
			if last == nil {
				last = ais.Errorf(ais.Unavailable, "nobody knows all of it")
			}
			return ais.Errorf(ais.Unavailable, "slot %d cannot be listed: %w", slot, last)
		}
	}
	kept := make([]rawReply, len(replies)) // of the words alone
	for i, r := range replies {
		if kept[i].from = r.from; r.list != nil {
			kept[i].list = &replica.RawList{Map: r.list.Map, Whole: r.list.Whole, Words: r.list.Words}
		}
	}
	h.mu.Lock()
	h.said[copies] = kept
	h.mu.Unlock()
	return nil
}

// rawNames are the names that others hold in slots, up to a bound. It is conclusive, or an error: every group of
// every slot has had a witness.
func (t *Target) rawNames(ctx context.Context, h *homed, lacks *ais.SlotSet, q *replica.ListRaw, bound *listBound) ([]string, error) {
	var peers []ais.NodeID
	for _, n := range h.m.Targets() {
		if n.ID != t.opt.Self {
			peers = append(peers, n.ID)
		}
	}
	replies := make([]rawReply, len(peers))
	var last error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, id := range peers {
		wg.Go(func() {
			call, cancel := context.WithTimeout(ctx, lookPatience)
			defer cancel()
			list, err := t.opt.Peers.ListRaw(call, id, q)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				last = err
			case list.Map != h.m.Version():
				last = ais.Errorf(ais.StaleMap, "node %s goes by map %d", id, list.Map)
			default:
				replies[i] = rawReply{id, list}
			}
		})
	}
	wg.Wait()
	if err := t.listable(h, lacks, t.opt.Copies(q.Bucket), replies, last); err != nil {
		return nil, err
	}
	var names []string
	for _, r := range replies {
		if r.list == nil {
			continue
		}
		if r.list.More {
			bound.lower(r.list.Next)
		}
		for i := range r.list.Entries {
			names = append(names, r.list.Entries[i].Item.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if bound.set {
		names = slices.DeleteFunc(names, func(name string) bool { return name > bound.name })
	}
	return names, nil
}

// spoken is what the copies here may speak for, of slots that were asked for under one map. It is found out once:
// each page of a list asks for it.
type spoken struct {
	m      *cmap.Map
	marks  uint64
	copies int

	mu    sync.Mutex
	known ais.SlotSet
	whole ais.SlotSet // witnesses of every group
	words map[ais.Slot]replica.Word
}

func (t *Target) speaksFor(m *cmap.Map, copies int) *spoken {
	marks := t.marks.Load()
	if k := t.spokenNow.Load(); k != nil && k.m == m && k.marks == marks && k.copies == copies {
		return k
	}
	k := &spoken{m: m, marks: marks, copies: copies, words: map[ais.Slot]replica.Word{}}
	t.spokenNow.Store(k)
	return k
}

// of adds those of some slots of which the copy is a witness of every group to whole, and gives the words of those of
// which it is a witness of some, by slot.
func (k *spoken) of(t *Target, slots, whole *ais.SlotSet) (words []replica.SlotWord) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for slot := range slots.All() {
		if !k.known.Has(slot) {
			k.known.Add(slot)
			w, _ := t.word(slot, k.copies)
			switch {
			case !slices.Contains(w.Groups, false):
				k.whole.Add(slot)
			case slices.Contains(w.Groups, true):
				w.Pending = nil
				k.words[slot] = w
			}
		}
		if k.whole.Has(slot) {
			whole.Add(slot)
		} else if w, ok := k.words[slot]; ok {
			words = append(words, replica.SlotWord{Slot: slot, Word: w})
		}
	}
	return words
}

// ListRaw tells all that is held of a bucket in some slots.
func (t *Target) ListRaw(ctx context.Context, _ ais.NodeID, q *replica.ListRaw) (*replica.RawList, error) {
	if err := t.awaitMap(ctx, q.Map); err != nil {
		return nil, err
	}
	m := t.cluster.Load()
	out := &replica.RawList{Map: m.Version(), Whole: &ais.SlotSet{}}
	out.Words = t.speaksFor(m, t.opt.Copies(q.Bucket)).of(t, q.Slots, out.Whole)
	bound := listBound{}
	for _, mount := range t.mounts {
		st := mount.store.Load()
		if st == nil {
			continue
		}
		entries, next, more, err := st.ListRaw(volume.RawListRequest{Bucket: q.Bucket, Prefix: q.Prefix, After: q.After, Versions: q.Versions,
			Uploads: q.Uploads, Limit: q.Limit, Keep: q.Slots.Has})
		if err != nil {
			return nil, err
		}
		if more {
			bound.lower(next)
		}
		for i := range entries {
			e := &entries[i]
			out.Entries = append(out.Entries, replica.RawEntry{Item: itemOf(&e.Item), Entry: e.Entry, Upload: e.Upload})
		}
	}
	if bound.set {
		out.More, out.Next = true, bound.name
		out.Entries = slices.DeleteFunc(out.Entries, func(e replica.RawEntry) bool { return e.Item.Name > bound.name })
	}
	slices.SortStableFunc(out.Entries, func(a, b replica.RawEntry) int { return strings.Compare(a.Item.Name, b.Item.Name) })
	if t.cluster.Load() != m {
		return nil, ais.Errorf(ais.Unavailable, "the map has changed meanwhile")
	}
	return out, nil
}

// entries are what a list shows of a finding.
func (f *finding) entries(r *ais.ListRequest) (list []ais.ListEntry) {
	if !strings.HasPrefix(f.o.name, r.Prefix) || f.o.name < r.After {
		return nil
	}
	if r.Delimiter != "" {
		if i := strings.Index(f.o.name[len(r.Prefix):], r.Delimiter); i >= 0 {
			prefix := f.o.name[:len(r.Prefix)+i+len(r.Delimiter)]
			if prefix <= r.After {
				return nil
			}
			for i := range f.rows {
				if r.Versions || i == 0 && f.rows[0].item.Kind == replica.ItemEntry {
					return []ais.ListEntry{{Name: prefix, IsPrefix: true}}
				}
			}
			return nil
		}
	}
	past := f.o.name > r.After
	for i := range f.rows {
		row := &f.rows[i]
		if !past { // within the versions of the name
			past = r.Versions && r.AfterVersion != nil && row.item.Version == *r.AfterVersion
			continue
		}
		if !r.Versions && (i > 0 || row.item.Kind != replica.ItemEntry) {
			continue
		}
		e := ais.ListEntry{Name: f.o.name, Version: row.item.Version, Latest: i == 0, DeleteMarker: row.item.Kind == replica.ItemMarker, Size: row.item.Size}
		version := row.item.Version
		if o, err := f.stat(&version); err == nil {
			e.Size, e.ModifiedUnix, e.ETag, e.StorageClass, e.Owner = o.Size, o.ModifiedUnix, o.Attributes.ETag, o.Attributes.StorageClass, o.Attributes.Owner
			e.Checksum, e.Composite = o.Attributes.Checksum.Algorithm, o.Attributes.Checksum.Composite
		}
		list = append(list, e)
	}
	return list
}

// ListUploads gives one page of the open uploads of a bucket, as List does of objects.
func (t *Target) ListUploads(ctx context.Context, _ ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	if q.Uploads == nil {
		return nil, ais.Errorf(ais.Invalid, "a question for uploads without a request")
	}
	page, err := t.listUploads(ctx, q.Map, q.Uploads)
	if err == nil {
		err = t.opt.Lease()
	}
	return page, err
}

func (t *Target) listUploads(ctx context.Context, version ais.MapVersion, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	h, err := t.homes(version)
	if err != nil {
		return nil, err
	}
	bound := listBound{}
	if lacks := h.lacking(t, t.opt.Copies(r.Bucket.ID)); lacks.Count() > 0 {
		if _, err := t.bringNames(ctx, h, lacks, r.Bucket, &replica.ListRaw{Prefix: r.Prefix, After: behind(r.AfterName, r.Prefix, r.Delimiter), Uploads: true, Limit: r.Limit}, nil, r.AfterName, &bound); err != nil {
			return nil, err
		}
	}
	on, err := h.leads(t, t.opt.Copies(r.Bucket.ID))
	if err != nil {
		return nil, err
	}
	var pages []*ais.UploadPage
	for i, mount := range t.mounts {
		if on[i].Count() == 0 {
			continue
		}
		st, err := mount.serving()
		if err != nil {
			return nil, err
		}
		p, err := st.Uploads(r, on[i].Has)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	if len(pages) == 0 {
		pages = append(pages, &ais.UploadPage{})
	}
	page := merge.UploadPages(pages, r.Limit)
	if bound.set && (!page.Truncated || page.NextName > bound.name) {
		page.Uploads = slices.DeleteFunc(page.Uploads, func(u ais.Upload) bool { return u.Name > bound.name })
		page.Prefixes = slices.DeleteFunc(page.Prefixes, func(p string) bool { return p > bound.name })
		page.Truncated, page.NextName, page.NextUpload = true, bound.name, ais.WriteID{}
	}
	return page, t.current(h)
}
