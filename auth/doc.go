// Package auth finds out who asks: SigV4 by header and by presigned query, aws-chunked bodies,
// bearer tokens and redirect tickets, behind one gate that refuses whatever it does not recognise.
//
// It is not about what an identity may do: that is for the caller. It does not speak HTTP either: it
// sees a request through the small Request struct, which a front door fills without copying. It knows
// no error codes of any dialect: every refusal is an *ais.Error whose cause is a Reason, and the
// front doors translate.
//
//	          Request (method, raw path, raw query, host, headers, now)
//	             │
//	   Verifier.Authenticate ── Keys (access key → secret)
//	             │      which mechanism? exactly one, else refused
//	  ┌──────────┼──────────────┬───────────┬──────────┐
//	header    presigned       bearer      ticket     none
//	  │          │ expiry       │ expiry    │ 60 s     │
//	  └── canonical request     └─ HMAC ────┘      Identity{Anonymous}
//	      key of the day (cached), signature           │
//	             │                                     │
//	   Identity + Payload: what the signature says of the body
//	             │
//	   Body.Reset(body, length, &payload) ── Read … Finish
//
// The body is checked while it streams. Bytes leave Body before the last of them is verified, as they
// must if memory is to stay bounded; so nothing that was made of them may become visible until Finish
// has returned nil. The store keeps to that: it stamps an object only after its Seal has agreed, and
// Seal calls Finish.
//
// The canonical request, the string to sign and the chunk signatures follow the public description
// "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference. Two points
// where clients differ are settled here:
//   - Path and query are percent-decoded once and encoded once, the query sorted. If that does not
//     give the signature, they are tried as they were sent. Both forms name the same bytes, so nothing
//     else can be smuggled in.
//   - '+' in a query is a space. Handlers must decode it so, too.
//   - x-amz-content-sha256 may be absent from a request signed by header, which S3 itself refuses:
//     curl 7 signs like that. The body must then be empty, or be given in Request.Body and have the
//     hash that was signed. The exception is PUT, where curl signs as if there were no body: there the
//     body is unsigned, as it is with UNSIGNED-PAYLOAD.
//
// Goroutines and locks: none of its own. A Verifier and a Signer are safe for any number of
// goroutines; the cache of signing keys is copied on write, the scratch buffers are pooled inside the
// Verifier. A Body is for one goroutine. Nothing here is written to disk.
package auth
