package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table collects rows and prints them in columns.
type table struct {
	headers []string
	rows    [][]string
	// underline puts a row of ====== under the headers.
	underline bool
	// For tables whose layout is fixed: the least width of each column, with its gap; and the gap.
	width []int
	gap   int // 0: columnGap
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// columnGap is the blanks between two columns.
const columnGap = 2

// print writes the table; a cell may hold any object name, so what would move the cursor is escaped.
func (t *table) print(w io.Writer, headers bool) error {
	var lines [][]string
	if headers {
		lines = append(lines, t.headers)
		if t.underline {
			under := make([]string, len(t.headers))
			for i := range t.headers {
				under[i] = "======"
			}
			lines = append(lines, under)
		}
	}
	for _, r := range t.rows {
		safe := make([]string, len(r))
		for i, c := range r {
			safe[i] = printable(c)
		}
		lines = append(lines, safe)
	}
	width, gap := make([]int, len(t.headers)), t.gap
	copy(width, t.width)
	if gap == 0 {
		gap = columnGap
	}
	for _, l := range lines {
		for i, c := range l {
			width[i] = max(width[i], utf8.RuneCountInString(c)+gap)
		}
	}
	var b strings.Builder
	for _, l := range lines {
		for i, c := range l {
			b.WriteString(c)
			if i < len(l)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable is s as it is if a terminal shows it as one line and nothing else, or quoted if not: an
// object may be named "\x1b[2J".
func printable(s string) string {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
