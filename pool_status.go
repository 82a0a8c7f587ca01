package reauth

import "time"

// State says how a credential stands. Beside Good and Aside there is Retired.
type State string

// The states.
const (
	Good  State = "good"
	Aside State = "aside" // not preferred until CredentialStatus.AsideUntil
)

// CredentialStatus is how a credential stands, without its secrets. It has slices, so two of them cannot
// be compared by ==. A credential that was put aside until now is Good, and its Reason is "probing" until
// a request was served: one request at a time tries it while others serve the rest.
type CredentialStatus struct {
	Provider, ID, AccountID         string
	Fingerprint                     string // beginning of a digest of the access token, to tell two tokens apart
	Reason                          string // of a state other than Good; of Good "probing", or empty
	Follows                         string // whose login it is, when it is another program's: Follow's kind
	Source                          string // what gives its tokens, when that is a source: see Pool.AddSource
	State                           State  // Good, Aside or Retired
	Refreshable                     bool   // a refresh token, a source or the program that it follows renews it
	Expiry, AsideUntil, LastRefresh time.Time
	InFlight, Priority              int
	Models                          []ModelStatus // models for which the credential is put aside, sorted by name
	// Limits are what is left of the account's limits, sorted by name, as far as the provider has told
	// it in headers. nil: it has not, or neither Provider.ReadLimits nor MostHeadroom is set.
	Limits []Limit
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

// Limit is what is left of one limit of an account, as the provider's last answer that named it said.
// CredentialStatus has those of a credential.
type Limit struct {
	// Name is what the provider calls the limit, in lower case: "5h", "7d_opus", "requests",
	// "input-tokens". A window of Codex is named by its length, as Anthropic names its own: "5h", "7d",
	// and "7d_" with a model's family. At most 64 bytes, of letters, digits, "-", "_" and ".".
	Name string
	// Left is the share that is left, 0 to 1. It is 1 when Reset, as it was told, has passed: without
	// one, when the Window has passed since the answer, and without that too, a minute.
	Left   float64
	Window time.Duration // 0: the provider does not say
	Reset  time.Time     // when all of it is left again; zero: the provider does not say, or it has passed
	// Model is the model of whose requests the limit is, at a provider where each model has its own;
	// empty: it is of all, or the request named no model. A family of models stands in Name.
	Model string
}
