package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newList(s Surroundings, g *globals) *cobra.Command {
	var l listing
	var directories bool
	c := &cobra.Command{
		Use:   "ls [BUCKET[/PREFIX]]",
		Short: "List objects in name order; without an argument, buckets",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var at location
			if len(args) == 1 {
				var err error
				if at, err = parseLocation(args[0]); err != nil {
					return err
				}
			}
			r, err := g.connect()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return listBuckets(c.Context(), s, g, r)
			}
			l.bucket, l.query.Prefix = at.bucket, at.name
			if directories {
				l.query.Delimiter = "/"
			}
			return listObjects(c.Context(), s.Stdout, g, r, l)
		},
	}
	c.Flags().BoolVarP(&directories, "directories", "d", false, "group names at slashes, as directories do")
	c.Flags().StringVar(&l.query.After, "after", "", "begin after this name")
	c.Flags().Int64Var(&l.limit, "limit", 0, "list at most so many (default: all)")
	c.ValidArgsFunction = completeArgs(g, completeObject)
	return c
}

// listObjects prints entries as they come: a listing may be longer than memory.
func listObjects(ctx context.Context, w io.Writer, g *globals, r *remote, l listing) error {
	if g.json {
		return listJSON(ctx, w, r, l)
	}
	if !g.noHeaders {
		if _, err := fmt.Fprintf(w, "%-19s  %10s  %s\n", "MODIFIED", "SIZE", "NAME"); err != nil {
			return err
		}
	}
	return r.list(ctx, l, func(e entry) error {
		when, size := "", "-"
		if !e.Prefix {
			when, size = moment(*e.Modified), g.units.size(e.Size)
		}
		_, err := fmt.Fprintf(w, "%-19s  %10s  %s\n", when, size, printable(e.Name))
		return err
	})
}

// listJSON prints an array, an entry per line. After an error the array has no end, so that what is
// cut off is seen to be.
func listJSON(ctx context.Context, w io.Writer, r *remote, l listing) error {
	before, end := "[\n    ", "[]\n"
	err := r.list(ctx, l, func(e entry) error {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s%s", before, b)
		before, end = ",\n    ", "\n]\n"
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, end)
	return err
}
