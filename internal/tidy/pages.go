package tidy

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

var (
	postponed = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	// tracker finds what a reader of the repository alone cannot follow.
	tracker = regexp.MustCompile(`(?i)\.\./shared\b|\bshared/(design|engine|style|interface|protocol)\.md|\bissues?\s+#?\d+|(^|\s)\(?#\d+\)?(\s|$)`)
	link    = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)
	// command finds `make target` in pages, in code spans and at the start of lines of code blocks.
	command   = regexp.MustCompile("(?m)(?:^\\s*(?:\\$ )?|`)make ([a-z][a-z0-9-]*)")
	target    = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):[^=\n]*$`)
	reasonRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| \\S.* \\|$")
	helped    = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):[^=#\n]*## \S.*$`)
)

// CheckPostponed: what is left for later is not in the code.
func CheckPostponed(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		for _, group := range f.Syntax.Comments {
			for _, c := range group.List {
				if word := postponed.FindString(c.Text); word != "" {
					found = append(found, t.problem(c.Pos(), "%s: do it, or say in docs/not-doing.md why not", word))
				}
			}
		}
	}
	return found
}

// CheckReferences: nothing refers to what is not in the repository, and links of pages lead somewhere.
func CheckReferences(t *Tree) (found []Problem) {
	for _, f := range t.files() {
		for _, group := range f.Syntax.Comments {
			if what := tracker.FindString(group.Text()); what != "" {
				found = append(found, t.problem(group.Pos(), "%q means nothing to a reader of the repository: say the thing itself", strings.TrimSpace(what)))
			}
		}
	}
	for name, text := range t.Texts {
		if what := tracker.FindString(text); what != "" && name != "go.mod" {
			found = append(found, Problem{name, fmt.Sprintf("%q means nothing to a reader of the repository: say the thing itself", strings.TrimSpace(what))})
		}
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if to := path.Join(path.Dir(name), m[1]); !t.Paths[to] {
				found = append(found, Problem{name, fmt.Sprintf("links to %s, which is not there", to)})
			}
		}
	}
	return found
}

// CheckMake: make help tells of every target, and every target that a page names is there.
func CheckMake(t *Tree) (found []Problem) {
	makefile := t.Texts["Makefile"]
	known, told := map[string]bool{}, map[string]bool{}
	for _, m := range helped.FindAllStringSubmatch(makefile, -1) {
		told[m[1]] = true
	}
	for _, m := range target.FindAllStringSubmatch(makefile, -1) {
		known[m[1]] = true
		if !told[m[1]] {
			found = append(found, Problem{"Makefile", fmt.Sprintf("target %s has no line of help: `%s: ## what it does`", m[1], m[1])})
		}
	}
	for name, text := range t.Texts {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				found = append(found, Problem{name, fmt.Sprintf("names `make %s`, which the Makefile does not have", m[1])})
			}
		}
	}
	return found
}

// CheckDependencies: each direct dependency has its line of reason, and each line its dependency;
// what is imported is called a direct dependency.
func CheckDependencies(t *Tree) (found []Problem) {
	const page = "docs/dependencies.md"
	direct, indirect := requirements(t.Texts["go.mod"])
	told := map[string]bool{}
	for _, m := range reasonRow.FindAllStringSubmatch(t.Texts[page], -1) {
		told[m[1]] = true
		if !direct[m[1]] {
			found = append(found, Problem{page, fmt.Sprintf("tells of %s, which is no direct dependency", m[1])})
		}
	}
	for _, f := range t.files() {
		for _, spec := range f.Syntax.Imports {
			to := strings.Trim(spec.Path.Value, `"`)
			if indirect[moduleOf(to, direct, indirect)] {
				found = append(found, t.problem(spec.Pos(), "imports %s, which go.mod calls indirect", to))
			}
		}
	}
	for name := range direct {
		if !told[name] {
			found = append(found, Problem{page, fmt.Sprintf("has no row \"| `%s` | reason |\"", name)})
		}
	}
	return found
}

// requirements reads the modules of a go.mod file.
func requirements(text string) (direct, indirect map[string]bool) {
	direct, indirect = map[string]bool{}, map[string]bool{}
	block := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "require (" || line == ")" {
			block = line != ")"
			continue
		}
		line, single := strings.CutPrefix(line, "require ")
		fields := strings.Fields(line)
		switch {
		case !block && !single || len(fields) < 2:
		case len(fields) == 2:
			direct[fields[0]] = true
		default:
			indirect[fields[0]] = true
		}
	}
	return direct, indirect
}

// moduleOf is the longest module whose path begins an import path; "" for the standard library.
func moduleOf(to string, modules ...map[string]bool) (longest string) {
	for _, set := range modules {
		for m := range set {
			if (to == m || strings.HasPrefix(to, m+"/")) && len(m) > len(longest) {
				longest = m
			}
		}
	}
	return longest
}
