package node

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/seed9b016523/ais/api"
)

func TestClusterMetrics(t *testing.T) {
	cfg := aside(t, "node")
	first := start(t, cfg)
	defer first.stop()
	cfg = aside(t, "node")
	cfg.Join = []string{first.cfg.Listen}
	second := start(t, cfg)
	defer second.stop()
	c := second.cluster("of two live nodes", func(c *api.Cluster) bool {
		return len(c.Nodes) == 2 && c.Nodes[0].Started != nil && c.Nodes[1].Started != nil
	})
	_, text := second.admin("/metrics")
	for _, want := range []string{"ais_map_version " + strconv.FormatInt(c.Map.Version, 10), "ais_is_primary 0", "ais_is_voter 0", "ais_voters 1",
		"ais_primary_known 1", "ais_generation 1", `ais_nodes{state="alive"} 2`, `ais_nodes{state="down"} 0`, `ais_consensus_dropped_total{event="message"} 0`,
		`ais_gateway_requests_total{event="passed"} 0`, `ais_join_requests_total{event="admitted"} 0`, `ais_transport_requests_total{event="refused"} 0`,
		`ais_gossip_packets_total{event="foreign"} 0`, "ais_rebalance_sent_objects 0"} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("/metrics of the second node lacks %s", want)
		}
	}
	number := func(name string) float64 {
		found := regexp.MustCompile(`(?m)^` + name + ` ([0-9.e+]+)$`).FindStringSubmatch(text)
		if found == nil {
			return -1
		}
		v, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if left := number("ais_lease_remaining_seconds"); left <= 0 || left > 6 {
		t.Errorf("%g seconds of a lease of 6 remain", left)
	}
	if index, term := number("ais_control_index"), number("ais_term"); index < 5 || term < 1 {
		t.Errorf("control index %g, term %g", index, term)
	}
	if _, text = first.admin("/metrics"); !strings.Contains(text, "\nais_is_primary 1\n") ||
		!strings.Contains(text, `ais_join_requests_total{event="admitted"} 1`) {
		t.Error("/metrics of the first node does not say that it is primary and has admitted one")
	}
}
