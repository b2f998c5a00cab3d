package ais

import (
	"encoding/json"
	"testing"
)

func TestIDsAreTextInJSON(t *testing.T) {
	type ids struct {
		C ClusterID
		T TargetID
		M MountpathID
	}
	want := ids{C: 1<<64 - 1, T: 0xabc, M: 1 << 53}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if text := `{"C":"ffffffffffffffff","T":"0000000000000abc","M":"0020000000000000"}`; string(b) != text {
		t.Errorf("ids as JSON: got %s, want %s", b, text)
	}
	var got ids
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("ids read back: got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{`""`, `"abc"`, `"000000000000000G"`, `"000000000000000A"`, `"+00000000000000a"`, `12`} {
		var id ClusterID
		if err := json.Unmarshal([]byte(bad), &id); err == nil {
			t.Errorf("id %s: got %v, want an error", bad, id)
		}
	}
}
