package s3

import (
	"github.com/seed9b016523/ais"
)

// listVersions is ListObjectVersions. In a bucket that never had versions every object has one, null.
func (r *request) listVersions() error {
	l, err := r.readListing("max-keys")
	if err != nil {
		return err
	}
	marker, versionMarker := r.arg("key-marker"), r.arg("version-id-marker")
	request := &ais.ListRequest{Bucket: r.bucket, Prefix: l.prefix, Delimiter: l.delimiter, After: marker,
		Versions: true, Limit: l.limit}
	if versionMarker != "" {
		if marker == "" {
			return failArgument("A version-id marker cannot be specified without a key marker.", "version-id-marker", versionMarker)
		}
		v, err := parseVersion(versionMarker)
		if err != nil {
			return err
		}
		request.AfterVersion = &v
	}
	got := &ais.ListPage{}
	if l.limit > 0 {
		if got, err = r.h.config.Objects.List(r.context(), request); err != nil {
			return err
		}
	}
	p := r.h.newPage()
	b := appendDocument(p.b, "ListVersionsResult")
	b = appendElement(b, "Name", r.bucket.Name)
	b = appendNameElement(b, "Prefix", l.prefix, l.url)
	b = appendNameElement(b, "KeyMarker", marker, l.url)
	b = appendElement(b, "VersionIdMarker", versionMarker)
	if got.Truncated {
		b = appendNameElement(b, "NextKeyMarker", got.Next, l.url)
		b = appendElement(b, "NextVersionIdMarker", got.NextVersion.String())
	}
	b = l.appendTail(b, "MaxKeys", got.Truncated)
	for i := range got.Entries {
		if e := &got.Entries[i]; !e.IsPrefix {
			b = r.appendVersion(b, e, l.url)
		}
	}
	b = appendPrefixes(b, got.Entries, l.url)
	p.b = appendClose(b, "ListVersionsResult")
	p.send(r)
	return nil
}

func (r *request) appendVersion(b []byte, e *ais.ListEntry, url bool) []byte {
	name := "Version"
	if e.DeleteMarker {
		name = "DeleteMarker"
	}
	b = appendOpen(b, name)
	b = appendNameElement(b, "Key", e.Name, url)
	b = appendElement(b, "VersionId", e.Version.String())
	b = appendBoolElement(b, "IsLatest", e.Latest)
	b = appendTimeElement(b, "LastModified", e.ModifiedUnix)
	if !e.DeleteMarker {
		b = appendETagElement(b, e.ETag)
		b = appendIntElement(b, "Size", e.Size)
		b = appendStorageClass(b, e.StorageClass)
	}
	b = r.appendOwner(b, "Owner", e.Owner)
	return appendClose(b, name)
}
