// Package ais holds the nouns of an object cluster: identifiers, names, version stamps, object
// attributes, the requests that a store answers, and the closed set of error kinds.
//
// It is floor 0: it imports nothing but the standard library, starts nothing, and keeps no state.
// Everything above speaks in these types, so that a bucket id cannot be passed where a volume id
// is meant, and an error means the same on a disk, on the wire and in a client's reply.
//
// The four ideas of the system, and where they live:
//
//	cluster map   which nodes there are                       (package cmap, to come with clusters)
//	slot          one of 65,536 parts of the key space        Slot, below
//	volume        an append-only file that packs records      package volume
//	xaction       a job that outlives its request             package xact, to come with clusters
//
// A write goes: front (bytes off the socket) → s3 or api (dialect) → target (slot, mountpath,
// stamp) → volume (record, sync, index) and back.
package ais
