package reauth

import "time"

// State says how a credential stands. Beside Good and Aside there is Retired.
type State string

// The states.
const (
	Good  State = "good"
	Aside State = "aside" // not preferred until CredentialStatus.AsideUntil
)

// CredentialStatus is how a credential stands, without its secrets.
type CredentialStatus struct {
	Provider, ID, AccountID         string
	Fingerprint                     string // beginning of a digest of the access token, to tell two tokens apart
	Reason                          string // of a state other than Good
	Follows                         string // whose login it is, when it is another program's: Follow's kind
	Source                          string // what gives its tokens, when that is a source: see Pool.AddSource
	State                           State  // Good, Aside or Retired; what is Good by Reason "probing" is tried by one request
	Expiry, AsideUntil, LastRefresh time.Time
	InFlight, Priority              int
	Models                          []ModelStatus // models for which the credential is put aside, sorted by name
}

// ModelStatus is how a credential stands for one model, or for a family of models, whose name ends in
// "*" then, such as "opus*".
type ModelStatus struct {
	Model      string
	Host       string // where; empty: everywhere
	State      State  // Aside
	Reason     string
	AsideUntil time.Time
}
