package tidy

import (
	"bytes"
	"fmt"
	"go/format"
	"path"
	"slices"
	"strings"
)

// linesMax is the length of a file that is surely more than one idea. Tests may be longer: a table
// of cases is one idea however long.
const linesMax = 700

// longFiles are files over linesMax, with the reason why cutting them would hide something.
var longFiles = map[string]string{}

// grabBags are names that say nothing: what is in them belongs with its idea.
var grabBags = []string{"util", "utils", "common", "helper", "helpers", "base", "misc", "manager", "shared", "types"}

// CheckListed: every package is in the floor table, once, with its sentence; every row is a package.
func CheckListed(t *Tree, table []Package) (found []Problem) {
	rows := map[string]int{}
	for _, row := range table {
		rows[row.Path]++
		if rows[row.Path] > 1 {
			found = append(found, Problem{row.Path, "is twice in the floor table"})
		}
		if !strings.HasSuffix(row.Says, ".") || strings.Contains(row.Says, " and ") {
			found = append(found, Problem{row.Path, fmt.Sprintf("its sentence %q: want one sentence without \"and\"", row.Says)})
		}
	}
	for name := range rows {
		if len(t.Packages[name]) == 0 {
			found = append(found, Problem{name, "is in the floor table but there is no such package"})
		}
	}
	for folder := range t.Packages {
		if rows[folder] == 0 {
			found = append(found, Problem{folder, "is not in the floor table: say its sentence and its floor in internal/tidy/floors.go"})
		}
	}
	return found
}

// CheckImports: imports point down, or to a named sibling. Tests may import their whole floor, as
// they stand above the package they test.
func CheckImports(t *Tree, table []Package) (found []Problem) {
	rows := map[string]Package{}
	for _, row := range table {
		rows[row.Path] = row
	}
	for _, f := range t.files() {
		from := rows[f.Folder]
		for _, spec := range f.Syntax.Imports {
			to := strings.Trim(spec.Path.Value, `"`)
			complain := func(why string) {
				found = append(found, t.problem(spec.Pos(), "%s (floor %d) imports %s: %s", f.Folder, from.Floor, to, why))
			}
			folder, own := strings.CutPrefix(to, t.Module)
			folder = path.Clean("./" + strings.TrimPrefix(folder, "/"))
			dotted := strings.Contains(strings.Split(to, "/")[0], ".")
			switch {
			case to == "C":
				complain("the binary is static and has no C in it")
			case f.Folder == "." && !f.Test && dotted:
				complain("the root imports the standard library alone")
			case !own || folder == f.Folder:
			case f.Test && rows[folder].Floor <= from.Floor:
			case slices.Contains(from.Siblings, folder) && rows[folder].Floor == from.Floor:
			case rows[folder].Floor >= from.Floor:
				complain(fmt.Sprintf("it lies on floor %d and imports point down", rows[folder].Floor))
			case from.Only != nil && folder != "." && !slices.Contains(from.Only, rows[folder].Floor) && !f.Test:
				complain(fmt.Sprintf("beside the root it may import only floors %v", from.Only))
			}
		}
	}
	return found
}

// CheckNames: no package and no file is a grab-bag.
func CheckNames(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.Path), ".go"), "_test")
		for _, name := range append(strings.Split(f.Folder, "/"), f.Syntax.Name.Name, stem) {
			if slices.Contains(grabBags, name) {
				found = append(found, Problem{f.Path, fmt.Sprintf("the name %q says nothing: name the idea", name)})
				break
			}
		}
	}
	return found
}

// CheckDocs: every package says in doc.go what it is. A main may say it in any file.
func CheckDocs(t *Tree) (found []Problem) {
	for folder, files := range t.Packages {
		said := false
		for _, f := range files {
			doc := f.Syntax.Doc.Text()
			place := path.Base(f.Path) == "doc.go" || f.Syntax.Name.Name == "main"
			want := "Package " + f.Syntax.Name.Name + " "
			if f.Syntax.Name.Name == "main" {
				want = "Command "
			}
			said = said || place && strings.HasPrefix(doc, want)
		}
		if !said {
			found = append(found, Problem{folder, "has no doc.go whose comment begins \"Package <name> \" (a main: \"Command <name> \")"})
		}
	}
	return found
}

// CheckLength: no file but a test is longer than linesMax.
func CheckLength(t *Tree, allowed map[string]string) (found []Problem) {
	for _, f := range t.files() {
		lines := bytes.Count(f.Source, []byte("\n"))
		long := lines > linesMax && !f.Test
		reason, excused := allowed[f.Path]
		switch {
		case long && !excused:
			found = append(found, Problem{f.Path, fmt.Sprintf("has %d lines, more than %d: is it two ideas?", lines, linesMax)})
		case excused && (!long || reason == ""):
			found = append(found, Problem{f.Path, "is excused for its length without need or reason: drop the row"})
		}
	}
	for name := range allowed {
		if !t.Paths[name] {
			found = append(found, Problem{name, "is excused for its length but is not there: drop the row"})
		}
	}
	return found
}

// CheckFormat: every file is as gofmt leaves it.
func CheckFormat(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		want, err := format.Source(f.Source)
		if err != nil || !bytes.Equal(want, f.Source) {
			found = append(found, Problem{f.Path, "is not formatted: run gofmt -w"})
		}
	}
	return found
}
