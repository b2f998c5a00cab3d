// Package bench is a closed-loop load generator for S3 endpoints: so many connections, each with one
// request in flight, for so long.
//
// It is made for the hard case, where it shares a machine with the server that it measures: what it
// spends itself, it takes from the result. So it speaks HTTP/1.1 over plain kept-alive TCP with one
// goroutine a connection, builds and signs the head of each request once and keeps it, sends head
// and small body in one write, and lets the kernel throw large replies away (recv with MSG_TRUNC).
// Besides rate and latency it reports what one operation cost the server: user and system time of
// the processes that the user names, from /proc.
//
// It is not a client library (package api has that), and it does not judge: it prints.
//
//	Plan ─► Run: bucket ─► prepare ─► warm-up ─► │ count CPU │ window │ count CPU │ ─► Report
//	                                               workers: pick key ─► conn.exchange ─► latencies
//	Suite ─► one Plan after the other ─► markdown table
//
// A window ends for each connection with the reply to what it had in flight, and lasts until the
// last of them; nothing that began or ended outside is counted.
//
// Goroutines: Run owns one per connection during a phase and one that samples memory; all have ended
// when it returns. Locks: none; workers share atomics (the key counter, the cache of request heads)
// and merge their counts after they have ended. Nothing is kept on disk.
package bench
