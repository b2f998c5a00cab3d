package disk

// Faulty is an FS whose operations a Hook can count and fail, over any other FS. A Sync that it fails
// leaves on a memory disk what a failed Sync leaves; on a real one the data just stays unsynced.
type Faulty struct {
	gate
	inner FS
}

// NewFaulty wraps inner; hook may be nil and set later.
func NewFaulty(inner FS, hook Hook) *Faulty {
	f := &Faulty{inner: inner}
	f.SetHook(hook)
	return f
}

func (f *Faulty) OpenFile(name string, flags Flag) (File, error) {
	kind := OpOpen
	if flags&Create != 0 {
		kind = OpCreate
	}
	if err := f.before(Op{Kind: kind, Name: name}); err != nil {
		return nil, pathError(kind, name, err)
	}
	inner, err := f.inner.OpenFile(name, flags)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: inner, gate: &f.gate, name: name}, nil
}

func (f *Faulty) Remove(name string) error {
	if err := f.before(Op{Kind: OpRemove, Name: name}); err != nil {
		return pathError(OpRemove, name, err)
	}
	return f.inner.Remove(name)
}

func (f *Faulty) Rename(from, to string) error {
	if err := f.before(Op{Kind: OpRename, Name: from, To: to}); err != nil {
		return pathError(OpRename, from, err)
	}
	return f.inner.Rename(from, to)
}

// Link fails with errors.ErrUnsupported where the FS below has no links.
func (f *Faulty) Link(from, to string) error {
	if err := f.before(Op{Kind: OpLink, Name: from, To: to}); err != nil {
		return pathError(OpLink, from, err)
	}
	return link(f.inner, from, to)
}

func (f *Faulty) List(dir string) ([]string, error) {
	if err := f.before(Op{Kind: OpList, Name: dir}); err != nil {
		return nil, pathError(OpList, dir, err)
	}
	return f.inner.List(dir)
}

func (f *Faulty) MkdirAll(dir string) error {
	if err := f.before(Op{Kind: OpMkdir, Name: dir}); err != nil {
		return pathError(OpMkdir, dir, err)
	}
	return f.inner.MkdirAll(dir)
}

func (f *Faulty) SyncDir(dir string) error {
	if err := f.before(Op{Kind: OpSyncDir, Name: dir}); err != nil {
		return pathError(OpSyncDir, dir, err)
	}
	return f.inner.SyncDir(dir)
}

func (f *Faulty) Stat(name string) (int64, error) {
	if err := f.before(Op{Kind: OpStat, Name: name}); err != nil {
		return 0, pathError(OpStat, name, err)
	}
	return f.inner.Stat(name)
}

func (f *Faulty) isDir(name string) (bool, error) {
	if err := f.before(Op{Kind: OpStat, Name: name}); err != nil {
		return false, pathError(OpStat, name, err)
	}
	return isDir(f.inner, name)
}

func (f *Faulty) Usage(dir string) (Usage, error) {
	if err := f.before(Op{Kind: OpUsage, Name: dir}); err != nil {
		return Usage{}, pathError(OpUsage, dir, err)
	}
	return f.inner.Usage(dir)
}

func (f *Faulty) ReadFile(name string) ([]byte, error)         { return readFile(f, name) }
func (f *Faulty) WriteFileSync(name string, data []byte) error { return writeFileSync(f, name, data) }

// faultyFile asks the gate before each operation. Direct and Fd are its inner file's: what goes out by
// sendfile is not seen.
type faultyFile struct {
	File
	gate *gate
	name string
}

func (f *faultyFile) before(op Op) error {
	op.Name = f.name
	if err := f.gate.before(op); err != nil {
		return pathError(op.Kind, f.name, err)
	}
	return nil
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.before(Op{Kind: OpRead, Off: off, Len: int64(len(p))}); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.write([][]byte{p}, len(p), off)
}

func (f *faultyFile) WriteVec(bufs [][]byte, off int64) (int, error) {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	return f.write(bufs, size, off)
}

func (f *faultyFile) write(bufs [][]byte, size int, off int64) (int, error) {
	through, err := f.gate.beforeWrite(Op{Kind: OpWrite, Name: f.name, Off: off, Len: int64(size)})
	if err == nil {
		return f.File.WriteVec(bufs, off)
	}
	err = pathError(OpWrite, f.name, err)
	if through <= 0 {
		return 0, err
	}
	n, writeErr := f.File.WriteVec(firstBytes(bufs, through), off)
	if writeErr != nil {
		return n, writeErr
	}
	return n, err
}

// firstBytes gives the first n bytes of the buffers.
func firstBytes(bufs [][]byte, n int64) (first [][]byte) {
	for _, b := range bufs {
		b = b[:min(n, int64(len(b)))]
		first = append(first, b)
		n -= int64(len(b))
	}
	return first
}

func (f *faultyFile) Sync() error {
	err := f.before(Op{Kind: OpSync})
	if err == nil {
		return f.File.Sync()
	}
	f.failSync()
	return err
}

func (f *faultyFile) failSync() {
	if below, ok := f.File.(interface{ failSync() }); ok {
		below.failSync()
	}
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.before(Op{Kind: OpTruncate, Off: size}); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Preallocate(off, size int64) error {
	if err := f.before(Op{Kind: OpPreallocate, Off: off, Len: size}); err != nil {
		return err
	}
	return f.File.Preallocate(off, size)
}

func (f *faultyFile) Punch(off, size int64) error {
	if err := f.before(Op{Kind: OpPunch, Off: off, Len: size}); err != nil {
		return err
	}
	return f.File.Punch(off, size)
}

func (f *faultyFile) Writeback(off, size int64) error {
	if err := f.before(Op{Kind: OpWriteback, Off: off, Len: size}); err != nil {
		return err
	}
	return f.File.Writeback(off, size)
}

func (f *faultyFile) DropCache(off, size int64) error {
	if err := f.before(Op{Kind: OpDropCache, Off: off, Len: size}); err != nil {
		return err
	}
	return f.File.DropCache(off, size)
}

func (f *faultyFile) Size() (int64, error) {
	if err := f.before(Op{Kind: OpSize}); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// Close closes the file below even where the hook fails it: a handle is never leaked for a fault.
func (f *faultyFile) Close() error {
	hookErr := f.before(Op{Kind: OpClose})
	if err := f.File.Close(); err != nil {
		return err
	}
	return hookErr
}
