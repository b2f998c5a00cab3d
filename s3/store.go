package s3

import (
	"context"

	"github.com/seed9b016523/ais"
)

// Objects is the part of a store that holds objects.
type Objects interface {
	// Put stores an object, as ais.PutRequest says.
	Put(ctx context.Context, r *ais.PutRequest) (*ais.Object, error)
	// Open opens the current version (v nil) or one version. A name or version that is not there is
	// kind NotFound with noun object or version, a delete marker NotFound with noun delete-marker.
	// The caller closes the reader.
	Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error)
	// Stat is Open without the bytes.
	Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error)
	// Delete deletes as ais.DeleteRequest says. Deleting what is not there is no error.
	Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error)
	// List gives one page.
	List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error)
}

// Uploads is the part of a store that holds open multipart uploads. An upload that is not there is
// kind NotFound with noun upload.
type Uploads interface {
	CreateUpload(ctx context.Context, b *ais.Bucket, name string, a ais.Attributes) (*ais.Upload, error)
	PutPart(ctx context.Context, r *ais.PartRequest) (ais.PartInfo, error)
	// ListParts gives the parts with numbers above after; limit 0 gives the upload alone.
	ListParts(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID, after, limit int) (*ais.PartPage, error)
	ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error)
	// Complete joins parts into an object. Parts named out of order are kind Invalid with noun
	// part-order, one that is missing or differs noun part, one that is too small noun part-size. To
	// complete again what is completed gives the object again: the first answer may have been lost.
	Complete(ctx context.Context, r *ais.CompleteRequest) (*ais.Object, error)
	Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error
}

// Buckets is the part of the control state that knows buckets.
type Buckets interface {
	// Bucket finds a bucket by name: kind NotFound where there is none. It takes no lock: it is asked
	// once in nearly every request.
	Bucket(name string) (*ais.Bucket, error)
	// Buckets gives all buckets, in any order.
	Buckets() []*ais.Bucket
	// CreateBucket makes a bucket: kind Exists if the name is taken.
	CreateBucket(ctx context.Context, b ais.Bucket) (*ais.Bucket, error)
	// DeleteBucket removes an empty bucket: kind Exists if it is not empty.
	DeleteBucket(ctx context.Context, name string) error
}
