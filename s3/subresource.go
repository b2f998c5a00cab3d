package s3

import (
	"github.com/seed9b016523/ais"
)

// The configuration that S3 keeps about a bucket or an object and that does not exist here: reading it
// says so in the words of AWS, for clients ask before they do other things. To delete what is not
// there succeeds. To set it is NotImplemented, by the table of operations.

// none is an operation that reads what is never there.
func none(c code) func(*request) error {
	return func(r *request) error {
		return &failure{code: c, detail: []ais.Pair{{Name: "BucketName", Value: r.bucket.Name}}}
	}
}

// empty is an operation that reads a document which says that all is off.
func empty(document string) func(*request) error {
	return func(r *request) error {
		r.sendXML(appendClose(appendDocument(nil, document), document))
		return nil
	}
}

func (r *request) nothingToDelete() error {
	r.noContent()
	return nil
}

func (r *request) getBucketVersioning() error {
	b := appendDocument(nil, "VersioningConfiguration")
	switch r.bucket.Versioning {
	case ais.VersioningEnabled:
		b = appendElement(b, "Status", "Enabled")
	case ais.VersioningSuspended:
		b = appendElement(b, "Status", "Suspended")
	}
	r.sendXML(appendClose(b, "VersioningConfiguration"))
	return nil
}

func (r *request) getBucketRequestPayment() error {
	b := appendDocument(nil, "RequestPaymentConfiguration")
	b = appendElement(b, "Payer", "BucketOwner")
	r.sendXML(appendClose(b, "RequestPaymentConfiguration"))
	return nil
}

// getBucketACL tells the one ACL that there is: the owner may do everything.
func (r *request) getBucketACL() error {
	r.sendACL(r.bucket.Owner)
	return nil
}

func (r *request) getObjectACL() error {
	o, err := r.stat()
	if err != nil {
		return err
	}
	r.setVersion(o.Version)
	r.sendACL(o.Attributes.Owner)
	return nil
}

func (r *request) sendACL(owner string) {
	if owner == "" {
		owner = r.bucket.Owner
	}
	b := appendDocument(nil, "AccessControlPolicy")
	b = r.appendOwner(b, "Owner", owner)
	b = append(b, `<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">`...)
	b = appendElement(b, "ID", owner)
	b = appendElement(b, "DisplayName", owner)
	b = append(b, "</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"...)
	r.sendXML(appendClose(b, "AccessControlPolicy"))
}

func (r *request) getObjectTagging() error {
	o, err := r.stat()
	if err != nil {
		return err
	}
	r.setVersion(o.Version)
	b := appendDocument(nil, "Tagging")
	b = appendOpen(b, "TagSet")
	for _, t := range o.Attributes.Tags {
		b = appendOpen(b, "Tag")
		b = appendElement(b, "Key", t.Name)
		b = appendElement(b, "Value", t.Value)
		b = appendClose(b, "Tag")
	}
	b = appendClose(b, "TagSet")
	r.sendXML(appendClose(b, "Tagging"))
	return nil
}

// noObjectLock answers for retention and legal hold, which need a bucket with object lock.
func (r *request) noObjectLock() error {
	if _, err := r.stat(); err != nil {
		return err
	}
	return failWith(codeInvalidRequest, "Bucket is missing Object Lock Configuration")
}

// stat finds the object, or the version of it, that the request is about.
func (r *request) stat() (*ais.Object, error) {
	v, err := r.readVersion()
	if err != nil {
		return nil, err
	}
	o, err := r.h.config.Objects.Stat(r.context(), r.bucket, r.address.key, v)
	if err != nil {
		return nil, r.reading(err, v)
	}
	return o, nil
}
