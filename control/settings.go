package control

import (
	"slices"
	"strings"

	"github.com/seed9b016523/ais"
)

// Name is the dotted name of a configuration key.
type Name string

// The configuration keys. settings says what each does.
const (
	BucketPolicy           Name = "bucket.policy"
	ChecksumVerifyGet      Name = "checksum.verify_get"
	ClusterBrake           Name = "cluster.brake"
	ClusterLease           Name = "cluster.lease"
	ClusterOutAfter        Name = "cluster.out_after"
	LimitsBodyTimeout      Name = "limits.body_timeout"
	LimitsConnections      Name = "limits.connections"
	LimitsDrainTimeout     Name = "limits.drain_timeout"
	LimitsHeaderSize       Name = "limits.header_size"
	LimitsHeaderTimeout    Name = "limits.header_timeout"
	LimitsIdleTimeout      Name = "limits.idle_timeout"
	LimitsRequests         Name = "limits.requests"
	LimitsUploadsMemory    Name = "limits.uploads_memory"
	LimitsWriteTimeout     Name = "limits.write_timeout"
	MountpathOutOfSpace    Name = "mountpath.out_of_space"
	NetTCPCongestion       Name = "net.tcp_congestion"
	RebalanceBandwidth     Name = "rebalance.bandwidth"
	RebalanceCompression   Name = "rebalance.compression"
	RebalanceDestRetryTime Name = "rebalance.dest_retry_time"
	RebalanceEnabled       Name = "rebalance.enabled"
	RebalanceMultiplier    Name = "rebalance.multiplier"
	RebalanceQuiescent     Name = "rebalance.quiescent"
	ResilverEnabled        Name = "resilver.enabled"
	S3Domain               Name = "s3.domain"
	S3Region               Name = "s3.region"
	VacuumGarbage          Name = "vacuum.garbage"
	VacuumMinAge           Name = "vacuum.min_age"
	VolumeSealAt           Name = "volume.seal_at"
	VolumeSize             Name = "volume.size"
)

// Scope says where a key may be set.
type Scope uint8

const (
	ScopeCluster Scope = iota + 1 // one value for all nodes
	ScopeNode                     // for the cluster, and for a node over it
)

func (s Scope) String() string {
	if s == ScopeNode {
		return "node"
	}
	return "cluster"
}

// Setting is what is known of a configuration key.
type Setting struct {
	Name    Name
	Type    Type
	Default string
	Scope   Scope
	Restart bool   // a change takes effect at the node's next start; else at once
	Help    string // one sentence: what it does, and its unit

	min, max string // bounds of a number, as values of Type; "" for none
	check    func(string) error
}

// settings is every key there is, by name. The order and the fields are fixed at compile time; nobody
// writes to it.
var settings = [...]Setting{
	{Name: BucketPolicy, Type: TypePolicy, Default: "copies=2", Scope: ScopeCluster,
		Help: "Policy of buckets that have none of their own: copies=N or ec=K+M. With one mountpath there is one copy."},
	{Name: ChecksumVerifyGet, Type: TypeBool, Default: "true", Scope: ScopeNode,
		Help: "Whether every block is verified before it leaves; false sends by sendfile, for clients that verify themselves."},
	{Name: ClusterBrake, Type: TypePercent, Default: "33%", Scope: ScopeCluster,
		Help: "If more than this part of the targets, and at least two, go down within cluster.out_after, none is put out automatically."},
	{Name: ClusterLease, Type: TypeDuration, Default: "6s", Scope: ScopeCluster, min: "2s", max: "1m",
		Help: "Life of a target's lease: a target that is silent for so long is down, and others take its place."},
	{Name: ClusterOutAfter, Type: TypeDuration, Default: "10m", Scope: ScopeCluster, min: "1s",
		Help: "Time that a node is down before it is put out and what it held is copied anew."},
	{Name: LimitsBodyTimeout, Type: TypeDuration, Default: "1m", Scope: ScopeNode, Restart: true, min: "1s", max: "24h",
		Help: "Longest time between two bytes of a request body."},
	{Name: LimitsConnections, Type: TypeInt, Default: "20000", Scope: ScopeNode, Restart: true, min: "16", max: "1000000",
		Help: "Client connections open at a node; one more gets 503."},
	{Name: LimitsDrainTimeout, Type: TypeDuration, Default: "30s", Scope: ScopeNode, Restart: true, max: "24h",
		Help: "Time that requests in flight get to end when a node stops."},
	{Name: LimitsHeaderSize, Type: TypeSize, Default: "32KiB", Scope: ScopeNode, Restart: true, min: "4KiB", max: "1MiB",
		Help: "Bytes of a request header; more gets 431."},
	{Name: LimitsHeaderTimeout, Type: TypeDuration, Default: "30s", Scope: ScopeNode, Restart: true, min: "1s", max: "24h",
		Help: "Longest time from the first byte of a request header to its last."},
	{Name: LimitsIdleTimeout, Type: TypeDuration, Default: "2m", Scope: ScopeNode, Restart: true, min: "1s", max: "24h",
		Help: "Time after which a connection without a request is closed."},
	{Name: LimitsRequests, Type: TypeInt, Default: "4096", Scope: ScopeNode, Restart: true, min: "16", max: "1000000",
		Help: "Client requests in flight at a node; one more gets 503."},
	{Name: LimitsUploadsMemory, Type: TypeSize, Default: "128MiB", Scope: ScopeNode, Restart: true, min: "8MiB", max: "64GiB",
		Help: "Memory of a mountpath for bodies on their way to disk; an upload waits when it is used up."},
	{Name: LimitsWriteTimeout, Type: TypeDuration, Default: "1m", Scope: ScopeNode, Restart: true, min: "1s", max: "24h",
		Help: "Longest time in which a client accepts no byte of a reply."},
	{Name: MountpathOutOfSpace, Type: TypePercent, Default: "90%", Scope: ScopeNode, min: "50%", max: "99%",
		Help: "Part of a filesystem that client writes may fill at least: the space reserve is at most the rest."},
	{Name: NetTCPCongestion, Type: TypeText, Default: "", Scope: ScopeNode, Restart: true, check: checkCongestion,
		Help: "TCP congestion control of a node's connections, such as cubic or reno; empty is the system's default."},
	{Name: RebalanceBandwidth, Type: TypeSize, Default: "0", Scope: ScopeNode,
		Help: "Bytes per second that a node takes in at most while it fills; 0 is no limit."},
	{Name: RebalanceCompression, Type: TypeText, Default: "never", Scope: ScopeCluster, check: checkCompression,
		Help: "Whether what is moved between nodes is compressed: never or always."},
	{Name: RebalanceDestRetryTime, Type: TypeDuration, Default: "2m", Scope: ScopeCluster, min: "1s", max: "24h",
		Help: "How long a fill waits for a silent source."},
	{Name: RebalanceEnabled, Type: TypeBool, Default: "true", Scope: ScopeCluster,
		Help: "Whether objects move on their own when the map changes."},
	{Name: RebalanceMultiplier, Type: TypeInt, Default: "2", Scope: ScopeNode, min: "1", max: "64",
		Help: "Slots that a mountpath fills at the same time."},
	{Name: RebalanceQuiescent, Type: TypeDuration, Default: "10s", Scope: ScopeCluster, max: "24h",
		Help: "How long a finished run stays listed as active."},
	{Name: ResilverEnabled, Type: TypeBool, Default: "true", Scope: ScopeNode,
		Help: "Whether objects move on their own when the mountpaths of a target change."},
	{Name: S3Domain, Type: TypeText, Default: "", Scope: ScopeCluster, Restart: true, check: checkDomain,
		Help: "Domain under which buckets are hosts (bucket.s3.example.com); empty is path style only."},
	{Name: S3Region, Type: TypeText, Default: "us-east-1", Scope: ScopeCluster, check: checkRegion,
		Help: "Region that S3 clients sign for and that bucket locations name."},
	{Name: VacuumGarbage, Type: TypePercent, Default: "30%", Scope: ScopeNode, min: "1%", max: "100%",
		Help: "Dead part of a sealed volume at which it is vacuumed; less as space runs short."},
	{Name: VacuumMinAge, Type: TypeDuration, Default: "0s", Scope: ScopeNode, max: "8760h",
		Help: "How long after its last record a volume is vacuumed at the soonest."},
	{Name: VolumeSealAt, Type: TypePercent, Default: "95%", Scope: ScopeNode, min: "10%", max: "100%",
		Help: "Part of volume.size at which a volume is sealed."},
	{Name: VolumeSize, Type: TypeSize, Default: "1GiB", Scope: ScopeNode, min: "16MiB", max: "64GiB",
		Help: "Size of new volumes; less on filesystems below 64 times that."},
}

// Settings is every configuration key, by name.
func Settings() []Setting { return slices.Clone(settings[:]) }

func findSetting(name string) (*Setting, bool) {
	i, ok := slices.BinarySearchFunc(settings[:], name, func(s Setting, n string) int { return strings.Compare(string(s.Name), n) })
	if !ok {
		return nil, false
	}
	return &settings[i], true
}

// settingFor finds a key that may be set on node, the text of an ais.NodeID ("" is the cluster).
func settingFor(node, name string) (*Setting, error) {
	s, ok := findSetting(name)
	if !ok {
		return nil, unknownKeyError(name)
	}
	if node == "" {
		return s, nil
	}
	if _, err := ais.ParseNodeID(node); err != nil {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounConfig, "node %.100q: %w", node, err)
	}
	if s.Scope != ScopeNode {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounConfig, "%s is one for the whole cluster: set it there, not on node %s", name, node)
	}
	return s, nil
}

// checkSetting reports why node must not have this value for that key.
func checkSetting(node, name, value string) error {
	s, err := settingFor(node, name)
	if err != nil {
		return err
	}
	_, err = s.parse(value)
	return err
}

// parse reads a value of the key and holds it to the key's bounds.
func (s *Setting) parse(text string) (Value, error) {
	v, err := ParseValue(s.Type, text)
	if err == nil && s.check != nil {
		err = s.check(text)
	}
	if err != nil {
		return Value{}, ais.NounErrorf(ais.Invalid, ais.NounConfig, "%s: %w", s.Name, err)
	}
	outside := func(bound string, sign int64) bool {
		if bound == "" {
			return false
		}
		b, err := ParseValue(s.Type, bound)
		if err != nil {
			panic(err) // the table is wrong
		}
		return (v.number-b.number)*sign < 0
	}
	if outside(s.min, 1) {
		return Value{}, ais.NounErrorf(ais.Invalid, ais.NounConfig, "%s: %s is too little: at least %s", s.Name, text, s.min)
	}
	if outside(s.max, -1) {
		return Value{}, ais.NounErrorf(ais.Invalid, ais.NounConfig, "%s: %s is too much: at most %s", s.Name, text, s.max)
	}
	return v, nil
}

func checkCongestion(s string) error {
	if len(s) > 15 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return ais.Errorf(ais.Invalid, "%q is not the name of a congestion control, such as cubic", s)
	}
	return nil
}

func checkCompression(s string) error {
	if s != "never" && s != "always" {
		return ais.Errorf(ais.Invalid, "%q: want never or always", s)
	}
	return nil
}

func checkDomain(s string) error {
	if s == "" {
		return nil
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return ais.Errorf(ais.Invalid, "%q is not a domain name in lower case, such as s3.example.com", s)
		}
	}
	if len(s) > 253 {
		return ais.Errorf(ais.Invalid, "domain name of %d bytes: at most 253", len(s))
	}
	return nil
}

func checkRegion(s string) error {
	if s == "" || len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ais.Errorf(ais.Invalid, "%q is not the name of a region, such as us-east-1", s)
	}
	return nil
}

// unknownKeyError names the known key that comes nearest, if one is near.
func unknownKeyError(name string) error {
	nearest, best := "", 4
	for i := range settings {
		known := string(settings[i].Name)
		_, last, _ := strings.Cut(known, ".")
		if name == last {
			nearest, best = known, 0
		}
		if len(name) <= 2*len(known) {
			if d := editDistance(name, known); d < best {
				nearest, best = known, d
			}
		}
	}
	if nearest == "" {
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "unknown configuration key %.100q", name)
	}
	return ais.NounErrorf(ais.Invalid, ais.NounConfig, "unknown configuration key %.100q: did you mean %q?", name, nearest)
}

// editDistance is the number of bytes to insert, delete or replace to make b of a (Wagner and Fischer,
// "The string-to-string correction problem", 1974).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
