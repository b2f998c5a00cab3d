package bench

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
)

// Operation is what a run does over and over.
type Operation string

const (
	Put    Operation = "put"
	Get    Operation = "get"
	Head   Operation = "head"
	Delete Operation = "delete"
	List   Operation = "list"
	Mixed  Operation = "mixed" // drawn by Plan.Mix at each step
)

// method is the HTTP method of an operation on an object.
func (op Operation) method() string { return strings.ToUpper(string(op)) }

// Plan says what a run is. Start from Default.
type Plan struct {
	Endpoint  string // http://host:port[/path]
	AccessKey string // empty: requests are not signed
	SecretKey string
	Region    string
	Bucket    string // made if it does not exist
	Prefix    string // of every key, and of every listing

	Op       Operation
	Mix      string // weights of Mixed: "get=70,put=30"
	Size     int64  // bytes of an object
	Keys     int64  // the key space; puts wrap around, deletes stop at its end
	Conns    int    // connections, each with one operation in flight
	Page     int    // keys of a list page
	Prepare  bool   // put every key once before
	Verify   bool   // compare the body of every get with what put writes; costs client CPU
	Warmup   time.Duration
	Duration time.Duration
	PIDs     []int // processes of the server, whose CPU and memory are summed up
	ErrorMax int   // give up after so many failed operations
}

// Default is a plan of 4 KiB gets over 10,000 keys on 16 connections.
func Default() Plan {
	return Plan{
		Region: "us-east-1", Bucket: "bench", Prefix: "bench-",
		Op: Get, Mix: "get=70,put=30", Size: 4 << 10, Keys: 10_000, Conns: 16, Page: 1000,
		Warmup: 2 * time.Second, Duration: 10 * time.Second, ErrorMax: 100,
	}
}

// Validate reports the first thing that makes no sense, with kind Invalid.
func (p *Plan) Validate() error {
	switch p.Op {
	case Put, Get, Head, Delete, List, Mixed:
	default:
		return ais.Errorf(ais.Invalid, "operation %q: want put, get, head, delete, list or mixed", string(p.Op))
	}
	switch {
	case p.Keys < 1:
		return ais.Errorf(ais.Invalid, "%d keys: want at least one", p.Keys)
	case p.Conns < 1:
		return ais.Errorf(ais.Invalid, "%d connections: want at least one", p.Conns)
	case p.Size < 0 || p.Size > ais.PartMax:
		return ais.Errorf(ais.Invalid, "object size %d: want 0 to %d bytes, what a single PUT may carry", p.Size, int64(ais.PartMax))
	case p.Page < 1:
		return ais.Errorf(ais.Invalid, "page of %d keys: want at least one", p.Page)
	case p.Bucket == "":
		return ais.Errorf(ais.Invalid, "no bucket named")
	}
	if _, err := parseMix(p.Mix); p.Op == Mixed && err != nil {
		return err
	}
	_, err := p.target()
	return err
}

// target is where requests go: the address to dial and the path that comes before the bucket.
type target struct {
	host string // with port, as dialled and as signed
	base string // "" or "/path"
}

func (p *Plan) target() (target, error) {
	u, err := url.Parse(p.Endpoint)
	if err != nil {
		return target{}, ais.Errorf(ais.Invalid, "endpoint %q: %w", p.Endpoint, err)
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return target{}, ais.Errorf(ais.Invalid, "endpoint %q: want http://host:port", p.Endpoint)
	}
	t := target{host: u.Host, base: strings.TrimRight(u.EscapedPath(), "/")}
	if u.Port() == "" {
		t.host += ":80"
	}
	return t, nil
}

// share is an operation of a mix and the sum of the weights up to and with it.
type share struct {
	op    Operation
	upTo  int
	label int // position in the report
}

func parseMix(s string) ([]share, error) {
	var shares []share
	sum := 0
	for field := range strings.SplitSeq(s, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(field), "=")
		n, err := strconv.Atoi(weight)
		op := Operation(name)
		if err != nil || n < 1 || op != Put && op != Get && op != Head && op != Delete {
			return nil, ais.Errorf(ais.Invalid, "mix %q: want weights like get=70,put=30 of put, get, head, delete", s)
		}
		sum += n
		shares = append(shares, share{op: op, upTo: sum, label: len(shares)})
	}
	return shares, nil
}
