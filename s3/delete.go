package s3

import (
	"encoding/xml"
	"sync"
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

func (r *request) deleteObject() error {
	v, err := r.readVersion()
	if err != nil {
		return err
	}
	c := ais.Condition{}
	if h := r.header(headerIfMatch); h != "" {
		c.IfMatch, c.IfMatchAny = parseTags(h, false)
	}
	if h := r.header(headerIfSize); h != "" {
		size, ok := parseOffset(h)
		if !ok {
			return failArgument("Invalid Argument", "x-amz-if-match-size", h)
		}
		c.IfSize = &size
	}
	if h := r.header(headerIfModifiedTime); h != "" {
		unix, ok := parseHTTPTime(h)
		if !ok {
			return failArgument("Invalid Argument", "x-amz-if-match-last-modified-time", h)
		}
		c.IfModifiedTime = unix
	}
	result, err := r.h.config.Objects.Delete(r.context(), &ais.DeleteRequest{
		Bucket: r.bucket, Name: r.address.key, Version: v, Condition: c})
	if err != nil {
		return r.writing(err)
	}
	if result.DeleteMarker {
		r.set(headerDeleteMarker, "true")
	}
	if result.DeleteMarker || v != nil {
		r.setVersion(result.Version)
	}
	r.noContent()
	return nil
}

const (
	deleteMax     = 1000    // objects in one DeleteObjects
	deleteBodyMax = 4 << 20 // bytes of its document
	deleteWorkers = 16      // deletes of one request that are under way at once
)

// deleteDocument is the body of DeleteObjects.
type deleteDocument struct {
	XMLName xml.Name       `xml:"Delete"`
	Quiet   bool           `xml:"Quiet"`
	Objects []deleteTarget `xml:"Object"`
}

type deleteTarget struct {
	Key              string `xml:"Key"`
	VersionID        string `xml:"VersionId"`
	ETag             string `xml:"ETag"`
	LastModifiedTime string `xml:"LastModifiedTime"`
	Size             *int64 `xml:"Size"`
}

// parseDelete reads the body of DeleteObjects.
func parseDelete(b []byte) (*deleteDocument, error) {
	var d deleteDocument
	if err := parseXML(b, &d); err != nil {
		return nil, err
	}
	if len(d.Objects) == 0 || len(d.Objects) > deleteMax {
		return nil, fail(codeMalformedXML)
	}
	return &d, nil
}

// deleted is what became of one object of DeleteObjects.
type deleted struct {
	result ais.DeleteResult
	err    error
}

func (r *request) deleteObjects() error {
	want, err := r.readDigests()
	if err != nil {
		return err
	}
	if want.md5 == nil && want.algorithm == ais.ChecksumNone {
		return failWith(codeInvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	document, err := r.readDocument(deleteBodyMax, want)
	if err != nil {
		return err
	}
	d, err := parseDelete(document)
	if err != nil {
		return err
	}
	done := r.deleteAll(d.Objects)
	p := r.h.newPage()
	p.b = appendDocument(p.b, "DeleteResult")
	for i := range done {
		if done[i].err == nil {
			if !d.Quiet {
				p.b = r.appendDeleted(p.b, &d.Objects[i], done[i].result)
			}
			continue
		}
		p.b = r.appendDeleteError(p.b, &d.Objects[i], done[i].err)
	}
	p.b = appendClose(p.b, "DeleteResult")
	p.send(r)
	return nil
}

// deleteAll deletes with a few workers, so that the objects share the waits for the disk; it returns
// once all have ended. Objects that the document names twice are deleted in no set order, which
// makes no difference.
func (r *request) deleteAll(targets []deleteTarget) []deleted {
	done := make([]deleted, len(targets))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(deleteWorkers, len(targets)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(targets)); i = next.Add(1) - 1 {
				done[i].result, done[i].err = r.deleteOne(&targets[i])
			}
		})
	}
	workers.Wait()
	return done
}

func (r *request) deleteOne(t *deleteTarget) (ais.DeleteResult, error) {
	if t.Key == "" {
		return ais.DeleteResult{}, failWith(codeInvalidArgument, "The key must not be empty")
	}
	if err := checkKey(t.Key); err != nil {
		return ais.DeleteResult{}, err
	}
	if err := r.allow("DeleteObject", r.bucket, t.Key); err != nil {
		return ais.DeleteResult{}, err
	}
	request := &ais.DeleteRequest{Bucket: r.bucket, Name: t.Key}
	if t.VersionID != "" {
		v, err := parseVersion(t.VersionID)
		if err != nil {
			return ais.DeleteResult{}, fail(codeNoSuchVersion)
		}
		request.Version = &v
	}
	if t.ETag != "" {
		request.Condition.IfMatch, request.Condition.IfMatchAny = parseTags(t.ETag, false)
	}
	if t.LastModifiedTime != "" {
		unix, ok := parseHTTPTime(t.LastModifiedTime)
		if !ok {
			return ais.DeleteResult{}, fail(codeInvalidArgument)
		}
		request.Condition.IfModifiedTime = unix
	}
	request.Condition.IfSize = t.Size
	return r.h.config.Objects.Delete(r.context(), request)
}

func (r *request) appendDeleted(b []byte, t *deleteTarget, result ais.DeleteResult) []byte {
	b = appendOpen(b, "Deleted")
	b = appendElement(b, "Key", t.Key)
	if t.VersionID != "" {
		b = appendElement(b, "VersionId", t.VersionID)
	}
	if result.DeleteMarker {
		b = appendBoolElement(b, "DeleteMarker", true)
		b = appendElement(b, "DeleteMarkerVersionId", result.Version.String())
	}
	return appendClose(b, "Deleted")
}

func (r *request) appendDeleteError(b []byte, t *deleteTarget, err error) []byte {
	f := failureOf(err)
	a := &answers[f.code]
	if a.status >= 500 {
		r.logFailure(f)
	}
	message := f.message
	if message == "" {
		message = a.message
	}
	b = appendOpen(b, "Error")
	b = appendElement(b, "Key", t.Key)
	if t.VersionID != "" {
		b = appendElement(b, "VersionId", t.VersionID)
	}
	b = appendElement(b, "Code", a.name)
	b = appendElement(b, "Message", message)
	return appendClose(b, "Error")
}
