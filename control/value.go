package control

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
)

// Type is what a configuration value is.
type Type uint8

const (
	TypeBool     Type = iota + 1 // true or false
	TypeInt                      // a whole number
	TypeDuration                 // 90s, 2m, 1h30m
	TypeSize                     // bytes: 4096, 64MiB, 10GB
	TypePercent                  // 95%
	TypePolicy                   // copies=2, ec=4+2
	TypeText                     // any text that the key's own check takes
)

func (t Type) String() string {
	switch t {
	case TypeBool:
		return "bool"
	case TypeInt:
		return "int"
	case TypeDuration:
		return "duration"
	case TypeSize:
		return "size"
	case TypePercent:
		return "percent"
	case TypePolicy:
		return "policy"
	case TypeText:
		return "text"
	}
	return "Type(" + strconv.Itoa(int(t)) + ")"
}

// Value is a configuration value with its type. Reading it as another type is a bug and panics.
type Value struct {
	kind   Type
	number int64 // bool 0/1, nanoseconds, bytes, percent
	text   string
}

func (v Value) as(t Type) Value {
	if v.kind != t {
		panic("control: configuration value " + v.text + " of type " + v.kind.String() + " read as " + t.String())
	}
	return v
}

func (v Value) Bool() bool              { return v.as(TypeBool).number != 0 }
func (v Value) Int() int64              { return v.as(TypeInt).number }
func (v Value) Duration() time.Duration { return time.Duration(v.as(TypeDuration).number) }
func (v Value) Size() int64             { return v.as(TypeSize).number } // bytes
func (v Value) Percent() int            { return int(v.as(TypePercent).number) }
func (v Value) Text() string            { return v.as(TypeText).text }

// Policy is the value as a policy.
func (v Value) Policy() ais.Policy {
	p, err := ais.ParsePolicy(v.as(TypePolicy).text)
	if err != nil {
		panic(err) // ParseValue has taken it
	}
	return p
}

// Type is the type with which the value was parsed.
func (v Value) Type() Type { return v.kind }

// String is the value as a person would write it; ParseValue reads it back as the same value.
func (v Value) String() string { return v.text }

// ParseValue reads a value. The error says what was wanted.
func ParseValue(t Type, s string) (Value, error) {
	v := Value{kind: t, text: s}
	switch t {
	case TypeBool:
		switch s {
		case "true":
			v.number = 1
		case "false":
		default:
			return Value{}, ais.Errorf(ais.Invalid, "%q is not a bool: want true or false", s)
		}
	case TypeInt:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return Value{}, ais.Errorf(ais.Invalid, "%q is not a whole number", s)
		}
		v.number, v.text = n, strconv.FormatInt(n, 10)
	case TypeDuration:
		d, err := ParseDuration(s)
		if err != nil {
			return Value{}, err
		}
		v.number, v.text = int64(d), FormatDuration(d)
	case TypeSize:
		n, err := ParseSize(s)
		if err != nil {
			return Value{}, err
		}
		v.number, v.text = n, FormatSize(n)
	case TypePercent:
		digits, ok := strings.CutSuffix(s, "%")
		n, err := strconv.ParseUint(digits, 10, 8)
		if !ok || err != nil || n > 100 {
			return Value{}, ais.Errorf(ais.Invalid, "%q is not a percentage: want 0%% to 100%%", s)
		}
		v.number, v.text = int64(n), strconv.FormatUint(n, 10)+"%"
	case TypePolicy:
		if _, err := ais.ParsePolicy(s); err != nil {
			return Value{}, err
		}
	case TypeText:
		for _, r := range s {
			if r < ' ' || r == 0x7f || r == '\ufffd' {
				return Value{}, ais.Errorf(ais.Invalid, "%q: want text without control characters", s)
			}
		}
	default:
		return Value{}, ais.Errorf(ais.Internal, "%s: unknown type", t)
	}
	return v, nil
}

// ParseDuration reads a length of time such as 90s, 2m or 1h30m: whole or decimal numbers, each with a
// unit of ns, us, ms, s, m or h. 0 needs no unit; nothing is negative.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		return 0, ais.Errorf(ais.Invalid, "%q is not a duration: want a number and a unit, such as 90s, 2m or 1h30m", s)
	}
	return d, nil
}

// FormatDuration writes what ParseDuration reads, without parts that are zero: 2m, not 2m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// sizeUnits are the units of sizes, the largest first. IEC units come before the SI ones of the same
// letter.
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{
	{"PiB", 1 << 50}, {"PB", 1e15},
	{"TiB", 1 << 40}, {"TB", 1e12},
	{"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6},
	{"KiB", 1 << 10}, {"KB", 1e3},
	{"B", 1},
}

// ParseSize reads a number of bytes: a whole or decimal number with a unit of B, KiB, MiB, GiB, TiB,
// PiB or KB, MB, GB, TB, PB (in upper or lower case), or a whole number without one. It must come to
// whole bytes.
func ParseSize(s string) (int64, error) {
	bad := func() (int64, error) {
		return 0, ais.Errorf(ais.Invalid, "%q is not a size: want bytes with or without a unit, such as 4096, 64MiB or 10GB", s)
	}
	end := strings.LastIndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' }) + 1
	number, unit := s[:end], int64(0)
	for _, u := range sizeUnits {
		if strings.EqualFold(s[end:], u.name) {
			unit = u.bytes
		}
	}
	if s[end:] == "" && !strings.Contains(number, ".") {
		unit = 1
	}
	if unit == 0 || len(number) > 20 || number == "" || strings.Trim(number, "0123456789.") != "" ||
		strings.Count(number, ".") > 1 || number[0] == '.' || number[len(number)-1] == '.' {
		return bad()
	}
	bytes, ok := new(big.Rat).SetString(number)
	if !ok {
		return bad()
	}
	bytes.Mul(bytes, new(big.Rat).SetInt64(unit))
	if !bytes.IsInt() || !bytes.Num().IsInt64() || bytes.Num().Int64() == math.MaxInt64 {
		return bad()
	}
	return bytes.Num().Int64(), nil
}

// FormatSize writes what ParseSize reads, exactly, in the unit that makes it shortest.
func FormatSize(n int64) string {
	plain := strconv.FormatInt(n, 10)
	best := plain + "B" // longer than plain, so any unit that ties with plain wins
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 && u.bytes > 1 {
			if s := strconv.FormatInt(n/u.bytes, 10) + u.name; len(s) < len(best) {
				best = s
			}
		}
	}
	if len(plain) < len(best) {
		return plain
	}
	return best
}
