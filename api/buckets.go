package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// show gives the wire form of a bucket.
func (h *Handler) show(b *ais.Bucket) Bucket {
	policy := b.Policy
	if policy == "" {
		policy = h.config.State.View().Config().Get(control.BucketPolicy).String()
	}
	versioning := [...]string{ais.VersioningOff: "off", ais.VersioningEnabled: "enabled", ais.VersioningSuspended: "suspended"}
	return Bucket{ID: strconv.FormatUint(uint64(b.ID), 10), Name: b.Name, Created: time.UnixMilli(b.CreatedUnix).UTC(),
		Owner: b.Owner, Policy: policy, Versioning: versioning[b.Versioning], MinCopies: b.MinCopies, Region: b.Region}
}

func (h *Handler) listBuckets(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "after", "limit")
	if err != nil {
		return err
	}
	limit, err := readLimit(query.Get("limit"))
	if err != nil {
		return err
	}
	page, after := BucketPage{Buckets: []Bucket{}}, query.Get("after")
	for _, b := range h.config.Buckets.Buckets() {
		if b.Name <= after {
			continue
		}
		if len(page.Buckets) == limit {
			if limit > 0 {
				page.Next = page.Buckets[limit-1].Name
			}
			break
		}
		page.Buckets = append(page.Buckets, h.show(b))
	}
	return answer(w, http.StatusOK, page)
}

func (h *Handler) createBucket(w http.ResponseWriter, r *http.Request) error {
	var in BucketCreate
	if err := readInto(r, &in); err != nil {
		return err
	}
	if err := ais.CheckBucketName(in.Name); err != nil {
		return err
	}
	if err := checkPolicy(in.Policy, in.MinCopies); err != nil {
		return err
	}
	b, err := h.config.Buckets.CreateBucket(r.Context(), ais.Bucket{Name: in.Name, Policy: in.Policy,
		MinCopies: in.MinCopies, Owner: askedOf(r).identity.AccessKey})
	if err != nil {
		return err
	}
	w.Header().Set("Location", bucketPath(b.Name))
	return answer(w, http.StatusCreated, h.show(b))
}

func checkPolicy(policy string, minCopies int) error {
	if policy != "" {
		if _, err := ais.ParsePolicy(policy); err != nil {
			return err
		}
	}
	if minCopies < 0 || minCopies > ais.CopiesMax {
		return ais.Errorf(ais.Invalid, "min_copies %d: want 0 to %d", minCopies, ais.CopiesMax)
	}
	return nil
}

func (h *Handler) getBucket(w http.ResponseWriter, r *http.Request) error {
	b, err := h.config.Buckets.Bucket(chi.URLParam(r, "bucket"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, h.show(b))
}

// changeTries is how often a change is begun again that another one has overtaken.
const changeTries = 5

func (h *Handler) changeBucket(w http.ResponseWriter, r *http.Request) error {
	var in BucketChange
	if err := readInto(r, &in); err != nil {
		return err
	}
	for try := 1; ; try++ {
		old, err := h.config.Buckets.Bucket(chi.URLParam(r, "bucket"))
		if err != nil {
			return err
		}
		b := *old
		if in.Policy != nil {
			b.Policy = *in.Policy
		}
		if in.MinCopies != nil {
			b.MinCopies = *in.MinCopies
		}
		if err := checkPolicy(b.Policy, b.MinCopies); err != nil {
			return err
		}
		changed, err := h.config.Buckets.UpdateBucket(r.Context(), b)
		if err == nil {
			return answer(w, http.StatusOK, h.show(changed))
		}
		if !ais.IsKind(err, ais.Precondition) || try == changeTries {
			return err
		}
	}
}

func (h *Handler) deleteBucket(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "force")
	if err != nil {
		return err
	}
	force := false
	if v := query.Get("force"); v != "" {
		if force, err = strconv.ParseBool(v); err != nil {
			return ais.Errorf(ais.Invalid, "force=%s: want true or false", v)
		}
	}
	name := chi.URLParam(r, "bucket")
	for try := 1; ; try++ {
		err := h.config.Buckets.DeleteBucket(r.Context(), name)
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		if !force || !ais.IsKind(err, ais.Exists) || try == emptyTries {
			return err
		}
		if err := h.empty(r.Context(), name); err != nil {
			return err
		}
	}
}

const (
	// emptyTries is how often a bucket is emptied before a forced delete gives up against those who
	// go on writing to it.
	emptyTries = 4
	// emptyParallel is how many deletes are under way at once: they are synced, and share syncs.
	emptyParallel = 16
)

// empty deletes all that is in a bucket: versions and delete markers, then open uploads.
func (h *Handler) empty(ctx context.Context, name string) error {
	b, err := h.config.Buckets.Bucket(name)
	if err != nil {
		return err
	}
	list := ais.ListRequest{Bucket: b, Versions: true, Limit: ais.ListLimitMax}
	for {
		page, err := h.config.Objects.List(ctx, &list)
		if err != nil {
			return err
		}
		err = eachOf(ctx, page.Entries, func(ctx context.Context, e *ais.ListEntry) error {
			_, err := h.config.Objects.Delete(ctx, &ais.DeleteRequest{Bucket: b, Name: e.Name, Version: &e.Version})
			return err
		})
		if err != nil {
			return err
		}
		if !page.Truncated {
			break
		}
		version := page.NextVersion
		list.After, list.AfterVersion = page.Next, &version
	}
	uploads := ais.UploadListRequest{Bucket: b, Limit: ais.ListLimitMax}
	for {
		page, err := h.config.Uploads.ListUploads(ctx, &uploads)
		if err != nil {
			return err
		}
		err = eachOf(ctx, page.Uploads, func(ctx context.Context, u *ais.Upload) error {
			err := h.config.Uploads.Abort(ctx, b, u.Name, u.ID)
			if ais.IsKind(err, ais.NotFound) {
				return nil // another has ended it
			}
			return err
		})
		if err != nil || !page.Truncated {
			return err
		}
		uploads.AfterName, uploads.AfterUpload = page.NextName, page.NextUpload
	}
}

// eachOf calls f for every item, several at a time, until one fails; that error is returned.
func eachOf[T any](ctx context.Context, items []T, f func(context.Context, *T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan *T)
	var workers sync.WaitGroup
	for range min(emptyParallel, len(items)) {
		workers.Go(func() {
			for item := range next {
				if err := f(ctx, item); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := range items {
		if ctx.Err() != nil {
			break
		}
		next <- &items[i]
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
