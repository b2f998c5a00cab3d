package ais

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"strconv"
	"strings"
)

// ETag is the entity tag of an object as S3 has it: the MD5 of the bytes, or for a multipart object
// the MD5 of the parts' MD5s and the number of parts. It is an identifier, not a checksum that ais
// relies on.
type ETag struct {
	Sum   [16]byte
	Parts uint32 // 0: not multipart
}

// AppendTo appends the tag without quotes, "hex" or "hex-parts".
func (t ETag) AppendTo(b []byte) []byte {
	b = hex.AppendEncode(b, t.Sum[:])
	if t.Parts > 0 {
		b = append(b, '-')
		b = strconv.AppendUint(b, uint64(t.Parts), 10)
	}
	return b
}

func (t ETag) String() string { return string(t.AppendTo(nil)) }

// ParseETag reads a tag with or without quotes.
func ParseETag(s string) (t ETag, ok bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	sum, parts, multi := strings.Cut(s, "-")
	if len(sum) != 32 {
		return t, false
	}
	if _, err := hex.Decode(t.Sum[:], []byte(sum)); err != nil {
		return ETag{}, false
	}
	if multi {
		n, err := strconv.ParseUint(parts, 10, 32)
		if err != nil || n == 0 {
			return ETag{}, false
		}
		t.Parts = uint32(n)
	}
	return t, true
}

// ChecksumAlgorithm is one of the additional checksums that S3 clients send and ask for.
type ChecksumAlgorithm uint8

const (
	ChecksumNone      ChecksumAlgorithm = 0
	ChecksumCRC32     ChecksumAlgorithm = 1
	ChecksumCRC32C    ChecksumAlgorithm = 2
	ChecksumCRC64NVME ChecksumAlgorithm = 3
	ChecksumSHA1      ChecksumAlgorithm = 4
	ChecksumSHA256    ChecksumAlgorithm = 5
)

// Checksum is an additional checksum of an object or part, big-endian where it is a number.
type Checksum struct {
	Algorithm ChecksumAlgorithm
	Composite bool // of a multipart object: the checksum of the parts' checksums
	Parts     uint32
	Value     []byte // nil where Algorithm is set and the upload has only declared which one it will use
}

// Pair is a name with a value: user metadata and tags.
type Pair struct{ Name, Value string }

// Attributes is all that is kept about an object beside its name, size, version and bytes. The zero
// value of every field means "not set". Slices belong to whoever made the value; nobody changes them.
type Attributes struct {
	ETag     ETag
	Checksum Checksum

	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string
	ContentLanguage    string
	Expires            string
	WebsiteRedirect    string
	StorageClass       string // "" is STANDARD
	User               []Pair // x-amz-meta-*, names lower-case without that prefix, in the order sent

	// Kept from the start, used by the S3 features that come later.
	Tags       []Pair
	Retention  Retention
	LegalHold  bool
	Owner      string // access key id of the writer, or ""
	Encryption []byte // opaque description of server-side encryption
	ACL        []byte // opaque
	Unknown    []byte // encoded attributes that this version does not know; carried verbatim
}

// RetentionMode is the mode of an object lock.
type RetentionMode uint8

const (
	RetentionNone       RetentionMode = 0
	RetentionGovernance RetentionMode = 1
	RetentionCompliance RetentionMode = 2
)

// Retention forbids deleting a version until a time.
type Retention struct {
	Mode      RetentionMode
	UntilUnix int64 // seconds
}

// PartInfo is one part of a multipart object or open upload.
type PartInfo struct {
	Number       int
	Size         int64
	ETag         ETag
	Checksum     Checksum
	ModifiedUnix int64 // milliseconds, wall clock of the writer; for display
}

// Object is what is known of one version of a name without its bytes.
type Object struct {
	Bucket       BucketID
	Name         string
	Version      VersionID
	Latest       bool // no newer version of this name exists
	DeleteMarker bool
	Modified     Stamp // version of the entry: put-if-newer compares it
	Created      Stamp // orders the versions of a name
	Size         int64 // bytes as the client sent them
	ModifiedUnix int64 // milliseconds, wall clock of the writer; for display and lifecycle only
	PartCount    int   // 0: not multipart
	Attributes   Attributes
}

// ObjectReader gives the bytes of one object version, verified before a byte leaves. It pins the
// volumes that it reads until Close. It is for one goroutine.
type ObjectReader interface {
	// Object is the entry; it stays valid after Close.
	Object() *Object
	// Part gives offset and size of part number n (1-based) of a multipart object; ok is false where
	// there is no such part. For an object that is not multipart part 1 is the whole.
	Part(n int) (offset, size int64, ok bool)
	// Inline returns the whole payload, verified, if it was read along with the entry (objects of
	// at most InlineMax), else nil. The slice is valid until Close.
	Inline() []byte
	// WriteRange sends size bytes from offset to w, block by verified block; it fails with kind
	// Corrupt before the first bad block leaves. Where verification is switched off and w is a
	// *net.TCPConn, or a SocketWriter that has one, bytes go by sendfile.
	WriteRange(ctx context.Context, w io.Writer, offset, size int64) error
	Close() error
}

// SocketWriter is a writer in front of a TCP connection.
type SocketWriter interface {
	io.Writer
	// Socket first sends whatever the writer still holds back, then gives the bare connection for
	// sendfile; nil where there is none, as under TLS: then Write is the way.
	Socket() (*net.TCPConn, error)
}

// Condition is what must hold of the current version for a write to go on; checked and applied
// atomically with the write. The zero value always holds.
type Condition struct {
	IfMatch           []ETag // current version exists and has one of these tags
	IfMatchAny        bool   // If-Match: *  — current version exists
	IfNoneMatch       []ETag // no current version, or it has none of these tags
	IfNoneMatchAny    bool   // If-None-Match: * — no current version
	IfModifiedSince   int64  // Unix seconds; 0 unset
	IfUnmodifiedSince int64  // Unix seconds; 0 unset
	IfSize            *int64 // current version has this size (conditional delete)
	IfModifiedTime    int64  // current version was modified in exactly this Unix second; 0 unset
}

// Versioning is the state of a bucket.
type Versioning uint8

const (
	VersioningOff       Versioning = 0
	VersioningEnabled   Versioning = 1
	VersioningSuspended Versioning = 2
)

// PutRequest writes an object. The store stamps it only after Body has given Size bytes and Seal has
// agreed.
type PutRequest struct {
	Bucket *Bucket
	Name   string
	Size   int64 // bytes of Body; -1 if unknown (the body ends with io.EOF)
	Body   io.Reader
	// Seal is called once after the whole body is read and before anything is visible; it returns
	// the final attributes, or an error (digest mismatch, say) which is passed on unchanged and
	// leaves nothing behind.
	Seal      func() (Attributes, error)
	Condition Condition
}

// DeleteRequest deletes the current version (Version nil), which under versioning adds a delete
// marker, or one version for good.
type DeleteRequest struct {
	Bucket    *Bucket
	Name      string
	Version   *VersionID
	Condition Condition
}

// DeleteResult says what a delete did. Deleting what is not there is no error.
type DeleteResult struct {
	Version      VersionID // of the marker made, or of the version removed
	DeleteMarker bool      // a marker was made, or the version removed was one
	Existed      bool
}

// DeleteOutcome is what became of one of several deletes.
type DeleteOutcome struct {
	Result DeleteResult
	Err    error
}

// ListRequest asks for one page of names in byte order.
type ListRequest struct {
	Bucket    *Bucket
	Prefix    string
	Delimiter string // any string; "" lists all
	// After: only names > After. If After is itself a common prefix under Delimiter (it begins with
	// Prefix and the rest ends at the first Delimiter), all names under it are skipped too.
	After string
	// Versions asks for all versions and delete markers, newest first within a name; then AfterVersion
	// (if set) continues inside After.
	Versions     bool
	AfterVersion *VersionID
	Limit        int // entries and common prefixes together; 0 gives an empty page
}

// ListEntry is a name or a common prefix.
type ListEntry struct {
	Name         string
	IsPrefix     bool
	DeleteMarker bool
	Latest       bool
	Version      VersionID
	Size         int64
	ModifiedUnix int64 // milliseconds
	ETag         ETag
	Checksum     ChecksumAlgorithm
	Composite    bool
	StorageClass string
	Owner        string
}

// ListPage is one page. If Truncated, the next page begins after Next (a name or a common prefix) and,
// for versions, after NextVersion inside it.
type ListPage struct {
	Entries     []ListEntry
	Truncated   bool
	Next        string
	NextVersion VersionID
}

// Upload is an open multipart upload.
type Upload struct {
	ID            WriteID
	Bucket        BucketID
	Name          string
	InitiatedUnix int64 // milliseconds
	Attributes    Attributes
}

// PartRequest stores one part of an open upload.
type PartRequest struct {
	Bucket *Bucket
	Name   string
	Upload WriteID
	Number int // 1 to PartsMax
	Size   int64
	Body   io.Reader
	Seal   func() (ETag, Checksum, error)
}

// CompletedPart is one line of a completion: what the client believes the part to be.
type CompletedPart struct {
	Number   int
	ETag     ETag
	Checksum Checksum // Algorithm ChecksumNone: not given
}

// CompleteRequest joins parts into an object. Seal gets the parts as stored, in order, and gives the
// final attributes (with the multipart ETag and checksum) from those of the upload.
type CompleteRequest struct {
	Bucket    *Bucket
	Name      string
	Upload    WriteID
	Parts     []CompletedPart
	Condition Condition
	Seal      func(Attributes, []PartInfo) (Attributes, error)
}

// UploadListRequest asks for one page of open uploads in order of name, then id.
type UploadListRequest struct {
	Bucket      *Bucket
	Prefix      string
	Delimiter   string
	AfterName   string
	AfterUpload WriteID // only with AfterName: continue inside that name
	Limit       int
}

// UploadPage is one page of open uploads.
type UploadPage struct {
	Uploads    []Upload
	Prefixes   []string
	Truncated  bool
	NextName   string
	NextUpload WriteID
}

// PartPage is one page of the parts of an upload, by number.
type PartPage struct {
	Upload    Upload
	Parts     []PartInfo
	Truncated bool
	Next      int // last part number of this page
}

// Bucket is a bucket as the control state has it. It is a value: a change makes a new one.
type Bucket struct {
	ID          BucketID          `json:"id"`
	Name        string            `json:"name"`
	CreatedUnix int64             `json:"created"` // milliseconds
	Owner       string            `json:"owner"`   // access key id
	Policy      string            `json:"policy"`  // "copies=2", "ec=4+2"; "" is the cluster's default
	Versioning  Versioning        `json:"versioning"`
	MinCopies   int               `json:"min_copies,omitempty"`
	Region      string            `json:"region,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"` // documents kept for the S3 dialect

	// Revision is the index of the last command that changed the bucket; a change names the one that
	// it saw.
	Revision ControlIndex `json:"revision,omitempty"`
	// Deleting is set while a delete finds out whether the bucket is empty: reads go on, a write is
	// refused with kind Unavailable, checked when it is applied, not only when it arrives.
	Deleting bool `json:"deleting,omitempty"`
}
