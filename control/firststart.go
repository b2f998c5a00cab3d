package control

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"

	"github.com/seed9b016523/ais"
)

// FirstStart is what a state gets that has never been started: an identity, secrets and a root key.
type FirstStart struct {
	// AccessKey and Secret of the root key; both empty: they are drawn.
	AccessKey, Secret string
	// Cluster is the id of the cluster; 0: it is drawn.
	Cluster ais.ClusterID
	NowUnix int64     // milliseconds
	Random  io.Reader // crypto/rand.Reader, outside tests
	// Secrets makes the secrets of the cluster; nil for a node that has no use for them.
	Secrets func(ais.ClusterID) (*Secrets, error)
}

// Begin gives a new state its identity, its secrets and its root key; what it has of them is left as it
// is. The key that was made is returned, so that the caller can show a drawn secret once; nil if none
// was.
//
// A crash in the middle is made good by the next call. If two call at once, the state takes what comes
// first of each.
func Begin(ctx context.Context, p Proposer, f FirstStart) (*Key, error) {
	if p.View().Cluster().ID == 0 {
		c, err := f.identity()
		if err != nil {
			return nil, err
		}
		if _, _, err := p.Propose(ctx, c); err != nil && !ais.IsKind(err, ais.Exists) {
			return nil, err
		}
	}
	if p.View().Secrets() == nil && f.Secrets != nil {
		s, err := f.Secrets(p.View().Cluster().ID)
		if err != nil {
			return nil, err
		}
		if _, _, err := p.Propose(ctx, ClusterSecrets{*s}); err != nil && !ais.IsKind(err, ais.Exists) {
			return nil, err
		}
	}
	for _, k := range p.View().Keys() {
		if k.Root {
			return nil, nil
		}
	}
	key, err := f.rootKey()
	if err != nil {
		return nil, err
	}
	if _, _, err := p.Propose(ctx, KeyPut{Key: *key}); err != nil {
		return nil, err
	}
	return key, nil
}

func (f *FirstStart) identity() (ClusterInit, error) {
	var b [16]byte
	for {
		if _, err := io.ReadFull(f.Random, b[:]); err != nil {
			return ClusterInit{}, ais.Errorf(ais.Internal, "draw a cluster id: %w", err)
		}
		id := f.Cluster
		if id == 0 {
			id = ais.ClusterID(binary.LittleEndian.Uint64(b[:8]))
		}
		if id != 0 {
			return ClusterInit{
				Cluster:     id,
				HashSeed:    Seed(binary.LittleEndian.Uint64(b[8:])),
				CreatedUnix: f.NowUnix,
			}, nil
		}
	}
}

func (f *FirstStart) rootKey() (*Key, error) {
	k := &Key{AccessKey: f.AccessKey, Secret: f.Secret, Root: true, CreatedUnix: f.NowUnix}
	if (k.AccessKey == "") != (k.Secret == "") {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounKey, "root key: give both the access key and the secret, or neither")
	}
	if k.AccessKey != "" {
		return k, nil
	}
	k, err := NewKey(f.Random, f.NowUnix)
	if err != nil {
		return nil, err
	}
	k.Root = true
	return k, nil
}

// accessKeyAlphabet has 32 letters, so that five random bits choose one without bias.
const accessKeyAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// NewKey draws an access key of 20 characters and a secret of 40 (240 random bits), the lengths that
// S3 tools expect.
func NewKey(random io.Reader, nowUnix int64) (*Key, error) {
	var b [20 + 30]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, ais.Errorf(ais.Internal, "draw an access key: %w", err)
	}
	name := b[:20]
	for i := range name {
		name[i] = accessKeyAlphabet[name[i]&31]
	}
	return &Key{
		AccessKey:   string(name),
		Secret:      base64.RawURLEncoding.EncodeToString(b[20:]),
		CreatedUnix: nowUnix,
	}, nil
}
