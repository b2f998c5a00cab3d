package bench

import (
	"math"
	"time"
)

// latencyShift cuts a float32 to its exponent and 6 bits of its fraction. Positive floats order as
// their bits do, so those 14 bits are the number of a bucket that is 1/64 of its power of two wide:
// quantiles are right to within 0.8 %, whatever their size.
const latencyShift = 23 - 6

// latencies counts how long operations took. The zero value is empty. For one goroutine.
type latencies struct {
	count   int64
	total   time.Duration
	longest time.Duration
	buckets [1 << (31 - latencyShift)]uint32
}

func bucketOf(d time.Duration) uint32 {
	return math.Float32bits(float32(max(d, 0))) >> latencyShift
}

// middle is a duration in the middle of bucket i.
func middle(i int) time.Duration {
	return time.Duration(math.Float32frombits(uint32(i)<<latencyShift | 1<<(latencyShift-1)))
}

func (l *latencies) add(d time.Duration) {
	l.count++
	l.total += d
	l.longest = max(l.longest, d)
	l.buckets[bucketOf(d)]++
}

func (l *latencies) merge(o *latencies) {
	l.count += o.count
	l.total += o.total
	l.longest = max(l.longest, o.longest)
	for i, n := range o.buckets {
		l.buckets[i] += n
	}
}

// quantile is the duration that the fraction q of all operations did not exceed.
func (l *latencies) quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(l.count)))
	var below int64
	for i, n := range l.buckets {
		if below += int64(n); n > 0 && below >= rank {
			return min(middle(i), l.longest)
		}
	}
	return l.longest
}

// Latency is the summary of a set of operations, in microseconds.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_us"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	Max   float64 `json:"max_us"`
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func (l *latencies) summary() Latency {
	s := Latency{Count: l.count, P50: micros(l.quantile(.5)), P90: micros(l.quantile(.9)),
		P99: micros(l.quantile(.99)), Max: micros(l.longest)}
	if l.count > 0 {
		s.Mean = micros(l.total) / float64(l.count)
	}
	return s
}
