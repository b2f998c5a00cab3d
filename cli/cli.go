package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

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
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(s.Stderr, "ais: %s\n", explain(err))
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func newRoot(s Surroundings) *cobra.Command {
	root := &cobra.Command{
		Use:           "ais",
		Short:         "An object cluster for ordinary machines: servers, client and tools in one program",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w (try '%s --help')", err, c.CommandPath())
	})
	root.AddCommand(newVersion(s))
	return root
}

// explain is the line that the user reads.
func explain(err error) string { return err.Error() }
