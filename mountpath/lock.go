package mountpath

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed9b016523/ais"
)

// LockFile takes the lock file of a mountpath for this process, by flock(2): the kernel gives it back
// when the process ends, however it ends. The file holds the pid, for the message of whoever comes
// second: that is of kind Unavailable. Close gives the lock back; the file stays.
func LockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, ais.Errorf(ais.Unavailable, "lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		err = writePid(f)
	}
	if err == nil {
		return f, nil
	}
	defer f.Close() // its error would say less than the one that led here
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ais.Errorf(ais.Unavailable, "%s is held by %s", name, holder(f))
	}
	return nil, ais.Errorf(ais.Unavailable, "lock %s: %w", name, err)
}

func writePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process whose pid is in the lock file.
func holder(f *os.File) string {
	b := make([]byte, 32)
	n, err := f.ReadAt(b, 0)
	pid := strings.TrimSpace(string(b[:n]))
	switch {
	case err != nil && err != io.EOF || pid == "":
		return "another process"
	case pid == strconv.Itoa(os.Getpid()):
		return "this process: the same directory was given under another name"
	}
	return "process " + pid
}
