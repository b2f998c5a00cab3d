package disk

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// fileModel is a file as a plain slice, with every state since the last sync: what a crash may mix.
type fileModel struct {
	states [][]byte // first: durable; last: current
}

func (f *fileModel) now() []byte { return f.states[len(f.states)-1] }

func (f *fileModel) then(next []byte) { f.states = append(f.states, next) }

func grown(data []byte, size int) []byte {
	next := make([]byte, max(size, len(data)))
	copy(next, data)
	return next
}

// Whatever is done to a file, reads give what the model gives; a crash that loses all gives the last
// sync, one that keeps all the present, any other only bytes that were there at some moment since.
func TestFileProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sector := rapid.SampledFrom([]int{512, 4096, 64}).Draw(t, "sector")
		m := NewMem(Options{SectorSize: sector})
		f, err := m.OpenFile("/a", Create)
		rapidCheck(t, err)
		rapidCheck(t, m.SyncDir("/"))
		model := &fileModel{states: [][]byte{{}}}
		offset := rapid.IntRange(0, 20000)
		size := rapid.IntRange(0, 9000)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				off, p := offset.Draw(t, "off"), drawBytes(t, size.Draw(t, "size"))
				cut := rapid.IntRange(0, len(p)).Draw(t, "cut")
				n, err := f.WriteVec([][]byte{p[:cut], p[cut:]}, int64(off))
				rapidCheck(t, err)
				if n != len(p) {
					t.Fatalf("write: got %d bytes, want %d", n, len(p))
				}
				if len(p) > 0 {
					next := grown(model.now(), off+len(p))
					copy(next[off:], p)
					model.then(next)
				}
			},
			"truncate": func(t *rapid.T) {
				to := offset.Draw(t, "to")
				rapidCheck(t, f.Truncate(int64(to)))
				model.then(grown(model.now(), to)[:to])
			},
			"punch": func(t *rapid.T) {
				off, n := offset.Draw(t, "off"), size.Draw(t, "size")
				rapidCheck(t, f.Punch(int64(off), int64(n)))
				next := slices.Clone(model.now())
				if off < len(next) {
					clear(next[off:min(off+n, len(next))])
				}
				model.then(next)
			},
			"preallocate": func(t *rapid.T) {
				rapidCheck(t, f.Preallocate(int64(offset.Draw(t, "off")), int64(size.Draw(t, "size"))))
			},
			"sync": func(t *rapid.T) {
				rapidCheck(t, f.Sync())
				model.states = model.states[len(model.states)-1:]
			},
			"clone": func(t *rapid.T) {
				m = m.Clone()
				f, err = m.OpenFile("/a", ReadWrite)
				rapidCheck(t, err)
			},
			"crash": func(t *rapid.T) {
				mode := rapid.SampledFrom([]CrashMode{LoseAll, KeepAll, Random, Random}).Draw(t, "mode")
				m = m.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), mode)
				got, err := m.ReadFile("/a")
				rapidCheck(t, err)
				switch mode {
				case LoseAll:
					wantSame(t, "lost all", got, model.states[0])
				case KeepAll:
					wantSame(t, "kept all", got, model.now())
				default:
					wantMixed(t, got, model.states)
				}
				if mode != KeepAll {
					model.states = [][]byte{got}
				}
				f, err = m.OpenFile("/a", ReadWrite)
				rapidCheck(t, err)
			},
			"": func(t *rapid.T) {
				got, err := m.ReadFile("/a")
				rapidCheck(t, err)
				wantSame(t, "read", got, model.now())
				wantSound(t, m)
			},
		})
	})
}

// wantSound checks that the space in use is that of the pages that the file has.
func wantSound(t *rapid.T, m *Mem) {
	n, err := m.lookup("/a")
	rapidCheck(t, err)
	pages := int64(0)
	last := int64(-1)
	for _, s := range n.now.allocated.list {
		if s.from <= last || s.from >= s.to {
			t.Fatalf("allocated pages: got %v, want ascending, disjoint, not touching", n.now.allocated.list)
		}
		pages += s.to - s.from
		last = s.to
	}
	if pages != n.now.allocated.pages || pages != m.used.Load() {
		t.Fatalf("pages in use: got %d counted, %d in the file; spans have %d", m.used.Load(), n.now.allocated.pages, pages)
	}
	for i, c := range n.now.pages.chunks {
		for _, r := range c.runs {
			from, to := i*chunkPages+int64(r.from), i*chunkPages+int64(r.to)
			if r.page == nil || from >= to || n.now.allocated.missing(from, to) != 0 || to > pageCeil(n.now.size) {
				t.Fatalf("pages %d to %d: got data that is not allocated or lies beyond the end, %d", from, to, n.now.size)
			}
		}
	}
}

// drawBytes gives bytes that a real file has: noise, repeats, zeros.
func drawBytes(t *rapid.T, size int) []byte {
	seed := rapid.Byte().Draw(t, "content")
	switch seed % 4 {
	case 0:
		return make([]byte, size)
	case 1:
		return bytes.Repeat([]byte{seed}, size)
	}
	return pattern(size, seed)
}

func wantSame(t *rapid.T, what string, got, want []byte) {
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: got %d bytes, want %d, or they differ", what, len(got), len(want))
	}
}

func wantMixed(t *rapid.T, got []byte, states [][]byte) {
	smallest, largest := len(states[0]), len(states[0])
	for _, s := range states {
		smallest, largest = min(smallest, len(s)), max(largest, len(s))
	}
	if len(got) < smallest || len(got) > largest {
		t.Fatalf("power loss: got %d bytes, want from %d to %d", len(got), smallest, largest)
	}
	for i, b := range got {
		known := false
		for _, s := range states {
			known = known || i < len(s) && s[i] == b || i >= len(s) && b == 0
		}
		if !known {
			t.Fatalf("power loss: byte %d is %#x, which it never was since the last sync", i, b)
		}
	}
}

func rapidCheck(t *rapid.T, err error) {
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// The names of one directory after a crash are those of some moment since it was last synced.
func TestNamespaceProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMem(Options{})
		states := []map[string]byte{{}}
		now := func() map[string]byte { return states[len(states)-1] }
		then := func(change func(map[string]byte)) {
			next := maps.Clone(now())
			change(next)
			states = append(states, next)
		}
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		marks := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				n := name.Draw(t, "name")
				f, err := m.OpenFile(n, Create)
				if _, exists := now()[n]; exists != (err != nil) {
					t.Fatalf("create %s, which exists: %v; got error %v", n, exists, err)
				}
				if err == nil {
					marks++
					_, err := f.WriteAt([]byte{marks}, 0)
					rapidCheck(t, err)
					rapidCheck(t, f.Sync())
					rapidCheck(t, f.Close())
					then(func(s map[string]byte) { s[n] = marks })
				}
			},
			"remove": func(t *rapid.T) {
				n := name.Draw(t, "name")
				err := m.Remove(n)
				if _, exists := now()[n]; exists == (err != nil) {
					t.Fatalf("remove %s, which exists: %v; got error %v", n, exists, err)
				}
				if err == nil {
					then(func(s map[string]byte) { delete(s, n) })
				}
			},
			"rename": func(t *rapid.T) {
				from, to := name.Draw(t, "from"), name.Draw(t, "to")
				err := m.Rename(from, to)
				mark, exists := now()[from]
				if exists == (err != nil) {
					t.Fatalf("rename %s, which exists: %v; got error %v", from, exists, err)
				}
				if err == nil && from != to {
					then(func(s map[string]byte) {
						delete(s, from)
						s[to] = mark
					})
				}
			},
			"sync": func(t *rapid.T) {
				rapidCheck(t, m.SyncDir("/"))
				states = states[len(states)-1:]
			},
			"crash": func(t *rapid.T) {
				mode := rapid.SampledFrom([]CrashMode{LoseAll, KeepAll, Random, Random}).Draw(t, "mode")
				m = m.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), mode)
				got := namesOf(t, m)
				allowed := states
				switch mode {
				case LoseAll:
					allowed = states[:1]
				case KeepAll:
					allowed = states[len(states)-1:]
				}
				if !slices.ContainsFunc(allowed, func(s map[string]byte) bool { return maps.Equal(s, got) }) {
					t.Fatalf("crash %d: got %v, want one of %v", mode, got, allowed)
				}
				if mode != KeepAll {
					states = []map[string]byte{got}
				}
			},
			"": func(t *rapid.T) {
				if got := namesOf(t, m); !maps.Equal(got, now()) {
					t.Fatalf("names: got %v, want %v", got, now())
				}
				if got, want := m.used.Load(), int64(len(now())); got != want {
					t.Fatalf("pages in use: got %d, want %d, one for each file", got, want)
				}
			},
		})
	})
}

func namesOf(t *rapid.T, m *Mem) map[string]byte {
	names, err := m.List("/")
	rapidCheck(t, err)
	found := map[string]byte{}
	for _, n := range names {
		data, err := m.ReadFile(n)
		rapidCheck(t, err)
		if len(data) != 1 {
			t.Fatalf("%s: got content %q, want its mark", n, fmt.Sprint(data))
		}
		found[n] = data[0]
	}
	return found
}
