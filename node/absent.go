package node

import (
	"context"

	"github.com/seed9b016523/ais"
)

// noStore is the store of a node that is no target. The gateway passes all requests for objects on, so
// nobody asks it but for what has gone astray.
type noStore struct{}

func absent() error {
	return ais.Errorf(ais.Unavailable, "this node holds no objects")
}

func (noStore) Put(context.Context, *ais.PutRequest) (*ais.Object, error) { return nil, absent() }

func (noStore) Open(context.Context, *ais.Bucket, string, *ais.VersionID) (ais.ObjectReader, error) {
	return nil, absent()
}

func (noStore) Stat(context.Context, *ais.Bucket, string, *ais.VersionID) (*ais.Object, error) {
	return nil, absent()
}

func (noStore) Delete(context.Context, *ais.DeleteRequest) (ais.DeleteResult, error) {
	return ais.DeleteResult{}, absent()
}

func (noStore) CreateUpload(context.Context, *ais.Bucket, string, ais.Attributes) (*ais.Upload, error) {
	return nil, absent()
}

func (noStore) PutPart(context.Context, *ais.PartRequest) (ais.PartInfo, error) {
	return ais.PartInfo{}, absent()
}

func (noStore) ListParts(context.Context, *ais.Bucket, string, ais.WriteID, int, int) (*ais.PartPage, error) {
	return nil, absent()
}

func (noStore) Complete(context.Context, *ais.CompleteRequest) (*ais.Object, error) {
	return nil, absent()
}

func (noStore) Abort(context.Context, *ais.Bucket, string, ais.WriteID) error { return absent() }
