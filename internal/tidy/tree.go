package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Tree is the repository as the rules see it.
type Tree struct {
	Module   string // module path
	Fset     *token.FileSet
	Packages map[string][]*File // Go files by folder relative to the root, "." for the root
	Texts    map[string]string  // go.mod, Makefile, scripts and pages, by path
	Paths    map[string]bool    // every file and folder that was seen, by path
}

// File is one Go file.
type File struct {
	Path   string // relative to the root, with slashes
	Folder string
	Test   bool
	Source []byte
	Syntax *ast.File
}

// Problem is one breach of a rule.
type Problem struct {
	Where string // path or path:line
	What  string
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// Load reads a repository. Folders whose name begins with "." are not entered, except .ci; nor are
// bin, testdata and vendor.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{
		Fset:     token.NewFileSet(),
		Packages: map[string][]*File{},
		Texts:    map[string]string{},
		Paths:    map[string]bool{},
	}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		t.Paths[name] = true
		if d.IsDir() {
			return enter(d.Name(), name)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return t.add(root, name)
	})
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	for line := range strings.Lines(t.Texts["go.mod"]) {
		if rest, ok := strings.CutPrefix(line, "module "); ok {
			t.Module = strings.TrimSpace(rest)
		}
	}
	return t, nil
}

func enter(base, name string) error {
	hidden := strings.HasPrefix(base, ".") && name != "." && name != ".ci"
	if hidden || slices.Contains([]string{"bin", "testdata", "vendor"}, base) {
		return fs.SkipDir
	}
	return nil
}

func (t *Tree) add(root fs.FS, name string) error {
	ext := path.Ext(name)
	if ext != ".go" && ext != ".md" && ext != ".mod" && path.Base(name) != "Makefile" && path.Dir(name) != ".ci" {
		return nil
	}
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	if ext != ".go" {
		t.Texts[name] = string(source)
		return nil
	}
	// Object resolution stays on: it tells a package's variable from a local one of the same name.
	syntax, err := parser.ParseFile(t.Fset, name, source, parser.ParseComments)
	if err != nil {
		return err
	}
	folder := path.Dir(name)
	t.Packages[folder] = append(t.Packages[folder], &File{
		Path: name, Folder: folder, Test: strings.HasSuffix(name, "_test.go"), Source: source, Syntax: syntax,
	})
	return nil
}

// files gives every Go file, in order of path.
func (t *Tree) files() []*File {
	var all []*File
	for _, files := range t.Packages {
		all = append(all, files...)
	}
	slices.SortFunc(all, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// problem places a finding in a Go file.
func (t *Tree) problem(pos token.Pos, format string, args ...any) Problem {
	p := t.Fset.Position(pos)
	return Problem{Where: p.Filename + ":" + strconv.Itoa(p.Line), What: fmt.Sprintf(format, args...)}
}

// imports maps the names by which a file knows its imports to their paths.
func (f *File) imports() map[string]string {
	m := map[string]string{}
	for _, spec := range f.Syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		name := path.Base(p)
		if version(name) {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		m[name] = p
	}
	return m
}

// version reports whether the last element of an import path is a major version: v2, v10.
func version(s string) bool {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "v"))
	return err == nil && n > 1 && s[0] == 'v'
}

// imported gives "import/path.Name" for a selector on an imported package, or "".
func imported(imports map[string]string, e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Obj != nil { // an object means a local name that hides the import
		return ""
	}
	if p, ok := imports[id.Name]; ok {
		return p + "." + sel.Sel.Name
	}
	return ""
}
