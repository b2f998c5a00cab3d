package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/thrash"
)

func newThrash(s Surroundings, g *globals) *cobra.Command {
	o := thrash.Default()
	nemeses := strings.Join(o.Nemeses, ",")
	c := &cobra.Command{
		Use:   "thrash",
		Short: "Run a real cluster under load and faults, and hold every answer to what was written",
		Long: `Run a cluster of real processes on this machine, let clients work on it while nodes are killed,
stopped, cut off and filled up, and check every answer: each byte, each key's history, each listing. At
the end all faults are healed, everything is read from every node, and ais audit has its say. The seed
decides what is done; when it happens is this machine's own. Exit code 1 if anything is wrong.

A line every ten seconds goes to stderr, the table to stdout.`,
		Example: `  ais thrash --seed 7
  ais thrash --seed 7 --duration 2h --nemeses kill,partition --dir /data/thrash --keep`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Progress = s.Stderr
			o.Nemeses = strings.FieldsFunc(nemeses, func(r rune) bool { return r == ',' || r == ' ' })
			if err := thisProgram(&o.Program); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return usageError{err}
			}
			r, err := thrash.Run(c.Context(), o)
			if r == nil {
				return err
			}
			if g.json {
				err = joinErrors(err, json.NewEncoder(s.Stdout).Encode(r))
			} else {
				err = joinErrors(err, r.Print(s.Stdout))
			}
			if err == nil && r.Failed() {
				err = ais.Errorf(ais.Corrupt, "seed %d: %s", o.Seed, r.Summary())
			}
			return err
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.Seed, "seed", o.Seed, "which run: keys, sizes, requests and faults follow from it")
	f.DurationVar(&o.Duration, "duration", o.Duration, "how long clients work and faults come; healing and the last checks are not in it")
	f.IntVar(&o.Nodes, "nodes", o.Nodes, "nodes to begin with")
	f.IntVar(&o.Clients, "clients", o.Clients, "clients, each with one request under way")
	f.StringVar(&nemeses, "nemeses", nemeses, "faults, with commas: "+strings.Join(thrash.Nemeses(), ", ")+", all; \"\" is none")
	f.StringVar(&o.Dir, "dir", "", "where the nodes keep data and logs, kept after the run (default: a temporary folder, kept if anything is wrong)")
	f.BoolVar(&o.Keep, "keep", false, "keep the temporary folder in any case")
	f.StringVar(&o.Program, "ais", "", "the program that runs as node (default: this one)")
	return c
}

// thisProgram makes the program that runs the nodes this one, unless another was named.
func thisProgram(program *string) (err error) {
	if *program == "" {
		*program, err = os.Executable()
	}
	return err
}

// joinErrors is the first error.
func joinErrors(first, second error) error {
	if first != nil {
		return first
	}
	if second != nil {
		return fmt.Errorf("print the report: %w", second)
	}
	return nil
}
