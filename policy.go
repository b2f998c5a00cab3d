package ais

import (
	"strconv"
	"strings"
)

// Limits of a policy. A coded set has at most ShardsMax shards (32 is fixed by the disk format).
const (
	CopiesMax = 16
	ShardsMax = 32
)

// Policy says how a bucket's objects are protected: whole copies, or data and parity shards.
type Policy struct {
	Copies int // whole copies; of an "ec" policy the copies of hot data, Parity + 1
	Data   int // k, 0 without erasure coding
	Parity int // m
}

// ParsePolicy reads "copies=2" or "ec=4+2".
func ParsePolicy(s string) (Policy, error) {
	bad := func(why string) (Policy, error) {
		return Policy{}, Errorf(Invalid, "policy %q: %s", s, why)
	}
	kind, value, _ := strings.Cut(s, "=")
	switch kind {
	case "copies":
		n, ok := smallNumber(value)
		if !ok || n < 1 || n > CopiesMax {
			return bad("want copies=N, N from 1 to " + strconv.Itoa(CopiesMax))
		}
		return Policy{Copies: n}, nil
	case "ec":
		data, parity, _ := strings.Cut(value, "+")
		k, okData := smallNumber(data)
		m, okParity := smallNumber(parity)
		if !okData || !okParity || k < 1 || m < 1 || k+m > ShardsMax || m >= CopiesMax {
			return bad("want ec=K+M, K and M at least 1, M below " + strconv.Itoa(CopiesMax) +
				", together at most " + strconv.Itoa(ShardsMax))
		}
		return Policy{Copies: m + 1, Data: k, Parity: m}, nil
	}
	return bad("want copies=N or ec=K+M")
}

// smallNumber reads one or two decimal digits without a leading zero, so that every policy has one spelling.
func smallNumber(s string) (n int, ok bool) {
	if s == "" || len(s) > 2 || s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}

// IsZero reports whether the policy is not set, which means the cluster's default.
func (p Policy) IsZero() bool { return p == Policy{} }

// String is the spelling that ParsePolicy reads; "" for the zero value.
func (p Policy) String() string {
	switch {
	case p.IsZero():
		return ""
	case p.Data > 0:
		return "ec=" + strconv.Itoa(p.Data) + "+" + strconv.Itoa(p.Parity)
	}
	return "copies=" + strconv.Itoa(p.Copies)
}
