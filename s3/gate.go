package s3

import (
	"bytes"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// pass is the one gate: every request goes through it once, and no operation is reached around it.
// Whoever cannot prove who he is is denied, by whatever means he tried.
func (r *request) pass() error {
	var err error
	r.identity, r.payload, err = r.h.config.Verifier.Authenticate(&auth.Request{
		Method:        r.ctx.Request.Header.Method(),
		RawPath:       r.path,
		RawQuery:      r.query,
		Host:          r.ctx.Request.Header.Host(),
		ContentLength: front.RequestBody(r.ctx).Size(),
		Headers:       &r.ctx.Request.Header,
		Now:           r.now(),
	})
	if err != nil {
		return r.refused(err)
	}
	if !r.signed() {
		return fail(codeAccessDenied)
	}
	if r.op.serve == nil {
		return failWith(codeNotImplemented, string(r.op.name)+" is not implemented.")
	}
	if !r.op.lone {
		if r.bucket, err = r.lookup(r.address.bucket); err != nil {
			return err
		}
		return r.allow(r.op.name, r.bucket, r.address.key)
	}
	if r.op.on == onBucket {
		return r.allow(r.op.name, &ais.Bucket{Name: r.address.bucket}, "")
	}
	return r.allow(r.op.name, nil, "")
}

// refused adds what only the request tells to a refusal of package auth.
func (r *request) refused(err error) error {
	f := authFailure(err)
	if f == nil {
		return err
	}
	switch f.code {
	case codeAuthorizationHeaderMalformed, codeAuthorizationQueryParametersError:
		// There are clients that begin with a guess, and learn the region from the answer.
		f.detail = append(f.detail, ais.Pair{Name: "Region", Value: r.h.config.Region})
		f.headers = append(f.headers, ais.Pair{Name: headerBucketRegion, Value: r.h.config.Region})
	case codeInvalidRequest:
		// AWS tells apart what it used to take (version 2) from what never was a signature.
		scheme, rest, _ := bytes.Cut(r.peek("Authorization"), []byte(" "))
		switch {
		case len(scheme) == 0 && !r.args.Has("AWSAccessKeyId"):
			return fail(codeAccessDenied)
		case len(scheme) > 0 && (string(scheme) != "AWS" || bytes.IndexByte(rest, ':') < 0):
			f.code = codeInvalidArgument
		}
	}
	return f
}

// allow asks the policy.
func (r *request) allow(op Operation, bucket *ais.Bucket, key string) error {
	if p := r.h.config.Policy; p != nil {
		return p.Allow(r.identity, op, bucket, key)
	}
	return nil
}

// signed reports whether the request carried a signature of an access key. Bearer tokens and tickets
// are for the REST front and count for nothing here.
func (r *request) signed() bool {
	switch r.identity.Kind {
	case auth.Header, auth.Presigned:
		return r.identity.AccessKey != ""
	}
	return false
}

// lookup finds a bucket.
func (r *request) lookup(name string) (*ais.Bucket, error) {
	b, err := r.h.config.Buckets.Bucket(name)
	if err == nil {
		return b, nil
	}
	if ais.IsKind(err, ais.NotFound) {
		return nil, &failure{code: codeNoSuchBucket, detail: []ais.Pair{{Name: "BucketName", Value: name}}, err: err}
	}
	return nil, err
}

// authFailure gives the S3 answer for a refusal of package auth; nil if err is none.
func authFailure(err error) *failure {
	reason := auth.ReasonOf(err)
	if reason == auth.NoReason {
		return nil
	}
	f := &failure{err: err, message: err.Error()}
	switch reason {
	case auth.SignatureMismatch, auth.ChunkSignatureMismatch:
		f.code, f.message = codeSignatureDoesNotMatch, ""
	case auth.UnknownAccessKey:
		f.code, f.message = codeInvalidAccessKeyID, ""
	case auth.ClockSkew:
		f.code, f.message = codeRequestTimeTooSkewed, ""
	case auth.MalformedHeader:
		f.code = codeAuthorizationHeaderMalformed
	case auth.MalformedQuery:
		f.code = codeAuthorizationQueryParametersError
	case auth.ExpiredPresign:
		f.code, f.message = codeAccessDenied, "Request has expired"
	case auth.EarlyPresign:
		f.code, f.message = codeAccessDenied, "Request is not valid yet"
	case auth.MissingSecurityHeader:
		f.code, f.message = codeAccessDenied, "AWS authentication requires a valid Date or x-amz-date header"
	case auth.UnsupportedMechanism:
		f.code = codeInvalidRequest
	case auth.SeveralMechanisms, auth.UnsupportedPayload:
		f.code = codeInvalidArgument
	case auth.SessionToken, auth.InvalidToken, auth.ExpiredToken, auth.InvalidTicket, auth.ExpiredTicket:
		f.code, f.message = codeInvalidToken, ""
	case auth.InvalidURI:
		f.code, f.message = codeInvalidURI, ""
	case auth.PayloadMismatch:
		f.code, f.message = codeContentSHA256Mismatch, ""
	case auth.IncompleteBody, auth.OverlongBody, auth.MalformedChunk:
		f.code = codeIncompleteBody
	case auth.MissingLength:
		f.code = codeMissingContentLength
	case auth.MalformedTrailer:
		f.code = codeMalformedTrailer
	default: // auth.UnsignedHeader among them
		f.code = codeAccessDenied
	}
	return f
}
