package format

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
)

// Meta is what the metadata of a record says. The zero value of a field means "not set", and takes no
// bytes.
type Meta struct {
	Created      ais.Stamp     // zero: equals Modified of the record
	Version      ais.VersionID // zero: null if FlagNullVersion is set, else equals Modified of the record
	ModifiedUnix int64         // milliseconds, wall clock of the writer; for display and lifecycle only
	Upload       ais.WriteID   // the upload that a PART is of, a COMMIT completes, a TOMBSTONE ends
	PartNumber   uint32        // of PART
	PartCount    uint32        // of a COMMIT that completes an upload: its parts
	Attributes   ais.Attributes
}

// tag names one entry of the metadata. Numbers are never used again.
type tag uint16

// tagMust is set, beside the tag, on an entry that nobody may pass over: a reader who does not know
// the tag refuses the record.
const tagMust tag = 1 << 15

const (
	tagCreated            tag = 1
	tagVersion            tag = 2
	tagModifiedUnix       tag = 3
	tagUpload             tag = 4
	tagPartNumber         tag = 5
	tagPartCount          tag = 6
	tagETag               tag = 16
	tagChecksum           tag = 17
	tagContentType        tag = 18
	tagCacheControl       tag = 19
	tagContentDisposition tag = 20
	tagContentEncoding    tag = 21
	tagContentLanguage    tag = 22
	tagExpires            tag = 23
	tagWebsiteRedirect    tag = 24
	tagStorageClass       tag = 25
	tagUser               tag = 26
	tagTag                tag = 27
	tagRetention          tag = 28
	tagLegalHold          tag = 29
	tagOwner              tag = 30
	tagEncryption         tag = 31
	tagACL                tag = 32
)

// entryHead is the length of a tag with its length, valueMax that of the longest value, in bytes.
const (
	entryHead = 4
	valueMax  = 1<<16 - 1
)

// checksumComposite is the bit of a checksum's flags byte.
const checksumComposite = 1

// AppendMeta appends m to dst, in a fixed order, so that equal metadata has equal bytes. It allocates
// nothing if dst has room. What the caller has to refuse is a result of more than ais.MetadataMax
// bytes; metadata with a value too long for an entry always gives one.
func AppendMeta(dst []byte, m *Meta) []byte {
	le := binary.LittleEndian
	if !m.Created.IsZero() {
		dst = append(appendEntry(dst, tagCreated, len(m.Created)), m.Created[:]...)
	}
	if !m.Version.IsNull() {
		dst = append(appendEntry(dst, tagVersion, len(m.Version)), m.Version[:]...)
	}
	if m.ModifiedUnix != 0 {
		dst = le.AppendUint64(appendEntry(dst, tagModifiedUnix, 8), uint64(m.ModifiedUnix))
	}
	if !m.Upload.IsZero() {
		dst = append(appendEntry(dst, tagUpload, len(m.Upload)), m.Upload[:]...)
	}
	if m.PartNumber != 0 {
		dst = le.AppendUint32(appendEntry(dst, tagPartNumber, 4), m.PartNumber)
	}
	if m.PartCount != 0 {
		dst = le.AppendUint32(appendEntry(dst, tagPartCount, 4), m.PartCount)
	}
	return appendAttributes(dst, &m.Attributes)
}

func appendAttributes(dst []byte, a *ais.Attributes) []byte {
	le := binary.LittleEndian
	if a.ETag != (ais.ETag{}) {
		dst = append(appendEntry(dst, tagETag, 20), a.ETag.Sum[:]...)
		dst = le.AppendUint32(dst, a.ETag.Parts)
	}
	if c := &a.Checksum; c.Algorithm != 0 || c.Composite || c.Parts != 0 || len(c.Value) > 0 {
		dst = appendEntry(dst, tagChecksum, 6+len(c.Value))
		dst = append(dst, byte(c.Algorithm), compositeFlag(c.Composite))
		dst = le.AppendUint32(dst, c.Parts)
		dst = append(dst, c.Value...)
	}
	dst = appendText(dst, tagContentType, a.ContentType)
	dst = appendText(dst, tagCacheControl, a.CacheControl)
	dst = appendText(dst, tagContentDisposition, a.ContentDisposition)
	dst = appendText(dst, tagContentEncoding, a.ContentEncoding)
	dst = appendText(dst, tagContentLanguage, a.ContentLanguage)
	dst = appendText(dst, tagExpires, a.Expires)
	dst = appendText(dst, tagWebsiteRedirect, a.WebsiteRedirect)
	dst = appendText(dst, tagStorageClass, a.StorageClass)
	dst = appendPairs(dst, tagUser, a.User)
	dst = appendPairs(dst, tagTag, a.Tags)
	if a.Retention != (ais.Retention{}) {
		dst = append(appendEntry(dst, tagRetention|tagMust, 9), byte(a.Retention.Mode))
		dst = le.AppendUint64(dst, uint64(a.Retention.UntilUnix))
	}
	if a.LegalHold {
		dst = appendEntry(dst, tagLegalHold|tagMust, 0)
	}
	dst = appendText(dst, tagOwner, a.Owner)
	if len(a.Encryption) > 0 {
		dst = append(appendEntry(dst, tagEncryption|tagMust, len(a.Encryption)), a.Encryption...)
	}
	if len(a.ACL) > 0 {
		dst = append(appendEntry(dst, tagACL, len(a.ACL)), a.ACL...)
	}
	return append(dst, a.Unknown...)
}

// appendEntry appends tag and length. A length that does not fit is cut, which does no harm: the value
// that follows makes the whole longer than ais.MetadataMax, and the caller refuses it.
func appendEntry(dst []byte, t tag, n int) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, uint16(t))
	return binary.LittleEndian.AppendUint16(dst, uint16(min(n, valueMax)))
}

func appendText(dst []byte, t tag, s string) []byte {
	if s == "" {
		return dst
	}
	return append(appendEntry(dst, t, len(s)), s...)
}

// appendPairs appends one entry per pair: length of the name, name, value.
func appendPairs(dst []byte, t tag, pairs []ais.Pair) []byte {
	for i := range pairs {
		p := &pairs[i]
		dst = appendEntry(dst, t, 2+len(p.Name)+len(p.Value))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(min(len(p.Name), valueMax)))
		dst = append(append(dst, p.Name...), p.Value...)
	}
	return dst
}

func compositeFlag(on bool) byte {
	if on {
		return checksumComposite
	}
	return 0
}
