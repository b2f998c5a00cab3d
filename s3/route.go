package s3

import (
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// resource is what kind of thing a request is about.
type resource uint8

const (
	onService resource = iota
	onBucket
	onObject
	resourceCount
)

func (on resource) String() string {
	return [...]string{"service", "bucket", "object"}[on]
}

// method is an HTTP method that S3 knows.
type method uint8

const (
	methodGet method = iota
	methodHead
	methodPut
	methodPost
	methodDelete
	methodOptions
	methodCount
)

var methodNames = [methodCount]string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"}

func (m method) String() string { return methodNames[m] }

func parseMethod(name []byte) (method, bool) {
	switch string(name) {
	case "GET":
		return methodGet, true
	case "PUT":
		return methodPut, true
	case "HEAD":
		return methodHead, true
	case "DELETE":
		return methodDelete, true
	case "POST":
		return methodPost, true
	case "OPTIONS":
		return methodOptions, true
	}
	return 0, false
}

// Operation names an operation as the AWS documents do.
type Operation string

// operation is one row of the table: what selects it, and what it does.
type operation struct {
	name   Operation
	method method
	on     resource
	// sub is the query parameter that selects the operation; "" is the plain one.
	sub string
	// copies: selected beside method, resource and sub by x-amz-copy-source.
	copies bool
	// serve does it. It runs behind the gate, with a verified identity; nil is NotImplemented.
	serve func(*request) error
	// lone: it is about no existing bucket (the service, or a bucket to be made). All others find
	// request.bucket set.
	lone bool
}

// operations is every operation of S3 for general-purpose buckets. What is not here does not exist:
// an unknown combination of method and resource is MethodNotAllowed, an unknown query parameter is
// overlooked as AWS does.
var operations = [...]operation{
	{name: "ListBuckets", method: methodGet, on: onService, serve: (*request).listBuckets, lone: true},

	{name: "ListObjects", method: methodGet, on: onBucket, serve: (*request).listObjects},
	{name: "HeadBucket", method: methodHead, on: onBucket, serve: (*request).headBucket},
	{name: "CreateBucket", method: methodPut, on: onBucket, serve: (*request).createBucket, lone: true},
	{name: "DeleteBucket", method: methodDelete, on: onBucket, serve: (*request).deleteBucket},
	{name: "PostObject", method: methodPost, on: onBucket},
	{name: "DeleteObjects", method: methodPost, on: onBucket, sub: "delete", serve: (*request).deleteObjects},
	{name: "GetBucketLocation", method: methodGet, on: onBucket, sub: "location", serve: (*request).getBucketLocation},
	{name: "ListMultipartUploads", method: methodGet, on: onBucket, sub: "uploads", serve: (*request).listUploads},
	{name: "ListObjectVersions", method: methodGet, on: onBucket, sub: "versions", serve: (*request).listVersions},

	{name: "GetBucketVersioning", method: methodGet, on: onBucket, sub: "versioning", serve: (*request).getBucketVersioning},
	{name: "PutBucketVersioning", method: methodPut, on: onBucket, sub: "versioning"},
	{name: "GetBucketAcl", method: methodGet, on: onBucket, sub: "acl", serve: (*request).getBucketACL},
	{name: "PutBucketAcl", method: methodPut, on: onBucket, sub: "acl"},
	{name: "GetBucketTagging", method: methodGet, on: onBucket, sub: "tagging", serve: none(codeNoSuchTagSet)},
	{name: "PutBucketTagging", method: methodPut, on: onBucket, sub: "tagging"},
	{name: "DeleteBucketTagging", method: methodDelete, on: onBucket, sub: "tagging", serve: (*request).nothingToDelete},
	{name: "GetBucketPolicy", method: methodGet, on: onBucket, sub: "policy", serve: none(codeNoSuchBucketPolicy)},
	{name: "PutBucketPolicy", method: methodPut, on: onBucket, sub: "policy"},
	{name: "DeleteBucketPolicy", method: methodDelete, on: onBucket, sub: "policy", serve: (*request).nothingToDelete},
	{name: "GetBucketPolicyStatus", method: methodGet, on: onBucket, sub: "policyStatus", serve: none(codeNoSuchBucketPolicy)},
	{name: "GetBucketCors", method: methodGet, on: onBucket, sub: "cors", serve: none(codeNoSuchCORSConfiguration)},
	{name: "PutBucketCors", method: methodPut, on: onBucket, sub: "cors"},
	{name: "DeleteBucketCors", method: methodDelete, on: onBucket, sub: "cors", serve: (*request).nothingToDelete},
	{name: "GetBucketLifecycleConfiguration", method: methodGet, on: onBucket, sub: "lifecycle", serve: none(codeNoSuchLifecycleConfiguration)},
	{name: "PutBucketLifecycleConfiguration", method: methodPut, on: onBucket, sub: "lifecycle"},
	{name: "DeleteBucketLifecycle", method: methodDelete, on: onBucket, sub: "lifecycle", serve: (*request).nothingToDelete},
	{name: "GetBucketEncryption", method: methodGet, on: onBucket, sub: "encryption", serve: none(codeServerSideEncryptionNotFound)},
	{name: "PutBucketEncryption", method: methodPut, on: onBucket, sub: "encryption"},
	{name: "DeleteBucketEncryption", method: methodDelete, on: onBucket, sub: "encryption", serve: (*request).nothingToDelete},
	{name: "GetObjectLockConfiguration", method: methodGet, on: onBucket, sub: "object-lock", serve: none(codeObjectLockNotFound)},
	{name: "PutObjectLockConfiguration", method: methodPut, on: onBucket, sub: "object-lock"},
	{name: "GetBucketAccelerateConfiguration", method: methodGet, on: onBucket, sub: "accelerate", serve: empty("AccelerateConfiguration")},
	{name: "PutBucketAccelerateConfiguration", method: methodPut, on: onBucket, sub: "accelerate"},
	{name: "GetBucketRequestPayment", method: methodGet, on: onBucket, sub: "requestPayment", serve: (*request).getBucketRequestPayment},
	{name: "PutBucketRequestPayment", method: methodPut, on: onBucket, sub: "requestPayment"},
	{name: "GetBucketLogging", method: methodGet, on: onBucket, sub: "logging", serve: empty("BucketLoggingStatus")},
	{name: "PutBucketLogging", method: methodPut, on: onBucket, sub: "logging"},
	{name: "GetBucketNotificationConfiguration", method: methodGet, on: onBucket, sub: "notification", serve: empty("NotificationConfiguration")},
	{name: "PutBucketNotificationConfiguration", method: methodPut, on: onBucket, sub: "notification"},
	{name: "GetBucketReplication", method: methodGet, on: onBucket, sub: "replication", serve: none(codeNoSuchReplication)},
	{name: "PutBucketReplication", method: methodPut, on: onBucket, sub: "replication"},
	{name: "DeleteBucketReplication", method: methodDelete, on: onBucket, sub: "replication", serve: (*request).nothingToDelete},
	{name: "GetBucketWebsite", method: methodGet, on: onBucket, sub: "website", serve: none(codeNoSuchWebsite)},
	{name: "PutBucketWebsite", method: methodPut, on: onBucket, sub: "website"},
	{name: "DeleteBucketWebsite", method: methodDelete, on: onBucket, sub: "website", serve: (*request).nothingToDelete},
	{name: "GetBucketOwnershipControls", method: methodGet, on: onBucket, sub: "ownershipControls", serve: none(codeOwnershipControlsNotFound)},
	{name: "PutBucketOwnershipControls", method: methodPut, on: onBucket, sub: "ownershipControls"},
	{name: "DeleteBucketOwnershipControls", method: methodDelete, on: onBucket, sub: "ownershipControls", serve: (*request).nothingToDelete},
	{name: "GetPublicAccessBlock", method: methodGet, on: onBucket, sub: "publicAccessBlock", serve: none(codeNoSuchPublicAccessBlock)},
	{name: "PutPublicAccessBlock", method: methodPut, on: onBucket, sub: "publicAccessBlock"},
	{name: "DeletePublicAccessBlock", method: methodDelete, on: onBucket, sub: "publicAccessBlock", serve: (*request).nothingToDelete},
	{name: "GetBucketAnalyticsConfiguration", method: methodGet, on: onBucket, sub: "analytics"},
	{name: "PutBucketAnalyticsConfiguration", method: methodPut, on: onBucket, sub: "analytics"},
	{name: "DeleteBucketAnalyticsConfiguration", method: methodDelete, on: onBucket, sub: "analytics"},
	{name: "GetBucketInventoryConfiguration", method: methodGet, on: onBucket, sub: "inventory"},
	{name: "PutBucketInventoryConfiguration", method: methodPut, on: onBucket, sub: "inventory"},
	{name: "DeleteBucketInventoryConfiguration", method: methodDelete, on: onBucket, sub: "inventory"},
	{name: "GetBucketMetricsConfiguration", method: methodGet, on: onBucket, sub: "metrics"},
	{name: "PutBucketMetricsConfiguration", method: methodPut, on: onBucket, sub: "metrics"},
	{name: "DeleteBucketMetricsConfiguration", method: methodDelete, on: onBucket, sub: "metrics"},
	{name: "GetBucketIntelligentTieringConfiguration", method: methodGet, on: onBucket, sub: "intelligent-tiering"},
	{name: "PutBucketIntelligentTieringConfiguration", method: methodPut, on: onBucket, sub: "intelligent-tiering"},
	{name: "DeleteBucketIntelligentTieringConfiguration", method: methodDelete, on: onBucket, sub: "intelligent-tiering"},
	{name: "CreateSession", method: methodGet, on: onBucket, sub: "session"},

	{name: "GetObject", method: methodGet, on: onObject, serve: (*request).getObject},
	{name: "HeadObject", method: methodHead, on: onObject, serve: (*request).headObject},
	{name: "PutObject", method: methodPut, on: onObject, serve: (*request).putObject},
	{name: "CopyObject", method: methodPut, on: onObject, copies: true, serve: (*request).copyObject},
	{name: "DeleteObject", method: methodDelete, on: onObject, serve: (*request).deleteObject},
	{name: "CreateMultipartUpload", method: methodPost, on: onObject, sub: "uploads", serve: (*request).createUpload},
	{name: "UploadPart", method: methodPut, on: onObject, sub: "uploadId", serve: (*request).uploadPart},
	{name: "UploadPartCopy", method: methodPut, on: onObject, sub: "uploadId", copies: true, serve: (*request).uploadPartCopy},
	{name: "ListParts", method: methodGet, on: onObject, sub: "uploadId", serve: (*request).listParts},
	{name: "CompleteMultipartUpload", method: methodPost, on: onObject, sub: "uploadId", serve: (*request).completeUpload},
	{name: "AbortMultipartUpload", method: methodDelete, on: onObject, sub: "uploadId", serve: (*request).abortUpload},

	{name: "GetObjectAcl", method: methodGet, on: onObject, sub: "acl", serve: (*request).getObjectACL},
	{name: "PutObjectAcl", method: methodPut, on: onObject, sub: "acl"},
	{name: "GetObjectTagging", method: methodGet, on: onObject, sub: "tagging", serve: (*request).getObjectTagging},
	{name: "PutObjectTagging", method: methodPut, on: onObject, sub: "tagging"},
	{name: "DeleteObjectTagging", method: methodDelete, on: onObject, sub: "tagging"},
	{name: "GetObjectRetention", method: methodGet, on: onObject, sub: "retention", serve: (*request).noObjectLock},
	{name: "PutObjectRetention", method: methodPut, on: onObject, sub: "retention"},
	{name: "GetObjectLegalHold", method: methodGet, on: onObject, sub: "legal-hold", serve: (*request).noObjectLock},
	{name: "PutObjectLegalHold", method: methodPut, on: onObject, sub: "legal-hold"},
	{name: "GetObjectAttributes", method: methodGet, on: onObject, sub: "attributes"},
	{name: "GetObjectTorrent", method: methodGet, on: onObject, sub: "torrent"},
	{name: "SelectObjectContent", method: methodPost, on: onObject, sub: "select"},
	{name: "RestoreObject", method: methodPost, on: onObject, sub: "restore"},
	{name: "RenameObject", method: methodPut, on: onObject, sub: "renameObject"},
}

// routeKey is what selects an operation.
type routeKey struct {
	method method
	on     resource
	sub    string
	copies bool
}

// router finds operations. It is made once and only read.
type router struct {
	// plain has the operations that no parameter selects: the hot ones.
	plain [methodCount][resourceCount][2]*operation
	keyed map[routeKey]*operation
	subs  [resourceCount]map[string]bool
}

func newRouter() *router {
	r := &router{keyed: map[routeKey]*operation{}}
	for i := range r.subs {
		r.subs[i] = map[string]bool{}
	}
	table := operations
	for i := range table {
		op := &table[i]
		r.keyed[routeKey{op.method, op.on, op.sub, op.copies}] = op
		if op.sub != "" {
			r.subs[op.on][op.sub] = true
			continue
		}
		copies := 0
		if op.copies {
			copies = 1
		}
		r.plain[op.method][op.on][copies] = op
	}
	return r
}

// find gives the operation of a request: args is its query, copies whether it has x-amz-copy-source.
func (r *router) find(name []byte, on resource, args *fasthttp.Args, copies bool) (*operation, error) {
	m, ok := parseMethod(name)
	if !ok {
		return nil, fail(codeMethodNotAllowed)
	}
	if m == methodOptions {
		// A browser asks before it sends a request of another origin, and cannot sign that question. No
		// bucket allows other origins.
		return nil, fail(codeAccessForbidden)
	}
	sub, err := r.sub(on, args)
	if err != nil {
		return nil, err
	}
	if sub == "" {
		op := r.plain[m][on][0]
		if copies && r.plain[m][on][1] != nil {
			op = r.plain[m][on][1]
		}
		if op == nil {
			return nil, r.notAllowed(on, "")
		}
		return op, nil
	}
	op := r.keyed[routeKey{m, on, sub, copies}]
	if op == nil {
		op = r.keyed[routeKey{m, on, sub, false}]
	}
	if op == nil {
		return nil, r.notAllowed(on, sub)
	}
	return op, nil
}

// sub gives the query parameter that selects an operation; two of them contradict each other.
func (r *router) sub(on resource, args *fasthttp.Args) (string, error) {
	if args.Len() == 0 {
		return "", nil
	}
	sub := ""
	for name := range args.All() {
		if !r.subs[on][string(name)] || sub == string(name) {
			continue
		}
		if sub != "" {
			return "", &failure{code: codeInvalidArgument,
				message: "Conflicting query string parameters: " + sub + ", " + string(name),
				detail:  []ais.Pair{{Name: "ArgumentName", Value: "ResourceType"}, {Name: "ArgumentValue", Value: sub}}}
		}
		sub = string(name)
	}
	return sub, nil
}

// notAllowed is MethodNotAllowed with the methods that there are.
func (r *router) notAllowed(on resource, sub string) error {
	var allowed []string
	for m := range methodCount {
		if r.keyed[routeKey{m, on, sub, false}] != nil {
			allowed = append(allowed, m.String())
		}
	}
	return &failure{code: codeMethodNotAllowed, headers: []ais.Pair{{Name: headerAllow, Value: strings.Join(allowed, ", ")}}}
}
