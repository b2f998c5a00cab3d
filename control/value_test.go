package control

import (
	"math"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/seed9b016523/ais"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]struct {
		bytes int64
		text  string
	}{
		"0": {0, "0"}, "0B": {0, "0"}, "1": {1, "1"}, "512": {512, "512"}, "4096": {4096, "4KiB"}, "1000": {1000, "1KB"},
		"64MiB": {64 << 20, "64MiB"}, "64mib": {64 << 20, "64MiB"}, "10GB": {10e9, "10GB"}, "1.5GiB": {3 << 29, "1536MiB"},
		"0.5KiB": {512, "512"}, "1024KiB": {1 << 20, "1MiB"}, "8191PiB": {8191 << 50, "8191PiB"}, "1500000B": {1500000, "1500KB"},
		"1048577": {1048577, "1048577"},
	} {
		got, err := ParseSize(s)
		if err != nil || got != want.bytes {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want.bytes)
		}
		if text := FormatSize(got); text != want.text {
			t.Errorf("FormatSize(%d) = %q, want %q", got, text, want.text)
		}
	}
	for _, s := range []string{"", "B", "MiB", "-1", "+1", "1.5", "1..5MiB", ".5MiB", "5.MiB", "0.3B", "64M", "64 MiB", "64Mib/s",
		"1e3", "0x10", "8192PiB", "9223372036854775807", "99999999999999999999", "999999999999999999999", "１MiB", "1MiB "} {
		if got, err := ParseSize(s); !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), "64MiB") {
			t.Errorf("ParseSize(%q) = %d, %v, want kind Invalid and an example", s, got, err)
		}
	}
}

func TestSizesReadBack(t *testing.T) {
	same := func(n int64) bool {
		n &= math.MaxInt64 - 1
		got, err := ParseSize(FormatSize(n))
		return err == nil && got == n
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]struct {
		d    time.Duration
		text string
	}{
		"0": {0, "0s"}, "0s": {0, "0s"}, "90s": {90 * time.Second, "1m30s"}, "2m": {2 * time.Minute, "2m"}, "60m": {time.Hour, "1h"},
		"1h30m": {90 * time.Minute, "1h30m"}, "1.5h": {90 * time.Minute, "1h30m"}, "250ms": {250 * time.Millisecond, "250ms"},
		"1h0m5s": {time.Hour + 5*time.Second, "1h0m5s"}, "10m": {10 * time.Minute, "10m"}, "20h": {20 * time.Hour, "20h"},
	} {
		got, err := ParseDuration(s)
		if err != nil || got != want.d || FormatDuration(got) != want.text {
			t.Errorf("ParseDuration(%q) = %v (%q), %v, want %v (%q)", s, got, FormatDuration(got), err, want.d, want.text)
		}
		if again, err := ParseDuration(FormatDuration(got)); err != nil || again != got {
			t.Errorf("%q read back: %v, %v, want %v", FormatDuration(got), again, err, got)
		}
	}
	for _, s := range []string{"", "2", "m", "-2m", "+2m", "2 m", "2 minutes", "1d", "1e9h"} {
		if got, err := ParseDuration(s); !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), "1h30m") {
			t.Errorf("ParseDuration(%q) = %v, %v, want kind Invalid and an example", s, got, err)
		}
	}
}

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		kind    Type
		s, text string // text "": refused
	}{
		{TypeBool, "true", "true"}, {TypeBool, "false", "false"}, {TypeBool, "yes", ""}, {TypeBool, "True", ""},
		{TypeInt, "007", "7"}, {TypeInt, "-1", "-1"}, {TypeInt, "1.0", ""}, {TypeInt, "", ""},
		{TypePercent, "95%", "95%"}, {TypePercent, "100%", "100%"}, {TypePercent, "101%", ""}, {TypePercent, "95", ""}, {TypePercent, "-1%", ""}, {TypePercent, "%", ""},
		{TypePolicy, "ec=4+2", "ec=4+2"}, {TypePolicy, "", ""}, {TypePolicy, "raid", ""},
		{TypeText, "any é", "any é"}, {TypeText, "a\nb", ""}, {TypeText, "a\xff", ""},
		{TypeSize, "1GiB", "1GiB"}, {TypeDuration, "120s", "2m"}, {Type(99), "x", ""},
	} {
		v, err := ParseValue(c.kind, c.s)
		if (err != nil) != (c.text == "") || v.String() != c.text {
			t.Errorf("ParseValue(%s, %q) = %q, %v, want %q", c.kind, c.s, v, err, c.text)
		}
		if err == nil && v.Type() != c.kind {
			t.Errorf("ParseValue(%s, %q) has type %s", c.kind, c.s, v.Type())
		}
	}
}

func TestValueOfAnotherTypePanics(t *testing.T) {
	v, err := ParseValue(TypeSize, "1GiB")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a size was read as a bool")
		}
	}()
	v.Bool()
}
