package disk

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

type osFS struct{}

// OS is the filesystem of the operating system.
func OS() FS { return osFS{} }

func (osFS) OpenFile(name string, flags Flag) (File, error) {
	mode := unix.O_RDONLY
	if flags.writes() {
		mode = unix.O_RDWR
	}
	if flags&Create != 0 {
		mode |= unix.O_CREAT | unix.O_EXCL
	}
	direct := flags&Direct != 0
	if direct {
		mode |= unix.O_DIRECT
	}
	fd, err := openRetry(name, mode)
	if direct && errors.Is(err, unix.EINVAL) {
		// The filesystem has no O_DIRECT. Linux may have made the file before it found out.
		direct = false
		fd, err = openRetry(name, mode&^(unix.O_DIRECT|unix.O_EXCL))
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if direct && !directUsable(fd) {
		direct = false
		if err := clearDirect(fd); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Join(err, unix.Close(fd))}
		}
	}
	return &osFile{fd: fd, name: name, direct: direct}, nil
}

func openRetry(name string, mode int) (int, error) {
	for {
		fd, err := unix.Open(name, mode|unix.O_CLOEXEC, 0o600)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// directUsable asks for the alignment of direct I/O, where the kernel can tell (statx, since Linux
// 6.1): some filesystems take the flag at open and refuse the writes, or want more than Alignment.
func directUsable(fd int) bool {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 {
		return true
	}
	return st.Dio_offset_align != 0 && st.Dio_offset_align <= Alignment && st.Dio_mem_align <= Alignment
}

func clearDirect(fd int) error {
	mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, mode&^unix.O_DIRECT)
	return err
}

func (osFS) Remove(name string) error     { return os.Remove(name) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o700) }

func (osFS) List(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (osFS) SyncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

func (osFS) Stat(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil || info.IsDir() {
		return 0, err
	}
	return info.Size(), nil
}

func (osFS) Usage(dir string) (Usage, error) {
	var space unix.Statfs_t
	var node unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Statfs(dir, &space) }); err != nil {
		return Usage{}, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if err := ignoringEINTR(func() error { return unix.Stat(dir, &node) }); err != nil {
		return Usage{}, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	block := space.Frsize
	if block == 0 {
		block = space.Bsize
	}
	return Usage{
		Total:    int64(space.Blocks) * block,
		Free:     int64(space.Bavail) * block,
		DeviceID: node.Dev,
	}, nil
}

func (s osFS) ReadFile(name string) ([]byte, error)         { return readFile(s, name) }
func (s osFS) WriteFileSync(name string, data []byte) error { return writeFileSync(s, name, data) }

// Link gives a file a second name; the Pebble adapter asks for it.
func (osFS) Link(from, to string) error { return os.Link(from, to) }

func (osFS) isDir(name string) (bool, error) {
	info, err := os.Stat(name)
	return err == nil && info.IsDir(), err
}

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
