package cmap

// bid is a slot's wish for a member.
type bid struct {
	candidate
	slot uint16
}

// bids is a heap: the best bid is the first.
type bids []bid

// better orders bids by score, then by slot. A slot has one bid at a time.
func (b bid) better(o bid) bool {
	return b.score < o.score || b.score == o.score && b.slot < o.slot
}

func (h bids) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
}

// sink moves the bid at i down until none below it is better.
func (h bids) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].better(h[child]) {
			child++
		}
		if !h[child].better(h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
