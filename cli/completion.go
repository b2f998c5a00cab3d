package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais/api"
)

// completionMax is how long a shell waits for the cluster when the user presses the tab key.
const completionMax = 2 * time.Second

// completer offers what an argument may be. It says nothing where the cluster cannot be asked: a
// shell has no place for an error.
type completer func(ctx context.Context, g *globals, toComplete string) ([]string, cobra.ShellCompDirective)

// completeArgs completes each argument by its own completer, those behind the last by nothing.
func completeArgs(g *globals, each ...completer) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(each) {
			return completeNothing(c, args, toComplete)
		}
		return each[len(args)](c.Context(), g, toComplete)
	}
}

// ask calls f with a client and a short patience.
func ask(ctx context.Context, g *globals, f func(context.Context, *remote) error) {
	r, err := g.connect()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, completionMax)
	defer cancel()
	_ = f(ctx, r) // there is no place for an error
}

// completeFiles leaves it to the shell.
func completeFiles(context.Context, *globals, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func bucketNames(ctx context.Context, g *globals, suffix string) (names []string) {
	ask(ctx, g, func(ctx context.Context, r *remote) error {
		buckets, err := r.Buckets(ctx)
		for _, b := range buckets {
			names = append(names, b.Name+suffix)
		}
		return err
	})
	return names
}

func completeBucket(ctx context.Context, g *globals, _ string) ([]string, cobra.ShellCompDirective) {
	return bucketNames(ctx, g, ""), cobra.ShellCompDirectiveNoFileComp
}

// completeObject offers buckets, then what lies in them, slash by slash.
func completeObject(ctx context.Context, g *globals, toComplete string) (names []string, _ cobra.ShellCompDirective) {
	const more = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	bucket, prefix, inside := strings.Cut(toComplete, "/")
	if !inside {
		return bucketNames(ctx, g, "/"), more
	}
	ask(ctx, g, func(ctx context.Context, r *remote) error {
		page, err := r.List(ctx, bucket, api.ListQuery{Prefix: prefix, Delimiter: "/", Limit: 100})
		if err != nil {
			return err
		}
		for _, e := range merge(page) {
			if printable(e.Name) == e.Name {
				names = append(names, bucket+"/"+e.Name)
			}
		}
		return nil
	})
	return names, more
}

// completeJob offers ids and kinds of the jobs that there are.
func completeJob(ctx context.Context, g *globals, _ string) (names []string, _ cobra.ShellCompDirective) {
	ask(ctx, g, func(ctx context.Context, r *remote) error {
		jobs, err := r.Xactions(ctx, "")
		kinds := map[string]bool{}
		for _, x := range jobs {
			names = append(names, cobra.CompletionWithDesc(x.ID, x.Kind+", "+x.State))
			kinds[x.Kind] = true
		}
		names = append(names, slices.Sorted(maps.Keys(kinds))...)
		return err
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeKeys offers configuration keys with what they do; with assign, as KEY=, and behind the sign
// what a switch can be. For a node it offers those that may be set there.
func completeKeys(ctx context.Context, g *globals, toComplete string, assign, ofNode bool) (keys []string, directive cobra.ShellCompDirective) {
	directive = cobra.ShellCompDirectiveNoFileComp
	if assign {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	ask(ctx, g, func(ctx context.Context, r *remote) error {
		settings, err := r.Config(ctx)
		if err != nil {
			return err
		}
		if key, _, valued := strings.Cut(toComplete, "="); assign && valued {
			for _, s := range settings {
				if s.Name == key && s.Type == "bool" {
					keys = append(keys, key+"=true", key+"=false")
				}
			}
			return nil
		}
		for _, s := range settings {
			if assign && ofNode && s.Scope != "node" {
				continue
			}
			name := s.Name
			if assign {
				name += "="
			}
			keys = append(keys, cobra.CompletionWithDesc(name, s.Description))
		}
		if !assign {
			keys = append(keys, sections(settings)...)
		}
		return nil
	})
	return keys, directive
}
