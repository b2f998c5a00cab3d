package control

import (
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

// Limits of the state.
const (
	PropertiesMax = 512 << 10 // bytes of a bucket's properties, names and values together
	accessKeyMin  = 3
	accessKeyMax  = 128
	secretMin     = 8
	secretMax     = 128
)

// Apply is the state after c, the command at index at. It is pure. A command that the state refuses
// gives an error and a state that differs in its index only: the refusal is a result like any other,
// and every node comes to the same one. Apply panics if at does not follow v.Index(): the log is read
// in order, each command once. Indices may have gaps, for a log holds entries that are no commands.
func (v *View) Apply(at ais.ControlIndex, c Command) (*View, Result, error) {
	next := v.advanced(at)
	result, err := v.applyTo(next, at, c)
	result.Index = at
	if err != nil {
		return v.advanced(at), result, err
	}
	if row, ok := findKind(c.Kind()); ok && row.grants {
		next.grantIndex = at
	}
	return next, result, nil
}

// advanced is the same state at a later index.
func (v *View) advanced(at ais.ControlIndex) *View {
	if at <= v.index {
		panic(ais.Errorf(ais.Internal, "control: entry %d applied to the state of index %d", at, v.index))
	}
	next := *v
	next.index = at
	return &next
}

func (v *View) applyTo(next *View, at ais.ControlIndex, c Command) (Result, error) {
	switch c.(type) {
	case ClusterInit, PrimaryBegin:
	default:
		if v.cluster.ID == 0 {
			return Result{}, ais.Errorf(ais.Invalid, "control: %s before %s", c.Kind(), KindClusterInit)
		}
	}
	return c.apply(next, at)
}

func (c ClusterInit) check() error {
	if c.Cluster == 0 {
		return ais.Errorf(ais.Invalid, "control: a cluster id must not be 0")
	}
	return nil
}

func (c ClusterInit) apply(next *View, _ ais.ControlIndex) (Result, error) {
	if next.cluster.ID != 0 {
		return Result{}, ais.Errorf(ais.Exists, "control: the state belongs to cluster %s already", next.cluster.ID)
	}
	next.cluster = Cluster{ID: c.Cluster, HashSeed: c.HashSeed, CreatedUnix: c.CreatedUnix}
	return Result{}, nil
}

func (c BucketCreate) check() error {
	if c.Bucket.ID != 0 || c.Bucket.Revision != 0 || c.Bucket.Deleting {
		return ais.NounErrorf(ais.Invalid, ais.NounBucket, "bucket %q: id, revision and state are given by the cluster", c.Bucket.Name)
	}
	if err := ais.CheckBucketName(c.Bucket.Name); err != nil {
		return err
	}
	return checkBucket(&c.Bucket)
}

func (c BucketCreate) apply(next *View, at ais.ControlIndex) (Result, error) {
	i, found := searchName(next.byName, c.Bucket.Name)
	if found {
		return Result{}, existsError(next.byName[i])
	}
	b := c.Bucket
	b.ID, b.Revision, b.Deleting = ais.BucketID(at), at, false
	next.byName = slices.Insert(slices.Clone(next.byName), i, &b)
	next.byID = append(slices.Clone(next.byID), &b) // ids only grow
	return Result{Bucket: &b}, nil
}

func existsError(b *ais.Bucket) error {
	if b.Deleting {
		return deletingError(b)
	}
	return ais.NounErrorf(ais.Exists, ais.NounBucket, "bucket %q exists", b.Name)
}

func deletingError(b *ais.Bucket) error {
	return ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %q is being deleted", b.Name)
}

// checkBucket checks what a client may choose of a bucket beside its name.
func checkBucket(b *ais.Bucket) error {
	bad := func(format string, args ...any) error {
		args = append([]any{b.Name}, args...)
		return ais.NounErrorf(ais.Invalid, ais.NounBucket, "bucket %q: "+format, args...)
	}
	if b.Policy != "" {
		if _, err := ais.ParsePolicy(b.Policy); err != nil {
			return bad("%w", err)
		}
	}
	if copies := copiesOf(b.Policy); b.MinCopies < 0 || b.MinCopies > copies {
		return bad("min_copies=%d: want 0 (the default) to %d", b.MinCopies, copies)
	}
	if b.Versioning > ais.VersioningSuspended {
		return bad("versioning %d is unknown", b.Versioning)
	}
	size := 0
	for name, value := range b.Properties {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return bad("property %q: name and value must be valid UTF-8, the name not empty", name)
		}
		size += len(name) + len(value)
	}
	if size > PropertiesMax {
		return bad("properties of %d bytes: at most %d", size, PropertiesMax)
	}
	if !utf8.ValidString(b.Owner) || !utf8.ValidString(b.Region) {
		return bad("owner and region must be valid UTF-8")
	}
	return nil
}

func (c BucketUpdate) check() error {
	return checkBucket(&c.Bucket)
}

func (c BucketUpdate) apply(next *View, at ais.ControlIndex) (Result, error) {
	old, err := next.seen(c.Bucket.ID, c.Bucket.Revision)
	if err != nil {
		return Result{}, err
	}
	b := *old
	b.Policy, b.Versioning, b.MinCopies, b.Properties = c.Bucket.Policy, c.Bucket.Versioning, c.Bucket.MinCopies, c.Bucket.Properties
	if b.Versioning == ais.VersioningOff && old.Versioning != ais.VersioningOff {
		return Result{}, ais.NounErrorf(ais.Invalid, ais.NounBucket, "bucket %q: versioning can be suspended, not switched off", old.Name)
	}
	return next.put(&b, at), nil
}

func (c BucketDelete) check() error { return nil }

func (c BucketDelete) apply(next *View, at ais.ControlIndex) (Result, error) {
	old, err := next.seen(c.ID, c.Revision)
	if err != nil {
		return Result{}, err
	}
	b := *old
	b.Deleting = true
	if c.Node != 0 {
		i, _ := searchDeletion(next.deletions, b.ID)
		next.deletions = slices.Insert(slices.Clone(next.deletions), i, Deletion{Bucket: b.ID, Node: c.Node, Epoch: c.Epoch})
	}
	return next.put(&b, at), nil
}

func (c BucketDeleted) check() error { return nil }

func (c BucketDeleted) apply(next *View, _ ais.ControlIndex) (Result, error) {
	b, err := next.beingDeleted(c.ID, c.Revision)
	if err != nil {
		return Result{}, err
	}
	same := func(x *ais.Bucket) bool { return x == b }
	next.byName = slices.DeleteFunc(slices.Clone(next.byName), same)
	next.byID = slices.DeleteFunc(slices.Clone(next.byID), same)
	next.endDeletion(b.ID)
	return Result{}, nil
}

func (c BucketUndelete) check() error { return nil }

func (c BucketUndelete) apply(next *View, at ais.ControlIndex) (Result, error) {
	old, err := next.beingDeleted(c.ID, c.Revision)
	if err != nil {
		return Result{}, err
	}
	b := *old
	b.Deleting = false
	next.endDeletion(b.ID)
	return next.put(&b, at), nil
}

// endDeletion forgets who ran the delete of a bucket.
func (v *View) endDeletion(id ais.BucketID) {
	if i, found := searchDeletion(v.deletions, id); found {
		v.deletions = slices.Delete(slices.Clone(v.deletions), i, i+1)
	}
}

// seen finds a live bucket for a command that saw it at a revision.
func (v *View) seen(id ais.BucketID, revision ais.ControlIndex) (*ais.Bucket, error) {
	b, ok := v.BucketByID(id)
	switch {
	case !ok:
		return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "bucket with id %d does not exist", id)
	case b.Deleting:
		return nil, deletingError(b)
	case b.Revision != revision:
		return nil, ais.NounErrorf(ais.Precondition, ais.NounBucket, "bucket %q has changed: revision %d, not %d", b.Name, b.Revision, revision)
	}
	return b, nil
}

// beingDeleted finds a bucket in the delete that was begun by the command at index revision.
func (v *View) beingDeleted(id ais.BucketID, revision ais.ControlIndex) (*ais.Bucket, error) {
	b, ok := v.BucketByID(id)
	switch {
	case !ok:
		return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "bucket with id %d does not exist", id)
	case !b.Deleting || b.Revision != revision:
		return nil, ais.NounErrorf(ais.Precondition, ais.NounBucket, "bucket %q: the delete of revision %d is over", b.Name, revision)
	}
	return b, nil
}

// put replaces the bucket of b's id by b, as changed by the command at index at.
func (v *View) put(b *ais.Bucket, at ais.ControlIndex) Result {
	b.Revision = at
	v.byName, v.byID = slices.Clone(v.byName), slices.Clone(v.byID)
	i, _ := searchName(v.byName, b.Name)
	v.byName[i] = b
	i, _ = searchID(v.byID, b.ID)
	v.byID[i] = b
	return Result{Bucket: b}
}

func (c KeyPut) check() error {
	k := c.Key
	if len(k.AccessKey) < accessKeyMin || len(k.AccessKey) > accessKeyMax {
		return ais.NounErrorf(ais.Invalid, ais.NounKey, "access key %q: want %d to %d characters", k.AccessKey, accessKeyMin, accessKeyMax)
	}
	for _, r := range k.AccessKey {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && r != '-' && r != '_' && r != '.' {
			return ais.NounErrorf(ais.Invalid, ais.NounKey, "access key %q: may have only letters, digits, '-', '_' and '.'", k.AccessKey)
		}
	}
	if len(k.Secret) < secretMin || len(k.Secret) > secretMax {
		return ais.NounErrorf(ais.Invalid, ais.NounKey, "secret of access key %q: want %d to %d characters", k.AccessKey, secretMin, secretMax)
	}
	for _, r := range k.Secret {
		if r <= ' ' || r > '~' {
			return ais.NounErrorf(ais.Invalid, ais.NounKey, "secret of access key %q: may have only printable ASCII characters, no blanks", k.AccessKey)
		}
	}
	return nil
}

func (c KeyPut) apply(next *View, _ ais.ControlIndex) (Result, error) {
	k := c.Key
	i, found := searchKey(next.keys, k.AccessKey)
	if found && !k.Root && next.lastRoot(i) {
		return Result{}, lastRootError(k.AccessKey)
	}
	next.keys = slices.Clone(next.keys)
	if found {
		next.keys[i] = &k
	} else {
		next.keys = slices.Insert(next.keys, i, &k)
	}
	return Result{}, nil
}

func (c KeyDelete) check() error { return nil }

func (c KeyDelete) apply(next *View, _ ais.ControlIndex) (Result, error) {
	i, found := searchKey(next.keys, c.AccessKey)
	switch {
	case !found:
		return Result{}, ais.NounErrorf(ais.NotFound, ais.NounKey, "access key %q does not exist", c.AccessKey)
	case next.lastRoot(i):
		return Result{}, lastRootError(c.AccessKey)
	}
	next.keys = slices.Delete(slices.Clone(next.keys), i, i+1)
	return Result{}, nil
}

// lastRoot reports whether the i-th key is the only root key: without one nobody could make another.
func (v *View) lastRoot(i int) bool {
	others := func(k *Key) bool { return k.Root && k != v.keys[i] }
	return v.keys[i].Root && !slices.ContainsFunc(v.keys, others)
}

func lastRootError(accessKey string) error {
	return ais.NounErrorf(ais.Precondition, ais.NounKey, "access key %q is the last root key", accessKey)
}

func (c ConfigSet) check() error {
	if len(c.Values) == 0 {
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "no configuration key given")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Values)) {
		if err := checkSetting(c.Node, name, c.Values[name]); err != nil {
			return err
		}
	}
	return nil
}

// apply keeps names and values as they come: which keys there are differs from one version of ais to
// the next, and that must not make two states of one log. Those unknown here are passed over when the
// configuration is read.
func (c ConfigSet) apply(next *View, _ ais.ControlIndex) (Result, error) {
	set := maps.Clone(next.set[c.Node])
	if set == nil {
		set = make(values, len(c.Values))
	}
	maps.Copy(set, c.Values)
	next.setConfig(c.Node, set)
	return Result{}, nil
}

func (c ConfigUnset) check() error {
	if len(c.Names) == 0 {
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "no configuration key given")
	}
	for _, name := range c.Names {
		if _, err := settingFor(c.Node, name); err != nil {
			return err
		}
	}
	return nil
}

func (c ConfigUnset) apply(next *View, _ ais.ControlIndex) (Result, error) {
	set := maps.Clone(next.set[c.Node])
	for _, name := range c.Names {
		delete(set, name)
	}
	next.setConfig(c.Node, set)
	return Result{}, nil
}

func (v *View) setConfig(node string, set values) {
	if before, after := leaseLife(v.set[node]), leaseLife(set); node == "" && before != after {
		v.leaseMost = max(v.leaseMost, before, after)
	}
	v.set = maps.Clone(v.set)
	if v.set == nil {
		v.set = make(map[string]values, 1)
	}
	if len(set) == 0 {
		delete(v.set, node)
	} else {
		v.set[node] = set
	}
	if node == "" {
		v.config = newConfig(set, nil)
	}
}

// leaseFirst is the life of a lease where nothing is set. It is part of apply: it is for ever.
const leaseFirst = 6 * time.Second

// leaseLife is the life of a lease that the cluster's configuration sets. It does not ask the bounds that
// this ais has for it, because they may change.
func leaseLife(set values) time.Duration {
	life, err := ParseDuration(set[string(ClusterLease)])
	if err != nil {
		return leaseFirst
	}
	return life
}
