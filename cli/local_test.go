package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func fillWith(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func openRoot(t *testing.T, dir string) *os.Root {
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// tree is all that lies below dir, in order.
func tree(t *testing.T, dir string) (names []string) {
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		names = append(names, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNamesThatCannotBePathsAreRefused(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "in")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	root := openRoot(t, dir)
	for _, name := range []string{"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "a/../b", ".", "./a", "a/./b", "a//b", "a/", "a\x00b", strings.Repeat("x", 256)} {
		if err := createLocal(root, name, fillWith("evil")); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%.20q: got %v, want kind Invalid", name, err)
		}
	}
	if got := tree(t, outer); !slices.Equal(got, []string{"in"}) {
		t.Errorf("refused names left %q", got)
	}
}

func TestHarmlessNamesAreTaken(t *testing.T) {
	dir := t.TempDir()
	root := openRoot(t, dir)
	for _, name := range []string{"a", "...", "..a", "a..", "d/e/f", "-rf", "with blank", "ü/ñ", "a\nb", "\\..\\x", "~"} {
		if err := createLocal(root, name, fillWith(name)); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != name {
			t.Errorf("%q: read %q, %v", name, b, err)
		}
	}
}

func TestALinkDoesNotLeadOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	root := openRoot(t, dir)
	if err := createLocal(root, "link/x", fillWith("evil")); err == nil {
		t.Error("a file was made through a link that leads out")
	}
	if err := createLocal(root, "file", fillWith("new")); err != nil {
		t.Errorf("a link in the way of a file: %v; want it replaced", err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "old" {
		t.Errorf("the file outside was changed to %q", b)
	}
	if got := tree(t, outside); !slices.Equal(got, []string{"victim"}) {
		t.Errorf("outside there is %q", got)
	}
}

func TestOneNameIsTheDirectoryOfAnother(t *testing.T) {
	for _, order := range [][]string{{"a", "a/b"}, {"a/b", "a"}} {
		root := openRoot(t, t.TempDir())
		if err := createLocal(root, order[0], fillWith("first")); err != nil {
			t.Fatal(err)
		}
		err := createLocal(root, order[1], fillWith("second"))
		if !ais.IsKind(err, ais.Exists) || !strings.Contains(err.Error(), "in the way") {
			t.Errorf("%q after %q: got %v, want kind Exists", order[1], order[0], err)
		}
	}
}

func TestAFileGetsItsNameWhenItIsWhole(t *testing.T) {
	dir := t.TempDir()
	root := openRoot(t, dir)
	if err := createLocal(root, "f", fillWith("old")); err != nil {
		t.Fatal(err)
	}
	err := createLocal(root, "f", func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return io.ErrUnexpectedEOF
	})
	if err == nil {
		t.Error("a failed fetch was no error")
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "f")); string(b) != "old" {
		t.Errorf("after a failed fetch the file is %q, want the old one", b)
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"f"}) {
		t.Errorf("left over: %q", got)
	}
}

func TestCreateFileWritesToDevicesAndThroughLinks(t *testing.T) {
	if err := createFile("/dev/null", fillWith("x")); err != nil {
		t.Errorf("/dev/null: %v", err)
	}
	dir := t.TempDir()
	if err := createFile(dir, fillWith("x")); err == nil {
		t.Error("a directory was written to")
	}
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := createFile(link, fillWith("new")); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(real); string(b) != "new" {
		t.Errorf("through the user's own link: %q, want new", b)
	}
}

func TestWalkFindsRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b/c", "a", "b/d/e"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/", filepath.Join(dir, "root")); err != nil {
		t.Fatal(err)
	}
	var files, others []string
	err := walk(t.Context(), dir, func(f localFile) error {
		files = append(files, f.name)
		if f.size != int64(len(f.name)) {
			t.Errorf("%s: size %d", f.name, f.size)
		}
		return nil
	}, func(p string) { others = append(others, filepath.Base(p)) })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(files, []string{"a", "b/c", "b/d/e"}) || !slices.Equal(others, []string{"root"}) {
		t.Errorf("files %q, others %q", files, others)
	}
}
