// Package raftlog is a node's Raft log and snapshot on disk.
package raftlog
