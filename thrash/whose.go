package thrash

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// whose says which node has opened a connection that was accepted here: -1 if it is no node, and ok false if
// nobody has it any more. The kernel says which inode the other end of it is (/proc/net/tcp), and which
// process has that open.
func whose(c *net.TCPConn, nodeOf func(pid int) int) (node int, ok bool) {
	remote, local := c.RemoteAddr().(*net.TCPAddr), c.LocalAddr().(*net.TCPAddr)
	inode, ok := socketInode("/proc/net/tcp", kernelAddress(remote), kernelAddress(local))
	if !ok {
		return -1, false
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return -1, true
	}
	want := "socket:[" + inode + "]"
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if node := nodeOf(pid); node >= 0 && hasOpen(pid, want) {
			return node, true
		}
	}
	return -1, true
}

// kernelAddress is an IPv4 address as the kernel writes it: bytes as in memory, in hexadecimal.
func kernelAddress(a *net.TCPAddr) string {
	ip := a.IP.To4()
	if ip == nil {
		return ""
	}
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], a.Port)
}

// socketInode finds a socket in a table of the kernel's by its two addresses; false: it is not there, or
// closed by the process that had it.
func socketInode(table, local, remote string) (string, bool) {
	f, err := os.Open(table)
	if err != nil {
		return "", false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if !strings.Contains(lines.Text(), local+" "+remote) {
			continue
		}
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[1] == local && fields[2] == remote && fields[9] != "0" {
			return fields[9], true
		}
	}
	return "", false
}

func hasOpen(pid int, what string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	files, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && to == what {
			return true
		}
	}
	return false
}
