// Package integration tests ais from outside: the real binary as a process, real ports, real
// clients. It has no code but tests, and knows nothing of the inside but what users know.
//
//	TestMain ─► go build bin ─► node (a process, its ports, its log)
//	                              ▲ S3, REST         ▲ signals, files
//	    s3cmd, aws, rclone, restic, s3fs,        kill -9, full disk,
//	    minio-go, aws-sdk-go-v2, ais, raw HTTP   flipped bits, cut files
//
// What is expected comes from a model in the test: values say of themselves which write they are
// (value_test.go), so a reply is judged by its bytes alone.
//
// The tests of clusters (cluster*_test.go) start several nodes that join each other, and kill, stop, cut off,
// wipe and upgrade them; the network between them is one of namespaces where it is to be cut. The one that
// attacks a cluster knows more than users do: the wire, and the authority's key.
//
// AIS_BIN names a binary to test in place of a fresh build. AIS_LONG=1 chooses the long forms.
// A node is started by a test, belongs to it, and is ended with it; nothing else is ever killed.
package integration
