package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/seed9b016523/ais"
)

const (
	trailerMax       = 8 << 10 // bytes after the final chunk's header line
	trailerSignature = "x-amz-trailer-signature"
)

// readTail takes all that follows the final header line.
func (c *ChunkedReader) readTail() error {
	c.tail = append(c.tail[:0], c.buf[c.r:c.w]...)
	for empty := 0; ; {
		if len(c.tail) > trailerMax {
			return refuse(MalformedTrailer, "more than %d bytes follow the final chunk", trailerMax)
		}
		n, err := c.src.Read(c.buf[:])
		c.tail = append(c.tail, c.buf[:n]...)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return c.sourceError(err)
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty > emptyReadsMax {
			return io.ErrNoProgress
		}
	}
}

// parseTail reads the trailers. A line ends in LF, with or without CR before it, and empty lines may
// lie between: one widespread client ends a trailer with LF CR LF. The last line must be empty, so a
// body cut short is noticed.
func (c *ChunkedReader) parseTail() error {
	rest := c.tail
	last := []byte("none")
	var signature, covered []byte
	for len(rest) > 0 {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return refuse(IncompleteBody, "the body ended inside the trailers")
		}
		line := bytes.TrimSuffix(rest[:i], []byte("\r"))
		rest, last = rest[i+1:], line
		if len(line) == 0 {
			continue
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) || signature != nil {
			return refuse(MalformedTrailer, "trailer line %.80q: want name:value", line)
		}
		name, value = bytes.ToLower(name), bytes.Trim(value, " ")
		if string(name) == trailerSignature {
			signature = value
			continue
		}
		c.trailers = append(c.trailers, ais.Pair{Name: string(name), Value: string(value)})
		covered = append(covered, name...)
		covered = append(covered, ':')
		covered = append(covered, value...)
		covered = append(covered, '\n')
	}
	if len(last) > 0 {
		return refuse(IncompleteBody, "the body ended before the empty line that closes it")
	}
	if c.payload.Mode == PayloadChunkedSignedTrailer {
		digest := sha256.Sum256(covered)
		b := append(c.beginText("AWS4-HMAC-SHA256-TRAILER\n"), '\n')
		if err := c.checkText(hex.AppendEncode(b, digest[:]), signature); err != nil {
			return err
		}
	} else if signature != nil {
		return refuse(MalformedTrailer, "%s on a body whose trailers are not signed", trailerSignature)
	}
	return c.matchAnnounced()
}

// matchAnnounced holds the trailers to those that x-amz-trailer named: no more, no fewer, each once.
func (c *ChunkedReader) matchAnnounced() error {
	announced := 0
	for rest := []byte(c.payload.Trailer); len(rest) > 0; {
		var name []byte
		name, rest, _ = bytes.Cut(rest, []byte(","))
		if name = bytes.ToLower(trimSpace(name)); len(name) == 0 {
			continue
		}
		announced++
		found := 0
		for _, t := range c.trailers {
			if t.Name == string(name) {
				found++
			}
		}
		if found != 1 {
			return refuse(MalformedTrailer, "x-amz-trailer announced %.80q, which came %d times", name, found)
		}
	}
	if announced != len(c.trailers) {
		return refuse(MalformedTrailer, "%d trailers came, x-amz-trailer announced %d", len(c.trailers), announced)
	}
	return nil
}
