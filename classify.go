package reauth

import (
	"net/http"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"

	"github.com/reauth-go/reauth/internal/verdict"
)

// Kind is what a provider's answer says about the credential that was sent.
type Kind uint8

// The kinds of verdict.
const (
	Pass      Kind = iota // not about the credential: success, bad request, overload, edge page, an upstream's trouble
	Rejected              // the provider does not accept this credential now: expired, invalid, revoked
	Dead                  // the account or key is gone for good, said by a structured code: deactivated, banned, leaked
	Exhausted             // quota, billing, rate or spending limit of this credential
	Forbidden             // identity accepted, not entitled: scope, plan, region, policy; a refresh cannot help
)

// String returns the kind's name in lower case.
func (k Kind) String() string { return verdict.Kind(k).String() }

// Verdict is what Classify makes of an answer. The zero value is a Pass without a reason.
type Verdict struct {
	Kind Kind
	// Reason names what the answer is about: short, stable and without anything of the answer in it,
	// fit for logs and as a metric's label, such as "xai:bad-credentials". Of an Exhausted verdict
	// it tells how long the credential is put aside when there is no Reset: 1 h when it contains
	// "billing", 60 s for "rate", else 15 min.
	Reason string
	// Reset is when the provider says an exhausted credential recovers; zero if it does not say. It
	// lies at most 35 days ahead, and in the past when the provider named an instant that has gone
	// by.
	Reset time.Time
	// Scope is what the verdict is about: the whole credential, or, where the answer says so, the model
	// of the request. It counts for Exhausted and Forbidden.
	Scope Scope

	family string        // the family of models that the answer names; empty: the request's model is meant
	cause  verdict.Cause // of a Forbidden verdict
}

// Scope is what a verdict is about. The zero value is the whole credential.
type Scope uint8

// The scopes of a verdict.
const (
	WholeCredential Scope = iota
	OneModel              // the limit, or the lack, is one of a model: the credential serves others
)

// String returns the scope in words.
func (s Scope) String() string {
	if s == OneModel {
		return "one model"
	}
	return "whole credential"
}

// label is the verdict as events have it.
func (v Verdict) label() string {
	if v.Reason == "" {
		return v.Kind.String()
	}
	return v.Kind.String() + ":" + v.Reason
}

// maxPeek is how many bytes of an answer's body are read to judge it.
const maxPeek = verdict.MaxBody

// Classify reads an answer: whom its codes and sentences mean and what they say of it, and what a few
// rules know of the provider, which may be given by any of its names. body is the beginning of the
// answer's body, decoded; of more than 64 KiB the rest is ignored. resp.Body is not
// read, resp.Request may be nil; a nil resp is a Pass. Classify changes nothing and depends on nothing
// else but the clock: a relative reset time counts from a sane Date header, else from now.
//
// It may be called from several goroutines at once.
func Classify(provider string, resp *http.Response, body []byte) Verdict {
	return classify(vendors.Canonical(provider), resp, body)
}

// classify is Classify for a canonical name.
func classify(provider string, resp *http.Response, body []byte) Verdict {
	v := verdict.Of(verdictProvider(provider), resp, body)
	return publicVerdict(v)
}

// publicVerdict returns the verdict as the package tells it.
func publicVerdict(v verdict.Verdict) Verdict {
	got := Verdict{Kind: Kind(v.Kind), Reason: v.Reason, Reset: v.Reset, family: v.Family, cause: v.Cause}
	if v.OneModel {
		got.Scope = OneModel
	}
	return got
}

// verdictProvider returns what the classifier must know about the provider of that canonical name.
func verdictProvider(name string) verdict.Provider {
	row := vendors.Of(name) // empty for a provider that is not built in
	return verdict.Provider{Name: name, Hides: row.Hides, Zone: row.Zone()}
}
