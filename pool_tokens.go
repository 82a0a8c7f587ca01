package reauth

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// tokens is one generation of a credential's tokens and what is known of them: its record, but for
// the marks. A generation is replaced as a whole, so a request can compare what it sent with what is
// current.
//
// Fields that every request reads come first, on one cache line: with ten thousand credentials
// no field is in the cache.
type tokens struct {
	bearer   []string    // the Authorization header's value, made once; nil: no access token
	renewAt  time.Time   // when a refresh in the background is due; zero: never
	accepted atomic.Bool // a provider has accepted the access token
	minted   bool        // an exchange of this pool made them; else somebody has used them already

	cred       Credential // never changed; callers get a clone
	digest     string     // of the access token
	login      time.Time  // as in Entry
	generation int64
	spent      []string  // never changed
	refreshed  time.Time // Entry.LastRefresh

	received time.Time // with a monotonic reading
	lifetime time.Duration
	expires  time.Time // by this host's clock; zero: unknown, or not to be believed
	notYet   time.Time // before it the clock alone causes no refresh

	firstRefused atomic.Int64 // when unproven tokens were first refused, in unix nanoseconds; 0: never
}

// origin says where tokens come from.
type origin uint8

const (
	fromLogin    origin = iota // Add, or the store when the pool was opened
	fromStore                  // another pool wrote them while this one was running
	fromExchange               // an exchange of this pool
)

// newTokens makes a generation of e's tokens, which it shares.
func newTokens(e Entry, from origin, now time.Time) *tokens {
	c := e.Credential
	t := &tokens{
		cred: c, digest: digest(c.AccessToken), received: now, minted: from == fromExchange,
		login: e.Login, generation: e.Generation, spent: e.Spent, refreshed: e.LastRefresh,
	}
	if c.AccessToken != "" {
		t.bearer = []string{"Bearer " + c.AccessToken}
	}
	t.accepted.Store(from != fromExchange)
	if c.Expiry.IsZero() {
		return t
	}
	t.lifetime = lifetimeOf(c, from, t.refreshed, now)
	if from == fromLogin && expiredOnArrival(e) {
		return t
	}
	if from != fromLogin {
		// The clock alone renews once per half a lifetime: a wrong clock must not cause an
		// exchange per request.
		t.notYet = now.Add(t.lifetime / 2)
		if t.lifetime <= 0 {
			return t // expired on arrival: trusted until a provider refuses it
		}
	}
	t.expires = c.Expiry
	t.renewAt = c.Expiry.Add(-margin(max(t.lifetime, 0)))
	return t
}

// expiredOnArrival reports whether the token's Expiry had passed already, by one clock, when it was
// obtained: the clock is wrong. Such a token is trusted until a provider refuses it.
func expiredOnArrival(e Entry) bool {
	return !e.LastRefresh.IsZero() && !e.Credential.Expiry.After(e.LastRefresh)
}

// lifetimeOf is how long c's access token lives, as far as its origin tells.
func lifetimeOf(c Credential, from origin, refreshed, now time.Time) time.Duration {
	left := c.Expiry.Sub(now)
	switch {
	case from == fromExchange:
		return left
	case !refreshed.IsZero() && c.Expiry.After(refreshed):
		return c.Expiry.Sub(refreshed) // one clock made both stamps
	}
	claims, _ := readJWT(c.AccessToken) // no JWT: zero
	return max(claims.lifetime(), left)
}

// margin is how long before its end a token is renewed: a tenth of its lifetime, at most 5 min.
// It varies by 20 %, so that many processes do not renew at one moment.
func margin(lifetime time.Duration) time.Duration {
	d := min(lifetime/10, 5*time.Minute)
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}

// entry returns the record of the tokens as a store keeps it, without marks. It shares with t.
func (t *tokens) entry() Entry {
	return Entry{
		Credential: t.cred, Login: t.login, Generation: t.generation, Spent: t.spent, LastRefresh: t.refreshed,
	}
}

// binds reports whether a mark about of is about these tokens.
func (t *tokens) binds(of string) bool {
	return of != "" && (of == t.digest || of == digest(t.cred.RefreshToken) || of == loginOf(t.login))
}

func (t *tokens) refreshable() bool { return t.cred.RefreshToken != "" }

// expired reports whether the clock says that the access token is useless.
func (t *tokens) expired(now time.Time) bool {
	return t.cred.AccessToken == "" || !t.expires.IsZero() && now.After(t.expires) && !now.Before(t.notYet)
}

// due reports whether the access token should be renewed before a provider refuses it.
func (t *tokens) due(now time.Time) bool {
	return t.bearer == nil || !t.renewAt.IsZero() && now.After(t.renewAt) && !now.Before(t.notYet)
}

// unproven reports whether the tokens came from an exchange and no provider has accepted them:
// a further exchange because of their refusal could go on for ever.
func (t *tokens) unproven() bool { return t.minted && !t.accepted.Load() }

// proveDelay is how long unproven tokens get before they are tried once more: some providers
// publish tokens slowly.
const proveDelay = 500 * time.Millisecond

// hadTime reports whether a request sent at the given time left proveDelay or more after the first
// refusal of these tokens.
func (t *tokens) hadTime(sent time.Time) bool {
	first := t.firstRefused.Load()
	return first != 0 && sent.After(time.Unix(0, first).Add(proveDelay))
}

// noteRefusal remembers when the tokens were first refused.
func (t *tokens) noteRefusal(now time.Time) { t.firstRefused.CompareAndSwap(0, now.UnixNano()) }
