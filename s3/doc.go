// Package s3 speaks the S3 dialect over a narrow store interface that it declares (store.go).
//
// It is a translation and nothing else: it keeps no objects, no buckets and no keys, it places
// nothing and it waits for nobody but the client and the store. It does not listen either: package
// front owns the port and the connections and calls Serve.
//
//	front ──Serve──▶ parse ──▶ route ──▶ gate ──▶ one operation ──▶ Objects, Uploads, Buckets
//	               address.go route.go  gate.go   get, put, list, …       store.go
//	                                                   │
//	reply ◀── XML by hand (xml.go), headers ◀──────────┘ errors by one table (errors.go)
//
// Every request passes the gate exactly once, between the table of operations and the operation: it
// is authenticated, and what is not explicitly allowed is denied. An operation is handed a verified
// identity and cannot be reached in another way.
//
// Bodies stream: a PUT is hashed piece by piece while it is in cache on its way to the store
// (digest.go), and a GET goes from the store to the connection.
//
// A Handler is safe for any number of goroutines and holds no lock. It works on the goroutine of the
// request; only DeleteObjects starts a few of its own, so that its objects share the waits for the
// disk, and returns after the last of them. Nothing is kept that a crash could lose.
package s3
