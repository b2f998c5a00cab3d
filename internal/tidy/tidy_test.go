package tidy

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestHouseRules holds this repository to every rule.
func TestHouseRules(t *testing.T) {
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range rules() {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for _, p := range check(tree) {
				lines = append(lines, p.String())
			}
			slices.Sort(lines)
			if len(lines) > 0 {
				t.Errorf("got %d problems, want none:\n%s", len(lines), strings.Join(lines, "\n"))
			}
		})
	}
}

func rules() map[string]func(*Tree) []Problem {
	return map[string]func(*Tree) []Problem{
		"listed":       func(t *Tree) []Problem { return CheckListed(t, Floors) },
		"imports":      func(t *Tree) []Problem { return CheckImports(t, Floors) },
		"names":        CheckNames,
		"docs":         CheckDocs,
		"length":       func(t *Tree) []Problem { return CheckLength(t, longFiles) },
		"format":       CheckFormat,
		"bans":         CheckBans,
		"skips":        CheckSkips,
		"causes":       CheckCauses,
		"state":        func(t *Tree) []Problem { return CheckState(t, sharedState) },
		"starts":       CheckStarts,
		"postponed":    CheckPostponed,
		"references":   CheckReferences,
		"make":         CheckMake,
		"dependencies": CheckDependencies,
	}
}
