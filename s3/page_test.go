package s3

import (
	"os"
	"regexp"
	"testing"
)

// TestPage holds docs/s3.md to the table of operations: each is told once, and whether it is there.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../docs/s3.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[Operation]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z]\w+) \| (yes|no) \|.*\|$`).FindAllSubmatch(page, -1) {
		name := Operation(row[1])
		if told[name] != "" {
			t.Errorf("%s is told twice", name)
		}
		told[name] = string(row[2])
	}
	for i := range operations {
		op := &operations[i]
		want := "yes"
		if op.serve == nil {
			want = "no"
		}
		if got := told[op.name]; got != want {
			t.Errorf("%s: the page says %q, the table of operations says %q", op.name, got, want)
		}
		delete(told, op.name)
	}
	for name := range told {
		t.Errorf("%s is told and is no operation", name)
	}
}
