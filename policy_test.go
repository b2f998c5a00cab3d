package ais

import "testing"

func TestParsePolicy(t *testing.T) {
	for s, want := range map[string]Policy{
		"copies=1":  {Copies: 1},
		"copies=16": {Copies: 16},
		"ec=4+2":    {Copies: 3, Data: 4, Parity: 2},
		"ec=17+15":  {Copies: 16, Data: 17, Parity: 15},
		"ec=1+1":    {Copies: 2, Data: 1, Parity: 1},
	} {
		got, err := ParsePolicy(s)
		if err != nil || got != want {
			t.Errorf("ParsePolicy(%q) = %+v, %v, want %+v", s, got, err, want)
		}
		if got.String() != s {
			t.Errorf("ParsePolicy(%q).String() = %q", s, got.String())
		}
	}
	for _, s := range []string{"", "copies", "copies=", "copies=0", "copies=17", "copies=02", "copies=+2", "copies=2 ",
		"ec=4", "ec=4+", "ec=0+2", "ec=4+0", "ec=30+3", "ec=4+2+1", "ec=4+16", "EC=4+2", "mirror=2"} {
		if got, err := ParsePolicy(s); !IsKind(err, Invalid) {
			t.Errorf("ParsePolicy(%q) = %+v, %v, want an error of kind Invalid", s, got, err)
		}
	}
}
