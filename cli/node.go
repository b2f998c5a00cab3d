package cli

import (
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed9b016523/ais/node"
)

// newNode makes the flags from node's own table of settings, so that flag, variable and key of a
// setting cannot drift apart.
func newNode(s Surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "node",
		Short: "Run one node in the foreground",
		Long: `Run one node in the foreground until SIGINT or SIGTERM.

Every flag is also a key of the configuration file (TOML: listen = "0.0.0.0:8080") and a variable of
the environment (AIS_LISTEN=0.0.0.0:8080). A flag counts over a variable, a variable over the file.
The root key of the first start comes from AIS_ROOT_ACCESS_KEY and AIS_ROOT_SECRET_KEY; without them
one is made and shown once.

The heap is held below 128 MiB + 320 MiB for each mountpath as far as its contents allow; GOMEMLIMIT
and GOGC, if set, count instead.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := readNodeConfig(c, s)
			if err != nil {
				return usageError{err}
			}
			tuneMemory(s.Getenv, len(cfg.Mountpaths))
			return node.Run(c.Context(), cfg, node.Surroundings{
				Log: newLogger(s.Stderr, cfg), Announce: s.Stdout, Version: thisBuild().Version})
		},
	}
	nodeFlags(c)
	return c
}

// nodeFlags gives a command a flag for each setting of a node, and one for the file.
func nodeFlags(c *cobra.Command) {
	for _, set := range node.Settings() {
		switch {
		case set.Secret:
		case set.Switch:
			c.Flags().Bool(set.Name, false, set.Usage)
		case set.Repeated:
			c.Flags().StringArray(set.Name, nil, set.Usage)
		default:
			c.Flags().String(set.Name, "", set.Usage)
		}
	}
	c.Flags().String("config", "", "configuration file (TOML)")
}

// readNodeConfig gathers the sources of a node's configuration.
func readNodeConfig(c *cobra.Command, s Surroundings) (node.Config, error) {
	src := node.Sources{Flags: map[string][]string{}, Getenv: s.Getenv, File: s.Getenv("AIS_CONFIG")}
	c.Flags().Visit(func(f *pflag.Flag) { // those that were given, the global ones too
		if v, ok := f.Value.(pflag.SliceValue); ok {
			src.Flags[f.Name] = v.GetSlice()
		} else {
			src.Flags[f.Name] = []string{f.Value.String()}
		}
	})
	if file, ok := src.Flags["config"]; ok {
		src.File = file[0]
	}
	return node.ReadConfig(src)
}

func newLogger(w io.Writer, cfg node.Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// Memory of a node. The Go heap holds, per mountpath, bodies on their way to disk
// (limits.uploads_memory, 128 MiB), the cache of the index (64 MiB) and its memtables (twice 64 MiB).
// Little of it changes from request to request, so collections are rare and cheap. The limit
// (GOMEMLIMIT) keeps the heap from growing to twice that much before one comes; it lies above all of
// it, for near the limit the process would do little but collect.
const (
	heapLimitBase      = 128 << 20 // bytes
	heapLimitMountpath = 320 << 20 // bytes
)

func tuneMemory(getenv func(string) string, mountpaths int) {
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapLimitBase + heapLimitMountpath*int64(mountpaths))
	}
}

// completeNothing keeps shells from offering file names where none is wanted.
func completeNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// notice writes a line for people that is no result of the command.
func notice(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}
