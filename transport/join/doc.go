// Package join is the handshake by which a node that knows the cluster's secret proves it to a member,
// has it proved back, and receives its credentials.
package join
