package sim

import (
	"context"
	"embed"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
)

//go:embed testdata/*.story
var stories embed.FS

// Scenarios are the names of the stories there are.
func Scenarios() []string {
	files, err := stories.ReadDir("testdata")
	if err != nil {
		return nil // they are part of the program: there are none
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".story"))
	}
	return names
}

// story runs a scenario: commands that a person could give, and what is seen of each. docs/simulation.md
// lists them.
type story struct {
	w    *world
	seen []string // since the last command
}

func newStory(seed uint64, lines io.Writer) *story {
	s := &story{w: newWorld(seed, lines)}
	s.w.snapshotEvery, s.w.noises, s.w.realDisks, s.w.encode = 64, lines != nil, true, true
	s.w.story = func(format string, args ...any) {
		s.seen = append(s.seen, fmt.Sprintf("%6.1fs  ", s.w.now.Seconds())+fmt.Sprintf(format, args...))
	}
	s.w.checkers = append(s.w.checkers, &teller{})
	return s
}

// end ends all processes.
func (s *story) end() {
	for _, n := range s.w.nodes {
		n.stop(false)
	}
}

// runStory runs a story and writes it with what is seen.
func runStory(ctx context.Context, o Options, out io.Writer) error {
	text, err := stories.ReadFile("testdata/" + o.Scenario + ".story")
	if err != nil {
		return ais.Errorf(ais.NotFound, "there is no scenario %q; there are %s", o.Scenario, strings.Join(Scenarios(), ", "))
	}
	var lines io.Writer
	if o.Trace {
		lines = out
	}
	s := newStory(o.Seed, lines)
	defer s.end()
	for _, block := range strings.Split(string(text), "\n\n") {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			if line == "----" {
				break
			}
			if line == "" || strings.HasPrefix(line, "#") {
				_, _ = fmt.Fprintln(out, line)
				continue
			}
			_, _ = fmt.Fprintf(out, "> %s\n%s", line, s.do(ctx, line))
		}
	}
	return s.w.failed
}

// do gives a command and returns what is seen from it on.
func (s *story) do(ctx context.Context, line string) string {
	words := strings.Fields(line)
	s.w.guard(func() { s.command(ctx, words[0], words[1:]) })
	seen := s.seen
	s.seen = nil
	if s.w.failed != nil {
		seen = append(seen, "VIOLATION: "+s.w.failed.Error())
	}
	if len(seen) == 0 {
		return ""
	}
	return strings.Join(seen, "\n") + "\n"
}

func (s *story) wrong(format string, args ...any) {
	s.seen = append(s.seen, "error: "+fmt.Sprintf(format, args...))
}

func (s *story) command(ctx context.Context, verb string, args []string) {
	w := s.w
	switch verb {
	case "nodes":
		s.startNodes(ctx, args)
	case "run":
		if d, err := time.ParseDuration(strings.Join(args, "")); err != nil {
			s.wrong("%v", err)
		} else {
			w.run(ctx, w.now+d)
		}
	case "show":
		s.show()
	case "create":
		s.create(ctx, args)
	case "cut", "cut-one-way":
		s.cut(args, verb == "cut")
	case "heal":
		w.net.heal()
	case "flap":
		s.flap(args)
	case "fencing":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			s.wrong("%v", err)
		}
		for _, n := range w.nodes {
			n.fenceDelay = d
		}
	default:
		for _, name := range args[:min(1, len(args))] {
			n := s.node(name)
			if n == nil {
				s.wrong("there is no node %s", name)
				return
			}
			s.nodeCommand(ctx, verb, n, args[1:])
			return
		}
		s.wrong("unknown command %q", verb)
	}
}

func (s *story) node(name string) *node {
	for _, n := range s.w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// startNodes makes nodes and starts them: "nodes 3", "nodes 2 target".
func (s *story) startNodes(ctx context.Context, args []string) {
	count, roles := 0, ais.RoleProxy|ais.RoleTarget
	_, err := fmt.Sscan(args[0], &count)
	if len(args) > 1 && err == nil {
		roles, err = ais.ParseRoles(args[1])
	}
	if err != nil {
		s.wrong("%v", err)
	}
	for range count {
		n := s.w.add(roles, fmt.Sprintf("z%d", len(s.w.nodes)%3))
		n.start()
		s.w.run(ctx, s.w.now+100*time.Millisecond)
	}
}

func (s *story) nodeCommand(ctx context.Context, verb string, n *node, args []string) {
	w := s.w
	switch verb {
	case "start":
		n.start()
	case "kill":
		n.stop(false)
	case "power":
		n.stop(true)
	case "pause":
		n.pause()
	case "resume":
		n.resume()
	case "force-new":
		w.run(ctx, w.now+w.reference.LeaseMost())
		if err := n.forceNew(); err != nil {
			s.wrong("%v", err)
			return
		}
		w.say(n, "begins generation %d", n.generation)
		n.start()
	case "leave":
		n.deliver(consensus.Leave{})
	case "damage":
		n.stop(true)
		n.storage.damage()
	case "set-primary":
		if p := w.primary(); p != nil {
			p.deliver(consensus.SetPrimary{Node: n.id})
		}
	case "state":
		var state cmap.State
		if err := state.UnmarshalText([]byte(strings.Join(args, ""))); err != nil {
			s.wrong("%v", err)
			return
		}
		s.propose(n, control.NodeState{Changes: []cmap.StateChange{{ID: n.id, State: state}}})
	case "settle":
		s.propose(n, control.MapSettle{Version: w.reference.Map().Version()})
	case "remove":
		s.propose(n, control.NodeRemove{ID: n.id})
	case "suspect":
		if p := w.primary(); p != nil {
			p.deliver(consensus.Suspected{Node: n.id})
		}
	default:
		s.wrong("unknown command %q", verb)
	}
}

// propose has any node that runs propose a command, and waits for no answer.
func (s *story) propose(about *node, c control.Command) {
	w := s.w
	at := w.contact(about)
	if at == nil {
		at = about
	}
	w.propose(-1, at, c, func(o *operation) {
		if o.outcome.Err != nil {
			w.say(nil, "%s is refused: %v", c.Kind(), o.outcome.Err)
		}
	})
}

// create has a node make a bucket, and waits for the answer for at most ten seconds.
func (s *story) create(ctx context.Context, args []string) {
	w := s.w
	if len(args) != 2 || s.node(args[0]) == nil {
		s.wrong("create NODE BUCKET")
		return
	}
	c := control.BucketCreate{Bucket: ais.Bucket{Name: args[1], Properties: map[string]string{valueProperty: ""}}}
	o := w.propose(-1, s.node(args[0]), c, nil)
	o.only = s.node(args[0])
	begun := w.now
	if !w.runUntil(ctx, 10*time.Second, o.done) {
		o.given = true
		w.say(nil, "bucket %s: no answer within 10 s", args[1])
		return
	}
	switch took := o.back - begun; {
	case o.outcome.Err != nil:
		w.say(nil, "bucket %s: %v", args[1], o.outcome.Err)
	case took < 200*time.Millisecond:
		w.say(nil, "bucket %s is made", args[1])
	default:
		w.say(nil, "bucket %s is made, after %.1f s", args[1], took.Seconds())
	}
}

// cut parts nodes: "cut n1 | n2 n3", or "cut-one-way n1 | n2": nothing goes from n1 to n2.
func (s *story) cut(args []string, both bool) {
	var sides [2][]*node
	side := 0
	for _, arg := range args {
		n := s.node(arg)
		switch {
		case arg == "|":
			side = 1
		case n == nil:
			s.wrong("there is no node %s", arg)
		default:
			sides[side] = append(sides[side], n)
		}
	}
	s.w.net.shut(between(sides[0], sides[1])...)
	if both {
		s.w.net.shut(between(sides[1], sides[0])...)
	}
}

// flap shuts and opens the link of two nodes: "flap n1 n2 30s 1s" for 30 s, every second.
func (s *story) flap(args []string) {
	if len(args) != 4 || s.node(args[0]) == nil || s.node(args[1]) == nil {
		s.wrong("flap NODE NODE FOR EVERY")
		return
	}
	lasts, err := time.ParseDuration(args[2])
	every, err2 := time.ParseDuration(args[3])
	if err != nil || err2 != nil {
		s.wrong("flap: %v %v", err, err2)
		return
	}
	w, a, b := s.w, s.node(args[0]), s.node(args[1])
	paths := []path{{a.id, b.id}, {b.id, a.id}}
	for at := time.Duration(0); at < lasts; at += 2 * every {
		w.after(at, func() { w.net.shut(paths...) })
		w.after(at+every, func() { w.net.open(paths...) })
	}
}

// show is how the cluster stands.
func (s *story) show() {
	w := s.w
	p := w.primary()
	if p == nil {
		s.seen = append(s.seen, "primary: none")
	} else {
		st := p.machine.Status()
		voters := ""
		for _, id := range st.Voters {
			voters += " " + w.node(id).name
		}
		s.seen = append(s.seen, fmt.Sprintf("primary: %s, voters:%s", p.name, voters))
		for _, hold := range st.Holds {
			s.seen = append(s.seen, "holds: "+hold)
		}
	}
	m := w.reference.Map()
	for _, n := range w.nodes {
		d, ok := m.Node(n.id)
		line := n.name + ": "
		if ok {
			line += d.State.String()
		} else {
			line += "not in the map"
		}
		switch {
		case n.state == off:
			line += ", off"
		case n.lease > n.now():
			line += ", lease"
		default:
			line += ", no lease"
		}
		if n.state == paused {
			line += ", stopped"
		}
		s.seen = append(s.seen, line)
	}
}
