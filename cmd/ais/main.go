// Command ais is the whole program: server, client and tools are its verbs (ais help).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed9b016523/ais/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first Ctrl-C asks, the second ends the process
	code := cli.Run(ctx, cli.System(), os.Args[1:])
	stop()
	os.Exit(code)
}
