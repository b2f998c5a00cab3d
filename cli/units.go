package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed9b016523/ais"
)

// units is how byte counts are printed.
type units string

const (
	unitsIEC units = "iec" // 1.27MiB
	unitsSI  units = "si"  // 1.33MB
	unitsRaw units = "raw" // 1331691
)

// String, Set and Type make it a flag.
func (u *units) String() string { return string(*u) }
func (u *units) Type() string   { return "iec|si|raw" }
func (u *units) Set(s string) error {
	switch v := units(s); v {
	case unitsIEC, unitsSI, unitsRaw:
		*u = v
		return nil
	}
	return fmt.Errorf("%q: want iec, si or raw", s)
}

// size prints a byte count with at most two decimals and no blank: a column of a table is one word.
func (u units) size(n int64) string {
	base, suffix := 1024.0, "iB"
	switch u {
	case unitsRaw:
		return strconv.FormatInt(n, 10)
	case unitsSI:
		base, suffix = 1000, "B"
	}
	f, i := float64(n), -1
	for f >= base && i < len("KMGTPE")-1 {
		f /= base
		i++
	}
	if i < 0 {
		return strconv.FormatInt(n, 10) + "B"
	}
	digits := strconv.FormatFloat(f, 'f', 2, 64)
	digits = strings.TrimRight(strings.TrimRight(digits, "0"), ".")
	return digits + "KMGTPE"[i:i+1] + suffix
}

// parseBytes reads "64MiB", "64MB", "64m" or "4096" as a byte count.
func parseBytes(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	number := strings.TrimRight(text, "kmgtib")
	unit := text[len(number):]
	base := int64(1024)
	if len(unit) == 2 && unit[1] == 'b' { // kb, mb, …: decimal, as SI has it
		base = 1000
	}
	factor := int64(1)
	switch unit {
	case "", "b":
	default:
		i := strings.IndexByte("kmgt", unit[0])
		if rest := unit[1:]; i < 0 || rest != "" && rest != "b" && rest != "i" && rest != "ib" {
			return 0, ais.Errorf(ais.Invalid, "size %q: want a number with KiB, MiB, GiB, TiB, KB, MB, GB or TB", s)
		}
		for range i + 1 {
			factor *= base
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f >= 0 && f*float64(factor) <= 1<<62) { // also what is no number
		return 0, ais.Errorf(ais.Invalid, "size %q: not a size", s)
	}
	return int64(f * float64(factor)), nil
}

// bytesFlag makes a byte count a flag.
type bytesFlag struct{ n *int64 }

func (f bytesFlag) String() string {
	if f.n == nil {
		return ""
	}
	return unitsIEC.size(*f.n)
}
func (f bytesFlag) Type() string { return "size" }
func (f bytesFlag) Set(s string) (err error) {
	*f.n, err = parseBytes(s)
	return err
}
