package target

import (
	"testing"

	"github.com/seed9b016523/ais"
)

// A write that drew its stamp when a newer map was about to be applied is not sent: under that map another may be the
// home, and nobody but the home stamps under a map.
func TestNobodyStampsUnderAMapNotApplied(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1, Name: "b"}
	r.put(b, "before", []byte("1"))
	m := r.Map()
	r.clock.SetMap(uint16(m.Generation()), uint64(m.Version())+1) // as in the middle of Apply
	_, err := r.Put(t.Context(), putRequest(b, "x", []byte("2")))
	if !ais.IsKind(err, ais.StaleMap) {
		t.Fatalf("put with a stamp of map %d under map %d: got error %v, want kind stale-map: nothing was done", m.Version()+1, m.Version(), err)
	}
	r.wantNone(b, "x", ais.NounObject)
	r.want(b, "before", []byte("1"))
	if n := r.Unready(); n != 0 {
		t.Errorf("slots not served afterwards: got %d, want 0", n)
	}
}
