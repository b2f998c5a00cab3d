package integration

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
)

// value is the content of one write: it says of itself which key and which write it is, and the
// rest of its bytes follow from that. So whoever reads it can tell which write it was, and that it is
// whole, without having kept it.
//
//	key length u32 · key · write number u64 · size u64 · stream seeded by (key, number)
//
// A value smaller than that head is the beginning of it.
type value struct {
	key    string
	number uint64
	size   int64
}

func (v value) head() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(v.key)))
	b = append(b, v.key...)
	b = binary.LittleEndian.AppendUint64(b, v.number)
	return binary.LittleEndian.AppendUint64(b, uint64(v.size))
}

// reader gives the bytes of the value.
func (v value) reader() io.Reader {
	h := fnv.New64a()
	h.Write([]byte(v.key))
	seed := [32]byte{}
	binary.LittleEndian.PutUint64(seed[:], h.Sum64())
	binary.LittleEndian.PutUint64(seed[8:], v.number)
	stream := rand.NewChaCha8(seed)
	return io.LimitReader(io.MultiReader(bytes.NewReader(v.head()), stream), v.size)
}

func (v value) bytes() []byte {
	b := make([]byte, v.size)
	if _, err := io.ReadFull(v.reader(), b); err != nil {
		panic(fmt.Sprintf("value %v: %v", v, err)) // the stream has no end
	}
	return b
}

// check reports whether r gives exactly the bytes of v.
func (v value) check(r io.Reader) error {
	at, err := sameBytes(r, v.reader())
	if err != nil {
		return fmt.Errorf("key %q, write %d of %d bytes: at byte %d: %w", v.key, v.number, v.size, at, err)
	}
	return nil
}

// sameBytes compares two streams to their ends; at is how far they agree at least.
func sameBytes(got, want io.Reader) (at int64, err error) {
	a, b := make([]byte, 128<<10), make([]byte, 128<<10)
	g, w := bufio.NewReaderSize(got, len(a)), bufio.NewReaderSize(want, len(b))
	for {
		i, errA := io.ReadFull(g, a)
		j, errB := io.ReadFull(w, b)
		if !bytes.Equal(a[:i], b[:j]) {
			return at, fmt.Errorf("%w (%d bytes here, %d wanted)", errUnlike, i, j)
		}
		at += int64(i)
		if errB != nil {
			if errA == io.EOF || errA == io.ErrUnexpectedEOF {
				return at, nil
			}
			return at, errA
		}
		if errA != nil {
			return at, errA
		}
	}
}
