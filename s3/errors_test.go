package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
)

func TestFailureOf(t *testing.T) {
	refused := func(r auth.Reason) error { return &ais.Error{Kind: ais.Denied, Message: "refused", Err: r} }
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{ais.Errorf(ais.Internal, "x"), 500, "InternalError"},
		{ais.NounErrorf(ais.NotFound, ais.NounObject, "x"), 404, "NoSuchKey"},
		{ais.NounErrorf(ais.NotFound, ais.NounMarker, "x"), 404, "NoSuchKey"},
		{ais.NounErrorf(ais.NotFound, ais.NounVersion, "x"), 404, "NoSuchVersion"},
		{ais.NounErrorf(ais.NotFound, ais.NounBucket, "x"), 404, "NoSuchBucket"},
		{ais.NounErrorf(ais.NotFound, ais.NounUpload, "x"), 404, "NoSuchUpload"},
		{ais.NounErrorf(ais.NotFound, ais.NounPart, "x"), 400, "InvalidPart"},
		{ais.NounErrorf(ais.NotFound, "something new", "x"), 404, "NoSuchKey"},
		{ais.NounErrorf(ais.Exists, ais.NounBucket, "x"), 409, "BucketAlreadyExists"},
		{ais.Errorf(ais.Invalid, "x"), 400, "InvalidRequest"},
		{ais.NounErrorf(ais.Invalid, ais.NounOrder, "x"), 400, "InvalidPartOrder"},
		{ais.NounErrorf(ais.Invalid, ais.NounPart, "x"), 400, "InvalidPart"},
		{ais.NounErrorf(ais.Invalid, ais.NounPartSize, "x"), 400, "EntityTooSmall"},
		{ais.NounErrorf(ais.Invalid, ais.NounSize, "x"), 400, "EntityTooLarge"},
		{ais.NounErrorf(ais.Invalid, ais.NounBody, "x"), 400, "IncompleteBody"},
		{ais.Errorf(ais.Denied, "x"), 403, "AccessDenied"},
		{ais.NounErrorf(ais.Precondition, "If-Match", "x"), 412, "PreconditionFailed"},
		{ais.Errorf(ais.StaleMap, "x"), 503, "ServiceUnavailable"},
		{ais.Errorf(ais.Unavailable, "x"), 503, "ServiceUnavailable"},
		{ais.Errorf(ais.Corrupt, "x"), 500, "InternalError"},
		{ais.Errorf(ais.Exhausted, "x"), 507, "InsufficientStorage"},
		{ais.Errorf(ais.Canceled, "x"), 503, "ServiceUnavailable"},
		{ais.NounErrorf(ais.Canceled, ais.NounBody, "x"), 400, "RequestTimeout"},
		{ais.Errorf(ais.Kind(200), "x"), 500, "InternalError"},
		{fmt.Errorf("target: put: %w", ais.Errorf(ais.Exhausted, "x")), 507, "InsufficientStorage"},
		{fmt.Errorf("target: put: %w", fail(codeBadDigest)), 400, "BadDigest"},
		{ais.Errorf(ais.Internal, "volume: %w", fail(codeBadDigest)), 400, "BadDigest"},
		{ais.Errorf(ais.Internal, "volume: %w", refused(auth.PayloadMismatch)), 400, "XAmzContentSHA256Mismatch"},
		{refused(auth.SignatureMismatch), 403, "SignatureDoesNotMatch"},
		{refused(auth.ChunkSignatureMismatch), 403, "SignatureDoesNotMatch"},
		{refused(auth.UnknownAccessKey), 403, "InvalidAccessKeyId"},
		{refused(auth.ClockSkew), 403, "RequestTimeTooSkewed"},
		{refused(auth.ExpiredPresign), 403, "AccessDenied"},
		{refused(auth.UnsignedHeader), 403, "AccessDenied"},
		{refused(auth.IncompleteBody), 400, "IncompleteBody"},
		{refused(auth.MalformedTrailer), 400, "MalformedTrailerError"},
		{refused(auth.MissingLength), 411, "MissingContentLength"},
		{refused(auth.Reason(250)), 403, "AccessDenied"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), 400, "IncompleteBody"},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), 400, "RequestTimeout"},
		{context.Canceled, 503, "ServiceUnavailable"},
		{errors.New("anything else"), 500, "InternalError"},
	} {
		a := answers[failureOf(c.err).code]
		if a.status != c.status || a.name != c.code {
			t.Errorf("%v (%v): got %d %s, want %d %s", c.err, ais.KindOf(c.err), a.status, a.name, c.status, c.code)
		}
	}
}

// TestAnswers: every code has a row that a client can use.
func TestAnswers(t *testing.T) {
	for c, a := range answers {
		if a.status < 300 || a.status > 599 || a.name == "" || a.message == "" {
			t.Errorf("code %d has the row %+v", c, a)
		}
	}
	for k := ais.Internal; k <= ais.Canceled; k++ {
		if _, ok := codeOf[kindNoun{k, ""}]; !ok {
			t.Errorf("kind %v has no code", k)
		}
	}
}

// TestInternalErrorsSayNothing: what went wrong inside is not the client's business.
func TestInternalErrorsSayNothing(t *testing.T) {
	h := &Handler{}
	for _, err := range []error{errors.New("secret path"), ais.Errorf(ais.Corrupt, "secret path"), ais.Errorf(ais.Unavailable, "secret path")} {
		body := string(h.appendError(nil, failureOf(err), "/b/k", "id"))
		if want := "secret"; len(body) == 0 || strings.Contains(body, want) {
			t.Errorf("%v: the reply %q tells it", err, body)
		}
	}
}
