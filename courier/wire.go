package courier

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
)

// RouteParcels is the stream on which a peer's parcels come. The payloads of its frames, joined, are parcels one behind
// the other; where a frame ends says nothing. The other way go parcels of kind done.
const RouteParcels = "/courier/parcels"

// parcelKind is what the body of a parcel is. Numbered, append-only.
type parcelKind uint8

const (
	parcelWrite  parcelKind = 1 // replica.Write; is answered
	parcelExtent parcelKind = 2 // replica.Extent; is answered
	parcelStable parcelKind = 3 // replica.Stable; is not answered, its id is 0
	parcelDone   parcelKind = 4 // answers the parcel of that id: nothing, or an error
)

// The bytes of a parcel: the size of its body (4, little-endian), its kind (1), its id (8), the body.
const (
	parcelHead = 4 + 1 + 8
	// ParcelMax bounds a body: an extent of 2 MiB, or the list of an object of 10,000 parts, with room for more.
	ParcelMax = 8 << 20
)

// parcel is one parcel as it came; the body may alias the frame, or have a buffer of its own.
type parcel struct {
	kind parcelKind
	id   uint64
	body []byte
}

// appendHead appends what stands before a body of so many bytes.
func appendHead(b []byte, kind parcelKind, id uint64, size int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	return binary.LittleEndian.AppendUint64(append(b, byte(kind)), id)
}

// joiner makes parcels of the frames of a stream.
type joiner struct {
	head []byte // of a parcel that has begun, at most parcelHead bytes
	body []byte // of one whose head is there; its capacity is the size
	most int    // bytes of a body
}

// next takes the first parcel of *piece, or all of it where the parcel goes on in the next one; then ok is false.
func (j *joiner) next(piece *[]byte) (p parcel, ok bool, err error) {
	b := *piece
	if len(j.head) == 0 && len(b) >= parcelHead {
		size, err := j.size(b)
		if err != nil {
			return parcel{}, false, err
		}
		if end := parcelHead + size; end <= len(b) { // all of it is here: nothing is copied
			*piece = b[end:]
			return whole(b, b[parcelHead:end:end]), true, nil
		}
	}
	if n := min(parcelHead-len(j.head), len(b)); n > 0 {
		j.head, b = append(j.head, b[:n]...), b[n:]
	}
	if *piece = b; len(j.head) < parcelHead {
		return parcel{}, false, nil
	}
	if j.body == nil {
		size, err := j.size(j.head)
		if err != nil {
			return parcel{}, false, err
		}
		j.body = make([]byte, 0, size)
	}
	n := min(cap(j.body)-len(j.body), len(b))
	j.body, *piece = append(j.body, b[:n]...), b[n:]
	if len(j.body) < cap(j.body) {
		return parcel{}, false, nil
	}
	p = whole(j.head, j.body)
	j.head, j.body = j.head[:0], nil
	return p, true, nil
}

func (j *joiner) size(head []byte) (int, error) {
	if n := binary.LittleEndian.Uint32(head); n <= uint32(j.most) {
		return int(n), nil
	}
	return 0, ais.Errorf(ais.Invalid, "parcel of %d bytes: at most %d", binary.LittleEndian.Uint32(head), j.most)
}

func whole(head, body []byte) parcel {
	return parcel{kind: parcelKind(head[4]), id: binary.LittleEndian.Uint64(head[5:]), body: body}
}

// messageMost bounds the message of an error, nounMost its noun; what is longer is cut.
const (
	messageMost = 4 << 10
	nounMost    = 255
)

// appendDone appends the answer to a parcel: an empty body, or an error as its kind (1), the size of its noun (1),
// the noun, the message.
func appendDone(b []byte, id uint64, err error) []byte {
	if err == nil {
		return appendHead(b, parcelDone, id, 0)
	}
	noun, message := ais.NounOf(err), err.Error()
	noun, message = noun[:min(len(noun), nounMost)], message[:min(len(message), messageMost)]
	b = appendHead(b, parcelDone, id, 2+len(noun)+len(message))
	b = append(b, byte(ais.KindOf(err)), byte(len(noun)))
	return append(append(b, noun...), message...)
}

// parseDone reads the body of an answer; bad says that it is none. A kind that this program does not know
// is Internal.
func parseDone(b []byte) (err, bad error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 2 || len(b) < 2+int(b[1]) || len(b) > 2+nounMost+messageMost {
		return nil, ais.Errorf(ais.Invalid, "an answer of %d bytes is none", len(b))
	}
	kind := ais.Kind(b[0])
	if kind > ais.Canceled {
		kind = ais.Internal
	}
	end := 2 + int(b[1])
	return &ais.Error{Kind: kind, Noun: ais.Noun(b[2:end]), Message: string(b[end:])}, nil
}
