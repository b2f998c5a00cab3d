package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is also the program: called as "ais" it runs one command line and ends. So the
// scripts, and the nodes that they start, are real processes.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ais": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Run(ctx, System(), os.Args[1:])
		stop()
		os.Exit(code)
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			port := freePorts(t)
			e.Setenv("PORT", strconv.Itoa(port))
			e.Setenv("PORT1", strconv.Itoa(port+devPortsPerNode)) // of node 1
			e.Setenv("PORT2", strconv.Itoa(port+2*devPortsPerNode))
			e.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "await-command": awaitCommand, "load-env": loadEnv, "make-tree": makeTree, "same-tree": sameTree, "kill-node": killNode, "await-ready": awaitReady,
		},
	})
}

// freePorts finds a port that is free together with all that ais dev takes for three nodes from it on.
// They are asked from the kernel and given back, so another process could take them; ports of tests
// that run side by side are kept apart by the kernel's choice.
func freePorts(t *testing.T) int {
	for range 100 {
		if base, ok := tryPorts(t); ok {
			return base
		}
	}
	t.Fatal("no ports for three nodes are free")
	return 0
}

func tryPorts(t *testing.T) (base int, ok bool) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	base = first.Addr().(*net.TCPAddr).Port
	for i := 1; i <= 2*devPortsPerNode+3; i++ {
		if i%devPortsPerNode > 3 {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(base+i))
		if err != nil {
			return 0, false
		}
		defer l.Close()
	}
	return base, true
}

// await FILE [TEXT]: waits until the file is there and holds the text.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await FILE [TEXT]")
	}
	waitFor(ts, strings.Join(args, " holds "), func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && (len(args) == 1 || strings.Contains(string(b), args[1]))
	})
}

// await-command [-count=N] REGEXP COMMAND…: waits until the command succeeds and N lines of its output
// match; without N, one or more.
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	want := -1
	if len(args) > 0 {
		if digits, ok := strings.CutPrefix(args[0], "-count="); ok {
			var err error
			want, err = strconv.Atoi(digits)
			ts.Check(err)
			args = args[1:]
		}
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await-command [-count=N] REGEXP COMMAND…")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	waitFor(ts, strings.Join(args[1:], " ")+" prints "+args[0], func() bool {
		if ts.Exec(args[1], args[2:]...) != nil {
			return false
		}
		found := len(re.FindAllString(ts.ReadFile("stdout"), -1))
		return found == want || want < 0 && found > 0
	})
}

// await-ready PORT: waits until the node with this public port takes requests.
func awaitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await-ready PORT")
	}
	port, err := strconv.Atoi(args[0])
	ts.Check(err)
	url := "http://127.0.0.1:" + strconv.Itoa(port+3) + "/readyz"
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	waitFor(ts, url, func() bool {
		h, err := readHealth(context.Background(), client, url)
		return err == nil && h.Ready
	})
}

// waitFor looks again and again until it is so.
func waitFor(ts *testscript.TestScript, what string, isSo func() bool) {
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !isSo() {
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("%s: it did not come to pass in 30 s", what)
		}
	}
}

// load-env FILE: what a shell does on `source FILE`.
func loadEnv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: load-env FILE")
	}
	e := parseEnv(ts.ReadFile(args[0]))
	for _, v := range e.variables() {
		ts.Setenv(v.name, *v.field)
	}
}

// make-tree DIR N: N files of some bytes in several directories.
func makeTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: make-tree DIR N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i := range n {
		p := ts.MkAbs(filepath.Join(args[0], fmt.Sprintf("d%d", i%7), fmt.Sprintf("e %d", i%3), fmt.Sprintf("file-%d.txt", i)))
		ts.Check(os.MkdirAll(filepath.Dir(p), 0o777))
		ts.Check(os.WriteFile(p, []byte(strings.Repeat(fmt.Sprintf("%d,", i), i*37)), 0o666))
	}
}

// same-tree A B: the same names with the same bytes lie below both.
func sameTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-tree A B")
	}
	a, b := readTree(ts, args[0]), readTree(ts, args[1])
	if len(a) != len(b) {
		ts.Fatalf("%d files below %s, %d below %s", len(a), args[0], len(b), args[1])
	}
	for name, text := range a {
		if other, ok := b[name]; !ok || other != text {
			ts.Fatalf("%s: %d bytes below %s; below %s: %v, %d bytes", name, len(text), args[0], args[1], ok, len(other))
		}
	}
}

func readTree(ts *testscript.TestScript, dir string) map[string]string {
	files := map[string]string{}
	root := ts.MkAbs(dir)
	ts.Check(walk(context.Background(), root, func(f localFile) error {
		b, err := os.ReadFile(f.path)
		files[f.name] = string(b)
		return err
	}, func(path string) { ts.Fatalf("%s is no regular file", path) }))
	return files
}

// kill-node PIDFILE-OR-JSON: kill -9 of the process that cluster.json names.
func killNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill-node CLUSTER.JSON")
	}
	_, rest, ok := strings.Cut(ts.ReadFile(args[0]), `"pid": `)
	digits, _, _ := strings.Cut(rest, ",")
	pid, err := strconv.Atoi(digits)
	if !ok || err != nil || pid < 2 {
		ts.Fatalf("no pid in %s", args[0])
	}
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}
