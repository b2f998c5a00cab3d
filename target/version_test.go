package target

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed9b016523/ais"
)

// versionsOf spells the versions of a name, newest first: ids by their letters, "-" before a marker.
func (r *rig) versionsOf(b *ais.Bucket, name string, letters map[ais.VersionID]string) string {
	r.t.Helper()
	p, err := r.List(context.Background(), &ais.ListRequest{Bucket: b, Prefix: name, Versions: true, Limit: 100})
	if err != nil {
		r.t.Fatalf("list versions of %q: %v", name, err)
	}
	s := ""
	for i, e := range p.Entries {
		if e.Latest != (i == 0) {
			r.t.Fatalf("versions of %q: latest is %v at place %d", name, e.Latest, i)
		}
		letter, ok := letters[e.Version]
		if !ok {
			letter = "?"
		}
		if e.DeleteMarker {
			s += "-"
		}
		s += letter
	}
	return s
}

func TestDeletesWithoutVersioning(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	r.put(b, "x", []byte("1"))
	r.put(b, "x", []byte("2"))
	if got := r.versionsOf(b, "x", map[ais.VersionID]string{ais.NullVersion: "n"}); got != "n" {
		t.Errorf("versions after two puts: got %q, want the null version alone", got)
	}
	if x := r.delete(b, "x", nil); x != (ais.DeleteResult{Existed: true}) {
		t.Errorf("delete: got %+v", x)
	}
	r.wantNone(b, "x", ais.NounObject)
	if x := r.delete(b, "x", nil); x != (ais.DeleteResult{}) {
		t.Errorf("delete of what is not there: got %+v", x)
	}
	r.put(b, "x", []byte("3"))
	null := ais.NullVersion
	if x := r.delete(b, "x", &null); x != (ais.DeleteResult{Existed: true}) {
		t.Errorf("delete of version null: got %+v", x)
	}
	if got := r.versionsOf(b, "x", nil); got != "" {
		t.Errorf("versions in the end: got %q, want none", got)
	}
	r.exact()
}

func TestDeletesUnderVersioning(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1, Versioning: ais.VersioningEnabled}
	v1, v2 := r.put(b, "x", []byte("1")).Version, r.put(b, "x", []byte("2")).Version
	m := r.delete(b, "x", nil)
	if !m.DeleteMarker || m.Version.IsNull() {
		t.Fatalf("delete: got %+v, want a marker with a version", m)
	}
	letters := map[ais.VersionID]string{v1: "a", v2: "b", m.Version: "m"}
	steps := func(want string) {
		t.Helper()
		if got := r.versionsOf(b, "x", letters); got != want {
			t.Fatalf("versions: got %q, want %q", got, want)
		}
	}
	steps("-mba")
	r.wantNone(b, "x", ais.NounMarker)
	_, err := r.read(b, "x", &m.Version)
	wantError(t, "get of the marker", err, ais.NotFound, ais.NounMarker)
	for v, want := range map[ais.VersionID]string{v1: "1", v2: "2"} {
		if got, err := r.read(b, "x", &v); err != nil || string(got) != want {
			t.Fatalf("get of version %s: got %q, %v, want %q", v, got, err, want)
		}
	}
	if x := r.delete(b, "x", &m.Version); x != (ais.DeleteResult{Version: m.Version, DeleteMarker: true, Existed: true}) {
		t.Errorf("delete of the marker: got %+v", x)
	}
	steps("ba")
	r.want(b, "x", []byte("2"))
	if x := r.delete(b, "x", &v2); x != (ais.DeleteResult{Version: v2, Existed: true}) {
		t.Errorf("delete of the current version: got %+v", x)
	}
	steps("a")
	r.want(b, "x", []byte("1"))
	if x := r.delete(b, "x", &v2); x.Existed || x.Version != v2 {
		t.Errorf("second delete of a version: got %+v", x)
	}
	_, err = r.read(b, "x", &v2)
	wantError(t, "get of a version that is gone", err, ais.NotFound, ais.NounVersion)
	r.delete(b, "x", &v1)
	steps("")
	r.wantNone(b, "x", ais.NounObject)
	if x := r.delete(b, "never", nil); !x.DeleteMarker || x.Version.IsNull() {
		t.Errorf("delete of a name that never was: got %+v, want a marker", x)
	}
	r.exact()
}

func TestDeletesUnderSuspendedVersioning(t *testing.T) {
	r := newRig(t, 0)
	r.start()
	enabled := &ais.Bucket{ID: 1, Versioning: ais.VersioningEnabled}
	b := &ais.Bucket{ID: 1, Versioning: ais.VersioningSuspended}
	null := ais.NullVersion
	v1 := r.put(enabled, "x", []byte("1")).Version
	letters := map[ais.VersionID]string{v1: "a", null: "n"}
	steps := func(want string) {
		t.Helper()
		for range 2 { // before and after a restart
			if got := r.versionsOf(b, "x", letters); got != want {
				t.Fatalf("versions: got %q, want %q", got, want)
			}
			r.end()
			r.start()
		}
	}
	if o := r.put(b, "x", []byte("2")); !o.Version.IsNull() {
		t.Fatalf("put under suspended versioning: got version %s, want null", o.Version)
	}
	r.put(b, "x", []byte("3"))
	steps("na")
	if x := r.delete(b, "x", nil); x != (ais.DeleteResult{DeleteMarker: true, Existed: true}) {
		t.Errorf("delete: got %+v, want the null marker", x)
	}
	steps("-na")
	r.wantNone(b, "x", ais.NounMarker)
	r.delete(b, "x", nil)
	steps("-na")
	v2 := r.put(enabled, "x", []byte("4")).Version
	letters[v2] = "b"
	steps("b-na")
	if x := r.delete(b, "x", &null); !x.Existed || !x.DeleteMarker {
		t.Errorf("delete of the null marker: got %+v", x)
	}
	steps("ba")
	r.put(b, "x", []byte("5"))
	steps("nba")
	r.put(enabled, "x", []byte("6"))
	r.put(b, "x", []byte("7")) // the null version below is replaced by the one above
	if got := r.versionsOf(b, "x", letters); got != "n?ba" {
		t.Errorf("versions: got %q, want %q", got, "n?ba")
	}
	r.delete(b, "x", &null)
	r.want(b, "x", []byte("6"))
	r.exact()
	r.end()
}

func TestManyVersionsOnAllMountpaths(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1, Versioning: ais.VersioningEnabled}
	ids := map[string][]ais.VersionID{}
	for i := range 90 {
		name := fmt.Sprintf("o%d", i%30)
		ids[name] = append(ids[name], r.put(b, name, []byte{byte(i)}).Version)
	}
	for name, l := range ids {
		for _, v := range l {
			if x := r.delete(b, name, &v); !x.Existed {
				t.Fatalf("delete of version %s of %q: it did not exist", v, name)
			}
		}
		r.wantNone(b, name, ais.NounObject)
	}
	if empty, err := r.Empty(context.Background(), b); err != nil || !empty {
		t.Errorf("empty after all versions were deleted: got %v, %v", empty, err)
	}
	r.exact()
}
