package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/api"
)

func newBucket(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{Use: "bucket", Short: "Create, list, change and remove buckets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newBucketCreate(s, g), newBucketList(s, g), newBucketProps(s, g), newBucketRemove(s, g))
	return c
}

func newBucketCreate(s Surroundings, g *globals) *cobra.Command {
	var create api.BucketCreate
	c := &cobra.Command{
		Use:     "create BUCKET…",
		Short:   "Create buckets",
		Example: "  ais bucket create photos\n  ais bucket create archive --policy ec=4+2",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			var made []*api.Bucket
			for _, arg := range args {
				if create.Name, err = parseBucket(arg); err != nil {
					return err
				}
				b, err := r.CreateBucket(c.Context(), create)
				if err != nil {
					return err
				}
				made = append(made, b)
				if !g.json {
					notice(s.Stdout, "%q created", b.Name)
				}
			}
			if g.json {
				return printJSON(s.Stdout, made)
			}
			return nil
		},
	}
	c.Flags().StringVar(&create.Policy, "policy", "", "how objects are kept: copies=N or ec=K+M (default: the cluster's bucket.policy)")
	c.Flags().IntVar(&create.MinCopies, "min-copies", 0, "copies that must be there for a write (default: what the policy implies)")
	c.ValidArgsFunction = completeNothing
	return c
}

func newBucketList(s Surroundings, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List buckets",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			return listBuckets(c.Context(), s, g, r)
		},
	}
}

func listBuckets(ctx context.Context, s Surroundings, g *globals, r *remote) error {
	buckets, err := r.Buckets(ctx)
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(s.Stdout, append([]api.Bucket{}, buckets...)) // [] where there is none, not null
	}
	t := table{headers: []string{"NAME", "POLICY", "CREATED"}}
	for _, b := range buckets {
		t.add(b.Name, b.Policy, moment(b.Created))
	}
	return t.print(s.Stdout, !g.noHeaders)
}

func newBucketProps(s Surroundings, g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:     "props BUCKET [KEY=VALUE…]",
		Short:   "Show or change the properties of a bucket",
		Long:    "Show the properties of a bucket, or change policy (empty: the cluster's default) and min_copies.",
		Example: "  ais bucket props photos\n  ais bucket props photos policy=copies=3",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name, err := parseBucket(args[0])
			if err != nil {
				return err
			}
			r, err := g.connect()
			if err != nil {
				return err
			}
			var b *api.Bucket
			if len(args) == 1 {
				b, err = r.Bucket(c.Context(), name)
			} else {
				var change api.BucketChange
				if change, err = parseBucketChange(args[1:]); err == nil {
					b, err = r.ChangeBucket(c.Context(), name, change)
				}
			}
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(s.Stdout, b)
			}
			return printBucket(s, g, b)
		},
	}
	c.ValidArgsFunction = completeArgs(g, completeBucket)
	return c
}

func parseBucketChange(args []string) (change api.BucketChange, err error) {
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		switch {
		case ok && key == "policy":
			change.Policy = &value
		case ok && key == "min_copies":
			n, err := strconv.Atoi(value)
			if err != nil {
				return change, usagef("min_copies=%s: want a number", value)
			}
			change.MinCopies = &n
		default:
			return change, usagef("%q: want policy=… or min_copies=…", arg)
		}
	}
	return change, nil
}

func printBucket(s Surroundings, g *globals, b *api.Bucket) error {
	t := table{headers: []string{"PROPERTY", "VALUE"}}
	t.add("name", b.Name)
	t.add("id", b.ID)
	t.add("created", moment(b.Created))
	t.add("owner", orDash(b.Owner))
	t.add("policy", b.Policy)
	t.add("min_copies", strconv.Itoa(b.MinCopies))
	t.add("versioning", b.Versioning)
	t.add("region", orDash(b.Region))
	return t.print(s.Stdout, !g.noHeaders)
}

func newBucketRemove(s Surroundings, g *globals) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "rm BUCKET…",
		Short: "Remove buckets that are empty, or with all that is in them",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := g.connect()
			if err != nil {
				return err
			}
			for _, arg := range args {
				name, err := parseBucket(arg)
				if err != nil {
					return err
				}
				if err := r.DeleteBucket(c.Context(), name, force); err != nil {
					return err
				}
				if !g.json {
					notice(s.Stdout, "%q removed", name)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "delete all objects in it, too")
	c.ValidArgsFunction = completeArgs(g, completeBucket)
	return c
}

// orDash is what a table shows for what is not set.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
