package cli

import (
	"encoding/json"
	"io"

	"github.com/spf13/pflag"
)

// globals is what every command takes.
type globals struct {
	json      bool
	noHeaders bool
	units     units

	endpoint             string
	accessKey, secretKey string // from the environment alone: a command line is read by others
}

// defaultEndpoint is where a node listens that nobody told otherwise.
const defaultEndpoint = "http://127.0.0.1:8080"

func newGlobals(s Surroundings, f *pflag.FlagSet) *globals {
	g := &globals{units: unitsIEC, accessKey: s.Getenv("AIS_ACCESS_KEY"), secretKey: s.Getenv("AIS_SECRET_KEY")}
	endpoint := s.Getenv("AIS_ENDPOINT")
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	f.BoolVar(&g.json, "json", false, "print JSON")
	f.BoolVar(&g.noHeaders, "no-headers", false, "print tables without headers")
	f.Var(&g.units, "units", "how sizes are printed: iec (MiB), si (MB) or raw (bytes)")
	f.StringVar(&g.endpoint, "endpoint", endpoint, "the cluster, any of its nodes; also AIS_ENDPOINT")
	return g
}

// printJSON writes a value with four spaces of indentation, as all commands do.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
