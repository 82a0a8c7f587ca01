package reauth

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/internal/wait"
)

// tokens is one generation of a credential's tokens and what is known of them: its record, but for
// the marks. A generation is replaced as a whole, so a request can compare what it sent with what is
// current.
//
// Fields that every request reads come first, on one cache line: with ten thousand credentials
// no field is in the cache.
type tokens struct {
	header     [1]string     // the Authorization header's value, made once; empty: no access token
	received   time.Time     // with a monotonic reading
	renewAfter time.Duration // since received: a refresh in the background is due; never: not by the clock
	accepted   atomic.Bool   // a provider has accepted the access token
	minted     bool          // an exchange of this pool made them; else somebody has used them already

	expiresAfter time.Duration // since received; never: unknown, or not to be believed
	notBefore    time.Duration // since received: before it the clock alone causes no refresh

	cred       Credential // never changed; callers get a clone
	digest     string     // of the access token
	login      instant    // as in Entry
	refreshed  instant    // Entry.LastRefresh
	generation int64
	spent      []string // never changed
	met        *met     // the challenges that the exchange behind the tokens was to meet; nil: none

	firstRefused atomic.Int64 // when unproven tokens were first refused, in unix nanoseconds; 0: never

	// refusing are the provider's hosts that refuse these tokens; nil: none is known to.
	refusing *[]hostPattern
}

// met is a challenge that an exchange was to meet, and before it those of the exchanges before, as far
// as no provider has accepted what they brought.
type met struct {
	challenge string
	before    *met
}

// mostMet bounds how many exchanges challenges cause in a row, that bring tokens which nobody accepts.
const mostMet = 3

// lacks reports whether the exchange behind the tokens was not to meet the challenge, so that one that
// is may help.
func (t *tokens) lacks(challenge string) bool {
	n := 0
	for m := t.met; m != nil; m = m.before {
		if m.challenge == challenge {
			return false
		}
		n++
	}
	return challenge != "" && n < mostMet
}

// metBeside is what the tokens of an exchange of t have met that is to meet the challenge.
func (t *tokens) metBeside(challenge string) *met {
	switch {
	case challenge == "":
		return nil
	case t.unproven():
		return &met{challenge, t.met}
	}
	return &met{challenge: challenge}
}

const bearerScheme = "Bearer "

// never is longer than any process lives.
const never = time.Duration(math.MaxInt64)

// instant is a time by the clocks of walls, in nanoseconds since 1970; 0: unknown.
type instant int64

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
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
		login: instantOf(e.Login), generation: e.Generation, spent: e.Spent, refreshed: instantOf(e.LastRefresh),
		renewAfter: never, expiresAfter: never, refusing: hostsRefusing(c),
	}
	if c.AccessToken != "" {
		t.header[0] = bearerScheme + c.AccessToken
		t.cred.AccessToken = t.header[0][len(bearerScheme):] // one string for both: tokens are long
	}
	t.accepted.Store(from != fromExchange)
	if c.Expiry.IsZero() {
		return t
	}
	lifetime := lifetimeOf(c, from, e.LastRefresh, now)
	if from == fromLogin && expiredOnArrival(e) {
		return t
	}
	if from != fromLogin {
		// The clock alone renews once per half a lifetime, and at most once a second: a wrong clock,
		// or a source of tokens that are about to end, must not cause an exchange per request.
		t.notBefore = max(lifetime/2, time.Second)
		if lifetime <= 0 {
			return t // expired on arrival: trusted until a provider refuses it
		}
	}
	t.expiresAfter = c.Expiry.Sub(now)
	t.renewAfter = t.expiresAfter - margin(max(lifetime, 0))
	return t
}

// hostsRefusing returns the hosts of a built-in provider that refuse the tokens of a login, as far as its
// metadata tells; nil: none.
func hostsRefusing(c Credential) *[]hostPattern {
	hosts := vendors.Of(c.Provider).RefusedBy(c.Metadata, c.RefreshToken != "")
	if len(hosts) == 0 {
		return nil
	}
	patterns, _ := parsePatterns(hosts) // a test reads those of the built-in table
	return &patterns
}

// refusedAt reports whether a host is known to refuse the tokens.
func (t *tokens) refusedAt(d *destination) bool {
	return t.refusing != nil && slices.ContainsFunc(*t.refusing, func(h hostPattern) bool { return h.matches(d) })
}

// receivedBefore makes the tokens ones that were received at an earlier time.
func (t *tokens) receivedBefore(earlier time.Time) {
	by := t.received.Sub(earlier)
	t.received = earlier
	for _, d := range []*time.Duration{&t.renewAfter, &t.expiresAfter, &t.notBefore} {
		if *d != never {
			*d += by
		}
	}
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
		Credential: t.cred, Login: t.login.time(), Generation: t.generation, Spent: t.spent, LastRefresh: t.refreshed.time(),
	}
}

// binds reports whether a mark about of is about these tokens.
func (t *tokens) binds(of string) bool {
	return of != "" && (of == t.digest || of == digest(t.cred.RefreshToken) || of == loginOf(t.login.time()))
}

func (t *tokens) refreshable() bool { return t.cred.RefreshToken != "" }

// bearer is the value of the Authorization header; nil: there is no access token.
func (t *tokens) bearer() []string {
	if t.header[0] == "" {
		return nil
	}
	return t.header[:]
}

// age is how long ago the tokens were received, by the clock that says longer.
func (t *tokens) age(now time.Time) time.Duration { return wait.Since(t.received, now) }

// isOlder reports whether the tokens are older than d, and than the clock alone must leave them.
func (t *tokens) isOlder(now time.Time, d time.Duration) bool {
	age := t.age(now)
	return age > d && age >= t.notBefore
}

// expired reports whether the clock says that the access token is useless.
func (t *tokens) expired(now time.Time) bool {
	if t.cred.AccessToken == "" {
		return true
	}
	return t.expiresAfter != never && t.isOlder(now, t.expiresAfter)
}

// due reports whether the access token should be renewed before a provider refuses it.
func (t *tokens) due(now time.Time) bool {
	if t.header[0] == "" {
		return true
	}
	return t.renewAfter != never && t.isOlder(now, t.renewAfter)
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
