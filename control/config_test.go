package control

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

func TestSettingsTable(t *testing.T) {
	if !slices.IsSortedFunc(settings[:], func(a, b Setting) int { return strings.Compare(string(a.Name), string(b.Name)) }) {
		t.Error("settings are not sorted by name: look-ups would miss some")
	}
	for _, s := range Settings() {
		v, err := s.parse(s.Default)
		if err != nil || v.String() != s.Default {
			t.Errorf("%s: default %q reads as %q, %v", s.Name, s.Default, v, err)
		}
		if s.Scope == 0 || !strings.HasSuffix(s.Help, ".") || !strings.Contains(string(s.Name), ".") {
			t.Errorf("%s: a setting needs a scope, a help sentence and a dotted name", s.Name)
		}
		for _, bound := range []string{s.min, s.max} {
			if bound != "" {
				if _, err := s.parse(bound); err != nil {
					t.Errorf("%s: its own bound is refused: %v", s.Name, err)
				}
			}
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c := NewView().Config()
	if got := c.Get(BucketPolicy).Policy(); got != (ais.Policy{Copies: 2}) {
		t.Errorf("bucket.policy: got %v", got)
	}
	if !c.Get(ChecksumVerifyGet).Bool() || c.Get(VolumeSize).Size() != 1<<30 || c.Get(VolumeSealAt).Percent() != 95 ||
		c.Get(S3Region).Text() != "us-east-1" || c.Get(LimitsConnections).Int() != 20000 || c.Get(LimitsIdleTimeout).Duration() != 2*time.Minute {
		t.Error("a default is not what the documentation says")
	}
	if c.Get(ClusterLease).Duration() != 6*time.Second || c.Get(ClusterOutAfter).Duration() != 10*time.Minute || c.Get(ClusterBrake).Percent() != 33 ||
		!c.Get(RebalanceEnabled).Bool() || c.Get(RebalanceCompression).Text() != "never" || !c.Get(ResilverEnabled).Bool() {
		t.Error("a default of the cluster is not what the documentation says")
	}
	if c.IsSet(VolumeSize) || len(c.Unknown()) != 0 {
		t.Error("defaults count as set")
	}
	defer func() {
		if recover() == nil {
			t.Error("a key that there is not was read")
		}
	}()
	c.Get("volume.colour")
}

// What takes effect at a start only is what docs/control.md says.
func TestSettingsThatNeedARestart(t *testing.T) {
	for _, s := range Settings() {
		name := string(s.Name)
		if want := strings.HasPrefix(name, "limits.") || name == "net.tcp_congestion" || name == "s3.domain"; s.Restart != want {
			t.Errorf("%s takes effect at a restart only: %v, want %v", name, s.Restart, want)
		}
	}
}

// A lease may still run that was granted under a longer life than the present one.
func TestLeaseMost(t *testing.T) {
	life := func(node, d string) Command {
		return ConfigSet{Node: node, Values: map[string]string{"cluster.lease": d}}
	}
	v := scripted(t, 1)
	for i, c := range []struct {
		c    Command
		want time.Duration
	}{
		{ConfigSet{Values: map[string]string{"volume.size": "64MiB"}}, 6 * time.Second},
		{life("", "3s"), 6 * time.Second},
		{ConfigUnset{Names: []string{"volume.size"}}, 6 * time.Second},
		{life("", "20s"), 20 * time.Second},
		{life("", "4s"), 20 * time.Second},
		{life(testNode.String(), "50s"), 20 * time.Second}, // it is one for the cluster
		{ConfigUnset{Names: []string{"cluster.lease"}}, 20 * time.Second},
	} {
		v, _, _ = v.Apply(v.index+1, c.c)
		if got, again := v.LeaseMost(), reread(t, v).LeaseMost(); got != c.want || again != got {
			t.Errorf("step %d, %v: got %s, by a snapshot %s, want %s", i, c.c, got, again, c.want)
		}
	}
}

func TestConfigLayers(t *testing.T) {
	v := NewView()
	for i, c := range []Command{
		ClusterInit{Cluster: 1},
		ConfigSet{Values: map[string]string{"volume.size": "128MiB", "vacuum.garbage": "50%"}},
		ConfigSet{Node: "n1", Values: map[string]string{"volume.size": "256MiB"}},
		// As another version of ais may have written it: a key and a value that are unknown here.
		ConfigSet{Values: map[string]string{"volume.colour": "red", "volume.seal_at": "5%"}},
	} {
		var err error
		if v, _, err = v.Apply(ais.ControlIndex(i+1), c); err != nil {
			t.Fatal(err)
		}
	}
	for node, want := range map[string]string{"": "128MiB", "n1": "256MiB", "n2": "128MiB"} {
		c := v.ConfigOf(node)
		if got := c.Get(VolumeSize).String(); got != want || !c.IsSet(VolumeSize) || c.Get(VacuumGarbage).Percent() != 50 {
			t.Errorf("volume.size of node %q: got %s, want %s", node, got, want)
		}
		if got := c.Get(VolumeSealAt).Percent(); got != 95 {
			t.Errorf("volume.seal_at with a value that is out of bounds here: got %d, want the default", got)
		}
		if got := c.Unknown(); !slices.Equal(got, []string{"volume.colour", "volume.seal_at"}) {
			t.Errorf("unknown keys of node %q: got %v", node, got)
		}
	}
	v, _, err := v.Apply(5, ConfigUnset{Node: "n1", Names: []string{"volume.size", "volume.size"}})
	if err != nil || v.ConfigOf("n1").Get(VolumeSize).String() != "128MiB" || v.set["n1"] != nil {
		t.Errorf("after unset on n1: %v, %v, want what the cluster has", v.ConfigOf("n1").Get(VolumeSize), err)
	}
}

func TestConfigProposalsAreChecked(t *testing.T) {
	for _, c := range []struct {
		command Command
		says    string
	}{
		{ConfigSet{}, "no configuration key"},
		{ConfigUnset{}, "no configuration key"},
		{ConfigSet{Values: map[string]string{"volume.siez": "1GiB"}}, `did you mean "volume.size"?`},
		{ConfigSet{Values: map[string]string{"verify_get": "true"}}, `did you mean "checksum.verify_get"?`},
		{ConfigSet{Values: map[string]string{"checksum.verify-get": "true"}}, `did you mean "checksum.verify_get"?`},
		{ConfigSet{Values: map[string]string{"zzz": "1GiB"}}, `unknown configuration key "zzz"`},
		{ConfigSet{Values: map[string]string{strings.Repeat("x", 100000): "1"}}, "unknown configuration key"},
		{ConfigUnset{Names: []string{"volume.sise"}}, `did you mean "volume.size"?`},
		{ConfigSet{Values: map[string]string{"volume.size": "big"}}, `volume.size: "big" is not a size`},
		{ConfigSet{Values: map[string]string{"volume.size": "1MiB"}}, "at least 16MiB"},
		{ConfigSet{Values: map[string]string{"volume.size": "65GiB"}}, "at most 64GiB"},
		{ConfigSet{Values: map[string]string{"volume.size": "1GiB", "s3.region": "Über"}}, "s3.region"},
		{ConfigSet{Values: map[string]string{"s3.region": ""}}, "s3.region"},
		{ConfigSet{Values: map[string]string{"s3.domain": "S3.Example.com"}}, "s3.domain"},
		{ConfigSet{Values: map[string]string{"s3.domain": "a..b"}}, "s3.domain"},
		{ConfigSet{Values: map[string]string{"s3.domain": strings.Repeat("a.", 127) + "aa"}}, "at most 253"},
		{ConfigSet{Values: map[string]string{"net.tcp_congestion": "rm -rf"}}, "net.tcp_congestion"},
		{ConfigSet{Node: testNode.String(), Values: map[string]string{"s3.region": "eu"}}, "whole cluster"},
		{ConfigSet{Node: "\xff", Values: map[string]string{"volume.size": "1GiB"}}, "16 hexadecimal digits"},
		{ConfigUnset{Node: "n1", Names: []string{"volume.size"}}, "16 hexadecimal digits"},
		{ConfigSet{Values: map[string]string{"cluster.lease": "1s"}}, "at least 2s"},
		{ConfigSet{Values: map[string]string{"cluster.lease": "61s"}}, "at most 1m"},
		{ConfigSet{Values: map[string]string{"cluster.out_after": "0"}}, "at least 1s"},
		{ConfigSet{Values: map[string]string{"rebalance.compression": "often"}}, "never or always"},
		{ConfigSet{Node: testNode.String(), Values: map[string]string{"cluster.brake": "50%"}}, "whole cluster"},
	} {
		err := c.command.check()
		if !ais.IsKind(err, ais.Invalid) || ais.NounOf(err) != ais.NounConfig || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.100v: got %v (noun %s), want kind Invalid about a config-key, with %q", c.command, err, ais.NounOf(err), c.says)
		}
	}
	for _, good := range []Command{
		ConfigSet{Values: map[string]string{"s3.domain": "s3.example.com", "net.tcp_congestion": "cubic", "vacuum.min_age": "0"}},
		ConfigSet{Values: map[string]string{"s3.domain": "", "net.tcp_congestion": ""}},
		ConfigSet{Node: testNode.String(), Values: map[string]string{"volume.size": "64GiB", "rebalance.bandwidth": "100MB"}},
	} {
		if err := good.check(); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
}
