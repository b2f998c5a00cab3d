package sim

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seedsDefault is how many seeds a plain test run tries.
const seedsDefault = 150

// seedsWanted reads AIS_SIM_SEEDS: a number of seeds, from 1 on, or a range "from-to".
func seedsWanted(t *testing.T) (from, to uint64) {
	text := os.Getenv("AIS_SIM_SEEDS")
	if text == "" {
		return 1, seedsDefault
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		first, last = "1", text
	}
	from, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		t.Fatalf("AIS_SIM_SEEDS=%q: %v", text, err)
	}
	if to, err = strconv.ParseUint(last, 10, 64); err != nil {
		t.Fatalf("AIS_SIM_SEEDS=%q: %v", text, err)
	}
	return from, to
}

// TestSeeds runs random clusters under random faults. A seed that fails says how to see its trace.
func TestSeeds(t *testing.T) {
	from, to := seedsWanted(t)
	seeds := make(chan uint64)
	var (
		work   sync.WaitGroup
		mu     sync.Mutex
		total  result
		failed int
	)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for seed := range seeds {
				r := runSeed(t.Context(), seed, nil)
				mu.Lock()
				total.events += r.events
				total.commands += r.commands
				total.terms += r.terms
				total.maps += r.maps
				total.ages += r.ages - 1
				total.lasted += r.lasted
				if r.err != nil {
					failed++
					t.Errorf("%v\n  see it: ais sim --seed %d", r, seed)
				}
				mu.Unlock()
			}
		})
	}
	for seed := from; seed <= to; seed++ {
		seeds <- seed
	}
	close(seeds)
	work.Wait()
	t.Logf("seeds %d to %d: %d failed; %v of clusters' time, %d events, %d commands, %d terms, %d maps, %d new generations",
		from, to, failed, total.lasted, total.events, total.commands, total.terms, total.maps, total.ages)
	if total.commands == 0 || total.terms == 0 || total.maps == 0 {
		t.Error("nothing has happened in any run")
	}
}

// TestSeedReplays: a seed gives the same run, event for event, whether its trace is read or not.
func TestSeedReplays(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		var trace bytes.Buffer
		a, b := runSeed(t.Context(), seed, nil), runSeed(t.Context(), seed, &trace)
		if a.hash != b.hash || a.events != b.events {
			t.Errorf("seed %d gave %v, then %v", seed, a, b)
		}
		if trace.Len() == 0 {
			t.Errorf("seed %d wrote no trace", seed)
		}
		if other := runSeed(t.Context(), seed+1000, nil); other.hash == a.hash {
			t.Errorf("seeds %d and %d gave the same run", seed, seed+1000)
		}
	}
}

// TestStories runs the scenarios of testdata and compares what is seen, line by line.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newStory(1, nil)
		defer s.end()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			line := d.Cmd
			for _, arg := range d.CmdArgs {
				line += " " + arg.Key
			}
			seen := s.do(t.Context(), line)
			if s.w.failed != nil {
				t.Errorf("%s: %v", d.Pos, s.w.failed)
			}
			return seen
		})
	})
}

// TestRunTellsStory: a story that is run by name says what the test has compared.
func TestRunTellsStory(t *testing.T) {
	for _, name := range Scenarios() {
		var out bytes.Buffer
		if err := Run(t.Context(), Options{Seed: 1, Scenario: name}, &out); err != nil {
			t.Errorf("scenario %s: %v", name, err)
		}
		file, err := os.ReadFile("testdata/" + name + ".story")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimPrefix(strings.TrimSpace(line), "> "); !strings.Contains(string(file), line) {
				t.Errorf("scenario %s said %q, which is not in its file", name, line)
				break
			}
		}
	}
	if err := Run(t.Context(), Options{Scenario: "none"}, &bytes.Buffer{}); err == nil {
		t.Error("a scenario that is not there ran")
	}
}

func TestRunSaysResult(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), Options{Seed: 1}, &out); err != nil {
		t.Fatalf("seed 1: %v", err)
	}
	if want := "seed 1: "; !strings.HasPrefix(out.String(), want) || !strings.Contains(out.String(), "all rules hold") {
		t.Errorf("seed 1 said %q", out.String())
	}
}

func asTime(n int) time.Duration { return time.Duration(n) }

func TestQueueOrder(t *testing.T) {
	var q queue
	var got []int
	for i, at := range []int{5, 1, 5, 3, 1, 5, 0, 3} {
		q.push(asTime(at), func() { got = append(got, at*10+i) })
	}
	for q.len() > 0 {
		q.pop().do()
	}
	want := []int{6, 11, 14, 33, 37, 50, 52, 55}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events came as %v, want %v: by time, then as they were put in", got, want)
	}
}

func TestClock(t *testing.T) {
	c := clock{boot: asTime(100), base: 7, rate: clockErrorMax}
	if got, want := c.at(asTime(100)+1_000_000), 7+1_020_000; int(got) != want {
		t.Errorf("a clock that is 2 %% fast shows %d after 1 ms, want %d", got, want)
	}
	if got := c.at(asTime(100) + c.lasts(1_020_000)); int(got) != 7+1_020_000 {
		t.Errorf("lasts(1.02 ms) leads to %d, want %d", got, 7+1_020_000)
	}
}
