package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// sourceTree fills a new folder with count files: those of the Go distribution, evenly chosen, and
// some whose sizes and names lie on the limits of formats and clients.
func sourceTree(t testing.TB, count int) string {
	t.Helper()
	dir := t.TempDir()
	odd := map[string]int64{
		"sizes/empty": 0, "sizes/one": 1, "sizes/block": 64 << 10, "sizes/block-1": 64<<10 - 1, "sizes/block+1": 64<<10 + 1,
		"sizes/inline": 128 << 10, "sizes/inline+1": 128<<10 + 1, "sizes/extent": 2 << 20, "sizes/extent-1": 2<<20 - 1, "sizes/extent+1": 2<<20 + 1,
		"sizes/part+1": 5<<20 + 1, "names/with space": 10, "names/a+b": 11, "names/100%": 12, "names/%2F": 13, "names/é": 14, "names/e\u0301": 15,
		"names/日本語/テスト": 16, "names/😀": 17, "names/&amp;<x>": 18, "names/'quoted' \"twice\"": 19, "names/#?;=@$,": 20, "names/[x]{y}": 21,
		"names/" + strings.Repeat("l", 250): 22, "names/.hidden": 23, "names/~": 24, "names/-rf": 25, "names/CON": 26,
	}
	for name, size := range odd {
		writeFile(t, filepath.Join(dir, name), value{key: name, number: 1, size: size}.reader())
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env GOROOT: %v", err)
	}
	src := filepath.Join(strings.TrimSpace(string(out)), "src")
	files := regularFiles(t, src)
	need := count - len(odd)
	if len(files) < need {
		t.Fatalf("%s has %d files, want %d", src, len(files), need)
	}
	for i := range need {
		name := files[i*len(files)/need]
		f, err := os.Open(filepath.Join(src, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "go", name), f)
		f.Close()
	}
	return dir
}

// bigFile writes a value of some size to a new file.
func bigFile(t testing.TB, size int64) (string, value) {
	t.Helper()
	v := value{key: "big", number: 1, size: size}
	path := filepath.Join(t.TempDir(), "big")
	writeFile(t, path, v.reader())
	return path, v
}

func writeFile(t testing.TB, path string, r io.Reader) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func regularFiles(t testing.TB, dir string) []string {
	t.Helper()
	all, err := listFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// listFiles gives the regular files under a folder, relative to it.
func listFiles(dir string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	return all, err
}

// sameTrees reports whether two folders have the same files with the same bytes.
func sameTrees(got, want string) error {
	a, err := listFiles(got)
	if err != nil {
		return err
	}
	b, err := listFiles(want)
	if err != nil {
		return err
	}
	if len(a) != len(b) {
		return fmt.Errorf("%d files came back, want %d; %s", len(a), len(b), firstDifference(a, b))
	}
	for i := range a {
		if a[i] != b[i] {
			return fmt.Errorf("%d files came back, want %d; %s", len(a), len(b), firstDifference(a, b))
		}
		x, err := os.ReadFile(filepath.Join(got, a[i]))
		if err != nil {
			return err
		}
		y, err := os.ReadFile(filepath.Join(want, b[i]))
		if err != nil {
			return err
		}
		if !bytes.Equal(x, y) {
			return fmt.Errorf("%q came back with other bytes: %d, want %d", a[i], len(x), len(y))
		}
	}
	return nil
}

// checkFile compares a file with a value.
func checkFile(path string, v value) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return v.check(f)
}

// inParallel runs do for every file, eight at a time, and gives the first error.
func inParallel(ctx context.Context, files []string, do func(ctx context.Context, name string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for name := range work {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, name); err != nil {
					cancel(fmt.Errorf("%q: %w", name, err))
				}
			}
		})
	}
	for _, name := range files {
		work <- name
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}
