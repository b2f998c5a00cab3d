package mountpath

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// patienceDefault is how long a mountpath may take to answer at the start.
const patienceDefault = 10 * time.Second

// Options opens a set of mountpaths.
type Options struct {
	FS      disk.FS
	Paths   []string // the directories, absolute; made if they do not exist
	Record  string   // the target's own record, DIR/target.json; its directory must exist
	Cluster ais.ClusterID
	Target  ais.TargetID // whose the mountpaths must be; a new set becomes this target's. 0: whoever's, a new id
	Logger  *slog.Logger

	// AllowSharedFilesystem takes mountpaths that share a filesystem, as on a developer's machine.
	AllowSharedFilesystem bool
	// AllowMissing opens the set although some of its members are missing; their slots are unavailable.
	AllowMissing bool

	// Lock takes a mountpath for this process alone: LockFile, or nil on a disk that nobody shares.
	Lock func(name string) (io.Closer, error)
	// NewID draws the ids of what is made; nil draws them from the system.
	NewID func() (uint64, error)
	// Patience is how long a mountpath may take to answer; 0 is 10 s.
	Patience time.Duration
}

func (o *Options) check() error {
	if len(o.Paths) == 0 {
		return ais.Errorf(ais.Invalid, "no mountpath given")
	}
	if o.Cluster == 0 {
		return ais.Errorf(ais.Invalid, "mountpaths cannot be opened before the cluster has an id")
	}
	o.Paths = slices.Clone(o.Paths)
	for i, p := range o.Paths {
		if !path.IsAbs(p) {
			return ais.Errorf(ais.Invalid, "mountpath %q: want an absolute path", p)
		}
		o.Paths[i] = path.Clean(p)
		if slices.Contains(o.Paths[:i], o.Paths[i]) {
			return ais.Errorf(ais.Invalid, "mountpath %s is given twice", o.Paths[i])
		}
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if o.Patience == 0 {
		o.Patience = patienceDefault
	}
	return nil
}

// randomID draws an id that is not 0.
func randomID() (uint64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, ais.Errorf(ais.Internal, "draw an id: %w", err)
		}
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id, nil
		}
	}
}

// opening is an Open under way.
type opening struct {
	*Options
	locks []io.Closer
}

// Open opens the mountpaths of a target: it takes their locks, finds out that they are the set that
// belongs here (see the package page for what it refuses), and makes the new boot epoch durable on each
// that is to serve. The Set is the caller's to Close.
func Open(ctx context.Context, o Options) (_ *Set, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	op := &opening{Options: &o}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(op.locks))
		}
	}()
	record, err := op.readRecord()
	if err != nil {
		return nil, err
	}
	found, err := op.look(ctx)
	if err != nil {
		return nil, err
	}
	d, err := plan(&o, record, found, o.NewID)
	if err != nil {
		return nil, err
	}
	if err := op.makeNewborns(d); err != nil {
		return nil, err
	}
	if err := op.write(ctx, d); err != nil {
		return nil, err
	}
	s := newSet(&o, d)
	s.locks = op.locks
	return s, nil
}

func (op *opening) readRecord() (*identity, error) {
	b, err := op.FS.ReadFile(op.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, ais.Errorf(ais.Unavailable, "read the target's record: %w", err)
	}
	id, err := decodeIdentity(b)
	if err != nil {
		return nil, ais.Errorf(ais.KindOf(err), "%s: %w", op.Record, err)
	}
	return id, nil
}

// look finds out what is at every path. What cannot be read is part of the answer; a lock that another
// process holds is an error, for then nothing that was read would stay true.
func (op *opening) look(ctx context.Context) ([]*finding, error) {
	var found []*finding
	for _, dir := range op.Paths {
		type answer struct {
			finding *finding
			lock    io.Closer
			err     error
		}
		letGo := func(late answer) {
			if late.lock != nil {
				_ = late.lock.Close() // nobody waits for it any more
			}
		}
		a, err := within(ctx, op.Patience, letGo, func() answer {
			lock, err := op.lockExisting(dir)
			if err != nil {
				return answer{err: err}
			}
			return answer{finding: op.examine(dir), lock: lock}
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			a = answer{finding: &finding{dir: dir, err: ais.Errorf(ais.Unavailable, "mountpath %s: %w", dir, err)}}
		}
		if a.err != nil {
			return nil, ais.Errorf(ais.KindOf(a.err), "mountpath %s: %w", dir, a.err)
		}
		if a.lock != nil {
			op.locks = append(op.locks, a.lock)
		}
		found = append(found, a.finding)
	}
	return found, nil
}

// lockExisting takes the lock of a mountpath that has a .ais directory; nil if it has none.
func (op *opening) lockExisting(dir string) (io.Closer, error) {
	if op.Lock == nil {
		return nil, nil
	}
	if _, err := op.FS.Stat(dataDir(dir)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return op.Lock(lockName(dir))
}

// examine reads what is at a path. It changes nothing.
func (op *opening) examine(dir string) *finding {
	f := &finding{dir: dir}
	u, err := usageOf(op.FS, dir)
	if err != nil {
		f.err = ais.Errorf(ais.Unavailable, "mountpath %s: %w", dir, err)
		return f
	}
	f.device, f.weight = u.DeviceID, weightOf(u.Total)
	names, err := op.FS.List(dataDir(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f
	case err != nil:
		f.err = ais.Errorf(ais.Unavailable, "mountpath %s: %w", dir, err)
		return f
	}
	if slices.Contains(names, volumesBase) {
		volumes, err := op.FS.List(path.Join(dataDir(dir), volumesBase))
		if err != nil {
			f.err = ais.Errorf(ais.Unavailable, "mountpath %s: %w", dir, err)
			return f
		}
		f.volumes = len(volumes) > 0
	}
	if !slices.Contains(names, identityBase) {
		return f
	}
	b, err := op.FS.ReadFile(identityName(dir))
	if err != nil {
		f.err = ais.Errorf(ais.Unavailable, "mountpath %s: %w", dir, err)
		return f
	}
	f.identity, err = decodeIdentity(b)
	if err == nil && f.identity.Mountpath == 0 {
		err = ais.Errorf(ais.Corrupt, "identity names no mountpath")
	}
	if err != nil {
		f.identity = nil
		f.err = ais.Errorf(ais.KindOf(err), "mountpath %s: %w", dir, err)
	}
	return f
}

// usageOf is the space of the filesystem on which dir lies, or would lie if it were made.
func usageOf(fsys disk.FS, dir string) (disk.Usage, error) {
	u, err := fsys.Usage(dir)
	if errors.Is(err, fs.ErrNotExist) && dir != path.Dir(dir) {
		return usageOf(fsys, path.Dir(dir))
	}
	return u, err
}

// weightOf is the weight of a new member: the size of its filesystem in GiB.
func weightOf(sizeBytes int64) uint32 {
	return uint32(min(max(sizeBytes>>30, 1), 1<<31))
}

// makeNewborns makes the directories of new members and takes their locks.
func (op *opening) makeNewborns(d *decision) error {
	for i := range d.members {
		m := &d.members[i]
		if !m.newborn {
			continue
		}
		dir := m.at.dir
		if err := makeDir(op.FS, dataDir(dir)); err != nil {
			return ais.Errorf(ais.Unavailable, "mountpath %s: %w", dir, err)
		}
		if err := op.lockNewborn(dir); err != nil {
			return ais.Errorf(ais.KindOf(err), "mountpath %s: %w", dir, err)
		}
	}
	return nil
}

// lockNewborn takes the lock of a directory that was just made, unless look has taken it (an earlier
// start had come so far). Another process may have come first: then there is an identity now.
func (op *opening) lockNewborn(dir string) error {
	if op.Lock == nil {
		return nil
	}
	for _, l := range op.locks {
		if named, ok := l.(interface{ Name() string }); ok && named.Name() == lockName(dir) {
			return nil
		}
	}
	lock, err := op.Lock(lockName(dir))
	if err != nil {
		return err
	}
	op.locks = append(op.locks, lock)
	if f := op.examine(dir); f.err != nil || f.identity != nil || f.volumes {
		return ais.Errorf(ais.Unavailable, "another process is making a mountpath here")
	}
	return nil
}

// makeDir makes a directory and those above it that do not exist, durably.
func makeDir(fsys disk.FS, dir string) error {
	if _, err := fsys.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := path.Dir(dir)
	if err := makeDir(fsys, parent); err != nil {
		return err
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}

// within runs do in a goroutine of its own and waits for it no longer than patience. If do hangs, as
// calls on a dead disk may, the goroutine stays until the kernel lets go of it, and its answer goes to late
// (nil: nowhere).
func within[T any](ctx context.Context, patience time.Duration, late func(T), do func() T) (T, error) {
	done, gone := make(chan T), make(chan struct{})
	defer close(gone)
	go func() {
		v := do()
		select {
		case done <- v:
		case <-gone:
			if late != nil {
				late(v)
			}
		}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var none T
	select {
	case v := <-done:
		return v, nil
	case <-timer.C:
		return none, errSlow
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// The names in a mountpath.
const (
	dataBase     = ".ais"
	identityBase = "identity"
	lockBase     = "lock"
	volumesBase  = "volumes"
)

func dataDir(dir string) string      { return path.Join(dir, dataBase) }
func identityName(dir string) string { return path.Join(dir, dataBase, identityBase) }
func lockName(dir string) string     { return path.Join(dir, dataBase, lockBase) }

func closeAll(closers []io.Closer) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
