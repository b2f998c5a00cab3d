package consensus

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

// seatsOf reads seats, one word each: the number, and letters:
//
//	v votes    l learns (a member without a vote)    n no member yet
//	s sick     f far behind in the log
//	x does not fit: no proxy, or it leaves           w asked for as the next primary
//	d the primary, which departs
func seatsOf(text string) (seats []seat) {
	for word := range strings.FieldsSeq(text) {
		var id uint64
		letters := strings.TrimLeft(word, "0123456789")
		if _, err := fmt.Sscan(strings.TrimSuffix(word, letters), &id); err != nil {
			panic(word)
		}
		has := func(c string) bool { return strings.Contains(letters, c) }
		present := !has("n")
		seats = append(seats, seat{id: ais.SeatID(id), present: present, votes: has("v"), fits: !has("x") && !has("d"), departs: has("d"),
			healthy: present && !has("s"), near: present && !has("f"), wanted: has("w")})
	}
	return seats
}

// planText is a plan in words: +1 gets a vote, ~2 learns, -3 goes.
func planText(c *raftpb.ConfChangeV2) string {
	var words []string
	for _, one := range c.GetChanges() {
		sign := map[raftpb.ConfChangeType]string{raftpb.ConfChangeType_ConfChangeAddNode: "+",
			raftpb.ConfChangeType_ConfChangeAddLearnerNode: "~", raftpb.ConfChangeType_ConfChangeRemoveNode: "-"}[one.GetType()]
		words = append(words, fmt.Sprintf("%s%d", sign, one.GetNodeId()))
	}
	return strings.Join(words, " ")
}

func TestPlan(t *testing.T) {
	for _, c := range []struct{ name, seats, gone, want string }{
		{"alone", "1v", "", ""},
		{"one joins", "1v 2n", "", "~2"},
		{"of two proxies one votes", "1v 2l", "", ""},
		{"two join at once", "1v 2n 3n", "", "~2 ~3"},
		{"the third has the log: three vote", "1v 2l 3l", "", "+2 +3"},
		{"the third has not", "1v 2l 3lf", "", ""},
		{"the third is sick", "1v 2l 3ls", "", ""},
		{"of four three vote", "1v 2v 3v 4l", "", ""},
		{"the fourth joins", "1v 2v 3v 4n", "", "~4"},
		{"of five five vote", "1v 2v 3v 4l 5l", "", "+4 +5"},
		{"of five one has not the log: three vote on", "1v 2v 3v 4l 5lf", "", ""},
		{"of seven five vote", "1v 2l 3l 4l 5l 6l 7l", "", "+2 +3 +4 +5"},
		{"five do of seven", "1v 2v 3v 4v 5v 6l 7l", "", ""},

		{"a sick voter is replaced", "1v 2vs 3v 4l", "", "~2 +4"},
		{"not by one without the log", "1v 2vs 3v 4lf", "", ""},
		{"not by one that is sick", "1v 2vs 3v 4ls", "", ""},
		{"not by one that is not there", "1v 2vs 3v 4n", "", "~4"},
		{"not by one that is no proxy", "1v 2vs 3v 4lx", "", ""},
		{"two sick, one learner", "1v 2vs 3vs 4l", "", "~3 +4"},
		{"two sick, two learners", "1v 2vs 3vs 4l 5l", "", "+4 +5"},
		{"two sick of five, one more", "1v 2vs 3vs 4v 5v 6l", "", "~3 +6"},
		{"the voter that is well again does not get its vote back", "1v 2l 3v 4v", "", ""},
		{"a sick voter is better than an even number", "1v 2v 3vs", "", ""},
		{"the primary stays, sick or not", "1vs 2v 3v 4l", "", ""},

		{"a target never votes", "1v 2lx 3lx 4lx", "", ""},
		{"a voter that is no proxy any more", "1v 2vx 3v 4l", "", "~2 +4"},
		{"one of three is decommissioned: one votes", "1v 2v 3vx", "", "~2 ~3"},
		{"one of five is: three vote", "1v 2v 3v 4v 5vx", "", "~4 ~5"},
		{"the sick one of four that stay is left out", "1v 2vs 3v 4v 5vx", "", "~2 ~5"},
		{"five vote and two are too many: the sick go", "1v 2vs 3vs 4v 5v 6lx", "", ""},

		{"who is gone leaves", "1v 2v 3v", "9", "-9"},
		{"also with a vote, that another gets", "1v 2l 3v", "9", "+2 -9"},
		{"several", "1v", "8 9", "-8 -9"},
		{"a log was lost: the new seat learns first", "1v 2v 7n", "3", "~7 -3"},
		{"and votes then", "1v 2v 7l", "", "+7"},

		{"the next primary gets a vote", "1v 2v 3v 4lw", "", "~3 +4"},
		{"that of a sick one", "1v 2vs 3v 4lw", "", "~2 +4"},
		{"has one", "1v 2v 3vw", "", ""},
		{"not without the log", "1v 2v 3v 4lwf", "", ""},
		{"not if it is sick", "1v 2v 3v 4lws", "", ""},
		{"not if it is a target", "1v 2v 3v 4lwx", "", ""},
		{"of two proxies the other", "1v 2lw", "", ""},

		{"the only voter departs: the other gets a vote beside it", "1vd 2l", "", "+2"},
		{"it waits for the log", "1vd 2lf", "", ""},
		{"it has nobody", "1vd", "", ""},
		{"it has only targets", "1vd 2lx", "", ""},
		{"one of three departs, and three stay", "1vd 2v 3v 4l", "", "+4"},
	} {
		var gone []ais.SeatID
		for _, s := range seatsOf(c.gone) {
			gone = append(gone, s.id)
		}
		if got := planText(plan(seatsOf(c.seats), gone, 1)); got != c.want {
			t.Errorf("%s: seats %s, gone %q: got %q, want %q", c.name, c.seats, c.gone, got, c.want)
		}
	}
}

// drawSeats draws what a primary may know: seat 1 is its own.
func drawSeats(t *rapid.T) (seats []seat, gone []ais.SeatID) {
	departs := rapid.IntRange(0, 4).Draw(t, "departs") == 0
	seats = append(seats, seat{id: 1, present: true, votes: true, fits: !departs, departs: departs, healthy: rapid.Bool().Draw(t, "self healthy"), near: true})
	wanted := rapid.IntRange(0, 12).Draw(t, "wanted")
	for i := range rapid.IntRange(0, 8).Draw(t, "others") {
		draw := func(what string) bool { return rapid.Bool().Draw(t, fmt.Sprintf("%d %s", i+2, what)) }
		s := seat{id: ais.SeatID(i + 2), present: draw("present") || draw("present after all"), fits: draw("fits") || draw("fits after all"), wanted: wanted == i+2}
		s.votes, s.healthy, s.near = s.present && draw("votes"), s.present && draw("healthy"), s.present && draw("near")
		seats = append(seats, s)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "gone") {
		gone = append(gone, ais.SeatID(100+i))
	}
	return seats, gone
}

// applied is the seats after a plan.
func applied(seats []seat, gone []ais.SeatID, c *raftpb.ConfChangeV2) ([]seat, []ais.SeatID) {
	seats, gone = slices.Clone(seats), slices.Clone(gone)
	for _, one := range c.GetChanges() {
		id := ais.SeatID(one.GetNodeId())
		if one.GetType() == raftpb.ConfChangeType_ConfChangeRemoveNode {
			gone = slices.DeleteFunc(gone, func(g ais.SeatID) bool { return g == id })
			continue
		}
		i := slices.IndexFunc(seats, func(s seat) bool { return s.id == id })
		seats[i].present, seats[i].votes = true, one.GetType() == raftpb.ConfChangeType_ConfChangeAddNode
	}
	return seats, gone
}

// working is whether a voter works: the primary does, whatever the map says of it.
func working(s seat) bool { return s.votes && (s.id == 1 || s.healthy && s.fits) }

func count(seats []seat, of func(seat) bool) (n int) {
	for _, s := range seats {
		if of(s) {
			n++
		}
	}
	return n
}

func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seats, gone := drawSeats(t)
		input := slices.Clone(seats)
		change := plan(seats, gone, 1)
		if !slices.Equal(seats, input) {
			t.Fatal("the plan has changed what it was given")
		}
		if again := plan(seats, gone, 1); planText(again) != planText(change) {
			t.Fatalf("planned again: %q, want the same, %q", planText(again), planText(change))
		}
		after, goneAfter := applied(seats, gone, change)
		if next := plan(after, goneAfter, 1); next != nil {
			t.Fatalf("after %q: got a further plan %q, want none", planText(change), planText(next))
		}
		if len(goneAfter) > 0 {
			t.Fatalf("seats %v are still members", goneAfter)
		}
		if !after[0].votes {
			t.Fatal("the primary has lost its vote")
		}
		sickBefore, sickAfter := 0, 0
		for i, s := range after {
			was := seats[i]
			switch {
			case !s.present:
				t.Fatalf("seat %d is in the map and no member", s.id)
			case s.votes && !s.fits && !s.departs:
				t.Fatalf("seat %d has a vote, and does not fit", s.id)
			case s.votes && !was.votes && !(was.healthy && was.near):
				t.Fatalf("seat %d got a vote, and is sick or far behind", s.id)
			}
			if was.votes && was.fits && !was.healthy {
				sickBefore++
			}
			if s.votes && !s.healthy && !s.departs {
				sickAfter++
			}
		}
		voters := count(after, func(s seat) bool { return s.votes })
		if sickAfter > sickBefore {
			t.Fatalf("%d sick voters before, %d after", sickBefore, sickAfter)
		}
		checkStrength(t, seats, after, voters)
	})
}

// checkStrength: a voter that works loses its vote only where there are more than are wanted, and never
// while one that does not work keeps its own.
func checkStrength(t *rapid.T, before, after []seat, voters int) {
	lost := slices.IndexFunc(before, func(s seat) bool {
		i := slices.IndexFunc(after, func(a seat) bool { return a.id == s.id })
		return working(s) && !after[i].votes
	})
	sick := slices.ContainsFunc(after, func(s seat) bool { return s.votes && !s.healthy && s.id != 1 })
	if lost >= 0 && sick {
		t.Fatalf("seat %d works and has lost its vote, a sick one has kept its own", before[lost].id)
	}
	fit := count(before, func(s seat) bool { return s.fits })
	can := count(before, func(s seat) bool {
		return s.present && (s.fits || s.departs) && (s.votes || s.healthy && s.near)
	})
	if least := min(count(before, working), votersFor(min(fit, can))); count(after, working) < least {
		t.Fatalf("%d voters worked before, %d after, want at least %d", count(before, working), count(after, working), least)
	}
	if most := votersFor(fit); voters > max(most+count(before, func(s seat) bool { return s.departs }), count(before, func(s seat) bool { return s.votes })) {
		t.Fatalf("%d vote of %d that fit, want %d", voters, fit, most)
	}
	if slices.ContainsFunc(before, func(s seat) bool { return s.departs }) {
		return // it counts beside the others, until it has handed over
	}
	if voters%2 == 0 && voters != count(before, func(s seat) bool { return s.votes }) {
		t.Fatalf("a plan for %d voters, want an odd number", voters)
	}
}
