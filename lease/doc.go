// Package lease says who may serve, until when: the two sides of a node's lease, without the network between.
package lease
