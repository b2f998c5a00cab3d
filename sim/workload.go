package sim

import (
	"fmt"
	"maps"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// The clients of a run.
const (
	commandClients  = 3
	registerClients = 3
	bucketsMax      = 4
)

// clients is what clients do until a moment: commands at any node, and reads and writes of slots.
type clients struct {
	w       *world
	until   time.Duration
	think   time.Duration // between two commands of a client, at most twice as long
	written uint64
	idle    int // clients that have ended
}

func startClients(w *world, until, think time.Duration) *clients {
	c := &clients{w: w, until: until, think: think}
	for i := range commandClients {
		c.next(i)
	}
	for i := range registerClients {
		c.nextAccess(i)
	}
	return c
}

// next lets a client think, then act.
func (c *clients) next(client int) {
	w := c.w
	w.after(c.think/4+time.Duration(w.rng.Int64N(int64(2*c.think))), func() {
		if w.now >= c.until {
			c.idle++
			return
		}
		w.propose(client, w.anyNode(), c.command(), func(o *operation) { c.next(client) })
	})
}

func (c *clients) nextAccess(client int) {
	w := c.w
	w.after(time.Duration(w.rng.Int64N(int64(150*time.Millisecond))), func() {
		if w.now >= c.until {
			return
		}
		w.registers.act(client, w.rng.IntN(slotsWatched), w.rng.IntN(2) == 0)
		c.nextAccess(client)
	})
}

// command draws what a client wants.
func (c *clients) command() control.Command {
	w := c.w
	c.written++
	at := w.rng.IntN(bucketsMax)
	name, value := fmt.Sprintf("bucket-%d", at), fmt.Sprint(c.written)
	switch w.rng.IntN(12) {
	case 0:
		return control.KeyPut{Key: control.Key{AccessKey: fmt.Sprintf("key-%d", at), Secret: "secret-" + value, CreatedUnix: 1}}
	case 1:
		return control.KeyDelete{AccessKey: fmt.Sprintf("key-%d", at)}
	case 2:
		return control.ConfigSet{Node: w.anyNode().id.String(), Values: map[string]string{string(control.VacuumGarbage): fmt.Sprintf("%d%%", 1+w.rng.IntN(99))}}
	case 3:
		return control.BucketCreate{Bucket: ais.Bucket{Name: name, Properties: map[string]string{valueProperty: value}}}
	}
	b := c.look(name)
	if b == nil {
		return control.BucketCreate{Bucket: ais.Bucket{Name: name, Properties: map[string]string{valueProperty: value}}}
	}
	next := *b
	next.Properties = maps.Clone(b.Properties)
	next.Properties[valueProperty] = value
	return control.BucketUpdate{Bucket: next}
}

// look finds a bucket in the state of some node, which may be an old one.
func (c *clients) look(name string) *ais.Bucket {
	n := c.w.anyNode()
	if n.view == nil || n.state == off {
		return nil
	}
	b, _ := n.view.Bucket(name)
	return b
}
