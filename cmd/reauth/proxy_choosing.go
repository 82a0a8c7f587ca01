package main

import (
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// choosing are the flags of the proxy that say which credential a request gets, and what is read of
// an answer. They have the names that the library gives them, and hold for all providers.
type choosing struct {
	Strategy       string        `help:"Which of several credentials in good standing a request gets: fill-first, round-robin, least-in-flight, random or most-headroom." enum:"fill-first,round-robin,least-in-flight,random,most-headroom" default:"fill-first" env:"REAUTH_PROXY_STRATEGY"`
	Affinity       bool          `help:"Keep a conversation on one credential, for its prompt cache: by the header X-Session-Id, else by session_id or prompt_cache_key in a JSON body, which is read for it before it is sent." env:"REAUTH_PROXY_AFFINITY"`
	AffinityHeader string        `help:"The header that names a conversation, in the place of X-Session-Id. Implies --affinity." env:"REAUTH_PROXY_AFFINITY_HEADER" placeholder:"NAME"`
	MaxInFlight    int           `help:"Requests that wait for an answer with one credential before others are preferred. 0: no bound." default:"0" env:"REAUTH_PROXY_MAX_IN_FLIGHT"`
	ReadLimits     bool          `help:"Read in the headers of all answers what is left of the account's limits, for the status page and /metrics." default:"true" negatable:"" env:"REAUTH_PROXY_READ_LIMITS"`
	FirstEvent     time.Duration `help:"How long to wait for the first event of a stream, in which some providers refuse. 0: no stream is read." default:"0s" env:"REAUTH_PROXY_FIRST_EVENT"`
}

// headerName matches the name of a header: a token of RFC 9110, section 5.6.2.
var headerName = pattern.Lazy("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// check returns a usage error for a value that means nothing.
func (c choosing) check() error {
	switch {
	case c.MaxInFlight < 0:
		return usagef("--max-in-flight is a number of requests, or 0 for no bound")
	case c.FirstEvent < 0:
		return usagef("--first-event is a time to wait, or 0 to read no stream")
	case c.AffinityHeader != "" && !headerName().MatchString(c.AffinityHeader):
		return usagef("--affinity-header wants the name of a header, such as %s", proxy.SessionHeader)
	}
	return nil
}

// apply sets what the flags say in a provider.
func (c choosing) apply(pr *reauth.Provider) {
	pr.Strategy, _ = strategyOf(c.Strategy) // the flag's enum has no others
	pr.MaxInFlight, pr.ReadLimits, pr.FirstEvent = c.MaxInFlight, c.ReadLimits, c.FirstEvent
}

// strategyOf returns the strategy of that name.
func strategyOf(name string) (reauth.Strategy, bool) {
	const unknown = "unknown"
	for s := reauth.FillFirst; s.String() != unknown; s++ {
		if s.String() == name {
			return s, true
		}
	}
	return reauth.FillFirst, false
}

// affinity is what the flags say about conversations.
func (c choosing) affinity() proxy.Affinity {
	switch {
	case c.AffinityHeader != "":
		return proxy.Affinity{Header: c.AffinityHeader, Members: proxy.SessionMembers()}
	case c.Affinity:
		return proxy.Affinity{Header: proxy.SessionHeader, Members: proxy.SessionMembers()}
	}
	return proxy.Affinity{}
}
