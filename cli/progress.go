package cli

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"
)

// progressBar shows bytes moved, and objects where there are several. A nil bar shows nothing.
type progressBar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	total     atomic.Int64
}

// newProgress makes a bar if w is a terminal and the user wants to read, not to parse.
func newProgress(w io.Writer, g *globals, title string) *progressBar {
	if g.json || !isTerminal(w) {
		return nil
	}
	p := &progressBar{container: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithAutoRefresh())}
	p.bar = p.container.AddBar(0,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(title+" ")),
		mpb.AppendDecorators(
			decor.Percentage(decor.WC{W: 5}),
			decor.CountersKibiByte("  % .1f of % .1f"),
			decor.AverageSpeed(decor.SizeB1024(0), "  % .1f"),
		))
	return p
}

// expect adds bytes that are still to come.
func (p *progressBar) expect(n int64) {
	if p != nil {
		p.bar.SetTotal(p.total.Add(n), false)
	}
}

// add moves the bar.
func (p *progressBar) add(n int64) {
	if p != nil {
		p.bar.IncrInt64(n)
	}
}

// stop takes the bar away, and waits until the last line is drawn.
func (p *progressBar) stop() {
	if p != nil {
		p.bar.Abort(true)
		p.container.Wait()
	}
}

// isTerminal reports whether a person looks at what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
