// Package join is the handshake by which a node that knows the cluster's secret proves it to a member,
// has it proved back, and receives its credentials.
//
// It runs over the member's public port, which may be plain HTTP: two POSTs to Path. It does not know what is
// announced or handed out; those are bytes of whoever calls Client and gives Admit.
//
//	joiner                                              member
//	  hello      share, nonce                    ──→
//	             ←── challenge  share, nonce, ticket      (remembers nothing)
//	  request    ticket, proof, sealed announcement ──→   proof good, first time → Admit
//	             ←── reply      proof, sealed outcome
//
// Keys: X25519 of two shares that are drawn for one handshake, through HKDF-SHA256 with the stretched secret as
// salt, one key per purpose, each bound to the hello and the challenge as they went over the wire. Proofs are
// HMAC-SHA256 over these and over all that follows; what is sealed is AES-256-GCM.
//
// So: whoever only listens learns nothing that helps to guess the secret, and nothing that was sealed, even if the
// secret is known later. The joiner proves first: who does not know the secret gets nothing from a member but the
// answer that a guess was wrong. Who stands in for a member gets one proof from a joiner, against which words can be
// tried: that is what the stretching (PBKDF2) and the least length are for; a secret made by a program is beyond it.
//
// A member keeps no state for handshakes that have not proved the secret: what it must remember lies in the ticket,
// sealed under a key that lives for two ticket lives. It remembers used tickets until they are too old to come again,
// so a request counts once. All tables are bounded; hellos, proofs and failures per remote are limited by rates.
//
// No goroutines. Server.mu guards all that changes and is held while keys are derived, not while Admit decides.
// Nothing survives a crash: a joiner begins again.
package join
