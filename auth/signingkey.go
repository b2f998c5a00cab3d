package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
)

// hmacRoom is the room that sign wants before the text: one block of SHA-256.
const hmacRoom = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// signingKey is a secret made into the key of one day, region and service. It never changes.
type signingKey struct {
	accessKey string
	secret    string
	scope     string   // date/region/service/aws4_request
	inner     [64]byte // the key XOR HMAC's ipad
	outer     [64]byte // the key XOR HMAC's opad
}

// newSigningKey derives the key: HMAC of date, region, service and terminator in turn.
func newSigningKey(accessKey, secret, date, region, service string) *signingKey {
	key := []byte("AWS4" + secret)
	for _, part := range []string{date, region, service, terminator} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	k := &signingKey{accessKey: accessKey, secret: secret,
		scope: date + "/" + region + "/" + service + "/" + terminator}
	copy(k.inner[:], key)
	k.outer = k.inner
	for i := range k.inner {
		k.inner[i] ^= 0x36 // RFC 2104 §2
		k.outer[i] ^= 0x5c
	}
	return k
}

// sign gives the HMAC in hexadecimal of text, which begins with hmacRoom: sign writes there. Hashing
// two short buffers in one go each is faster here than keeping hash states.
func (k *signingKey) sign(text []byte) (signature [64]byte) {
	copy(text[:64], k.inner[:])
	digest := sha256.Sum256(text)
	var outer [96]byte
	copy(outer[:64], k.outer[:])
	copy(outer[64:], digest[:])
	digest = sha256.Sum256(outer[:])
	hex.Encode(signature[:], digest[:])
	return signature
}

const (
	keyShards   = 16
	keyShardMax = 256 // signing keys in a shard; a full shard starts anew
)

// keyCache keeps signing keys by credential ("access key/date/region/service/aws4_request"). Reading
// takes no lock; each shard's map is copied to add a key, which happens once per access key and day.
type keyCache struct {
	seed   maphash.Seed
	shards [keyShards]keyShard
}

type keyShard struct {
	keys atomic.Pointer[map[string]*signingKey]
	mu   sync.Mutex // writers of keys
}

func newKeyCache() *keyCache { return &keyCache{seed: maphash.MakeSeed()} }

func (c *keyCache) shard(credential []byte) *keyShard {
	return &c.shards[maphash.Bytes(c.seed, credential)%keyShards]
}

func (c *keyCache) get(credential []byte) *signingKey {
	keys := c.shard(credential).keys.Load()
	if keys == nil {
		return nil
	}
	return (*keys)[string(credential)]
}

// put keeps k. Call it only after k has verified a signature, so that strangers cannot fill the cache.
func (c *keyCache) put(credential []byte, k *signingKey) {
	s := c.shard(credential)
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[string]*signingKey)
	if old := s.keys.Load(); old != nil && len(*old) < keyShardMax {
		maps.Copy(next, *old)
	}
	next[string(credential)] = k
	s.keys.Store(&next)
}
