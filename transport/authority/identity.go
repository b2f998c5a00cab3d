package authority

import (
	"crypto/ed25519"
)

// Identity is what a node needs to be believed by its peers and to believe them: its key, its
// certificate, and that of its cluster's authority.
type Identity struct {
	CA          []byte             // DER
	Certificate []byte             // DER, issued by CA for the public half of Key
	Key         ed25519.PrivateKey // the node's own; it never leaves it
}
