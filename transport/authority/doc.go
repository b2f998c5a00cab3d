// Package authority makes and checks the certificates by which the nodes of a cluster know each other.
package authority
