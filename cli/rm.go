package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/api"
)

func newRemove(s Surroundings, g *globals) *cobra.Command {
	var prefix bool
	var parallel int
	c := &cobra.Command{
		Use:   "rm BUCKET/NAME  |  rm --prefix BUCKET/PREFIX",
		Short: "Delete an object, or all objects under a prefix",
		Long: `Delete an object; it is an error if there is none. With --prefix, delete all objects whose name
begins with PREFIX.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			parse := parseObject
			if prefix {
				parse = parseLocation
			}
			at, err := parse(args[0])
			if err != nil {
				return err
			}
			remote, err := g.connect()
			if err != nil {
				return err
			}
			if !prefix {
				return remote.remove(c.Context(), at)
			}
			return removeTree(c.Context(), s, g, remote, at, parallel)
		},
	}
	c.Flags().BoolVar(&prefix, "prefix", false, "all objects whose name begins so")
	c.Flags().IntVar(&parallel, "parallel", parallelDefault, "objects at once")
	c.ValidArgsFunction = completeArgs(g, completeObject)
	return c
}

func removeTree(ctx context.Context, s Surroundings, g *globals, r *remote, at location, parallel int) error {
	return runBatch(ctx, s, g, parallel, "delete", "deleted", func(ctx context.Context, b *batch, add func(transfer) error) error {
		return r.list(ctx, listing{bucket: at.bucket, query: api.ListQuery{Prefix: at.name}}, func(e entry) error {
			b.bar.expect(e.Size)
			object := location{bucket: at.bucket, name: e.Name}
			return add(transfer{name: object.String(), do: func(ctx context.Context, moved *countingWriter) error {
				if err := r.Delete(ctx, at.bucket, e.Name, ""); err != nil {
					return err
				}
				moved.add(e.Size)
				return nil
			}})
		})
	})
}

func newCopy(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "cp BUCKET/NAME BUCKET/NAME",
		Short: "Copy an object",
		Long:  `Copy an object; its bytes pass through this program. Where the second NAME is missing or ends in a slash, the last part of the first is added.`,
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := parseObject(args[0])
			if err != nil {
				return err
			}
			to, err := parseLocation(args[1])
			if err != nil {
				return err
			}
			remote, err := g.connect()
			if err != nil {
				return err
			}
			return remote.copy(c.Context(), from, to.within(from.name))
		},
	}
	c.ValidArgsFunction = completeArgs(g, completeObject, completeObject)
	return c
}
