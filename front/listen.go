package front

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/seed9b016523/ais"
	"golang.org/x/sys/unix"
)

// Listen opens a TCP listener whose connections use the named congestion control; "" takes the
// system's default. It also says which one is used, for the log: where that is "bbr", replies are
// paced, even on the loopback, and large ones are several times slower there than with "cubic".
//
// An algorithm that the kernel does not have, or does not allow this process, is an error of kind
// Invalid that names those it does.
func Listen(ctx context.Context, address, congestion string) (ln net.Listener, used string, err error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var serr error
		err := raw.Control(func(fd uintptr) {
			if congestion != "" {
				if serr = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, congestion); serr != nil {
					serr = ais.NounErrorf(ais.Invalid, ais.NounConfig, "congestion control %q: %w; this kernel allows: %s",
						congestion, serr, allowedCongestion())
					return
				}
			}
			used, _ = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			used = strings.TrimRight(used, "\x00")
		})
		if err != nil {
			return err
		}
		return serr
	}}
	if ln, err = lc.Listen(ctx, "tcp", address); err != nil {
		return nil, "", err
	}
	return ln, used, nil
}

// allowedCongestion lists what an ordinary process may choose (tcp(7)).
func allowedCongestion() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
