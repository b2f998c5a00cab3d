package thrash

import (
	"bufio"
	"net"
	"os"
	"strconv"
	"testing"
	"time"
)

// twoNodes is a network with two members: this process is node 0, and echoes as node 1.
func twoNodes(t *testing.T) (*network, []*member) {
	f := newFleet("", t.TempDir())
	if err := f.findPorts(t.Context(), uint32(os.Getpid())); err != nil {
		t.Fatal(err)
	}
	f.subnet = "127.99." + strconv.Itoa(os.Getpid()%256)
	n := newNetwork(t.Context(), f, 1)
	t.Cleanup(n.close)
	members := []*member{f.add(), f.add()}
	members[0].pid = os.Getpid()
	for _, m := range members {
		if err := n.open(m); err != nil {
			t.Fatal(err)
		}
	}
	return n, members
}

func echo(t *testing.T, address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if _, err := c.Write(append(lines.Bytes(), '\n')); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// say sends a line and wants it back within a while; false if it does not come.
func say(t *testing.T, c net.Conn, in *bufio.Reader, line string, within time.Duration) bool {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
	return hear(t, c, in, line, within)
}

func hear(t *testing.T, c net.Conn, in *bufio.Reader, line string, within time.Duration) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	got, err := in.ReadString('\n')
	if n, ok := err.(net.Error); ok && n.Timeout() && got == "" {
		return false
	}
	if err != nil || got != line+"\n" {
		t.Fatalf("got %q, error %v, want %q", got, err, line)
	}
	return true
}

func TestNetworkLinks(t *testing.T) {
	n, members := twoNodes(t)
	echo(t, members[1].listen(clusterPort))
	c, err := net.Dial("tcp", net.JoinHostPort(members[1].host, strconv.Itoa(members[1].port+clusterPort)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	const soon, cutFor = 10 * time.Second, 100 * time.Millisecond
	if !say(t, c, in, "hello", soon) {
		t.Fatal("a good link loses what is said")
	}
	for _, cut := range []struct {
		name string
		link *link
	}{{"there", &n.links[0][1]}, {"back", &n.links[1][0]}} {
		cut.link.cut.Store(true)
		if say(t, c, in, cut.name, cutFor) {
			t.Errorf("the way %s is cut, and an answer comes", cut.name)
		}
		n.heal()
		if !hear(t, c, in, cut.name, soon) {
			t.Errorf("the way %s was cut and is healed, and what was said is lost", cut.name)
		}
	}
	n.links[0][1].set(false, 150*time.Millisecond, 0)
	began := time.Now()
	if !say(t, c, in, "slow", soon) || time.Since(began) < 150*time.Millisecond {
		t.Errorf("a link that is slow by 150ms takes %v", time.Since(began))
	}
	n.links[0][1].set(false, 0, 50_000) // one lost piece in fifty breaks a connection off: here each does
	if _, err = c.Write([]byte("x\n")); err == nil {
		if err = c.SetReadDeadline(time.Now().Add(soon)); err == nil {
			_, err = in.ReadString('\n')
		}
	}
	if n, ok := err.(net.Error); err == nil || ok && n.Timeout() {
		t.Errorf("a link that loses all: got error %v, want a connection that is broken off", err)
	}
}

func TestNetworkPackets(t *testing.T) {
	n, members := twoNodes(t)
	open := func(m *member) *net.UDPConn {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: m.port + gossipPort})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	from, to := open(members[0]), open(members[1])
	relay := &net.UDPAddr{IP: net.ParseIP(members[1].host), Port: members[1].port + gossipPort}
	arrives := func(within time.Duration) string {
		if _, err := from.WriteToUDP([]byte("packet"), relay); err != nil {
			t.Fatal(err)
		}
		if err := to.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		size, sender, err := to.ReadFromUDP(b)
		if err != nil || string(b[:size]) != "packet" {
			return ""
		}
		return sender.String()
	}
	want := net.JoinHostPort(members[0].host, strconv.Itoa(members[0].port+gossipPort))
	if got := arrives(10 * time.Second); got != want {
		t.Errorf("a packet of node 0 arrives from %q, want %s, which it advertises", got, want)
	}
	n.links[0][1].cut.Store(true)
	if got := arrives(50 * time.Millisecond); got != "" {
		t.Errorf("the link is cut, and a packet arrives from %s", got)
	}
	n.links[0][1].set(false, 30*time.Millisecond, 0)
	if got := arrives(10 * time.Second); got != want {
		t.Errorf("over a slow link a packet arrives from %q, want %s", got, want)
	}
}

func TestWhose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	mine := func(pid int) int {
		if pid == os.Getpid() {
			return 5
		}
		return -1
	}
	if node, ok := whose(far.(*net.TCPConn), mine); node != 5 || !ok {
		t.Errorf("a connection of this process: got node %d, %v, want 5", node, ok)
	}
	if node, ok := whose(far.(*net.TCPConn), func(int) int { return -1 }); node != -1 || !ok {
		t.Errorf("a connection of no node: got node %d, %v, want -1", node, ok)
	}
}
