package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Surroundings is what a command sees of the process it runs in: its streams and its environment.
type Surroundings struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
}

// System is the surroundings of this process.
func System() Surroundings {
	return Surroundings{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
}

// Exit codes, for scripts.
const (
	exitOK     = 0
	exitFailed = 1 // the command was understood and did not succeed
	exitUsage  = 2 // the command line is wrong
)

// usageError marks a mistake in the command line itself.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// Run executes one command line and returns the exit code of the process. Canceling ctx is the
// user's Ctrl-C: servers drain, transfers stop.
func Run(ctx context.Context, s Surroundings, args []string) int {
	root, g := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(s.Stderr, "ais: %s\n", explain(err, g))
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func newRoot(s Surroundings) (*cobra.Command, *globals) {
	root := &cobra.Command{
		Use:           "ais",
		Short:         "An object cluster for ordinary machines: servers, client and tools in one program",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w (try '%s --help')", err, c.CommandPath())
	})
	g := newGlobals(s, root.PersistentFlags())
	root.AddCommand(
		newDev(s), newNode(s),
		newBucket(s, g), newList(s, g), newPut(s, g), newGet(s, g), newCopy(g), newRemove(s, g),
		newShow(s, g), newConfig(s, g), newCluster(s, g), newVolume(s, g),
		newStart(s, g), newStop(s, g), newWait(s, g), newAudit(s, g),
		newBench(s, g), newSim(s), newThrash(s, g), newVersion(s, g),
	)
	// cobra's own completion command, which writes to where root does.
	root.InitDefaultCompletionCmd()
	markUsage(root)
	return root, g
}

// markUsage makes the complaints of every command about its arguments usage errors.
func markUsage(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				if c.HasSubCommands() {
					return usagef("%w (try '%s --help')", err, c.CommandPath())
				}
				return usagef("%w (usage: %s)", err, strings.TrimSuffix(c.UseLine(), " [flags]"))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		markUsage(sub)
	}
}
