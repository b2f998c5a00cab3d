package replica

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

const (
	listRawVersions = 1
	listRawUploads  = 2

	entryIsPrefix     = 1
	entryDeleteMarker = 2
	entryLatest       = 4
	entryComposite    = 8

	requestVersions     = 1
	requestAfterVersion = 2
)

// AppendTo appends the bytes of l.
func (l *ListRaw) AppendTo(b []byte) []byte {
	b = appendU64(append(b, codecVersion), uint64(l.Map))
	b = append(b, bit(l.Versions, listRawVersions)|bit(l.Uploads, listRawUploads))
	b = appendU64(appendU64(b, uint64(l.Bucket)), uint64(l.Limit))
	b = appendBlob(appendBlob(b, l.Prefix), l.After)
	return appendSlots(b, l.Slots)
}

// DecodeListRaw reads what ListRaw.AppendTo gives.
func DecodeListRaw(b []byte) (*ListRaw, error) {
	d := decode(b)
	l := &ListRaw{Map: ais.MapVersion(d.u64())}
	f := d.flags(listRawVersions | listRawUploads)
	l.Versions, l.Uploads = f&listRawVersions != 0, f&listRawUploads != 0
	l.Bucket, l.Limit = ais.BucketID(d.u64()), int(d.u64())
	l.Prefix, l.After = d.text(), d.text()
	l.Slots = d.slots()
	if err := d.end("raw list"); err != nil {
		return nil, err
	}
	return l, nil
}

// AppendTo appends the bytes of l.
func (l *RawList) AppendTo(b []byte) []byte {
	b = append(appendU64(append(b, codecVersion), uint64(l.Map)), bit(l.More, 1))
	b = appendCount(appendBlob(b, l.Next), len(l.Entries))
	for i := range l.Entries {
		e := &l.Entries[i]
		b = appendEntry(e.Item.appendTo(b), &e.Entry)
		b = append(b, bit(e.Upload != nil, 1))
		if e.Upload != nil {
			b = appendUpload(b, e.Upload)
		}
	}
	b = appendCount(appendSlots(b, l.Whole), len(l.Words))
	for i := range l.Words {
		w := &l.Words[i]
		b = w.Word.appendTo(appendU16(b, uint16(w.Slot)))
	}
	return b
}

// DecodeRawList reads what RawList.AppendTo gives.
func DecodeRawList(b []byte) (*RawList, error) {
	d := decode(b)
	l := &RawList{Map: ais.MapVersion(d.u64()), More: d.bool(), Next: d.text()}
	l.Entries = list(d, itemLeast+entryLeast+1, func() RawEntry {
		e := RawEntry{Item: d.item(), Entry: d.entry()}
		if d.bool() {
			u := d.upload()
			e.Upload = &u
		}
		return e
	})
	l.Whole = d.slots()
	l.Words = list(d, 2+wordLeast, func() SlotWord { return SlotWord{Slot: ais.Slot(d.u16()), Word: d.word()} })
	if err := d.end("raw page"); err != nil {
		return nil, err
	}
	return l, nil
}

// AppendTo appends the bytes of l. Of the bucket its properties are left out: they say nothing about a list.
func (l *ListHomed) AppendTo(b []byte) []byte {
	b = append(appendU64(append(b, codecVersion), uint64(l.Map)), bit(l.Uploads != nil, 1))
	if u := l.Uploads; u != nil {
		b = appendBucket(b, u.Bucket)
		b = appendBlob(appendBlob(appendBlob(b, u.Prefix), u.Delimiter), u.AfterName)
		return appendU64(append(b, u.AfterUpload[:]...), uint64(u.Limit))
	}
	r := &l.Request
	b = appendBucket(b, r.Bucket)
	b = appendBlob(appendBlob(appendBlob(b, r.Prefix), r.Delimiter), r.After)
	b = append(b, bit(r.Versions, requestVersions)|bit(r.AfterVersion != nil, requestAfterVersion))
	if r.AfterVersion != nil {
		b = append(b, r.AfterVersion[:]...)
	}
	return appendU64(b, uint64(r.Limit))
}

// DecodeListHomed reads what ListHomed.AppendTo gives: one of the two requests is set.
func DecodeListHomed(b []byte) (*ListHomed, error) {
	d := decode(b)
	l := &ListHomed{Map: ais.MapVersion(d.u64())}
	if d.bool() {
		l.Uploads = &ais.UploadListRequest{
			Bucket: d.bucket(), Prefix: d.text(), Delimiter: d.text(), AfterName: d.text(), AfterUpload: d.id16(), Limit: int(d.u64()),
		}
	} else {
		l.Request = d.request()
	}
	if err := d.end("list"); err != nil {
		return nil, err
	}
	return l, nil
}

func (d *decoder) request() ais.ListRequest {
	r := ais.ListRequest{Bucket: d.bucket(), Prefix: d.text(), Delimiter: d.text(), After: d.text()}
	f := d.flags(requestVersions | requestAfterVersion)
	r.Versions = f&requestVersions != 0
	if f&requestAfterVersion != 0 {
		v := ais.VersionID(d.id16())
		r.AfterVersion = &v
	}
	r.Limit = int(d.u64())
	return r
}

// appendBucket appends a bucket without its properties; there may be none.
func appendBucket(b []byte, k *ais.Bucket) []byte {
	b = append(b, bit(k != nil, 1))
	if k == nil {
		return b
	}
	b = append(appendU64(b, uint64(k.ID)), bit(k.Deleting, 1), byte(k.Versioning))
	b = appendU64(appendU64(appendU64(b, uint64(k.CreatedUnix)), uint64(k.Revision)), uint64(k.MinCopies))
	return appendBlob(appendBlob(appendBlob(appendBlob(b, k.Name), k.Owner), k.Policy), k.Region)
}

func (d *decoder) bucket() *ais.Bucket {
	if !d.bool() {
		return nil
	}
	return &ais.Bucket{
		ID: ais.BucketID(d.u64()), Deleting: d.bool(), Versioning: ais.Versioning(d.u8()),
		CreatedUnix: int64(d.u64()), Revision: ais.ControlIndex(d.u64()), MinCopies: int(d.u64()),
		Name: d.text(), Owner: d.text(), Policy: d.text(), Region: d.text(),
	}
}

// entryLeast is the bytes of a ListEntry without texts.
const entryLeast = 1 + 1 + 16 + 8 + 8 + 16 + 4 + 3*4

func appendEntry(b []byte, e *ais.ListEntry) []byte {
	b = append(b, bit(e.IsPrefix, entryIsPrefix)|bit(e.DeleteMarker, entryDeleteMarker)|
		bit(e.Latest, entryLatest)|bit(e.Composite, entryComposite), byte(e.Checksum))
	b = append(b, e.Version[:]...)
	b = appendU64(appendU64(b, uint64(e.Size)), uint64(e.ModifiedUnix))
	b = appendU32(append(b, e.ETag.Sum[:]...), e.ETag.Parts)
	return appendBlob(appendBlob(appendBlob(b, e.Name), e.StorageClass), e.Owner)
}

func (d *decoder) entry() ais.ListEntry {
	f := d.flags(entryIsPrefix | entryDeleteMarker | entryLatest | entryComposite)
	return ais.ListEntry{
		IsPrefix: f&entryIsPrefix != 0, DeleteMarker: f&entryDeleteMarker != 0,
		Latest: f&entryLatest != 0, Composite: f&entryComposite != 0,
		Checksum: ais.ChecksumAlgorithm(d.u8()), Version: d.id16(), Size: int64(d.u64()), ModifiedUnix: int64(d.u64()),
		ETag: ais.ETag{Sum: d.id16(), Parts: d.u32()}, Name: d.text(), StorageClass: d.text(), Owner: d.text(),
	}
}

// uploadLeast is the bytes of an Upload without name and attributes.
const uploadLeast = 16 + 8 + 8 + 2*4

// appendUpload appends an upload. Its attributes lie there as in a record, as docs/disk-format.md has them.
func appendUpload(b []byte, u *ais.Upload) []byte {
	b = appendU64(appendU64(append(b, u.ID[:]...), uint64(u.Bucket)), uint64(u.InitiatedUnix))
	return sized(appendBlob(b, u.Name), func(b []byte) []byte {
		return format.AppendMeta(b, &format.Meta{Attributes: u.Attributes})
	})
}

func (d *decoder) upload() ais.Upload {
	u := ais.Upload{ID: d.id16(), Bucket: ais.BucketID(d.u64()), InitiatedUnix: int64(d.u64()), Name: d.text()}
	m, err := format.DecodeMeta(d.blob())
	if err != nil {
		d.fail(err)
		return u
	}
	u.Attributes = m.Attributes
	return u
}

// AppendListPage appends the bytes of the answer to a ListHomed.
func AppendListPage(b []byte, p *ais.ListPage) []byte {
	b = append(append(b, codecVersion, bit(p.Truncated, 1)), p.NextVersion[:]...)
	b = appendCount(appendBlob(b, p.Next), len(p.Entries))
	for i := range p.Entries {
		b = appendEntry(b, &p.Entries[i])
	}
	return b
}

// DecodeListPage reads what AppendListPage gives.
func DecodeListPage(b []byte) (*ais.ListPage, error) {
	d := decode(b)
	p := &ais.ListPage{Truncated: d.bool(), NextVersion: d.id16(), Next: d.text()}
	p.Entries = list(d, entryLeast, d.entry)
	if err := d.end("page"); err != nil {
		return nil, err
	}
	return p, nil
}

// AppendUploadPage appends the bytes of the answer to a ListHomed of uploads.
func AppendUploadPage(b []byte, p *ais.UploadPage) []byte {
	b = append(append(b, codecVersion, bit(p.Truncated, 1)), p.NextUpload[:]...)
	b = appendCount(appendBlob(b, p.NextName), len(p.Prefixes))
	for _, s := range p.Prefixes {
		b = appendBlob(b, s)
	}
	b = appendCount(b, len(p.Uploads))
	for i := range p.Uploads {
		b = appendUpload(b, &p.Uploads[i])
	}
	return b
}

// DecodeUploadPage reads what AppendUploadPage gives.
func DecodeUploadPage(b []byte) (*ais.UploadPage, error) {
	d := decode(b)
	p := &ais.UploadPage{Truncated: d.bool(), NextUpload: d.id16(), NextName: d.text()}
	p.Prefixes = list(d, 4, d.text)
	p.Uploads = list(d, uploadLeast, d.upload)
	if err := d.end("page of uploads"); err != nil {
		return nil, err
	}
	return p, nil
}
