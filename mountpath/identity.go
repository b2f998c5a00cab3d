package mountpath

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/seed9b016523/ais"
)

// formatVersion is the format of identity files and of target.json.
const formatVersion = 1

// membersMax bounds a set: the slot table has a byte per slot.
const membersMax = 255

// identity is the content of <mountpath>/.ais/identity, and (without Mountpath) of target.json.
type identity struct {
	Format     int             `json:"format"`
	Cluster    ais.ClusterID   `json:"cluster"`
	Target     ais.TargetID    `json:"target"`
	Mountpath  ais.MountpathID `json:"mountpath,omitempty"`
	Epoch      ais.Epoch       `json:"epoch"`             // of the last start that wrote this
	Forming    bool            `json:"forming,omitempty"` // only in target.json: members may lack their identity
	Mountpaths []memberRecord  `json:"mountpaths"`        // the set among which slots are dealt
	Checksum   string          `json:"crc32c"`            // of the file with "crc32c": "", 8 hexadecimal digits
}

// memberRecord is one mountpath of the set. Id and weight are for ever: slots are dealt by them.
type memberRecord struct {
	ID     ais.MountpathID `json:"id"`
	Weight uint32          `json:"weight"` // size of its filesystem in GiB when it joined, at least 1
	Path   string          `json:"path"`   // where it was seen last; for messages
}

// encode is the file: indented JSON, for people to read, with its checksum.
func (id identity) encode() ([]byte, error) {
	id.Format = formatVersion
	if err := id.check(); err != nil {
		return nil, err
	}
	id.Checksum = ""
	plain, err := marshal(id)
	if err != nil {
		return nil, err
	}
	id.Checksum = fmt.Sprintf("%08x", crc32.Checksum(plain, crc32.MakeTable(crc32.Castagnoli)))
	return marshal(id)
}

func marshal(id identity) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(id); err != nil {
		return nil, ais.Errorf(ais.Internal, "encode identity: %w", err)
	}
	return b.Bytes(), nil
}

// decodeIdentity reads a file that encode wrote, byte for byte; anything else is of kind Corrupt, a
// newer format of kind Invalid.
func decodeIdentity(b []byte) (*identity, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, ais.Errorf(ais.Corrupt, "identity is not readable: %w", err)
	}
	if head.Format > formatVersion {
		return nil, ais.Errorf(ais.Invalid, "identity has format %d, this ais knows up to %d: a newer ais wrote it", head.Format, formatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var id identity
	if err := dec.Decode(&id); err != nil {
		return nil, ais.Errorf(ais.Corrupt, "identity is not readable: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, ais.Errorf(ais.Corrupt, "identity has bytes after its end")
	}
	want, err := id.encode() // which checks it too
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b, want) {
		return nil, ais.Errorf(ais.Corrupt, "identity does not match its checksum %s: it was damaged or edited", id.Checksum)
	}
	return &id, nil
}

// check holds an identity to what every one keeps to.
func (id *identity) check() error {
	if id.Format != formatVersion || id.Cluster == 0 || id.Target == 0 || id.Epoch > ais.EpochMax || len(id.Mountpaths) > membersMax {
		return ais.Errorf(ais.Corrupt, "identity cannot be: format %d, cluster %s, target %s, epoch %d, %d mountpaths",
			id.Format, id.Cluster, id.Target, id.Epoch, len(id.Mountpaths))
	}
	seen := make(map[ais.MountpathID]bool, len(id.Mountpaths))
	for _, m := range id.Mountpaths {
		if m.ID == 0 || m.Weight == 0 || seen[m.ID] {
			return ais.Errorf(ais.Corrupt, "identity cannot be: mountpath %s of weight %d, or named twice", m.ID, m.Weight)
		}
		seen[m.ID] = true
	}
	if id.Mountpath != 0 && (!seen[id.Mountpath] || id.Forming) {
		return ais.Errorf(ais.Corrupt, "identity cannot be: mountpath %s is not of its own set", id.Mountpath)
	}
	return nil
}

// member finds a mountpath of the set; nil if there is none.
func (id *identity) member(m ais.MountpathID) *memberRecord {
	for i := range id.Mountpaths {
		if id.Mountpaths[i].ID == m {
			return &id.Mountpaths[i]
		}
	}
	return nil
}
