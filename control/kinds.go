package control

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// kindRow is what is known of a kind of command.
type kindRow struct {
	kind    Kind
	level   uint32 // the command level that brought it
	version int    // the newest version of its body
	grants  bool   // it changes what a lease depends on: map, settled, buckets or keys
	decode  func(body []byte) (Command, error)
}

// knownKinds is every kind of command there is. Rows are append-only, and nobody writes to them.
var knownKinds = [...]kindRow{
	{KindClusterInit, 1, 1, false, decodeAs[ClusterInit]},
	{KindBucketCreate, 1, 1, true, decodeAs[BucketCreate]},
	{KindBucketUpdate, 1, 1, true, decodeAs[BucketUpdate]},
	{KindBucketDelete, 1, 2, true, decodeAs[BucketDelete]},
	{KindBucketDeleted, 1, 1, true, decodeAs[BucketDeleted]},
	{KindBucketUndelete, 1, 1, true, decodeAs[BucketUndelete]},
	{KindKeyPut, 1, 1, true, decodeAs[KeyPut]},
	{KindKeyDelete, 1, 1, true, decodeAs[KeyDelete]},
	{KindConfigSet, 1, 1, false, decodeAs[ConfigSet]},
	{KindConfigUnset, 1, 1, false, decodeAs[ConfigUnset]},
	{KindNodeJoin, 1, 1, true, decodeAs[NodeJoin]},
	{KindNodeStart, 1, 1, true, decodeAs[NodeStart]},
	{KindNodeState, 1, 1, true, decodeAs[NodeState]},
	{KindNodeWeight, 1, 1, true, decodeAs[NodeWeight]},
	{KindNodeZone, 1, 1, true, decodeAs[NodeZone]},
	{KindNodeRemove, 1, 1, true, decodeAs[NodeRemove]},
	{KindMapSettle, 1, 1, true, decodeAs[MapSettle]},
	{KindMapCut, 1, 1, true, decodeAs[MapCut]},
	{KindPrimaryBegin, 1, 1, false, decodeAs[PrimaryBegin]},
	{KindClusterSecrets, 1, 1, false, decodeAs[ClusterSecrets]},
	{KindClusterLevel, 1, 1, false, decodeAs[ClusterLevel]},
	{KindXactionCreate, 1, 1, false, decodeAs[XactionCreate]},
	{KindXactionUpdate, 1, 1, false, decodeAs[XactionUpdate]},
	{KindXactionForget, 1, 1, false, decodeAs[XactionForget]},
	{KindNodeForget, 1, 1, true, decodeAs[NodeForget]},
	{KindNodeUnlease, 1, 1, true, decodeAs[NodeUnlease]},
	{KindMapTouch, 1, 1, true, decodeAs[MapTouch]},
}

func findKind(kind Kind) (kindRow, bool) {
	for _, rows := range [...][]kindRow{knownKinds[:], nextKinds()} {
		if i := slices.IndexFunc(rows, func(r kindRow) bool { return r.kind == kind }); i >= 0 {
			return rows[i], true
		}
	}
	return kindRow{}, false
}

// versioned is a command whose body has had more than one version.
type versioned interface{ version() int }

// versionOf is the version under which c is encoded: the lowest that can hold it, so that what old
// nodes could read stays readable to them.
func versionOf(c Command) int {
	if v, ok := c.(versioned); ok {
		return v.version()
	}
	return 1
}

// version is 2 for a delete that names its runner.
func (c BucketDelete) version() int {
	if c.Node != 0 || c.Epoch != 0 {
		return 2
	}
	return 1
}

// Check reports what is wrong with c in any state: names, values, bounds. It is asked before c is
// proposed; the error is of kind Invalid.
func Check(c Command) error { return c.check() }

// CheckLevel reports whether c may be proposed in the state of v: a node that does not know a kind of
// command cannot read the log that holds it, so a kind waits until the cluster's level has reached it.
// The error is of kind Unavailable.
func CheckLevel(v *View, c Command) error {
	row, ok := findKind(c.Kind())
	if !ok {
		return ais.Errorf(ais.Internal, "control: command of kind %q has no row", c.Kind())
	}
	if row.level > v.level {
		return ais.Errorf(ais.Unavailable, "%s needs command level %d, the cluster is at level %d: it rises once every node runs the newer ais",
			c.Kind(), row.level, v.level)
	}
	return nil
}
