package bench

import (
	"io"
	"syscall"
	"unsafe"
)

// drain throws away the next n bytes of the stream without bringing them to user space: for TCP,
// recv with MSG_TRUNC consumes up to the given length and copies nothing (tcp(7)).
func (c *conn) drain(n int64) error {
	c.left, c.drainErr = n, nil
	for c.left > 0 {
		if err := c.raw.Read(c.drainFn); err != nil {
			return err
		}
		if c.drainErr != nil {
			return c.drainErr
		}
	}
	return nil
}

// drainOnce is one such call; false means that nothing is there yet. The length is that of no real
// buffer, so syscall.Recvfrom, which takes it from a slice, cannot be used.
func (c *conn) drainOnce(fd uintptr) bool {
	const atOnce = 1 << 30
	var nowhere byte
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&nowhere)),
			uintptr(min(c.left, atOnce)), syscall.MSG_TRUNC, 0, 0)
		switch errno {
		case 0:
			if n == 0 {
				c.drainErr = io.ErrUnexpectedEOF
			}
			c.left -= int64(n)
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			c.drainErr = errno
			return true
		}
	}
}
