// Package disk is the file operations that volumes need, on a real filesystem or on a memory disk that
// can crash and fail.
package disk
