package transport

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"

	"github.com/seed9b016523/ais"
	"github.com/tinylib/msgp/msgp"
)

// frameKind says what a frame is for. Numbered, append-only.
type frameKind uint8

const (
	frameData frameKind = 1 // a header and a payload for the peer's Receive
	frameTake frameKind = 2 // nothing but what is taken; also sent to show life
	frameAsk  frameKind = 3 // asks for a frameTake once all frames before it are taken
	frameEnd  frameKind = 4 // no data follows
	frameFail frameKind = 5 // the sender gives up; its header is a wire error
)

// frame is one frame. Taken and TakenBytes are cumulative and ride on every frame of either direction.
type frame struct {
	kind       frameKind
	sequence   uint64 // data frames sent on this stream, this one included
	taken      uint64 // data frames that the sender of this frame has received and handed on
	takenBytes uint64 // what these count in the window
	header     []byte
	payload    []byte
}

// The bytes of a frame: the size of its msgp part, 4 bytes big-endian; the msgp part, an array of
// kind, sequence, taken, takenBytes, header (bin), size of the payload; the payload.
const (
	frameFields   = 6
	framePartMost = HeaderBytesMax + 48 // 1 + 1 + 3·9 + 5 + header + 5, and some room
)

// window is what a data frame counts in the window of its receiver.
func window(header, payload int) uint64 { return uint64(header + payload + frameOverhead) }

// appendFrame appends the bytes of f. The sizes are the caller's to bound.
func appendFrame(b []byte, f *frame) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = msgp.AppendArrayHeader(b, frameFields)
	b = msgp.AppendUint8(b, uint8(f.kind))
	b = msgp.AppendUint64(b, f.sequence)
	b = msgp.AppendUint64(b, f.taken)
	b = msgp.AppendUint64(b, f.takenBytes)
	b = msgp.AppendBytes(b, f.header)
	b = msgp.AppendUint32(b, uint32(len(f.payload)))
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return append(b, f.payload...)
}

// parsePart reads the msgp part of a frame; header is a part of b. payload is the size of what follows.
func parsePart(b []byte) (f frame, payload int, err error) {
	fields, b, err := msgp.ReadArrayHeaderBytes(b)
	if err == nil && fields != frameFields {
		return f, 0, ais.Errorf(ais.Invalid, "frame of %d fields: want %d", fields, frameFields)
	}
	var kind uint8
	var size uint32
	for _, read := range []func(){
		func() { kind, b, err = msgp.ReadUint8Bytes(b) },
		func() { f.sequence, b, err = msgp.ReadUint64Bytes(b) },
		func() { f.taken, b, err = msgp.ReadUint64Bytes(b) },
		func() { f.takenBytes, b, err = msgp.ReadUint64Bytes(b) },
		func() { f.header, b, err = msgp.ReadBytesZC(b) },
		func() { size, b, err = msgp.ReadUint32Bytes(b) },
	} {
		if err == nil {
			read()
		}
	}
	f.kind = frameKind(kind)
	switch {
	case err != nil:
		return frame{}, 0, ais.Errorf(ais.Invalid, "frame: %w", err)
	case len(b) != 0:
		return frame{}, 0, ais.Errorf(ais.Invalid, "frame: %d bytes too many", len(b))
	case f.kind < frameData || f.kind > frameFail:
		return frame{}, 0, ais.Errorf(ais.Invalid, "frame of kind %d", kind)
	case len(f.header) > HeaderBytesMax || size > FrameBytesMax:
		return frame{}, 0, ais.Errorf(ais.Invalid, "frame of %d+%d bytes: at most %d+%d", len(f.header), size, HeaderBytesMax, FrameBytesMax)
	case f.kind != frameData && size != 0, f.kind != frameData && f.kind != frameFail && len(f.header) != 0:
		return frame{}, 0, ais.Errorf(ais.Invalid, "frame of kind %d with %d+%d bytes", kind, len(f.header), size)
	}
	return f, int(size), nil
}

// readPart reads a frame up to its payload. The frame's header is its own.
func readPart(r *bufio.Reader) (f frame, payload int, err error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return f, 0, err
	}
	size := binary.BigEndian.Uint32(prefix[:])
	if size == 0 || size > framePartMost {
		return f, 0, ais.Errorf(ais.Invalid, "frame with %d bytes before its payload: at most %d", size, framePartMost)
	}
	part := make([]byte, size)
	if _, err := io.ReadFull(r, part); err != nil {
		return f, 0, unexpected(err)
	}
	return parsePart(part)
}

// unexpected is err, where an end in the middle is no end.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// wireMessageMost bounds the message of an error on the wire; a longer one is cut.
const wireMessageMost = 4 << 10

// appendError appends err as it goes over the wire: a msgp array of kind, noun, message.
func appendError(b []byte, err error) []byte {
	message := err.Error()
	if len(message) > wireMessageMost {
		message = message[:wireMessageMost]
	}
	b = msgp.AppendArrayHeader(b, 3)
	b = msgp.AppendUint8(b, uint8(ais.KindOf(err)))
	b = msgp.AppendString(b, string(ais.NounOf(err)))
	return msgp.AppendString(b, message)
}

// parseError reads what appendError gives. A kind that this program does not know is Internal.
func parseError(b []byte) (*ais.Error, error) {
	fields, b, err := msgp.ReadArrayHeaderBytes(b)
	if err == nil && fields != 3 {
		return nil, ais.Errorf(ais.Invalid, "error of %d fields: want 3", fields)
	}
	var kind uint8
	var noun, message string
	for _, read := range []func(){
		func() { kind, b, err = msgp.ReadUint8Bytes(b) },
		func() { noun, b, err = msgp.ReadStringBytes(b) },
		func() { message, b, err = msgp.ReadStringBytes(b) },
	} {
		if err == nil {
			read()
		}
	}
	if err != nil || len(b) != 0 || len(noun) > math.MaxUint8 || len(message) > wireMessageMost {
		return nil, ais.Errorf(ais.Invalid, "error of a peer is no error: %w", err)
	}
	if ais.Kind(kind) > ais.Canceled {
		kind = uint8(ais.Internal)
	}
	return &ais.Error{Kind: ais.Kind(kind), Noun: ais.Noun(noun), Message: message}, nil
}
