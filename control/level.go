//go:build !ais_next

package control

// Level is the command level of this ais: the kinds of commands that it can read. A node announces it
// (cmap.Versions.Command); the cluster's level, View.Level, never exceeds that of any node.
const Level = 1

// nextKinds is the kinds of a level above the table's.
func nextKinds() []kindRow { return nil }

// nextState is what those kinds keep in the state.
type nextState struct{}
