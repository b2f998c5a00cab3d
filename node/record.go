package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
)

// recordBase is the file in which a node keeps who it is, and who else there was.
const recordBase = "node.json"

// record is DIR/node.json. It is written whole, synced.
type record struct {
	Format  int           `json:"format"` // 1
	Cluster ais.ClusterID `json:"cluster"`
	Node    ais.NodeID    `json:"node"`
	Epoch   ais.Epoch     `json:"epoch"` // of the last start; a target has it on its mountpaths, too
	// Forming is set while this node makes a new cluster: until then a lost control state is no loss.
	Forming bool `json:"forming,omitempty"`
	// Generation is the newest of which this node has seen the proof and does not have the state; 0: none.
	Generation ais.Generation `json:"generation,omitempty"`
	// Peers are the other nodes as they were seen last: where to ask if the own control state is lost.
	Peers []peer `json:"peers,omitempty"`
}

// peer is where another node is reached.
type peer struct {
	Node      ais.NodeID     `json:"node"`
	Addresses cmap.Addresses `json:"addresses"`
}

const recordFormat = 1

// readRecord reads the record of a directory; false if there is none.
func readRecord(dir string) (record, bool, error) {
	name := filepath.Join(dir, recordBase)
	b, err := disk.OS().ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, ais.Errorf(ais.Unavailable, "%s: %w", name, err)
	}
	var r record
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil || r.Format != recordFormat || r.Node == 0 {
		return record{}, false, ais.Errorf(ais.Corrupt, "%s is not readable: %.200q", name, b)
	}
	return r, true, nil
}

// write replaces the record.
func (r *record) write(dir string) error {
	r.Format = recordFormat
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return ais.Errorf(ais.Internal, "encode %s: %w", recordBase, err)
	}
	if err := disk.OS().WriteFileSync(filepath.Join(dir, recordBase), append(b, '\n')); err != nil {
		return ais.Errorf(ais.Unavailable, "write %s: %w", recordBase, err)
	}
	return nil
}
