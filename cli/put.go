package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// parallelDefault is how many objects are moved at once: enough to share the syncs of a disk, few
// enough for a laptop.
const parallelDefault = 32

func newPut(s Surroundings, g *globals) *cobra.Command {
	var parallel int
	c := &cobra.Command{
		Use:   "put FILE|DIR|- BUCKET[/NAME]",
		Short: "Store a file, all files below a directory, or standard input",
		Long: `Store a file, all files below a directory, or standard input (-).

A file is stored as BUCKET/NAME; where NAME is missing or ends in a slash, the file's own name is
added. Of a directory each file is stored as NAME + its path relative to the directory: end NAME in
a slash unless it is to be the beginning of the names. Links and devices are skipped.`,
		Example: `  ais put report.pdf docs/2026/report.pdf
  ais put photos/ pictures/holiday/
  tar c . | ais put - backups/home.tar`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			to, err := parseLocation(args[1])
			if err != nil {
				return err
			}
			remote, err := g.connect()
			if err != nil {
				return err
			}
			p := &putter{s: s, g: g, remote: remote, parallel: parallel}
			return p.put(c.Context(), args[0], to)
		},
	}
	c.Flags().IntVar(&parallel, "parallel", parallelDefault, "files at once")
	c.ValidArgsFunction = completeArgs(g, completeFiles, completeObject)
	return c
}

// putter stores what the user named.
type putter struct {
	s        Surroundings
	g        *globals
	remote   *remote
	parallel int
}

func (p *putter) put(ctx context.Context, from string, to location) error {
	if from == "-" {
		if to.name == "" || strings.HasSuffix(to.name, "/") {
			return usagef("standard input has no name of its own: want BUCKET/NAME")
		}
		return runSingle(ctx, p.s, p.g, "store", "stored as "+to.String(), func(*batch) transfer {
			return transfer{do: func(ctx context.Context, moved *countingWriter) error {
				return p.remote.put(ctx, to, io.TeeReader(p.s.Stdin, moved), -1)
			}}
		})
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return p.putTree(ctx, from, to)
	}
	to = to.within(filepath.ToSlash(filepath.Clean(from)))
	return runSingle(ctx, p.s, p.g, "store", "stored as "+to.String(), func(b *batch) transfer {
		return p.file(localFile{path: from, size: info.Size()}, to, b)
	})
}

// putTree stores what is below a directory.
func (p *putter) putTree(ctx context.Context, dir string, to location) error {
	return runBatch(ctx, p.s, p.g, p.parallel, "store", "stored", func(ctx context.Context, b *batch, add func(transfer) error) error {
		return walk(ctx, dir, func(f localFile) error {
			return add(p.file(f, location{bucket: to.bucket, name: to.name + f.name}, b))
		}, b.skip)
	})
}

// file is the transfer of one file.
func (p *putter) file(f localFile, to location, b *batch) transfer {
	b.bar.expect(f.size)
	return transfer{name: f.path, do: func(ctx context.Context, moved *countingWriter) error {
		file, err := os.Open(f.path)
		if err != nil {
			return err
		}
		defer file.Close()
		size := int64(-1) // a pipe or a device, which the user has named
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size() // it may have grown since the walk
		}
		return p.remote.put(ctx, to, &countedFile{file, moved}, size)
	}}
}

// countedFile counts what is read of a file. It can be rewound, so that the client may send it again.
type countedFile struct {
	*os.File
	moved *countingWriter
}

func (f *countedFile) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	f.moved.add(int64(n))
	return n, err
}

// Seek takes back what was counted: the client seeks to the start only.
func (f *countedFile) Seek(offset int64, whence int) (int64, error) {
	f.moved.add(-f.moved.n)
	return f.File.Seek(offset, whence)
}

// WriteTo hides that of os.File, which would pass the count by.
func (f *countedFile) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{f})
}
