package s3

import (
	"context"
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
		if done[i].Err == nil {
			if !d.Quiet {
				p.b = r.appendDeleted(p.b, &d.Objects[i], done[i].Result)
			}
			continue
		}
		p.b = r.appendDeleteError(p.b, &d.Objects[i], done[i].Err)
	}
	p.b = appendClose(p.b, "DeleteResult")
	p.send(r)
	return nil
}

// deleteAll deletes what may be deleted, and says of each object what became of it.
func (r *request) deleteAll(targets []deleteTarget) []ais.DeleteOutcome {
	done := make([]ais.DeleteOutcome, len(targets))
	requests, which := make([]*ais.DeleteRequest, 0, len(targets)), make([]int, 0, len(targets))
	for i := range targets {
		request, err := r.readTarget(&targets[i])
		if err != nil {
			done[i].Err = err
			continue
		}
		requests, which = append(requests, request), append(which, i)
	}
	if len(requests) == 0 {
		return done
	}
	deleteAll := r.h.config.DeleteAll
	if deleteAll == nil {
		deleteAll = r.deleteEach
	}
	for k, o := range deleteAll(r.context(), requests) {
		done[which[k]] = o
	}
	return done
}

// deleteEach deletes with a few workers, so that the objects share the waits for the disk; it returns
// once all have ended. Objects that the document names twice are deleted in no set order, which
// makes no difference.
func (r *request) deleteEach(ctx context.Context, requests []*ais.DeleteRequest) []ais.DeleteOutcome {
	done := make([]ais.DeleteOutcome, len(requests))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(deleteWorkers, len(requests)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(requests)); i = next.Add(1) - 1 {
				done[i].Result, done[i].Err = r.h.config.Objects.Delete(ctx, requests[i])
			}
		})
	}
	workers.Wait()
	return done
}

// readTarget makes a request of one object of the document, if it may be deleted.
func (r *request) readTarget(t *deleteTarget) (*ais.DeleteRequest, error) {
	if t.Key == "" {
		return nil, failWith(codeInvalidArgument, "The key must not be empty")
	}
	if err := checkKey(t.Key); err != nil {
		return nil, err
	}
	if err := r.allow("DeleteObject", r.bucket, t.Key); err != nil {
		return nil, err
	}
	request := &ais.DeleteRequest{Bucket: r.bucket, Name: t.Key}
	if t.VersionID != "" {
		v, err := parseVersion(t.VersionID)
		if err != nil {
			return nil, fail(codeNoSuchVersion)
		}
		request.Version = &v
	}
	if t.ETag != "" {
		request.Condition.IfMatch, request.Condition.IfMatchAny = parseTags(t.ETag, false)
	}
	if t.LastModifiedTime != "" {
		unix, ok := parseHTTPTime(t.LastModifiedTime)
		if !ok {
			return nil, fail(codeInvalidArgument)
		}
		request.Condition.IfModifiedTime = unix
	}
	request.Condition.IfSize = t.Size
	return request, nil
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
