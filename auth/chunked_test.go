package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed9b016523/ais"
)

const crcTrailer = "x-amz-checksum-crc32c"

// chunkedPayload is what Authenticate would return for an upload of size bytes.
func chunkedPayload(mode PayloadMode, size int, trailer string) *Payload {
	p := &Payload{Mode: mode, DecodedLength: int64(size), Trailer: trailer}
	p.chain.key = newSigningKey(testKey, testSecret, "20130524", "us-east-1", "s3")
	copy(p.chain.date[:], "20130524T000000Z")
	copy(p.chain.seed[:], strings.Repeat("5", 64))
	return p
}

// frame writes an aws-chunked body of these chunks; the final one is added.
func frame(p *Payload, trailers []ais.Pair, chunks ...string) string {
	var out bytes.Buffer
	previous := string(p.chain.seed[:])
	sign := func(title, middle string, data []byte) string {
		digest := sha256.Sum256(data)
		text := title + "\n" + string(p.chain.date[:]) + "\n" + p.chain.key.scope + "\n" + previous + "\n" + middle + hex.EncodeToString(digest[:])
		signature := p.chain.key.sign([]byte(hmacRoom + text))
		previous = string(signature[:])
		return previous
	}
	for _, c := range append(slices.Clone(chunks), "") {
		fmt.Fprintf(&out, "%x", len(c))
		if p.Mode != PayloadChunked {
			out.WriteString(chunkSignatureTag + sign("AWS4-HMAC-SHA256-PAYLOAD", EmptySHA256+"\n", []byte(c)))
		}
		out.WriteString("\r\n" + c)
		if c != "" {
			out.WriteString("\r\n")
		}
	}
	var covered strings.Builder
	for _, t := range trailers {
		out.WriteString(t.Name + ":" + t.Value + "\r\n")
		covered.WriteString(t.Name + ":" + t.Value + "\n")
	}
	if p.Mode == PayloadChunkedSignedTrailer {
		out.WriteString(trailerSignature + ":" + sign("AWS4-HMAC-SHA256-TRAILER", "", []byte(covered.String())) + "\r\n")
	}
	out.WriteString("\r\n")
	return out.String()
}

// readAll reads a body as a store does (exactly the declared size, then Finish) in pieces of step.
func readAll(c *ChunkedReader, size, step int) ([]byte, error) {
	got := make([]byte, 0, size)
	for len(got) < size {
		piece := make([]byte, min(step, size-len(got)))
		n, err := c.Read(piece)
		got = append(got, piece[:n]...)
		if err != nil {
			return got, err
		}
	}
	return got, c.Finish()
}

func TestChunkedFraming(t *testing.T) {
	trailers := []ais.Pair{{Name: crcTrailer, Value: "sOO8/Q=="}}
	long := strings.Repeat("0123456789abcdef", 1<<10)
	for _, mode := range []PayloadMode{PayloadChunked, PayloadChunkedSigned, PayloadChunkedSignedTrailer} {
		for name, chunks := range map[string][]string{
			"nothing": nil, "one byte": {"a"}, "small": {"hello ", "world"}, "one by one": strings.Split(long[:200], ""), "large": {long, long[:5000], long},
		} {
			want := strings.Join(chunks, "")
			p := chunkedPayload(mode, len(want), crcTrailer)
			with := trailers
			if mode == PayloadChunkedSigned {
				p.Trailer, with = "", nil
			}
			body := frame(p, with, chunks...)
			for _, step := range []int{1, 7, 4096, 1 << 20} {
				for kind, src := range map[string]io.Reader{"whole": strings.NewReader(body), "halves": iotest.HalfReader(strings.NewReader(body)),
					"bytes": iotest.OneByteReader(strings.NewReader(body)), "with EOF": iotest.DataErrReader(strings.NewReader(body))} {
					c := NewChunkedReader(src, p)
					got, err := readAll(c, len(want), step)
					if err != nil || string(got) != want || !slices.Equal(c.Trailers(), with) {
						t.Fatalf("mode %d, %s, source %s, read in pieces of %d: got %d bytes, trailers %q, %v, want %d bytes and %q",
							mode, name, kind, step, len(got), c.Trailers(), err, len(want), with)
					}
					if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Fatalf("mode %d, %s: reading on gives %d, %v, want io.EOF", mode, name, n, err)
					}
				}
			}
		}
	}
}

// One flipped bit anywhere in a signed upload is noticed. The only flips that may pass are those of
// the case of a hexadecimal digit in a chunk size and of a letter in a trailer's name: they say the
// same.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	for _, mode := range []PayloadMode{PayloadChunkedSigned, PayloadChunkedSignedTrailer} {
		p := chunkedPayload(mode, 11+10, crcTrailer)
		var trailers []ais.Pair
		if mode == PayloadChunkedSignedTrailer {
			trailers = []ais.Pair{{Name: crcTrailer, Value: "sOO8/Q=="}}
		} else {
			p.Trailer = ""
		}
		want := "hello world0123456789"
		body := frame(p, trailers, want[:11], want[11:])
		passed := 0
		for i := range len(body) {
			for bit := range 8 {
				bad := []byte(body)
				bad[i] ^= 1 << bit
				c := NewChunkedReader(bytes.NewReader(bad), p)
				got, err := readAll(c, len(want), 1<<10)
				if err != nil {
					if ReasonOf(err) == NoReason {
						t.Errorf("mode %d, byte %d, bit %d: refused by %v, which has no reason", mode, i, bit, err)
					}
					continue
				}
				passed++
				if string(got) != want || !slices.Equal(c.Trailers(), trailers) || bit != 5 {
					t.Errorf("mode %d: byte %d (%q), bit %d flipped: taken as %q with trailers %q", mode, i, body[i], bit, got, c.Trailers())
				}
			}
		}
		exempt := 2 // the sizes b and a
		if mode == PayloadChunkedSignedTrailer {
			names := crcTrailer + trailerSignature
			exempt += len(names) - strings.Count(names, "-") - len("32")
		}
		if passed != exempt {
			t.Errorf("mode %d: %d flips passed, want the %d that change only the case of what has none", mode, passed, exempt)
		}
	}
}

// A body cut anywhere is refused, in every mode, and so is one that goes on.
func TestEveryCutIsRefused(t *testing.T) {
	for _, mode := range []PayloadMode{PayloadChunked, PayloadChunkedSigned, PayloadChunkedSignedTrailer} {
		p := chunkedPayload(mode, 11, crcTrailer)
		trailers := []ais.Pair{{Name: crcTrailer, Value: "sOO8/Q=="}}
		if mode == PayloadChunkedSigned {
			p.Trailer, trailers = "", nil
		}
		body := frame(p, trailers, "hello ", "world")
		for cut := range len(body) {
			_, err := readAll(NewChunkedReader(strings.NewReader(body[:cut]), p), 11, 100)
			if r := ReasonOf(err); r != IncompleteBody {
				t.Errorf("mode %d, cut at %d of %d: got %q (%v), want %q", mode, cut, len(body), r, err, IncompleteBody)
			}
		}
		for _, more := range []string{"x", "\n", "0\r\n\r\n", "a:b\r\n\r\n"} {
			_, err := readAll(NewChunkedReader(strings.NewReader(body+more), p), 11, 100)
			if err == nil && strings.Trim(more, "\r\n") != "" {
				t.Errorf("mode %d, body and %q: taken, want it refused", mode, more)
			}
		}
	}
}

func TestChunkedRefusals(t *testing.T) {
	hello := chunkedPayload(PayloadChunked, 5, "")
	withCRC := chunkedPayload(PayloadChunked, 5, crcTrailer)
	signed := chunkedPayload(PayloadChunkedSigned, 5, "")
	trailing := chunkedPayload(PayloadChunkedSignedTrailer, 5, crcTrailer)
	for name, tc := range map[string]struct {
		p    *Payload
		body string
		want Reason
	}{
		"good":                        {hello, "5\r\nhello\r\n0\r\n\r\n", NoReason},
		"size in upper case":          {chunkedPayload(PayloadChunked, 10, ""), "A\r\n0123456789\r\n0\r\n\r\n", NoReason},
		"leading zeros":               {hello, "0005\r\nhello\r\n000\r\n\r\n", NoReason},
		"more than declared":          {hello, "6\r\nhello!\r\n0\r\n\r\n", OverlongBody},
		"one more chunk":              {hello, "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", OverlongBody},
		"less than declared":          {hello, "4\r\nhell\r\n0\r\n\r\n", IncompleteBody},
		"huge size":                   {hello, "ffffffffffffffff\r\nhello", OverlongBody},
		"too many digits":             {hello, "00000000000000005\r\nhello\r\n0\r\n\r\n", MalformedChunk},
		"no size":                     {hello, "\r\nhello", MalformedChunk},
		"negative size":               {hello, "-5\r\nhello", MalformedChunk},
		"bare LF":                     {hello, "5\nhello\n0\n\n", MalformedChunk},
		"wrong size":                  {hello, "4\r\nhello\r\n0\r\n\r\n", MalformedChunk},
		"endless line":                {hello, strings.Repeat("0", 1<<20), MalformedChunk},
		"long line":                   {hello, strings.Repeat("0", chunkLineMax) + "\r\n", MalformedChunk},
		"signature where none is due": {hello, frame(signed, nil, "hello"), MalformedChunk},
		"no signature":                {signed, frame(hello, nil, "hello"), MalformedChunk},
		"unknown extension":           {hello, "5;name=value\r\nhello\r\n0\r\n\r\n", MalformedChunk},
		"trailer":                     {withCRC, "5\r\nhello\r\n0\r\n" + crcTrailer + ":x\r\n\r\n", NoReason},
		"trailer of minio-go":         {withCRC, "5\r\nhello\r\n0\r\n" + crcTrailer + ":x\n\r\n\r\n", NoReason},
		"trailer not announced":       {hello, "5\r\nhello\r\n0\r\n" + crcTrailer + ":x\r\n\r\n", MalformedTrailer},
		"trailer missing":             {withCRC, "5\r\nhello\r\n0\r\n\r\n", MalformedTrailer},
		"trailer twice":               {withCRC, "5\r\nhello\r\n0\r\n" + crcTrailer + ":x\r\n" + crcTrailer + ":x\r\n\r\n", MalformedTrailer},
		"trailer without colon":       {withCRC, "5\r\nhello\r\n0\r\n" + crcTrailer + "\r\n\r\n", MalformedTrailer},
		"trailer without name":        {withCRC, "5\r\nhello\r\n0\r\n:x\r\n\r\n", MalformedTrailer},
		"trailers of a megabyte":      {withCRC, "5\r\nhello\r\n0\r\n" + strings.Repeat("a:b\r\n", 1<<18), MalformedTrailer},
		"needless trailer signature":  {withCRC, "5\r\nhello\r\n0\r\n" + crcTrailer + ":x\r\n" + trailerSignature + ":x\r\n\r\n", MalformedTrailer},
		"trailer signature missing": {trailing, strings.Split(frame(trailing, []ais.Pair{{Name: crcTrailer, Value: "x"}}, "hello"), trailerSignature)[0] + "\r\n",
			ChunkSignatureMismatch},
		"trailer behind its signature": {trailing, strings.TrimSuffix(frame(trailing, []ais.Pair{{Name: crcTrailer, Value: "x"}}, "hello"), "\r\n") + "a:b\r\n\r\n",
			MalformedTrailer},
		"chunks swapped": {chunkedPayload(PayloadChunkedSigned, 2, ""), swapChunks(), ChunkSignatureMismatch},
	} {
		_, err := readAll(NewChunkedReader(strings.NewReader(tc.body), tc.p), int(tc.p.DecodedLength), 100)
		wantReason(t, name, err, tc.want)
	}
	var unsigned Payload
	unsigned.Mode = PayloadChunkedSigned
	_, err := NewChunkedReader(strings.NewReader(""), &unsigned).Read(make([]byte, 1))
	wantReason(t, "signed chunks without a signed request", err, AccessDenied)
}

// swapChunks is a body of two good chunks in the wrong order.
func swapChunks() string {
	body := frame(chunkedPayload(PayloadChunkedSigned, 2, ""), nil, "a", "b")
	length := len("1"+chunkSignatureTag+"\r\na\r\n") + 64
	return body[length:2*length] + body[:length] + body[2*length:]
}

// Bytes of a chunk that fits the reader's buffer are not handed on before its signature is checked,
// and an error stays.
func TestBadChunkGivesNoBytes(t *testing.T) {
	p := chunkedPayload(PayloadChunkedSigned, 5, "")
	body := strings.Replace(frame(p, nil, "hello"), "hello", "jello", 1)
	c := NewChunkedReader(strings.NewReader(body), p)
	for range 2 {
		n, err := c.Read(make([]byte, 100))
		if n != 0 || ReasonOf(err) != ChunkSignatureMismatch {
			t.Errorf("reading a bad chunk gives %d bytes, %v, want none and %q", n, err, ChunkSignatureMismatch)
		}
	}
	wantReason(t, "Finish", c.Finish(), ChunkSignatureMismatch)
}

func TestFinishBeforeTheEnd(t *testing.T) {
	p := chunkedPayload(PayloadChunked, 5, "")
	c := NewChunkedReader(strings.NewReader(frame(p, nil, "hello")), p)
	if _, err := c.Read(make([]byte, 3)); err != nil {
		t.Fatalf("Read: %v", err)
	}
	wantReason(t, "Finish after 3 of 5 bytes", c.Finish(), IncompleteBody)
}

func TestSourceErrorsPass(t *testing.T) {
	broken := errors.New("connection reset")
	p := chunkedPayload(PayloadChunked, 5, "")
	body := frame(p, nil, "hello")
	for cut := range len(body) {
		c := NewChunkedReader(io.MultiReader(strings.NewReader(body[:cut]), iotest.ErrReader(broken)), p)
		if _, err := readAll(c, 5, 2); !errors.Is(err, broken) {
			t.Errorf("the source breaks at %d: got %v, want its own error", cut, err)
		}
	}
	if _, err := readAll(NewChunkedReader(stuckReader{}, p), 5, 2); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives nothing: got %v, want %v", err, io.ErrNoProgress)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestHashedAndPlainBodies(t *testing.T) {
	sum := sha256.Sum256([]byte("hello"))
	hashed := &Payload{Mode: PayloadHashed, SHA256: sum, DecodedLength: -1}
	plain := &Payload{DecodedLength: -1}
	var b Body // one body for all, as a connection has
	for name, tc := range map[string]struct {
		p      *Payload
		body   string
		length int64
		want   Reason
	}{
		"hashed":                        {hashed, "hello", 5, NoReason},
		"hashed, length unknown":        {hashed, "hello", -1, NoReason},
		"hashed, another byte":          {hashed, "jello", 5, PayloadMismatch},
		"hashed, another, unknown":      {hashed, "jello", -1, PayloadMismatch},
		"hashed, one more, unknown":     {hashed, "hello!", -1, PayloadMismatch},
		"hashed, empty":                 {hashed, "", 0, PayloadMismatch},
		"hashed, cut":                   {hashed, "hell", 5, IncompleteBody},
		"hashed, more than declared":    {hashed, "hello!", 5, NoReason}, // the rest is the next request
		"plain":                         {plain, "hello", 5, NoReason},
		"plain, length unknown":         {plain, "hello", -1, NoReason},
		"plain, cut":                    {plain, "hell", 5, IncompleteBody},
		"plain, empty":                  {plain, "", 0, NoReason},
		"chunked, too short to hold it": {chunkedPayload(PayloadChunked, 5, ""), "5\r\n", 3, IncompleteBody},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader, func(r io.Reader) io.Reader { return r }} {
			err := b.Reset(wrap(strings.NewReader(tc.body)), tc.length, tc.p)
			if err == nil {
				if _, err = io.ReadAll(&b); err == nil {
					err = b.Finish()
				}
			}
			wantReason(t, name, err, tc.want)
		}
		b.Release()
	}
	// A store that stops at the declared size, and drops the error of the last read, learns it from Finish.
	if err := b.Reset(strings.NewReader("jello"), 5, hashed); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	wantReason(t, "Finish before the end", b.Finish(), IncompleteBody)
	_, err := io.ReadFull(&b, make([]byte, 5))
	wantReason(t, "reading all of it", err, PayloadMismatch)
	wantReason(t, "Finish after that", b.Finish(), PayloadMismatch)
	if err := b.Reset(strings.NewReader("hello"), -1, plain); err != nil {
		t.Fatalf("Reset: %v", err)
	}
	wantReason(t, "Finish of a body of unknown length that was not read", b.Finish(), OverlongBody)
	if p := chunkedPayload(PayloadChunked, 7, ""); p.Size(99) != 7 || plain.Size(99) != 99 || hashed.Size(-1) != -1 {
		t.Errorf("Size: got %d, %d, %d, want 7, 99, -1", p.Size(99), plain.Size(99), hashed.Size(-1))
	}
}

// What the headers say of the body is read with the signature, and only then.
func TestPayloadOfRequest(t *testing.T) {
	now := exampleTime()
	s := NewSigner(testCredential(), "us-east-1")
	for name, tc := range map[string]struct {
		payload string
		headers []ais.Pair
		mode    PayloadMode
		size    int64
		trailer string
		want    Reason
	}{
		"unsigned": {payload: UnsignedPayload, mode: PayloadPlain, size: -1},
		"hashed":   {payload: EmptySHA256, mode: PayloadHashed, size: -1},
		"chunked": {payload: StreamingUnsignedTrailer, headers: []ais.Pair{{Name: "x-amz-decoded-content-length", Value: "5"},
			{Name: "x-amz-trailer", Value: crcTrailer}}, mode: PayloadChunked, size: 5, trailer: crcTrailer},
		"two trailer lines": {payload: StreamingSignedTrailer, headers: []ais.Pair{{Name: "x-amz-decoded-content-length", Value: "5"},
			{Name: "x-amz-trailer", Value: "a"}, {Name: "x-amz-trailer", Value: "b"}}, mode: PayloadChunkedSignedTrailer, size: 5, trailer: "a,b"},
		"signed, no length":   {payload: StreamingSigned, want: MissingLength},
		"signed, bad length":  {payload: StreamingSigned, headers: []ais.Pair{{Name: "x-amz-decoded-content-length", Value: "-5"}}, want: MissingLength},
		"signed, huge length": {payload: StreamingSigned, headers: []ais.Pair{{Name: "x-amz-decoded-content-length", Value: "9223372036854775808"}}, want: MissingLength},
	} {
		signed, err := s.Sign(&Outgoing{Method: "PUT", RawPath: "/b/k", Host: "h", Headers: tc.headers, Payload: tc.payload, Now: now})
		if err != nil {
			t.Fatalf("Sign: %v", err)
		}
		headers := headerList{"Authorization", signed.Authorization, "X-Amz-Date", signed.Date, "X-Amz-Content-Sha256", signed.Payload}
		for _, h := range tc.headers {
			headers = append(headers, h.Name, h.Value)
		}
		_, p, err := newTestVerifier(t).Authenticate(request("PUT", "/b/k", "h", now, headers...))
		wantReason(t, name, err, tc.want)
		if err == nil && (p.Mode != tc.mode || p.DecodedLength != tc.size || p.Trailer != tc.trailer) {
			t.Errorf("%s: got mode %d, %d bytes, trailer %q, want %d, %d, %q", name, p.Mode, p.DecodedLength, p.Trailer, tc.mode, tc.size, tc.trailer)
		}
	}
}
