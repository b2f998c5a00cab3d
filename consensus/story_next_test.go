//go:build ais_next

package consensus

import "testing"

// TestStoriesOfTheNextLevel runs the stories of a program that knows one level of commands more.
func TestStoriesOfTheNextLevel(t *testing.T) { runStories(t, "testdata/next") }
