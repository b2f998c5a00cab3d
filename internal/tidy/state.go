package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// sharedState are package-level variables that do change, each with the reason why it may. Fifty
// nodes run in one process, so what is here is shared by all of them.
var sharedState = map[string]string{}

// pureCalls make values that never change.
var pureCalls = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "hash/crc32.MakeTable", "hash/crc64.MakeTable",
	"strings.NewReplacer", "encoding/base64.NewEncoding", "encoding/base32.NewEncoding",
	"encoding/hex.DecodeString", "time.Date", "time.Unix", "net/netip.MustParsePrefix", "net/netip.MustParseAddr",
}

// CheckState: a package-level variable is a constant that Go cannot spell: an error, a compiled
// expression, an embedded file, or a table (a literal, or an array left zero) that no code of this
// repository assigns to, in whole or in part, or takes the address of as a whole.
func CheckState(t *Tree, allowed map[string]string) (found []Problem) {
	used := map[string]bool{}
	for folder, files := range t.Packages {
		vars := packageVars(files)
		writes := writesTo(t, folder, files, vars)
		for name, v := range vars {
			why := v.why
			if why == "" && v.needsRead {
				if pos, ok := writes[name]; ok {
					why = fmt.Sprintf("is changed at %s", t.Fset.Position(pos))
				}
			}
			full := strings.TrimPrefix(folder+"."+name, "..")
			if reason := allowed[full]; reason != "" && why != "" {
				used[full] = true
			} else if why != "" {
				found = append(found, t.problem(v.spec.Pos(), "package-level variable %s %s: put it into a value that its user owns", name, why))
			}
		}
	}
	for full := range allowed {
		if !used[full] {
			found = append(found, Problem{full, "is excused as shared state without need or reason: drop the row"})
		}
	}
	return found
}

type packageVar struct {
	spec      *ast.ValueSpec
	why       string // why it is a problem whatever is done with it; "" if it is none
	needsRead bool   // it is fine as long as it is only read
}

func packageVars(files []*File) map[string]packageVar {
	vars := map[string]packageVar{}
	for _, f := range files {
		if f.Test {
			continue
		}
		imports := f.imports()
		for _, decl := range f.Syntax.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				for i, id := range spec.Names {
					if id.Name == "_" {
						continue
					}
					v := packageVar{spec: spec, needsRead: true}
					if !embedded(gen, spec) {
						v.why = judge(imports, spec, i)
					}
					vars[id.Name] = v
				}
			}
		}
	}
	return vars
}

func embedded(gen *ast.GenDecl, spec *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{gen.Doc, spec.Doc} {
		if doc == nil {
			continue
		}
		for _, c := range doc.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// judge says why a declaration is state; "" where it is a table or another constant.
func judge(imports map[string]string, spec *ast.ValueSpec, i int) string {
	if stateful(imports, spec.Type) {
		return "is made to change"
	}
	if len(spec.Values) == 0 {
		if array, ok := spec.Type.(*ast.ArrayType); ok && array.Len != nil {
			return "" // zeros to read from
		}
		return "has no value, so something must set it"
	}
	if i >= len(spec.Values) {
		i = 0
	}
	return judgeValue(imports, spec.Values[i])
}

func judgeValue(imports map[string]string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit, *ast.Ident, *ast.SelectorExpr, *ast.FuncLit:
		return ""
	case *ast.ParenExpr:
		return judgeValue(imports, e.X)
	case *ast.BinaryExpr:
		return judgeValue(imports, e.X) + judgeValue(imports, e.Y)
	case *ast.UnaryExpr:
		if e.Op != token.AND {
			return judgeValue(imports, e.X)
		}
		return "is a pointer, through which it can change"
	case *ast.CompositeLit:
		if stateful(imports, e.Type) {
			return "is made to change"
		}
		return ""
	case *ast.CallExpr:
		if _, ok := e.Fun.(*ast.ArrayType); ok { // []byte("…")
			return ""
		}
		if call := imported(imports, e.Fun); slices.Contains(pureCalls, call) || strings.HasSuffix(calledName(e), "Errorf") {
			return ""
		}
		if lit, ok := e.Fun.(*ast.FuncLit); ok && len(e.Args) == 0 && lit.Type.Results != nil {
			return "" // a table that is computed in place
		}
		if len(e.Args) == 1 && judgeValue(imports, e.Args[0]) == "" && literal(e.Args[0]) {
			return "" // Kind("…"), a conversion
		}
	}
	return "is the result of a call that may make something that changes"
}

func literal(e ast.Expr) bool {
	switch e.(type) {
	case *ast.BasicLit, *ast.CompositeLit:
		return true
	}
	return false
}

// stateful reports whether a type lives to change: anything of sync, and channels.
func stateful(imports map[string]string, e ast.Expr) bool {
	bad := false
	if e == nil {
		return false
	}
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ChanType:
			bad = true
		case *ast.SelectorExpr:
			name := imported(imports, n)
			bad = bad || strings.HasPrefix(name, "sync.") || strings.HasPrefix(name, "sync/atomic.")
		}
		return !bad
	})
	return bad
}

// writesTo finds, in the whole repository, the first place that changes each variable of a package.
func writesTo(t *Tree, folder string, files []*File, vars map[string]packageVar) map[string]token.Pos {
	writes := map[string]token.Pos{}
	note := func(name string, pos token.Pos) {
		if _, ok := vars[name]; ok && writes[name] == token.NoPos {
			writes[name] = pos
		}
	}
	for _, f := range files {
		eachWrite(f.Syntax, func(target ast.Expr) {
			id, ok := root(target).(*ast.Ident)
			if ok && packageLevel(id, vars) {
				note(id.Name, id.Pos())
			}
		})
	}
	path := strings.TrimSuffix(t.Module+"/"+folder, "/.")
	for _, f := range t.files() {
		imports := f.imports()
		eachWrite(f.Syntax, func(target ast.Expr) {
			for e := target; e != nil; e = inner(e) {
				if name, ok := strings.CutPrefix(imported(imports, e), path+"."); ok && !strings.Contains(name, ".") {
					note(name, e.Pos())
				}
			}
		})
	}
	return writes
}

// packageLevel reports whether an identifier names the package's variable and not a local one: the
// parser resolves local names to objects, and names from other files to none.
func packageLevel(id *ast.Ident, vars map[string]packageVar) bool {
	return id.Obj == nil || id.Obj.Decl == vars[id.Name].spec
}

// eachWrite calls back with every expression that is assigned to, counted up, deleted from, cleared,
// or whose address is taken as a whole.
func eachWrite(f *ast.File, call func(ast.Expr)) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					call(e)
				}
			}
		case *ast.IncDecStmt:
			call(n.X)
		case *ast.UnaryExpr:
			// The address of a part is how large rows of a table are read without copying them.
			if _, whole := n.X.(*ast.Ident); n.Op == token.AND && whole {
				call(n.X)
			}
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				call(n.Key)
				call(n.Value)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, id.Name) {
				call(n.Args[0])
			}
		}
		return true
	})
}

// root is the variable that an assignable expression is a part of.
func root(e ast.Expr) ast.Expr {
	for next := e; next != nil; next = inner(next) {
		e = next
	}
	return e
}

func inner(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.X
	case *ast.IndexExpr:
		return e.X
	case *ast.SliceExpr:
		return e.X
	case *ast.StarExpr:
		return e.X
	case *ast.ParenExpr:
		return e.X
	}
	return nil
}

// CheckStarts: nothing runs before main, and a constructor starts nothing.
func CheckStarts(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		for _, decl := range f.Syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Body == nil {
				continue
			}
			if fn.Name.Name == "init" {
				found = append(found, t.problem(fn.Pos(), "init runs before main can say how: call it"))
			}
			if f.Test || !strings.HasPrefix(fn.Name.Name, "New") {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncLit:
					return false // it runs later, when somebody calls it
				case *ast.GoStmt:
					found = append(found, t.problem(n.Pos(), "%s starts a goroutine: a constructor starts nothing, Run does", fn.Name.Name))
				}
				return true
			})
		}
	}
	return found
}
