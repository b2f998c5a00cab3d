// Package judge decides which nodes are down, out, or back: the primary's judgement, without its network and clock.
package judge
