package tidy

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

// table is a small floor table for the cases below.
var table = []Package{
	{Path: ".", Floor: 0, Says: "Nouns."},
	{Path: "low", Floor: 1, Says: "Low."},
	{Path: "mid", Floor: 2, Says: "Mid."},
	{Path: "other", Floor: 2, Says: "Other."},
	{Path: "friend", Floor: 2, Siblings: []string{"mid"}, Says: "Friend."},
	{Path: "high", Floor: 3, Only: []int{1}, Says: "High."},
	{Path: "cmd/ais", Floor: 4, Says: "Main."},
}

// TestRulesFire shows for every rule what it finds and what it lets pass. Each case is a repository;
// want is one line per problem: where, and a word of the message.
func TestRulesFire(t *testing.T) {
	cases := []struct {
		name, repository string
		check            func(*Tree) []Problem
		want             []string
	}{
		{"listed", "-- low/a.go --\npackage low\n-- new/a.go --\npackage new\n",
			func(t *Tree) []Problem {
				return CheckListed(t, []Package{{Path: "low", Says: "This and that."}, {Path: "low", Says: "Low."}, {Path: "old", Says: "Old."}})
			}, []string{"low without", "low twice", "new not in the floor table", "old no such package"}},
		{"imports", `-- a.go --
package ais
import _ "example.org/x"
-- low/a.go --
package low
import _ "m"
import _ "m/mid"
import _ "C"
-- mid/a.go --
package mid
import _ "m/low"
import _ "m/other"
-- mid/a_test.go --
package mid_test
import _ "m/other"
import _ "m/high"
-- friend/a.go --
package friend
import _ "m/mid"
-- high/a.go --
package high
import _ "m"
import _ "m/low"
import _ "m/mid"
`, func(t *Tree) []Problem { return CheckImports(t, table) }, []string{
			"a.go:2 standard library", "high/a.go:4 only floors [1]", "low/a.go:3 floor 2", "low/a.go:4 no C",
			"mid/a.go:3 point down", "mid/a_test.go:3 floor 3"}},
		{"names", "-- util/a.go --\npackage util\n-- low/helpers.go --\npackage low\n-- low/ok.go --\npackage low\n",
			CheckNames, []string{"low/helpers.go helpers", "util/a.go util"}},
		{"docs", `-- low/doc.go --
// Package low is documented.
package low
-- mid/mid.go --
// Package mid says it in the wrong file.
package mid
-- cmd/ais/main.go --
// Command ais is documented.
package main
`, CheckDocs, []string{"mid doc.go"}},
		{"length", "-- low/a.go --\npackage low\n" + strings.Repeat("\n", 700) +
			"-- low/a_test.go --\npackage low\n" + strings.Repeat("\n", 900) + "-- low/b.go --\npackage low\n",
			func(t *Tree) []Problem {
				return CheckLength(t, map[string]string{"low/b.go": "is short", "low/c.go": "is gone"})
			}, []string{"low/a.go two ideas", "low/b.go without need", "low/c.go not there"}},
		{"format", "-- low/a.go --\npackage low\nvar  a = 1\n", CheckFormat, []string{"low/a.go gofmt"}},
		{"bans", `-- low/a.go --
package low
import "time"
import "context"
import _ "log"
import http "net/http"
func f() { time.Sleep(1); _ = context.Background(); _ = http.DefaultClient }
func g(time interface{ Sleep(int) }) { time.Sleep(1) }
-- low/a_test.go --
package low
import "time"
import "context"
func h() { time.Sleep(1); _ = context.Background(); _ = context.TODO() }
-- cmd/ais/main.go --
package main
import "os"
func main() { os.Exit(1) }
-- mid/a.go --
package mid
import "os"
func f() { os.Exit(1) }
`, CheckBans, []string{"low/a.go:4 slog", "low/a.go:6 ctx.Done", "low/a.go:6 caller's ctx", "low/a.go:6 DefaultClient",
			"low/a_test.go:4 ctx.Done", "low/a_test.go:4 caller's ctx", "mid/a.go:3 only main exits"}},
		{"skips", "-- low/a_test.go --\npackage low\nfunc f() { t.Skip(); b.Skipf(``); list.Skip() }\n", CheckSkips,
			[]string{"low/a_test.go:2 proves nothing", "low/a_test.go:2 proves nothing"}},
		{"causes", `-- low/a.go --
package low
func f() {
	fmt.Errorf("%s: %w", name, err)
	fmt.Errorf("%5.1f %%: %v", x, err)
	ais.Errorf(ais.Invalid, "a: %s", err.Error())
	ais.NounErrorf(ais.Invalid, ais.NounBody, "%d %w: %v", 1, err, closeErr)
}
`, CheckCauses, []string{"low/a.go:4 cause err", "low/a.go:5 cause err.Error()", "low/a.go:6 cause closeErr"}},
		{"state", `-- low/a.go --
package low
import ("errors"; "sync"; "sync/atomic"; _ "embed")
var errGone = errors.New("gone")
var names = map[string]int{"a": 1}
var counted = map[string]int{}
var zeros [64]byte
var written [64]byte
var lock sync.Mutex
var count atomic.Int64
var pool = sync.Pool{}
var later string
var pointer = &struct{}{}
var made = build()
var version = "dev"
var _ = build()
var computed = func() [4]int { return [4]int{} }()
var remote = 1
//go:embed a.go
var text string
func f() { names := map[string]int{}; names["b"] = 1; counted["b"]++ }
-- low/b.go --
package low
func g() { copy(written[:], "x"); var zeros [2]int; zeros[0] = 1; delete(counted, "a") }
-- mid/a.go --
package mid
import "m/low"
func f() { low.remote = 2 }
`, func(t *Tree) []Problem {
			return CheckState(t, map[string]string{"low.pool": "buffers", "low.version": "not needed"})
		}, []string{"low.version drop the row",
			"low/a.go:11 no value", "low/a.go:12 pointer", "low/a.go:13 call", "low/a.go:17 changed", "low/a.go:5 changed",
			"low/a.go:7 changed", "low/a.go:8 made to change", "low/a.go:9 made to change"}},
		{"starts", `-- low/a.go --
package low
func init() {}
func New() { go func() {}() }
func NewLater() { _ = func() { go f() } }
func Run() { go f() }
`, CheckStarts, []string{"low/a.go:2 init", "low/a.go:3 constructor"}},
		{"postponed", "-- low/a.go --\npackage low\n\n// TO" + "DO: later\nvar a = \"FIX" + "ME\"\n", CheckPostponed,
			[]string{"low/a.go:3 not-doing"}},
		{"references", `-- low/a.go --
package low

// see ..` + `/shared/design.md
var a = 1
-- README.md --
[a](docs/a.md) [b](docs/b.md#x) [c](https://example.org/d.md) and iss` + `ue 7
-- docs/a.md --
[up](../README.md) [list](a.md)
`, CheckReferences, []string{"README.md b.md", "README.md reader", "low/a.go:3 reader"}},
		{"make", "-- Makefile --\nbuild: x ## builds\nV := 1\nx:\n-- README.md --\n    make build\n`make gone` make sure\n",
			CheckMake, []string{"Makefile x has no line", "README.md gone"}},
		{"dependencies", `-- go.mod --
module m
require (
	a.org/a v1.0.0
	a.org/b v1.0.0 // indirect
)
require a.org/c v1.0.0
-- low/a.go --
package low
import _ "a.org/a/deep"
import _ "a.org/b"
-- docs/dependencies.md --
| ` + "`a.org/a` | because |\n| `a.org/b` | because |\n", CheckDependencies,
			[]string{"docs/dependencies.md a.org/b", "docs/dependencies.md a.org/c", "low/a.go:3 calls indirect"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{"go.mod": {Data: []byte("module m\n")}}
			for _, f := range txtar.Parse([]byte(c.repository)).Files {
				files[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			tree, err := Load(files)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range c.check(tree) {
				got = append(got, p.String())
			}
			slices.Sort(got)
			left := slices.Clone(got)
			for _, line := range c.want {
				i := slices.IndexFunc(left, func(p string) bool { return matches(p, line) })
				if i < 0 {
					t.Fatalf("got\n  %s\nwant a problem like\n  %s", strings.Join(got, "\n  "), line)
				}
				left = slices.Delete(left, i, i+1)
			}
			if len(left) > 0 {
				t.Fatalf("got more problems than wanted:\n  %s", strings.Join(left, "\n  "))
			}
		})
	}
}

// matches reports whether a problem is at the place and has the words of a line "where words".
func matches(problem, line string) bool {
	where, words, _ := strings.Cut(line, " ")
	return strings.HasPrefix(problem, where+": ") && strings.Contains(problem, words)
}
