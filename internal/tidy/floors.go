package tidy

// Package is a row of the floor table: a package is one idea, said in one sentence without "and".
type Package struct {
	Path  string // relative to the module; "." is the root
	Floor int
	Says  string
	// Only, if set, are the floors that it may import beside the root, where the rule "all that is
	// below" would allow too much.
	Only []int
	// Siblings are packages of its own floor that it may import.
	Siblings []string
}

// Floors is the table. Imports point strictly down, or to a named sibling. The root imports the
// standard library alone.
var Floors = []Package{
	{Path: ".", Floor: 0, Says: "The nouns: ids, names, versions, attributes, requests, error kinds."},

	{Path: "disk", Floor: 1, Says: "Files as the engine needs them: a real disk, one in memory that can crash."},
	{Path: "volume/format", Floor: 1, Says: "The bytes of volumes on disk."},
	{Path: "checksum", Floor: 1, Says: "The digests that S3 clients send, computed while bytes stream by."},
	{Path: "cmap", Floor: 1, Says: "The cluster map as an immutable value."},
	{Path: "merge", Floor: 1, Says: "One page of a list out of the pages of many sources."},
	{Path: "hedge", Floor: 1, Says: "Asks several for one answer, the next where one is slow."},

	{Path: "lease", Floor: 2, Says: "Who may serve, until when."},
	{Path: "judge", Floor: 2, Says: "Which nodes are down, out, or back."},
	{Path: "term", Floor: 2, Says: "The life of one primary's term."},
	{Path: "replica", Floor: 2, Says: "What the copies of a slot must know of each other for an answer to be final."},
	{Path: "volume", Floor: 2, Says: "Objects on one disk: volumes, index, slot logs, recovery, vacuum."},

	{Path: "audit", Floor: 3, Says: "What is wrong with where everything lies, by what the targets say."},

	{Path: "mountpath", Floor: 3, Says: "The disks of a target: identity, health, capacity, which disk a slot lies on."},

	{Path: "auth", Floor: 4, Only: []int{1}, Says: "Who asks: signatures, keys, policies."},
	{Path: "control", Floor: 4, Says: "The control state: buckets, keys, configuration, as versioned commands."},
	{Path: "control/raftlog", Floor: 4, Says: "What Raft must find again on disk: its log with the snapshot before it."},
	{Path: "transport", Floor: 4, Siblings: []string{"transport/authority"}, Says: "Authenticated calls, streams of frames, passed-on requests between nodes."},
	{Path: "transport/authority", Floor: 4, Says: "The certificates by which the nodes of a cluster know each other."},
	{Path: "transport/join", Floor: 4, Says: "The handshake by which a node that knows the cluster's secret gets its credentials."},
	{Path: "front", Floor: 4, Only: []int{1}, Says: "One HTTP port: requests off the socket, replies onto it."},
	{Path: "gossip", Floor: 4, Only: []int{1}, Says: "Hints among nodes: who is there, who is suspected, who has seen what."},

	{Path: "consensus", Floor: 5, Says: "One node's part in the agreement of the cluster: Raft, the primary's term, leases."},
	{Path: "courier", Floor: 5, Says: "Carries records, questions, answers between copies."},
	{Path: "target", Floor: 5, Says: "The storage role: read, write, delete, list."},
	{Path: "s3", Floor: 5, Says: "The S3 dialect, on a narrow store interface that it declares."},
	{Path: "proxy", Floor: 5, Says: "The gateway role: which node answers a request, how it gets there."},
	{Path: "everywhere", Floor: 5, Says: "The objects of all targets as one store."},
	{Path: "api", Floor: 5, Says: "The REST API: its wire types, routes, Go client."},
	{Path: "admin", Floor: 5, Says: "The operator's port: metrics, health, profiles."},

	{Path: "node", Floor: 6, Says: "Reads configuration, builds the parts, runs them; the only package that knows everybody."},

	{Path: "bench", Floor: 7, Says: "A load generator for any S3 endpoint."},
	{Path: "cli", Floor: 7, Siblings: []string{"bench", "sim", "thrash"}, Says: "The commands."},
	{Path: "cmd/ais", Floor: 7, Siblings: []string{"cli", "bench"}, Says: "A main of a few lines."},
	{Path: "sim", Floor: 7, Says: "A whole cluster in one goroutine under simulated faults, held to its rules."},
	{Path: "thrash", Floor: 7, Says: "A real cluster under load with faults, every answer held to what was written."},
	{Path: "integration", Floor: 7, Says: "Real processes, real ports, real clients."},
	{Path: "internal/mutants", Floor: 7, Says: "Takes rules out of the code to see that a test notices."},
	{Path: "internal/tidy", Floor: 7, Says: "The house rules as a test."},
}
