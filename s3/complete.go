package s3

import (
	"crypto/md5"
	"encoding/xml"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/checksum"
)

// completeBodyMax bounds the document of CompleteMultipartUpload, in bytes: 10,000 parts with tags and
// checksums, generously spaced.
const completeBodyMax = 4 << 20

// completeDocument is the body of CompleteMultipartUpload.
type completeDocument struct {
	XMLName xml.Name       `xml:"CompleteMultipartUpload"`
	Parts   []completePart `xml:"Part"`
}

type completePart struct {
	Number    int    `xml:"PartNumber"`
	ETag      string `xml:"ETag"`
	CRC32     string `xml:"ChecksumCRC32"`
	CRC32C    string `xml:"ChecksumCRC32C"`
	CRC64NVME string `xml:"ChecksumCRC64NVME"`
	SHA1      string `xml:"ChecksumSHA1"`
	SHA256    string `xml:"ChecksumSHA256"`
}

// parseComplete reads the parts of a completion and holds them to all rules that can be checked
// without knowing the upload.
func parseComplete(b []byte) ([]ais.CompletedPart, error) {
	var d completeDocument
	if err := parseXML(b, &d); err != nil {
		return nil, err
	}
	if len(d.Parts) == 0 {
		return nil, failWith(codeMalformedXML, "You must specify at least one part")
	}
	if len(d.Parts) > ais.PartsMax {
		return nil, fail(codeMalformedXML)
	}
	parts := make([]ais.CompletedPart, len(d.Parts))
	for i := range d.Parts {
		p := &d.Parts[i]
		if p.Number < 1 || p.Number > ais.PartsMax {
			return nil, failArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", itoa(int64(p.Number)))
		}
		if i > 0 && p.Number <= parts[i-1].Number {
			return nil, fail(codeInvalidPartOrder)
		}
		tag, ok := ais.ParseETag(strings.TrimSpace(p.ETag))
		if !ok {
			return nil, invalidPart(p.Number, p.ETag)
		}
		sum, err := p.checksum()
		if err != nil {
			return nil, err
		}
		parts[i] = ais.CompletedPart{Number: p.Number, ETag: tag, Checksum: sum}
	}
	return parts, nil
}

func invalidPart(number int, tag string) error {
	return &failure{code: codeInvalidPart, detail: []ais.Pair{
		{Name: "PartNumber", Value: itoa(int64(number))}, {Name: "ETag", Value: strings.Trim(tag, `"`)}}}
}

// checksum gives the one checksum that a part may be named with.
func (p *completePart) checksum() (c ais.Checksum, err error) {
	for i, text := range [...]string{p.CRC32, p.CRC32C, p.CRC64NVME, p.SHA1, p.SHA256} {
		if text == "" {
			continue
		}
		if c.Algorithm != ais.ChecksumNone {
			return c, failWith(codeInvalidRequest, "Expecting a single checksum of a part. Multiple checksum Types are not allowed.")
		}
		a := ais.ChecksumCRC32 + ais.ChecksumAlgorithm(i)
		value, err := checksum.Decode(a, text)
		if err != nil {
			return c, invalidPart(p.Number, p.ETag)
		}
		c = ais.Checksum{Algorithm: a, Value: value}
	}
	return c, nil
}

// completion is what the headers say of the object that is to be made.
type completion struct {
	algorithm ais.ChecksumAlgorithm
	value     []byte // nil: not given
	kind      string // x-amz-checksum-type
	size      int64  // -1: not given
}

func (r *request) readCompletion() (c completion, err error) {
	if c.algorithm, c.value, err = r.readChecksumHeader(); err != nil {
		return c, err
	}
	c.kind, c.size = r.header(headerChecksumType), -1
	if text := r.header(headerMultipartSize); text != "" {
		var ok bool
		if c.size, ok = parseOffset(text); !ok {
			return c, failWith(codeInvalidRequest, "Value for x-amz-mp-object-size header is invalid.")
		}
	}
	return c, nil
}

func (r *request) completeUpload() error {
	id, err := r.readUpload()
	if err != nil {
		return err
	}
	said, err := r.readCompletion()
	if err != nil {
		return err
	}
	md5, err := r.readContentMD5()
	if err != nil {
		return err
	}
	document, err := r.readDocument(completeBodyMax, digests{md5: md5})
	if err != nil {
		return err
	}
	parts, err := parseComplete(document)
	if err != nil {
		return err
	}
	o, err := r.h.config.Uploads.Complete(r.context(), &ais.CompleteRequest{
		Bucket: r.bucket, Name: r.address.key, Upload: id, Parts: parts,
		Condition: r.readCondition(objectConditions),
		Seal:      said.seal,
	})
	if err != nil {
		return r.uploading(r.writing(err))
	}
	r.setVersion(o.Version)
	b := appendDocument(nil, "CompleteMultipartUploadResult")
	b = appendElement(b, "Location", r.location())
	b = appendElement(b, "Bucket", r.bucket.Name)
	b = appendElement(b, "Key", r.address.key)
	b = appendETagElement(b, o.Attributes.ETag)
	if sum := &o.Attributes.Checksum; sum.Value != nil {
		b = appendChecksumElement(b, sum)
		b = appendElement(b, "ChecksumType", checksumType(sum.Composite))
	}
	r.sendXML(appendClose(b, "CompleteMultipartUploadResult"))
	return nil
}

// multipartTag is the tag of a multipart object: the MD5 of the MD5s of its parts, and their number.
func multipartTag(parts []ais.ETag) ais.ETag {
	h := md5.New()
	for i := range parts {
		h.Write(parts[i].Sum[:])
	}
	t := ais.ETag{Parts: uint32(len(parts))}
	h.Sum(t.Sum[:0])
	return t
}

// seal gives the attributes of the object that parts make.
func (c *completion) seal(a ais.Attributes, parts []ais.PartInfo) (ais.Attributes, error) {
	tags := make([]ais.ETag, len(parts))
	size := int64(0)
	for i := range parts {
		tags[i] = parts[i].ETag
		size += parts[i].Size
	}
	if c.size >= 0 && c.size != size {
		return a, failWith(codeInvalidRequest, "The provided 'x-amz-mp-object-size' header value "+itoa(c.size)+
			" does not match what was computed: "+itoa(size))
	}
	a.ETag = multipartTag(tags)
	sum, err := c.checksum(a.Checksum, parts)
	a.Checksum = sum
	return a, err
}

// checksum joins the checksums of the parts as the upload has declared it, and holds the result to
// what the completion says.
func (c *completion) checksum(declared ais.Checksum, parts []ais.PartInfo) (ais.Checksum, error) {
	sum := declared
	if sum.Algorithm == ais.ChecksumNone { // the upload declared none; the completion may name one
		if c.algorithm == ais.ChecksumNone {
			return ais.Checksum{}, nil
		}
		sum.Algorithm = c.algorithm
		sum.Composite = c.kind == "COMPOSITE" || c.kind == "" && !checksum.Composable(c.algorithm)
	}
	name := checksum.Name(sum.Algorithm)
	switch {
	case c.kind != "" && !strings.EqualFold(c.kind, checksumType(sum.Composite)):
		return sum, failWith(codeInvalidRequest, "The upload was created using the "+checksumType(sum.Composite)+
			" checksum mode. The complete request must use the same checksum mode.")
	case c.algorithm != ais.ChecksumNone && c.algorithm != sum.Algorithm:
		return sum, failWith(codeInvalidRequest, "Checksum Type mismatch occurred, expected checksum Type: "+
			strings.ToLower(name)+", actual checksum Type: "+strings.ToLower(checksum.Name(c.algorithm)))
	}
	values := make([][]byte, len(parts))
	whole := make([]checksum.Part, len(parts))
	for i := range parts {
		if parts[i].Checksum.Algorithm != sum.Algorithm || parts[i].Checksum.Value == nil {
			return sum, failWith(codeInvalidRequest, "The upload was created using a "+strings.ToLower(name)+
				" checksum. The complete request must include the checksum for each part. It was missing for part "+
				itoa(int64(parts[i].Number))+" in the request.")
		}
		values[i] = parts[i].Checksum.Value
		whole[i] = checksum.Part{Value: values[i], Size: parts[i].Size}
	}
	var err error
	if sum.Composite {
		sum.Parts = uint32(len(parts))
		sum.Value, err = checksum.Composite(sum.Algorithm, values)
	} else {
		sum.Value, err = checksum.FullObject(sum.Algorithm, whole)
	}
	if err != nil {
		return sum, err
	}
	if c.value != nil && string(c.value) != string(sum.Value) {
		return sum, failWith(codeBadDigest, "The "+name+" you specified did not match the calculated checksum.")
	}
	return sum, nil
}
