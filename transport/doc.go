// Package transport is the network between the nodes of a cluster: calls, streams of frames, and HTTP
// requests that are passed on, each to a peer whose certificate says who it is.
package transport
