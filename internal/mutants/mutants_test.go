package mutants

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation takes a rule out of the code.
type mutation struct {
	rule string // of what is taken out, in a few words
	file string // relative to the root of the module
	old  string // is there exactly once
	new  string
	test string // what must fail, as for -run; of package target
}

// root is that of the module.
const root = "../.."

// TestMutants holds the table to the code. With AIS_MUTANTS set, to "all" or some text of a rule, the rules are taken
// out: of each a test must notice.
func TestMutants(t *testing.T) {
	which, run := os.LookupEnv("AIS_MUTANTS")
	for _, m := range table() {
		t.Run(m.rule, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, m.file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), m.old); n != 1 {
				t.Fatalf("%s has the text %q %d times, want once", m.file, m.old, n)
			}
			if run && (which == "all" || strings.Contains(m.rule, which)) {
				m.take(t, strings.Replace(string(text), m.old, m.new, 1))
			}
		})
	}
}

// take runs the tests with a file changed: they must fail.
func (m *mutation) take(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := m.command(t, "vet", "-overlay", list, "./target"); err != nil {
		t.Fatalf("it does not build: %v\n%s", err, out)
	}
	out, err := m.command(t, "test", "-overlay", list, "-count=1", "-timeout", "10m", "-failfast", "-run", m.test, "./target")
	switch {
	case err == nil:
		t.Errorf("no test of %s noticed that the rule was taken out", m.test)
	case strings.Contains(out, "test timed out"):
		t.Errorf("%s took too long to say anything", m.test)
	case strings.Contains(out, "no tests to run"):
		t.Errorf("there is no test %s", m.test)
	}
}

func (m *mutation) command(t *testing.T, args ...string) (string, error) {
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = root
	c.Env = append(os.Environ(), "AIS_TOWN_SEEDS=1-80")
	out, err := c.CombinedOutput()
	return string(out), err
}
