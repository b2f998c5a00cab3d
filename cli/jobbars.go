package cli

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/seed9b016523/ais/api"
)

// jobBars shows how far each target is in its part of a job, where a person looks. The zero value shows nothing
// yet.
type jobBars struct {
	container *mpb.Progress
	bars      map[string]*mpb.Bar // by node
}

// show brings the bars up to date.
func (b *jobBars) show(s Surroundings, g *globals, x *api.Xaction) {
	if g.json || !isTerminal(s.Stderr) {
		return
	}
	if b.container == nil {
		b.container = mpb.New(mpb.WithOutput(s.Stderr), mpb.WithWidth(40), mpb.WithAutoRefresh())
		b.bars = map[string]*mpb.Bar{}
	}
	for _, p := range x.Parts {
		if p.SlotsTotal == 0 {
			continue
		}
		bar := b.bars[p.Node]
		if bar == nil {
			bar = b.container.AddBar(0, mpb.PrependDecorators(decor.Name(p.Node+" ")),
				mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.CountersNoUnit("  %d of %d slots")))
			b.bars[p.Node] = bar
		}
		bar.SetTotal(p.SlotsTotal, false)
		bar.SetCurrent(p.Slots)
	}
}

// stop takes the bars away, and waits until the last line is drawn.
func (b *jobBars) stop() {
	if b.container == nil {
		return
	}
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.container.Wait()
}
