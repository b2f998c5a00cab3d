package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/node"
	"github.com/seed9b016523/ais/volume"
)

func newVolume(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{Use: "volume", Short: "Check, rebuild and show the volumes of a node that does not run", Args: cobra.NoArgs,
		Long: `Tools for the mountpaths of a node that does not run. They take the settings of 'ais node': --dir and,
if it was given to the node, --mountpath, or the same configuration file.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newVolumeCheck(s, g), newVolumeRebuild(s, g), newVolumeShow(s, g))
	return c
}

// offline makes a verb that works on the stores of a node that does not run.
func offline(s Surroundings, use, short string, rebuild bool, run func(ctx context.Context, o offlineRun) error) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := readNodeConfig(c, s)
			if err != nil {
				return usageError{err}
			}
			o := offlineRun{each: func(ctx context.Context, use func(context.Context, string, *volume.Store) error) error {
				return node.Offline(ctx, cfg, node.Surroundings{Log: slog.New(slog.NewTextHandler(s.Stderr,
					&slog.HandlerOptions{Level: max(cfg.LogLevel, slog.LevelWarn)})), Announce: s.Stdout}, rebuild, use)
			}}
			return run(c.Context(), o)
		},
	}
	nodeFlags(c)
	return c
}

// offlineRun hands each store to use, one after the other.
type offlineRun struct {
	each func(ctx context.Context, use func(ctx context.Context, mountpath string, st *volume.Store) error) error
}

// checked is what a check found on a mountpath.
type checked struct {
	Mountpath string  `json:"mountpath"`
	Seconds   float64 `json:"seconds"`
	*volume.CheckReport
}

func newVolumeCheck(s Surroundings, g *globals) *cobra.Command {
	return offline(s, "check --dir DIR", "Verify every record that the index points at, head and payload", false, func(ctx context.Context, o offlineRun) error {
		all, wrong := []checked{}, 0
		err := o.each(ctx, func(ctx context.Context, mountpath string, st *volume.Store) error {
			began := time.Now()
			r, err := st.Check(ctx)
			if err != nil {
				return err
			}
			wrong += len(r.Findings)
			c := checked{Mountpath: mountpath, Seconds: time.Since(began).Seconds(), CheckReport: r}
			all = append(all, c)
			if g.json {
				return nil
			}
			notice(s.Stdout, "%s: %d volumes, %d records of %s verified in %.1fs, %s dead, %d findings", mountpath, r.Volumes, r.Records,
				g.units.size(r.Bytes), c.Seconds, g.units.size(r.Dead), len(r.Findings))
			for _, f := range r.Findings {
				notice(s.Stdout, "  volume %s at %d: %s%s", f.Volume, f.Offset, objectOf(f), f.What)
			}
			return nil
		})
		if g.json {
			if e := printJSON(s.Stdout, all); err == nil {
				err = e
			}
		}
		if err == nil && wrong > 0 {
			err = ais.Errorf(ais.Corrupt, "%d findings", wrong)
		}
		return err
	})
}

func objectOf(f volume.CheckFinding) string {
	if f.Object == "" {
		return ""
	}
	return fmt.Sprintf("object %q: ", f.Object)
}

func newVolumeRebuild(s Surroundings, g *globals) *cobra.Command {
	return offline(s, "rebuild --dir DIR", "Make the index anew from the volumes", true, func(ctx context.Context, o offlineRun) error {
		began := time.Now()
		return o.each(ctx, func(_ context.Context, mountpath string, st *volume.Store) error {
			x := st.Stats()
			took := time.Since(began)
			began = time.Now()
			if g.json {
				return printJSON(s.Stdout, map[string]any{"mountpath": mountpath, "volumes": x.Volumes, "records": x.Records, "seconds": took.Seconds()})
			}
			notice(s.Stdout, "%s: index rebuilt from %d volumes with %d records in %.1fs", mountpath, x.Volumes, x.Records, took.Seconds())
			return nil
		})
	})
}

// shown is the volumes of a mountpath.
type shown struct {
	Mountpath string              `json:"mountpath"`
	Volumes   []volume.VolumeInfo `json:"volumes"`
}

func newVolumeShow(s Surroundings, g *globals) *cobra.Command {
	return offline(s, "show --dir DIR", "Show what is known of every volume", false, func(ctx context.Context, o offlineRun) error {
		all := []shown{}
		err := o.each(ctx, func(_ context.Context, mountpath string, st *volume.Store) error {
			all = append(all, shown{mountpath, append([]volume.VolumeInfo{}, st.Volumes()...)})
			return nil
		})
		if err != nil {
			return err
		}
		if g.json {
			return printJSON(s.Stdout, all)
		}
		t := table{headers: []string{"MOUNTPATH", "VOLUME", "STATE", "CLASS", "SIZE", "LIVE", "DEAD", "TOMBSTONES", "RECORDS"}}
		for _, m := range all {
			for _, v := range m.Volumes {
				t.add(m.Mountpath, v.ID.String(), v.State, v.Class, g.units.size(v.End), g.units.size(v.Live), g.units.size(v.Dead),
					g.units.size(v.Tombs), fmt.Sprint(v.Records))
			}
		}
		return t.print(s.Stdout, !g.noHeaders)
	})
}
