package gossip

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

// label is how packets and streams of the cluster begin.
func label() []byte {
	name := testCluster.String()
	return append([]byte{244, byte(len(name))}, name...)
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestPacketBombs(t *testing.T) {
	r := &rig{t: t}
	a, b := r.start(1, nil), r.start(2, nil)
	eventually(t, settle, "a sees b", sees(a, 2))
	before, lines := heapBytes(), a.logs.count()

	random := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 60<<10)
	for i := range garbage {
		garbage[i] = byte(random.Uint32())
	}
	conn := dial(t, "udp", a.address())
	for i := range 2000 {
		var packet []byte
		switch i % 5 {
		case 0:
			packet = garbage[:random.IntN(1400)]
		case 1:
			packet = append(label(), garbage[:random.IntN(1400)]...) // its seal does not hold
		case 2:
			packet = garbage // one datagram of 60 KiB
		case 3:
			packet = append(label(), garbage[:packetBytesMax]...)
		case 4:
			packet = label()[:random.IntN(len(label()))]
		}
		if _, err := conn.Write(packet); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
	}
	eventually(t, settle, "both kinds counted", func() bool {
		s := a.Stats()
		return s.PacketsForeign > 50 && s.PacketsRefused > 10
	})
	if grown := int64(heapBytes()) - int64(before); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if written := a.logs.count() - lines; written > 60 {
		t.Errorf("%d lines in the log, for 2000 bad packets", written)
	}
	b.set(func(m *Meta) { m.Map = 5 })
	eventually(t, settle, "a still hears of b", func() bool { m, _ := a.member(2); return m.Map == 5 })
}

func TestStreamBombs(t *testing.T) {
	r := &rig{t: t}
	a, b := r.start(1, nil), r.start(2, nil)
	eventually(t, settle, "a sees b", sees(a, 2))
	before := heapBytes()

	// A message that says it is 20 MB long, and as much of it as is taken.
	long := append(label(), 10) // sealed
	long = binary.BigEndian.AppendUint32(long, 20<<20)
	var senders sync.WaitGroup
	defer senders.Wait()
	for i := range 40 {
		conn := dial(t, "tcp", a.address())
		senders.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(settle))
			switch i % 4 {
			case 0: // connects, and says nothing
				_, _ = conn.Read(make([]byte, 1))
			case 1:
				_, _ = conn.Write(long)
				flood(conn, 20<<20)
			case 2:
				_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
				_, _ = conn.Read(make([]byte, 1))
			case 3:
				flood(conn, 4<<20)
			}
		})
	}
	eventually(t, settle, "streams refused and broken", func() bool {
		s := a.Stats()
		return s.StreamsRefused > 0 && s.StreamsBroken > 0
	})
	if grown := int64(heapBytes()) - int64(before); grown > 32<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	senders.Wait()
	c := r.start(3, nil) // by a stream to a or b
	eventually(t, settle, "a sees c", sees(a, 3))
	eventually(t, settle, "c sees a and b", sees(c, 1, 2))
	eventually(t, settle, "b sees c", sees(b, 3))
}

func flood(conn net.Conn, size int) {
	chunk := bytes.Repeat([]byte{0xa5}, 64<<10)
	for sent := 0; sent < size; sent += len(chunk) {
		if _, err := conn.Write(chunk); err != nil {
			return
		}
	}
}

func TestStreamGivesOnlySoMuch(t *testing.T) {
	ours, theirs := net.Pipe()
	p := &port{}
	p.mu.streams = map[*stream]bool{}
	p.mu.Lock()
	s := p.track(ours, netip.IPv4Unspecified())
	p.mu.taken++
	p.mu.from = map[netip.Addr]int{netip.IPv4Unspecified(): 1}
	p.mu.Unlock()
	go flood(theirs, streamBytesMax+128<<10)
	total, buffer := 0, make([]byte, 32<<10)
	for {
		n, err := s.Read(buffer)
		total += n
		if err != nil {
			break
		}
	}
	if total != streamBytesMax {
		t.Errorf("read %d bytes of a stream, want %d", total, streamBytesMax)
	}
	s.Close()
	s.Close()
	theirs.Close()
	if p.mu.taken != 0 || len(p.mu.from) != 0 || len(p.mu.streams) != 0 {
		t.Errorf("after Close: %d taken, from %v, %d streams", p.mu.taken, p.mu.from, len(p.mu.streams))
	}
	p.wait()
}
