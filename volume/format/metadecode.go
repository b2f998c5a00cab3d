package format

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
)

// DecodeMeta reads what AppendMeta wrote. The result does not alias b: its strings share one copy of
// it. An unknown entry goes into Attributes.Unknown as it is, or, where it must be understood, gives
// an error of kind ais.Invalid that wraps ErrUnknown. What cannot be read is of kind ais.Corrupt.
func DecodeMeta(b []byte) (Meta, error) {
	var m Meta
	d := metaDecoder{b: b}
	for d.pos < len(b) {
		t, value, err := d.next()
		if err != nil {
			return Meta{}, err
		}
		if err := d.field(&m, t, value); err != nil {
			return Meta{}, err
		}
	}
	return m, nil
}

// metaDecoder walks over the entries of b.
type metaDecoder struct {
	b    []byte
	s    string // b as a string, made when the first text is met
	pos  int    // behind the entry in hand
	from int    // where the entry in hand begins
	must bool   // the entry in hand must be understood
	seen uint64 // known tags met, by number
}

// next steps to the next entry. The value aliases b and ends at d.pos.
func (d *metaDecoder) next() (t tag, value []byte, err error) {
	rest := d.b[d.pos:]
	if len(rest) < entryHead {
		return 0, nil, ais.Errorf(ais.Corrupt, "metadata: %d bytes at %d are no entry", len(rest), d.pos)
	}
	t = tag(binary.LittleEndian.Uint16(rest))
	t, d.must = t&^tagMust, t&tagMust != 0
	n := int(binary.LittleEndian.Uint16(rest[2:]))
	if n > len(rest)-entryHead {
		return 0, nil, ais.Errorf(ais.Corrupt, "metadata: entry %d at %d has %d bytes, but only %d are left",
			t, d.pos, n, len(rest)-entryHead)
	}
	d.from, d.pos = d.pos, d.pos+entryHead+n
	return t, rest[entryHead : entryHead+n], nil
}

// text is the last n bytes of the entry in hand as a string.
func (d *metaDecoder) text(n int) string {
	if d.s == "" {
		d.s = string(d.b)
	}
	return d.s[d.pos-n : d.pos]
}

// once makes an error of an entry that may be there only once and has come twice, or whose value has
// not the n bytes that it must have; n is -1 where any length will do.
func (d *metaDecoder) once(t tag, value []byte, n int) error {
	bit := uint64(1) << t
	if d.seen&bit != 0 {
		return ais.Errorf(ais.Corrupt, "metadata: entry %d at %d is there twice", t, d.from)
	}
	d.seen |= bit
	if n >= 0 && len(value) != n {
		return ais.Errorf(ais.Corrupt, "metadata: entry %d at %d has %d bytes, want %d", t, d.from, len(value), n)
	}
	return nil
}

func (d *metaDecoder) field(m *Meta, t tag, value []byte) (err error) {
	le := binary.LittleEndian
	switch t {
	case tagCreated:
		if err = d.once(t, value, len(m.Created)); err == nil {
			m.Created = ais.Stamp(value)
		}
	case tagVersion:
		if err = d.once(t, value, len(m.Version)); err == nil {
			m.Version = ais.VersionID(value)
		}
	case tagModifiedUnix:
		if err = d.once(t, value, 8); err == nil {
			m.ModifiedUnix = int64(le.Uint64(value))
		}
	case tagUpload:
		if err = d.once(t, value, len(m.Upload)); err == nil {
			m.Upload = ais.WriteID(value)
		}
	case tagPartNumber:
		if err = d.once(t, value, 4); err == nil {
			m.PartNumber = le.Uint32(value)
		}
	case tagPartCount:
		if err = d.once(t, value, 4); err == nil {
			m.PartCount = le.Uint32(value)
		}
	default:
		err = d.attribute(&m.Attributes, t, value)
	}
	return err
}

func (d *metaDecoder) attribute(a *ais.Attributes, t tag, value []byte) (err error) {
	le := binary.LittleEndian
	switch t {
	case tagETag:
		if err = d.once(t, value, 20); err == nil {
			a.ETag = ais.ETag{Sum: [16]byte(value), Parts: le.Uint32(value[16:])}
		}
	case tagChecksum:
		if err = d.once(t, value, -1); err == nil {
			err = d.checksum(&a.Checksum, value)
		}
	case tagContentType:
		err = d.textOnce(&a.ContentType, t, value)
	case tagCacheControl:
		err = d.textOnce(&a.CacheControl, t, value)
	case tagContentDisposition:
		err = d.textOnce(&a.ContentDisposition, t, value)
	case tagContentEncoding:
		err = d.textOnce(&a.ContentEncoding, t, value)
	case tagContentLanguage:
		err = d.textOnce(&a.ContentLanguage, t, value)
	case tagExpires:
		err = d.textOnce(&a.Expires, t, value)
	case tagWebsiteRedirect:
		err = d.textOnce(&a.WebsiteRedirect, t, value)
	case tagStorageClass:
		err = d.textOnce(&a.StorageClass, t, value)
	case tagUser:
		a.User, err = d.pair(a.User, t, value)
	case tagTag:
		a.Tags, err = d.pair(a.Tags, t, value)
	case tagRetention:
		if err = d.once(t, value, 9); err == nil {
			a.Retention = ais.Retention{Mode: ais.RetentionMode(value[0]), UntilUnix: int64(le.Uint64(value[1:]))}
		}
	case tagLegalHold:
		if err = d.once(t, value, 0); err == nil {
			a.LegalHold = true
		}
	case tagOwner:
		err = d.textOnce(&a.Owner, t, value)
	case tagEncryption:
		err = d.bytesOnce(&a.Encryption, t, value)
	case tagACL:
		err = d.bytesOnce(&a.ACL, t, value)
	default:
		if d.must {
			return unknownf("metadata: entry %d at %d must be understood", t, d.from)
		}
		a.Unknown = append(a.Unknown, d.b[d.from:d.pos]...)
	}
	return err
}

func (d *metaDecoder) textOnce(to *string, t tag, value []byte) error {
	err := d.once(t, value, -1)
	if err == nil && len(value) > 0 {
		*to = d.text(len(value))
	}
	return err
}

func (d *metaDecoder) bytesOnce(to *[]byte, t tag, value []byte) error {
	err := d.once(t, value, -1)
	if err == nil && len(value) > 0 {
		*to = append([]byte(nil), value...)
	}
	return err
}

func (d *metaDecoder) checksum(c *ais.Checksum, value []byte) error {
	if len(value) < 6 || value[1]&^checksumComposite != 0 {
		return ais.Errorf(ais.Corrupt, "metadata: checksum at %d cannot be read", d.from)
	}
	c.Algorithm = ais.ChecksumAlgorithm(value[0])
	c.Composite = value[1]&checksumComposite != 0
	c.Parts = binary.LittleEndian.Uint32(value[2:])
	if len(value) > 6 {
		c.Value = append([]byte(nil), value[6:]...)
	}
	return nil
}

// pair appends one pair. The first allocates for all of its tag that follow.
func (d *metaDecoder) pair(pairs []ais.Pair, t tag, value []byte) ([]ais.Pair, error) {
	if len(value) < 2 || int(binary.LittleEndian.Uint16(value)) > len(value)-2 {
		return nil, ais.Errorf(ais.Corrupt, "metadata: pair %d at %d cannot be read", t, d.from)
	}
	if pairs == nil {
		pairs = make([]ais.Pair, 0, 1+d.count(t))
	}
	s := d.text(len(value) - 2)
	n := int(binary.LittleEndian.Uint16(value))
	return append(pairs, ais.Pair{Name: s[:n], Value: s[n:]}), nil
}

// count is the number of entries of tag t behind the one in hand, as far as they can be read.
func (d *metaDecoder) count(t tag) (n int) {
	for ahead := *d; ahead.pos < len(ahead.b); {
		next, _, err := ahead.next()
		if err != nil {
			break
		}
		if next == t {
			n++
		}
	}
	return n
}
