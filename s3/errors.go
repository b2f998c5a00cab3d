package s3

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/seed9b016523/ais"
)

// code is one of the error codes that S3 clients know. Codes exist only in this package; all others
// speak in ais.Kind and ais.Noun.
type code uint8

const (
	codeInternalError code = iota
	codeAccessDenied
	codeAccessForbidden
	codeAccessControlListNotSupported
	codeAuthorizationHeaderMalformed
	codeAuthorizationQueryParametersError
	codeBadDigest
	codeBucketAlreadyExists
	codeBucketAlreadyOwnedByYou
	codeBucketNotEmpty
	codeEntityTooLarge
	codeEntityTooSmall
	codeIncompleteBody
	codeInsufficientStorage
	codeInvalidAccessKeyID
	codeInvalidArgument
	codeInvalidBucketName
	codeInvalidDigest
	codeInvalidLocationConstraint
	codeInvalidObjectName
	codeInvalidPart
	codeInvalidPartNumber
	codeInvalidPartOrder
	codeInvalidRange
	codeInvalidRedirectLocation
	codeInvalidRequest
	codeInvalidStorageClass
	codeInvalidTag
	codeInvalidTrailer
	codeInvalidURI
	codeKeyTooLong
	codeMalformedTrailer
	codeMalformedXML
	codeMetadataTooLarge
	codeMethodNotAllowed
	codeMissingContentLength
	codeNoSuchBucket
	codeNoSuchBucketPolicy
	codeNoSuchCORSConfiguration
	codeNoSuchKey
	codeNoSuchLifecycleConfiguration
	codeNoSuchPublicAccessBlock
	codeNoSuchReplication
	codeNoSuchTagSet
	codeNoSuchUpload
	codeNoSuchVersion
	codeNoSuchWebsite
	codeNotImplemented
	codeNotModified
	codeObjectLockNotFound
	codeOwnershipControlsNotFound
	codePreconditionFailed
	codeRequestTimeTooSkewed
	codeRequestTimeout
	codeServerSideEncryptionNotFound
	codeServiceUnavailable
	codeSignatureDoesNotMatch
	codeSlowDown
	codeInvalidToken
	codeContentSHA256Mismatch
	codeCount // number of codes
)

// answer is what a client is told for a code.
type answer struct {
	status  int
	name    string
	message string
}

// answers is the table of codes, with the words of the AWS documents where these are fixed.
var answers = [codeCount]answer{
	codeInternalError:                     {500, "InternalError", "We encountered an internal error. Please try again."},
	codeAccessDenied:                      {403, "AccessDenied", "Access Denied"},
	codeAccessForbidden:                   {403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket."},
	codeAccessControlListNotSupported:     {400, "AccessControlListNotSupported", "The bucket does not allow ACLs"},
	codeAuthorizationHeaderMalformed:      {400, "AuthorizationHeaderMalformed", "The authorization header that you provided is not valid."},
	codeAuthorizationQueryParametersError: {400, "AuthorizationQueryParametersError", "The authorization query parameters that you provided are not valid."},
	codeBadDigest:                         {400, "BadDigest", "The Content-MD5 you specified did not match what we received."},
	codeBucketAlreadyExists:               {409, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
	codeBucketAlreadyOwnedByYou:           {409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."},
	codeBucketNotEmpty:                    {409, "BucketNotEmpty", "The bucket you tried to delete is not empty"},
	codeEntityTooLarge:                    {400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"},
	codeEntityTooSmall:                    {400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"},
	codeIncompleteBody:                    {400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	codeInsufficientStorage:               {507, "InsufficientStorage", "There is not enough space to store the data. Free some, or add capacity, and try again."},
	codeInvalidAccessKeyID:                {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
	codeInvalidArgument:                   {400, "InvalidArgument", "Invalid Argument"},
	codeInvalidBucketName:                 {400, "InvalidBucketName", "The specified bucket is not valid."},
	codeInvalidDigest:                     {400, "InvalidDigest", "The Content-MD5 you specified was invalid."},
	codeInvalidLocationConstraint:         {400, "InvalidLocationConstraint", "The specified location-constraint is not valid"},
	codeInvalidObjectName:                 {400, "InvalidObjectName", "The object name is not valid UTF-8."},
	codeInvalidPart:                       {400, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	codeInvalidPartNumber:                 {416, "InvalidPartNumber", "The requested partnumber is not satisfiable"},
	codeInvalidPartOrder:                  {400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."},
	codeInvalidRange:                      {416, "InvalidRange", "The requested range is not satisfiable"},
	codeInvalidRedirectLocation:           {400, "InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."},
	codeInvalidRequest:                    {400, "InvalidRequest", "Invalid Request"},
	codeInvalidStorageClass:               {400, "InvalidStorageClass", "The storage class you specified is not valid"},
	codeInvalidTag:                        {400, "InvalidTag", "The tag provided was not a valid tag."},
	codeInvalidTrailer:                    {400, "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"},
	codeInvalidURI:                        {400, "InvalidURI", "Couldn't parse the specified URI."},
	codeKeyTooLong:                        {400, "KeyTooLongError", "Your key is too long"},
	codeMalformedTrailer:                  {400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."},
	codeMalformedXML:                      {400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"},
	codeMetadataTooLarge:                  {400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"},
	codeMethodNotAllowed:                  {405, "MethodNotAllowed", "The specified method is not allowed against this resource."},
	codeMissingContentLength:              {411, "MissingContentLength", "You must provide the Content-Length HTTP header."},
	codeNoSuchBucket:                      {404, "NoSuchBucket", "The specified bucket does not exist"},
	codeNoSuchBucketPolicy:                {404, "NoSuchBucketPolicy", "The bucket policy does not exist"},
	codeNoSuchCORSConfiguration:           {404, "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
	codeNoSuchKey:                         {404, "NoSuchKey", "The specified key does not exist."},
	codeNoSuchLifecycleConfiguration:      {404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
	codeNoSuchPublicAccessBlock:           {404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
	codeNoSuchReplication:                 {404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
	codeNoSuchTagSet:                      {404, "NoSuchTagSet", "The TagSet does not exist"},
	codeNoSuchUpload:                      {404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	codeNoSuchVersion:                     {404, "NoSuchVersion", "The specified version does not exist."},
	codeNoSuchWebsite:                     {404, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
	codeNotImplemented:                    {501, "NotImplemented", "A header or query you provided implies functionality that is not implemented."},
	codeNotModified:                       {304, "NotModified", "Not Modified"},
	codeObjectLockNotFound:                {404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
	codeOwnershipControlsNotFound:         {404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
	codePreconditionFailed:                {412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"},
	codeRequestTimeTooSkewed:              {403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
	codeRequestTimeout:                    {400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."},
	codeServerSideEncryptionNotFound:      {404, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"},
	codeServiceUnavailable:                {503, "ServiceUnavailable", "Service is unable to handle request."},
	codeSignatureDoesNotMatch:             {403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	codeSlowDown:                          {503, "SlowDown", "Please reduce your request rate."},
	codeInvalidToken:                      {400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
	codeContentSHA256Mismatch:             {400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."},
}

// failure is an error that already is an S3 answer.
type failure struct {
	code    code
	message string     // "" is the message of the table
	detail  []ais.Pair // further elements of the XML body: names and values
	headers []ais.Pair // further headers of the reply, names in canonical form
	err     error      // cause, may be nil
}

func (f *failure) Error() string {
	if f.message != "" {
		return answers[f.code].name + ": " + f.message
	}
	return answers[f.code].name
}

func (f *failure) Unwrap() error { return f.err }

// fail makes an error from a code alone.
func fail(c code) error { return &failure{code: c} }

// failWith makes an error from a code with a message of its own.
func failWith(c code, message string) error { return &failure{code: c, message: message} }

// failArgument is InvalidArgument about one named argument.
func failArgument(message, name, value string) error {
	return &failure{code: codeInvalidArgument, message: message,
		detail: []ais.Pair{{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value}}}
}

// kindNoun is a row's key in the table below; an empty noun stands for every noun without a row.
type kindNoun struct {
	kind ais.Kind
	noun ais.Noun
}

// codeOf is the one table from the errors of stores to the codes of S3.
var codeOf = map[kindNoun]code{
	{ais.Internal, ""}: codeInternalError,

	{ais.NotFound, ""}:             codeNoSuchKey,
	{ais.NotFound, ais.NounObject}: codeNoSuchKey,
	{ais.NotFound, ais.NounMarker}: codeNoSuchKey,

	{ais.NotFound, ais.NounVersion}: codeNoSuchVersion,
	{ais.NotFound, ais.NounBucket}:  codeNoSuchBucket,
	{ais.NotFound, ais.NounUpload}:  codeNoSuchUpload,
	{ais.NotFound, ais.NounPart}:    codeInvalidPart,
	{ais.NotFound, ais.NounKey}:     codeInvalidAccessKeyID,

	{ais.Exists, ""}:             codeBucketAlreadyExists,
	{ais.Exists, ais.NounObject}: codePreconditionFailed,

	{ais.Invalid, ""}:               codeInvalidRequest,
	{ais.Invalid, ais.NounPart}:     codeInvalidPart,
	{ais.Invalid, ais.NounOrder}:    codeInvalidPartOrder,
	{ais.Invalid, ais.NounPartSize}: codeEntityTooSmall,
	{ais.Invalid, ais.NounName}:     codeInvalidObjectName,
	{ais.Invalid, ais.NounSize}:     codeEntityTooLarge,
	{ais.Invalid, ais.NounBody}:     codeIncompleteBody,
	{ais.Invalid, ais.NounBucket}:   codeInvalidBucketName,
	{ais.Invalid, ais.NounUpload}:   codeNoSuchUpload,

	{ais.Denied, ""}:                codeAccessDenied,
	{ais.Precondition, ""}:          codePreconditionFailed,
	{ais.StaleMap, ""}:              codeServiceUnavailable,
	{ais.Unavailable, ""}:           codeServiceUnavailable,
	{ais.Corrupt, ""}:               codeInternalError,
	{ais.Exhausted, ""}:             codeInsufficientStorage,
	{ais.Exhausted, ais.NounSize}:   codeEntityTooLarge,
	{ais.Exhausted, ais.NounUpload}: codeSlowDown,
	{ais.Canceled, ""}:              codeServiceUnavailable,
	{ais.Canceled, ais.NounBody}:    codeRequestTimeout,
}

// failureOf turns any error into an S3 answer. An error that nobody gave a meaning is InternalError:
// its text stays here, for it may tell what is not the client's business.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if f := authFailure(err); f != nil {
		return f
	}
	if e, ok := errors.AsType[*ais.Error](err); ok {
		noun := ais.NounOf(err)
		c, ok := codeOf[kindNoun{e.Kind, noun}]
		if !ok {
			c = codeOf[kindNoun{e.Kind, ""}]
		}
		f := &failure{code: c, err: err}
		switch e.Kind {
		case ais.Invalid:
			if c == codeInvalidRequest {
				f.message = e.Message
			}
		case ais.Precondition:
			f.detail = []ais.Pair{{Name: "Condition", Value: string(noun)}}
		case ais.NotFound:
			if noun == ais.NounMarker {
				f.headers = []ais.Pair{{Name: headerDeleteMarker, Value: "true"}}
			}
		}
		return f
	}
	return &failure{code: bodyCode(err), err: err}
}

// bodyCode is the code of an error without a kind: what reading a client's body may give.
func bodyCode(err error) code {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return codeRequestTimeout
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return codeIncompleteBody
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return codeServiceUnavailable
	}
	return codeInternalError
}
