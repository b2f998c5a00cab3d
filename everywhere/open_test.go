package everywhere

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// open opens a name by a node that has nothing to do with it.
func (g *rig) open(name string) ais.ObjectReader {
	g.t.Helper()
	r, err := g.elsewhere(name).Open(g.t.Context(), g.bucket(), name, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

func TestObjectsAreReadFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		for _, size := range []int{0, 1, ais.InlineMax, ais.InlineMax + 1, chunk, 5*chunk + 77} {
			name := fmt.Sprintf("o%d", size)
			data := pattern(size)
			g.put(name, data)
			r := g.open(name)
			if got, want := fmt.Sprintf("%+v", *r.Object()), fmt.Sprintf("%+v", *objectOf(name, data)); got != want {
				t.Errorf("%d bytes: got\n%s, want\n%s", size, got, want)
			}
			if inline := r.Inline(); (inline != nil) != (size <= ais.InlineMax) || inline != nil && !bytes.Equal(inline, data) {
				t.Errorf("%d bytes: %d inline", size, len(inline))
			}
			var b bytes.Buffer
			if err := r.WriteRange(t.Context(), &b, 0, int64(size)); err != nil || !bytes.Equal(b.Bytes(), data) {
				t.Errorf("%d bytes: got %d, %v", size, b.Len(), err)
			}
			if err := r.WriteRange(t.Context(), &b, int64(size), 1); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("a byte behind %d: got %v", size, err)
			}
			at := &fakeReader{data: data, object: objectOf(name, data)}
			for n := range 4 {
				offset, length, ok := r.Part(n)
				wantOffset, wantLength, wantOK := at.Part(n)
				if n == 0 || n > max(1, r.Object().PartCount) {
					wantOK = false
				}
				if ok != wantOK || ok && (offset != wantOffset || length != wantLength) {
					t.Errorf("%d bytes, part %d: got %d+%d %v, want %d+%d %v", size, n, offset, length, ok, wantOffset, wantLength, wantOK)
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRangesFromElsewhere reads a long object piece by piece, in any order.
func TestRangesFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		data := pattern(6*chunk + 5)
		g.put("o", data)
		random := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			r := g.open("o")
			at := int64(0)
			for range 1 + random.IntN(6) {
				offset := at
				if random.IntN(2) == 0 {
					offset = random.Int64N(int64(len(data)) + 1)
				}
				sizes := []int64{0, 1, 70_000, chunk, 2*chunk + 1, int64(len(data))}
				size := min(sizes[random.IntN(len(sizes))], int64(len(data))-offset)
				var b bytes.Buffer
				if err := r.WriteRange(t.Context(), &b, offset, size); err != nil || !bytes.Equal(b.Bytes(), data[offset:offset+size]) {
					t.Fatalf("%d bytes from %d: got %d, %v", size, offset, b.Len(), err)
				}
				at = offset + size
			}
			_ = r.Close()
		}
	})
}

// TestReadingAhead counts what the home reads of an object of which a client reads all in small pieces, or one.
func TestReadingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		data := pattern(8 * chunk)
		g.put("o", data)
		f := g.homeOf("o")
		r := g.open("o")
		var b bytes.Buffer
		for at := int64(0); at < int64(len(data)); at += 64 << 10 {
			if err := r.WriteRange(t.Context(), &b, at, 64<<10); err != nil {
				t.Fatal(err)
			}
		}
		_ = r.Close()
		synctest.Wait()
		if !bytes.Equal(b.Bytes(), data) || len(f.reads) != 8 {
			t.Errorf("got %d bytes; the home read %v, want each chunk once", b.Len(), f.reads)
		}
		f.change(func() { f.reads = nil })
		r = g.open("o")
		if err := r.WriteRange(t.Context(), &b, 5*chunk+7, 10); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		synctest.Wait()
		if len(f.reads) != 1 {
			t.Errorf("ten bytes in the middle: the home read %v", f.reads)
		}
	})
}

// TestACopyIsReadWhereTheHomeIsSilent, or dead, or has no lease.
func TestACopyIsReadWhereTheHomeIsSilent(t *testing.T) {
	for name, c := range map[string]struct {
		break_ func(g *rig, home *fake)
		took   time.Duration // at most
	}{
		"silent": {func(g *rig, home *fake) {
			for id := range ais.NodeID(5) {
				g.memory.SetFault(hostOf(id), hostOf(home.id), transport.Fault{Drop: true})
			}
		}, 300 * time.Millisecond},
		"dead": {func(g *rig, home *fake) {
			for id := range ais.NodeID(5) {
				g.memory.SetFault(hostOf(id), hostOf(home.id), transport.Fault{Cut: true})
			}
		}, 50 * time.Millisecond},
		"without a lease": {func(_ *rig, home *fake) { home.change(func() { home.fails = ais.Errorf(ais.Unavailable, "no lease") }) }, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, 4)
				data := pattern(2 * chunk)
				g.put("o", data)
				other := g.copyOf("o")
				other.change(func() { other.clean["o"] = true })
				c.break_(g, g.homeOf("o"))
				began := time.Now()
				r := g.open("o")
				var b bytes.Buffer
				if err := r.WriteRange(t.Context(), &b, 0, int64(len(data))); err != nil || !bytes.Equal(b.Bytes(), data) {
					t.Errorf("got %d bytes, %v", b.Len(), err)
				}
				_ = r.Close()
				if took := time.Since(began); took > c.took {
					t.Errorf("took %v, want at most %v", took, c.took)
				}
			})
		})
	}
}

// TestOpenTellsWhatIsNotThere, and waits for nobody to say so.
func TestOpenTellsWhatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		began := time.Now()
		_, err := g.elsewhere("o").Open(t.Context(), g.bucket(), "o", nil)
		if !ais.IsKind(err, ais.NotFound) || ais.NounOf(err) != ais.NounObject || time.Since(began) > 0 {
			t.Errorf("got %v after %v, want kind NotFound at once", err, time.Since(began))
		}
		g.put("o", nil)
		if _, err := g.elsewhere("o").Open(t.Context(), g.bucket(), "o", &ais.VersionID{1}); !ais.IsKind(err, ais.NotFound) {
			t.Errorf("a version: got %v", err)
		}
	})
}

// TestOpenWaits while the home and its copy say that it is not for them, and gives up in the end.
func TestOpenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		g.put("o", []byte("x"))
		home := g.homeOf("o")
		home.change(func() { home.fails = ais.Errorf(ais.StaleMap, "not now") })
		began := time.Now()
		if _, err := g.elsewhere("o").Open(t.Context(), g.bucket(), "o", nil); !ais.IsKind(err, ais.Unavailable) || time.Since(began) < 10*time.Second {
			t.Errorf("got %v after %v, want kind Unavailable after 10 s", err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { home.change(func() { home.fails = nil }) })
		r := g.open("o")
		_ = r.Close()
	})
}

// TestTheHomeDiesWhileItIsRead: the reader says so, and gives nothing that is not there.
func TestTheHomeDiesWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		data := pattern(20 * chunk)
		g.put("o", data)
		s := g.elsewhere("o")
		r, err := s.Open(t.Context(), g.bucket(), "o", nil)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.WriteRange(t.Context(), &b, 0, 10); err != nil {
			t.Fatal(err)
		}
		g.memory.SetFault(hostOf(s.config.Self), hostOf(g.homeOf("o").id), transport.Fault{Cut: true})
		err = r.WriteRange(t.Context(), &b, 10, int64(len(data))-10)
		if !ais.IsKind(err, ais.Unavailable) || !bytes.HasPrefix(data, b.Bytes()) {
			t.Errorf("got %v with %d bytes", err, b.Len())
		}
		_ = r.Close()
	})
}
