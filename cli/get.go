package cli

import (
	"context"
	"io"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/api"
)

func newGet(s Surroundings, g *globals) *cobra.Command {
	var parallel int
	var prefix bool
	c := &cobra.Command{
		Use:   "get BUCKET/NAME FILE|-  |  get BUCKET[/PREFIX]/ DIR",
		Short: "Fetch an object, or all objects under a prefix",
		Long: `Fetch an object into a file or to standard output (-). A file gets its name only when it is whole.

Where the source ends in a slash, is a bucket, or --prefix is given, all objects under it are fetched
into DIR, by what of their names follows the prefix. A name that cannot be a path below DIR (../x, an
absolute path, a NUL byte, a beside a/b) is refused and reported; the others are fetched.`,
		Example: `  ais get docs/2026/report.pdf .
  ais get backups/home.tar - | tar t
  ais get pictures/holiday/ photos`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := parseLocation(args[0])
			if err != nil {
				return err
			}
			remote, err := g.connect()
			if err != nil {
				return err
			}
			gt := &getter{s: s, g: g, remote: remote, parallel: parallel}
			if prefix || from.name == "" || strings.HasSuffix(from.name, "/") && args[1] != "-" {
				return gt.getTree(c.Context(), from, args[1])
			}
			return gt.get(c.Context(), from, args[1])
		},
	}
	c.Flags().IntVar(&parallel, "parallel", parallelDefault, "objects at once")
	c.Flags().BoolVar(&prefix, "prefix", false, "all objects whose name begins so")
	c.ValidArgsFunction = completeArgs(g, completeObject, completeFiles)
	return c
}

// getter fetches what the user named.
type getter struct {
	s        Surroundings
	g        *globals
	remote   *remote
	parallel int
}

func (gt *getter) get(ctx context.Context, from location, to string) error {
	if to == "-" {
		return gt.remote.get(ctx, from, func(body io.Reader, _ int64) error {
			_, err := io.Copy(gt.s.Stdout, body)
			return err
		})
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() || strings.HasSuffix(to, "/") {
		base := path.Base(from.name)
		if err := checkLocalName(base); err != nil {
			return err
		}
		to = strings.TrimRight(to, "/") + "/" + base
	}
	return runSingle(ctx, gt.s, gt.g, "fetch", "fetched to "+to, func(b *batch) transfer {
		return transfer{do: func(ctx context.Context, moved *countingWriter) error {
			return gt.remote.get(ctx, from, func(body io.Reader, size int64) error {
				b.bar.expect(size)
				return createFile(to, copyFrom(body, moved))
			})
		}}
	})
}

// getTree fetches all objects under a prefix into a directory.
func (gt *getter) getTree(ctx context.Context, from location, dir string) error {
	if dir == "-" {
		return usagef("several objects cannot go to standard output: name one, or a directory")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return runBatch(ctx, gt.s, gt.g, gt.parallel, "fetch", "fetched", func(ctx context.Context, b *batch, add func(transfer) error) error {
		return gt.remote.list(ctx, listing{bucket: from.bucket, query: api.ListQuery{Prefix: from.name}}, func(e entry) error {
			b.bar.expect(e.Size)
			return add(gt.object(root, location{bucket: from.bucket, name: e.Name}, strings.TrimPrefix(e.Name, from.name)))
		})
	})
}

// object is the transfer of one object to a path below root.
func (gt *getter) object(root *os.Root, from location, name string) transfer {
	return transfer{name: from.String(), do: func(ctx context.Context, moved *countingWriter) error {
		if err := checkLocalName(name); err != nil {
			return err
		}
		return gt.remote.get(ctx, from, func(body io.Reader, _ int64) error {
			return createLocal(root, name, copyFrom(body, moved))
		})
	}}
}

// copyFrom makes a fill for createLocal.
func copyFrom(body io.Reader, moved io.Writer) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, io.TeeReader(body, moved))
		return err
	}
}
