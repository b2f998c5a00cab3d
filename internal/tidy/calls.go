package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// ban is a package, or a name of a package, that is not used here, and what is used in its place.
type ban struct {
	What    string   // "import/path" or "import/path.Name"
	Instead string   //
	But     []string // folders in which it may be used
	Tests   bool     // tests may use it
}

var bans = []ban{
	{What: "io/ioutil", Instead: "io and os"},
	{What: "log", Instead: "an injected *slog.Logger"},
	{What: "math/rand", Instead: "math/rand/v2 with a seed that is printed"},
	{What: "github.com/prometheus/client_golang/prometheus/promauto", Instead: "a registry that is passed in"},
	{What: "unsafe", Instead: "encoding/binary, strings.Builder, slices.Clone", But: []string{"disk", "volume", "front", "bench"}},
	{What: "net/http/pprof", Instead: "handlers mounted by hand: its import changes http.DefaultServeMux", But: []string{"admin"}},

	{What: "context.Background", Instead: "the caller's ctx", But: []string{"cmd/ais"}, Tests: true},
	{What: "context.TODO", Instead: "the caller's ctx"},
	{What: "fmt.Print", Instead: "a writer that is passed in", But: []string{"cmd/ais"}},
	{What: "fmt.Printf", Instead: "a writer that is passed in", But: []string{"cmd/ais"}},
	{What: "fmt.Println", Instead: "a writer that is passed in", But: []string{"cmd/ais"}},
	{What: "log/slog.Debug", Instead: "an injected *slog.Logger"},
	{What: "log/slog.Info", Instead: "an injected *slog.Logger"},
	{What: "log/slog.Warn", Instead: "an injected *slog.Logger"},
	{What: "log/slog.Error", Instead: "an injected *slog.Logger"},
	{What: "log/slog.Default", Instead: "an injected *slog.Logger"},
	{What: "log/slog.SetDefault", Instead: "an injected *slog.Logger"},
	{What: "net/http.DefaultClient", Instead: "an http.Client of one's own, with timeouts"},
	{What: "net/http.DefaultTransport", Instead: "an http.Transport of one's own"},
	{What: "net/http.DefaultServeMux", Instead: "a mux of one's own"},
	{What: "net/http.Get", Instead: "an http.Client of one's own, with timeouts"},
	{What: "net/http.Head", Instead: "an http.Client of one's own, with timeouts"},
	{What: "net/http.Post", Instead: "an http.Client of one's own, with timeouts"},
	{What: "net/http.PostForm", Instead: "an http.Client of one's own, with timeouts"},
	{What: "net/http.Handle", Instead: "a mux of one's own"},
	{What: "net/http.HandleFunc", Instead: "a mux of one's own"},
	{What: "net/http.ListenAndServe", Instead: "package front"},
	{What: "net/http.NewRequest", Instead: "http.NewRequestWithContext", Tests: true},
	{What: "os.Exit", Instead: "an error: only main exits", But: []string{"cmd/ais"}, Tests: true},
	{What: "os.Getenv", Instead: "a Config field", But: []string{"cmd/ais", "cli", "node"}, Tests: true},
	{What: "os.LookupEnv", Instead: "a Config field", But: []string{"cmd/ais", "cli", "node"}, Tests: true},
	{What: "github.com/prometheus/client_golang/prometheus.DefaultGatherer", Instead: "a registry that is passed in"},
	{What: "github.com/prometheus/client_golang/prometheus.DefaultRegisterer", Instead: "a registry that is passed in"},
	{What: "github.com/prometheus/client_golang/prometheus.MustRegister", Instead: "MustRegister of a registry that is passed in"},
	{What: "github.com/prometheus/client_golang/prometheus.Register", Instead: "Register of a registry that is passed in"},
	{What: "github.com/prometheus/client_golang/prometheus/promhttp.Handler", Instead: "promhttp.HandlerFor"},
	{What: "runtime.GC", Instead: "nothing: memory is bounded by design", Tests: true},
	{What: "time.Sleep", Instead: "a timer beside ctx.Done(); in tests a step, synctest, or waiting on a condition"},
	{What: "time.Tick", Instead: "time.NewTicker, which can be stopped"},
}

// CheckBans: nothing banned is imported or used.
func CheckBans(t *Tree) (found []Problem) {
	byWhat := map[string]ban{}
	for _, b := range bans {
		byWhat[b.What] = b
	}
	check := func(f *File, pos token.Pos, what string) {
		b, ok := byWhat[what]
		if ok && !slices.Contains(b.But, f.Folder) && !(b.Tests && f.Test) {
			found = append(found, t.problem(pos, "%s: use %s", what, b.Instead))
		}
	}
	for _, f := range t.files() {
		for _, spec := range f.Syntax.Imports {
			check(f, spec.Pos(), strings.Trim(spec.Path.Value, `"`))
		}
		imports := f.imports()
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if e, ok := n.(*ast.SelectorExpr); ok {
				check(f, e.Pos(), imported(imports, e))
			}
			return true
		})
	}
	return found
}

// CheckSkips: a skipped test is a failed promise.
func CheckSkips(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		if !f.Test {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			e, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, e.Sel.Name) {
				return true
			}
			if id, ok := e.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, id.Name) {
				found = append(found, t.problem(e.Pos(), "a test that is skipped proves nothing: make what it needs"))
			}
			return true
		})
	}
	return found
}

// CheckCauses: an error that is wrapped keeps its cause, by %w.
func CheckCauses(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		if f.Test {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if ok && strings.HasSuffix(calledName(call), "Errorf") {
				if arg := lostCause(call); arg != "" {
					found = append(found, t.problem(call.Pos(), "the cause %s is lost: wrap it with %%w", arg))
				}
			}
			return true
		})
	}
	return found
}

func calledName(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return fn.Sel.Name
	}
	return ""
}

// lostCause gives the argument of an Errorf call that is an error by its name, but is printed with
// another verb than %w.
func lostCause(call *ast.CallExpr) string {
	for i, arg := range call.Args {
		lit, ok := arg.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			continue
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			return ""
		}
		for j, verb := range verbs(text) {
			if i+1+j < len(call.Args) && verb != 'w' {
				if name := errorName(call.Args[i+1+j]); name != "" {
					return name
				}
			}
		}
		return ""
	}
	return ""
}

// verbs gives the verbs of a format in order of their arguments. Explicit indexes are not followed.
func verbs(text string) (all []byte) {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		for i++; i < len(text) && strings.IndexByte("+-# 0123456789.[]", text[i]) >= 0; i++ {
		}
		if i < len(text) && text[i] != '%' {
			all = append(all, text[i])
		}
	}
	return all
}

// errorName is how an expression that is an error by its name reads; "" if it is none.
func errorName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		if e.Name == "err" || strings.HasSuffix(e.Name, "Err") {
			return e.Name
		}
	case *ast.SelectorExpr:
		if e.Sel.Name == "err" || e.Sel.Name == "Err" {
			return "." + e.Sel.Name
		}
	case *ast.CallExpr:
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && len(e.Args) == 0 && sel.Sel.Name == "Error" {
			return fmt.Sprintf("%s.Error()", errorName(sel.X))
		}
	}
	return ""
}
