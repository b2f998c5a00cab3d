package api

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/control"
)

// Objects is the store of objects.
type Objects interface {
	// Put stores an object, as ais.PutRequest says.
	Put(ctx context.Context, r *ais.PutRequest) (*ais.Object, error)
	// Open opens the current version (v nil) or one version. The caller closes the reader.
	Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error)
	// Stat is Open without the bytes.
	Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error)
	// Delete deletes as ais.DeleteRequest says. Deleting what is not there is no error.
	Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error)
	// List gives one page.
	List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error)
}

// Uploads is the part of the store that a bucket is emptied of beside its objects.
type Uploads interface {
	ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error)
	Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error
}

// Buckets is the part of the control state that knows buckets; *control.Buckets is one.
type Buckets interface {
	// Bucket finds a bucket by name: kind NotFound where there is none.
	Bucket(name string) (*ais.Bucket, error)
	// Buckets gives all buckets in name order; the slice is not the caller's to change.
	Buckets() []*ais.Bucket
	// CreateBucket makes a bucket: kind Exists if the name is taken.
	CreateBucket(ctx context.Context, b ais.Bucket) (*ais.Bucket, error)
	// UpdateBucket replaces what may change: kind Precondition if another changed it meanwhile.
	UpdateBucket(ctx context.Context, b ais.Bucket) (*ais.Bucket, error)
	// DeleteBucket removes an empty bucket: kind Exists if it is not empty.
	DeleteBucket(ctx context.Context, name string) error
}

// State is the rest of the control state; a control.Proposer is one.
type State interface {
	View() *control.View
	Propose(ctx context.Context, c control.Command) (ais.ControlIndex, control.Result, error)
}

// Verifier says who asks; *auth.Verifier is one.
type Verifier interface {
	Authenticate(*auth.Request) (auth.Identity, auth.Payload, error)
}

// Credentials finds the secret of an access key, to make a token of it; the auth.Keys of the verifier.
type Credentials interface {
	Secret(accessKey string) (auth.Credential, bool)
}

// tokenLife is that of a token whose asker named none; tokenLifeMax the longest.
const (
	tokenLife    = time.Hour
	tokenLifeMax = 7 * 24 * time.Hour
)
