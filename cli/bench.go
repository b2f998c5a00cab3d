package cli

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed9b016523/ais/bench"
)

func newBench(s Surroundings, g *globals) *cobra.Command {
	p := bench.Default()
	var pids string
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure an S3 endpoint: throughput, latency, server CPU per operation",
		Long: `Measure an S3 endpoint by a closed loop: --conns connections with one request in flight on each.
It works with any S3 server that is reached by http://. With --pids it also tells what an operation
costs the server. The bucket is made if it does not exist; the objects stay there.`,
		Example: `  ais bench --op put --size 4KiB --pids $(pidof ais)
  ais bench --op get --size 1MiB --prepare --keys 500
  ais bench --op mixed --mix get=90,put=10 --duration 1m --verify
  ais bench suite --pids $(pidof ais)`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := completePlan(&p, g, pids); err != nil {
				return err
			}
			r, err := bench.Run(c.Context(), p)
			if err != nil {
				return err
			}
			if g.json {
				return json.NewEncoder(s.Stdout).Encode(r)
			}
			return r.Print(s.Stdout)
		},
	}
	commonBenchFlags(c.Flags(), &p, &pids)
	f := c.Flags()
	op := string(p.Op)
	f.StringVar(&op, "op", op, "put, get, head, delete, list or mixed")
	f.StringVar(&p.Mix, "mix", p.Mix, "mixed: weights of put, get, head and delete")
	f.Var(bytesFlag{&p.Size}, "size", "size of an object")
	f.Int64Var(&p.Keys, "keys", p.Keys, "how many keys; put wraps around, delete stops at the end")
	f.IntVar(&p.Conns, "conns", p.Conns, "connections, each with one operation in flight")
	f.IntVar(&p.Page, "page", p.Page, "list: keys of a page")
	f.BoolVar(&p.Prepare, "prepare", false, "put every key once first")
	f.BoolVar(&p.Verify, "verify", false, "get: compare every byte with what put writes")
	c.PreRun = func(*cobra.Command, []string) { p.Op = bench.Operation(op) }
	c.AddCommand(newBenchSuite(s, g), newBenchCluster(s, g))
	return c
}

func newBenchSuite(s Surroundings, g *globals) *cobra.Command {
	suite := bench.Suite{Base: bench.Default(), AfterSize: 4 << 10}
	var pids string
	c := &cobra.Command{
		Use:   "suite",
		Short: "Measure put and get of four sizes, delete and list, as a markdown table",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := completePlan(&suite.Base, g, pids); err != nil {
				return err
			}
			out := s.Stdout
			if g.json {
				out = s.Stderr
			}
			reports, err := suite.Run(c.Context(), out, s.Stderr)
			if err == nil && g.json {
				return json.NewEncoder(s.Stdout).Encode(reports)
			}
			return err
		},
	}
	commonBenchFlags(c.Flags(), &suite.Base, &pids)
	c.Flags().Int64Var(&suite.After, "after", 0, "put so many objects first, and measure beside them")
	c.Flags().Var(bytesFlag{&suite.AfterSize}, "after-size", "size of each of those")
	c.Flags().StringVar(&suite.Only, "only", "", "only the rows whose title has this in it, such as GET or 4 KiB")
	c.Flags().BoolVar(&suite.Keep, "keep", false, "leave the objects in the bucket")
	return c
}

func commonBenchFlags(f *pflag.FlagSet, p *bench.Plan, pids *string) {
	f.StringVar(&p.Bucket, "bucket", p.Bucket, "bucket, made if it does not exist")
	f.StringVar(&p.Prefix, "prefix", p.Prefix, "prefix of every key")
	f.StringVar(&p.Region, "region", p.Region, "region to sign for")
	f.DurationVar(&p.Duration, "duration", p.Duration, "measured time")
	f.DurationVar(&p.Warmup, "warmup", p.Warmup, "time before, not measured")
	f.StringVar(pids, "pids", "", "processes of the server on this machine, with commas: adds CPU per operation and memory")
}

// completePlan adds what comes from the global flags and the environment.
func completePlan(p *bench.Plan, g *globals, pids string) error {
	p.Endpoint, p.AccessKey, p.SecretKey = g.endpoint, g.accessKey, g.secretKey
	for f := range strings.FieldsFuncSeq(pids, func(r rune) bool { return r == ',' || r == ' ' }) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return usagef("--pids %q: want process ids with commas", pids)
		}
		p.PIDs = append(p.PIDs, pid)
	}
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	return nil
}
