package disk

import (
	"errors"
	"unsafe"
)

// Alignment is what a Direct file asks of offsets, lengths and buffer addresses, in bytes. It is the
// page size, which satisfies every block device in use; asking for less would save nothing here.
const Alignment = 4096

// ErrCrashed is what every call on a memory disk gives after its Crash: that life is over.
var ErrCrashed = errors.New("disk: this life of the memory disk ended in a crash")

// Flag says how OpenFile opens a file.
type Flag uint8

const (
	ReadOnly  Flag = 0 // the default; the file must exist
	ReadWrite Flag = 1 // the file must exist
	Create    Flag = 2 // make the file with mode 0600, for reading and writing; it must not exist
	Direct    Flag = 4 // past the page cache (O_DIRECT) if the filesystem has it: see File.Direct
)

func (f Flag) writes() bool { return f&(ReadWrite|Create) != 0 }

// Usage is the space of the filesystem on which a directory lies.
type Usage struct {
	Total    int64  // bytes
	Free     int64  // bytes that this process may still allocate
	DeviceID uint64 // equal for directories on the same filesystem
}

// FS is a namespace of files and directories. Names are slash-separated paths. It is safe for
// concurrent use. Errors match fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC, syscall.EIO and the like
// by errors.Is.
//
// A change of the namespace (a file or directory created, renamed or removed) survives a power loss
// only after SyncDir of the directory that holds the name; a rename between two directories after
// SyncDir of either.
type FS interface {
	// OpenFile opens a file, or creates it (exclusively) if flags has Create.
	OpenFile(name string, flags Flag) (File, error)
	// Remove removes a file, or a directory that is empty.
	Remove(name string) error
	// Rename gives a file or directory a new name, atomically replacing a file of that name.
	Rename(from, to string) error
	// List gives the base names in a directory, sorted by bytes.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and those above it, mode 0700. It syncs nothing.
	MkdirAll(dir string) error
	// SyncDir makes what was created, renamed and removed in dir durable.
	SyncDir(dir string) error
	// Stat gives the size of a file in bytes; 0 for a directory.
	Stat(name string) (size int64, err error)
	// Usage gives the space of the filesystem on which dir lies.
	Usage(dir string) (Usage, error)
	// ReadFile gives the whole content of a file. The slice is the caller's.
	ReadFile(name string) ([]byte, error)
	// WriteFileSync replaces a file by data, durably: after a power loss the file is the old or the
	// new one, and once it has returned nil the new one. It goes through name + ".tmp"; two calls for
	// one name must not run at once.
	WriteFileSync(name string, data []byte) error
}

// File is an open file. All methods are safe for concurrent use; what two overlapping writes at once
// leave is undefined. After Close every method gives fs.ErrClosed.
//
// Offsets, lengths and addresses of reads and writes of a file with Direct() true must be multiples of
// Alignment (AlignedBuffer helps), else the call fails with syscall.EINVAL (some filesystems take it).
type File interface {
	// ReadAt reads like io.ReaderAt: fewer bytes than asked come with an error, io.EOF at the end.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes all of p, or gives an error and how much was written.
	WriteAt(p []byte, off int64) (int, error)
	// WriteVec writes the buffers one after another from off: all of them, or it gives an error and
	// how many bytes were written. The buffers are not kept.
	WriteVec(bufs [][]byte, off int64) (int, error)
	// Sync makes the content and the size durable (fdatasync). After it has failed once, nothing that
	// was written before can be trusted, and a later success says nothing about it.
	Sync() error
	// Truncate sets the size in bytes.
	Truncate(size int64) error
	// Preallocate reserves space without changing the size, so that ENOSPC comes here and not from a
	// write. It does nothing where the filesystem cannot.
	Preallocate(off, size int64) error
	// Punch gives space back: the range reads as zeros. The size stays.
	Punch(off, size int64) error
	// Writeback starts writing a range to the device, and waits for nothing. It promises nothing.
	Writeback(off, size int64) error
	// DropCache advises that the range will not be read soon. It promises nothing.
	DropCache(off, size int64) error
	// Size gives the size in bytes.
	Size() (int64, error)
	// Direct says whether the file goes past the page cache, and so asks for aligned calls.
	Direct() bool
	// Fd gives the file descriptor, for sendfile; ok is false where there is none. It is valid while
	// the caller keeps the file open.
	Fd() (fd int, ok bool)
	// Close releases the handle, and syncs nothing.
	Close() error
}

// AlignedBuffer makes a zeroed buffer of size bytes whose address is a multiple of Alignment.
func AlignedBuffer(size int) []byte {
	raw := make([]byte, size+Alignment)
	skip := 0
	if rest := int(uintptr(unsafe.Pointer(&raw[0])) % Alignment); rest != 0 {
		skip = Alignment - rest
	}
	return raw[skip : skip+size : skip+size]
}

func addressAligned(p []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))%Alignment == 0
}
