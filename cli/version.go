package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what this binary knows of its own making.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

// thisBuild reads what the Go tool stamped into the binary.
func thisBuild() build {
	b := build{Version: "devel", Commit: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Commit += " (modified)"
		}
	}
	return b
}

func newVersion(s Surroundings, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version, commit and Go version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if g.json {
				return json.NewEncoder(s.Stdout).Encode(b)
			}
			_, err := fmt.Fprintf(s.Stdout, "ais %s\ncommit %s\n%s %s\n", b.Version, b.Commit, b.Go, b.System)
			return err
		},
	}
}
