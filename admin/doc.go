// Package admin is the operator's port: metrics, health, profiles.
//
// It shows and changes nothing: configuration and objects are on the public port. It is net/http and
// not the server of package front, for pprof and the Prometheus client are made for it, and nothing
// here is hot.
//
//	GET /metrics        Prometheus text, gathered from the registry that node owns
//	GET /healthz        200 while the process runs; the body says what is wrong with it
//	GET /readyz         200 while it takes requests, 503 while it starts, drains, or has no disk
//	GET /debug/pprof/…  profiles
//
// Who may: everybody on this machine (the peer's address is loopback and no proxy has put its
// forwarding header on the request), elsewhere whoever the given gate lets in.
//
// Goroutines: Run owns the server's; it returns when all have ended. Nothing is kept.
package admin
