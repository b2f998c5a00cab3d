package thrash

import (
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
)

func TestQuantile(t *testing.T) {
	all := times{4, 1, 3, 2}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {.5, 3}, {.99, 4}, {1, 4}} {
		if got := all.quantile(c.q); got != c.want {
			t.Errorf("quantile %v of 1 to 4: got %d, want %d", c.q, got, c.want)
		}
	}
	if got := (times{}).quantile(.5); got != 0 {
		t.Errorf("median of nothing: got %d, want 0", got)
	}
}

// TestMove adds up two rebalances, of which the second one went on with what the first had begun.
func TestMove(t *testing.T) {
	at := func(s int) *time.Time { m := time.Unix(int64(s), 0); return &m }
	v := Move{Targets: map[string]*Part{}, CPU: 1600}
	v.add(&api.Xaction{Parts: []api.XactionPart{
		{Node: "new", ObjectsReceived: 3, BytesReceived: 30, Started: at(10), Ended: at(12)},
		{Node: "idle", Started: at(1), Ended: at(90)},
	}})
	v.add(&api.Xaction{Parts: []api.XactionPart{
		{Node: "new", ObjectsReceived: 4, BytesReceived: 40, Started: at(12), Ended: at(14)},
		{Node: "old", ObjectsReceived: 1, BytesReceived: 10, ObjectsSent: 5, Started: at(12), Ended: at(13)},
	}})
	v.rate("new", 10)
	if v.Objects != 8 || v.Bytes != 80 || v.New != 7 || v.Targets["old"].Sent != 5 {
		t.Errorf("moved: got %d objects, %d bytes, %d to the newcomer, %d sent by the old one, want 8, 80, 7, 5", v.Objects, v.Bytes, v.New, v.Targets["old"].Sent)
	}
	if v.Moving != 4 || v.Rate != 2 || v.CPU != 200 {
		t.Errorf("got %v s, %v objects a second, %v µs each, want 4, 2, 200: who moved nothing took no time", v.Moving, v.Rate, v.CPU)
	}
}

// TestFiguresPrint prints what there is, and nothing of what was not come to.
func TestFiguresPrint(t *testing.T) {
	f := Figures{Targets: 5, Join: &Move{Objects: 98, Ideal: 100, New: 97, Rate: 1234}, Leave: &Move{Ideal: 1, Served: &Served{Reads: 7, Failed: 1, First: "503"}}}
	var b strings.Builder
	if err := f.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"98 of 100: 0.980", "| 97, 1 |", "1234 objects/s", "1 of 8 requests", "the first: 503"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "kill -9") {
		t.Errorf("the table tells of what was not measured:\n%s", b.String())
	}
}
