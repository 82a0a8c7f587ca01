package reauth

import (
	"errors"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// restraint says for one credential when a renewal rests, so that a refusal that no renewal can
// cure, or a token endpoint that fails, causes few exchanges.
type restraint struct {
	failed rest // the last renewal brought no new tokens
	unmet  rest // the last one that was to meet a challenge did; apart, for tokens without it serve other requests
	futile rest // an exchange brought tokens that were refused to the request that had asked for them

	declined       error // a new login was asked for in vain, in the place of the present tokens; nil: it was not
	notRefreshable bool  // the refresher called the present tokens a static key

	// goingOn is why those who waited for an exchange were let go while its refresher goes on; nil: no
	// refresher does. One at a time is called for a credential, whatever its tokens are by now.
	goingOn error

	// asked is closed when the last call of Pool.Relogin has returned; nil: there was none. One at a
	// time is made for a credential, whatever its tokens are by now.
	asked <-chan struct{}
}

// rest is one reason why renewals rest: of which tokens, why, how often in a row, and until when.
// The zero value is none.
type rest struct {
	of    *tokens   // the tokens that the renewal was to replace; of futile: those that it brought
	err   error     // what callers get meanwhile
	until time.Time // zero: until the tokens change
	times int32     // in a row

	exchange bool // the renewal could spend the refresh token; else it only looked for newer tokens
	early    bool // the tokens had not expired then, so less was at stake
}

const (
	// Tokens from an exchange that no provider has accepted are not renewed again for being
	// refused until this time has passed: a request may be refused whatever its token is.
	unprovenRest = 10 * time.Minute

	futileRest = 10 * time.Second // doubling, at most longestRest
	failedRest = time.Second      // doubling, at most failedMost
	failedMost = time.Minute
	unsentMost = 5 * time.Second  // of one whose request was provably not sent: the network may be back any time
	earlyRest  = 30 * time.Second // doubling, at most longestRest
	sourceRest = 20 * time.Second // of a source that has failed, or gave what was refused; then sourceMost
	sourceMost = time.Minute

	longestRest  = 5 * time.Minute
	longestAsked = time.Hour // what a token endpoint's Retry-After may add to a rest
)

// means is how new tokens of a credential can be had.
type means uint8

const (
	byNothing      means = iota // the provider has no refresher
	byRefreshToken              // its refresher exchanges the refresh token, if there is one
	bySource                    // AddSource has named who gives them
)

// renews reports whether tokens can be had instead of t.
func (by means) renews(t *tokens) bool {
	return by == bySource || by == byRefreshToken && t.refreshable()
}

// decide says how new tokens for t may be had now. exchange: the renewal may spend the refresh
// token, or ask the source; else it may only look for newer tokens. rests is not nil while a renewal
// like that rests; it is the error of the one that failed last.
func (r *restraint) decide(t *tokens, by means, d demand, now time.Time) (exchange bool, rests error) {
	if r == nil {
		r = new(restraint)
	}
	exchange = r.mayExchange(t, by, d, now)
	return exchange, r.resting(t, exchange, by, d, now)
}

// mayExchange is the first half of decide:
//
//	no refresher, no refresh token, or a static key   no
//	the refresher of an earlier exchange goes on      no
//	refused with a challenge that was not met yet     yes, 3 times in a row at most
//	refused, unproven                                 10 min after the exchange that brought t;
//	                                                  20 s where a source has given it
//	refused, and the last exchange was futile         when the rest of that is over
//	otherwise                                         yes
func (r *restraint) mayExchange(t *tokens, by means, d demand, now time.Time) bool {
	switch {
	case !by.renews(t) || r.notRefreshable || r.goingOn != nil:
		return false
	case d.why == rejected && t.lacks(d.challenge) && r.futile.times < mostMet:
		return true
	case d.why == rejected && t.unproven() && by == bySource:
		return t.age(now) >= sourceRest
	case d.why == rejected && t.unproven():
		return t.age(now) >= unprovenRest
	case d.why == rejected:
		return !wait.Ahead(r.futile.until, now)
	}
	return true
}

// resting is the second half of decide:
//
//	the grant is dead                                        its error, until the tokens change
//	no failure, or one of other tokens or of the other way   nil
//	one that had a challenge and now there is none, or the   nil
//	other way round
//	forced by the user                                       nil
//	this one is early, and the failed one got no answer      its error: the refresh token, if there is
//	                                                         one, may be spent, and the access token lives
//	the failed one was early, this one is not                nil: more is at stake now
//	otherwise                                                its error, until the rest is over
func (r *restraint) resting(t *tokens, exchange bool, by means, d demand, now time.Time) error {
	last := &r.failed
	if d.challenge != "" && !isPermanent(last.err) {
		last = &r.unmet
	}
	switch {
	case last.err == nil || last.of != t || last.exchange != exchange:
		return nil
	case isPermanent(last.err):
		return last.err
	case d.why == early && isSilent(last.err) && by != bySource:
		return last.err
	case d.why == forced, last.early && d.why != early:
		return nil
	case wait.Ahead(last.until, now):
		return last.err
	}
	return nil
}

// fail notes that a renewal of t brought no new tokens.
func (r *restraint) fail(t *tokens, exchange bool, by means, d demand, err error, now time.Time) {
	last := &r.failed
	if d.challenge != "" && !isPermanent(err) {
		last = &r.unmet
	}
	times := int32(0)
	if last.of == t && last.exchange == exchange {
		times = last.times
	}
	*last = rest{
		of: t, err: err, times: times + 1, until: now.Add(restAfter(err, by, d.why, int(times))),
		exchange: exchange, early: d.why == early,
	}
	r.notRefreshable = r.notRefreshable || d.challenge == "" && errors.Is(err, ErrNotRefreshable)
}

// restAfter is how long a renewal rests that has failed with err, and so many times before. It doubles
// with each failure, and is no shorter than the token endpoint asks for. It is short when the request
// was not sent. A source is asked a few times a minute at most: a command may cost much.
func restAfter(err error, by means, why cause, times int) time.Duration {
	first, most := failedRest, failedMost
	if why == early && by != bySource {
		first, most = earlyRest, longestRest
	}
	d := wait.Doubled(first, most, times)
	var re *RefreshError
	if errors.As(err, &re) {
		d = max(d, min(re.RetryAfter, longestAsked))
	}
	switch {
	case by == bySource && times == 0:
		d = max(d, sourceRest)
	case by == bySource:
		d = max(d, sourceMost)
	case isUnsent(err):
		d = min(d, unsentMost)
	}
	return d
}

// noteFutile notes that t, which an exchange had brought, was refused to the request that had
// asked for it. Where others are accepted with t the request is at fault; requests like it must
// not rotate the tokens each time. It counts once for t.
func (r *restraint) noteFutile(t *tokens, now time.Time) {
	if r.futile.of != nil && r.futile.of.digest == t.digest {
		return
	}
	d := wait.Doubled(futileRest, longestRest, int(r.futile.times))
	r.futile = rest{of: t, times: r.futile.times + 1, until: now.Add(d)}
}

// endFutile notes that a request was served with the tokens of its own exchange.
func (r *restraint) endFutile() { r.futile.times, r.futile.until = 0, time.Time{} }

// replaced forgets what was about the tokens before.
func (r *restraint) replaced() {
	r.failed, r.unmet, r.declined, r.notRefreshable = rest{}, rest{}, nil, false
}

// pardoned returns what is left when a person lifts all restraint.
func (r *restraint) pardoned() *restraint {
	if r == nil || r.goingOn == nil && r.asked == nil {
		return nil
	}
	return &restraint{goingOn: r.goingOn, asked: r.asked}
}

// whyNot explains a renewal that cannot spend the refresh token and has nowhere else to look.
func (r *restraint) whyNot(t *tokens, by means) error {
	if r == nil {
		r = new(restraint)
	}
	switch {
	case r.goingOn != nil:
		return r.goingOn
	case r.failed.of == t && isPermanent(r.failed.err):
		return r.failed.err
	case by != bySource && !t.refreshable():
		return staticError(t)
	case by == byNothing:
		return errNoRefresher
	case r.notRefreshable:
		return ErrNotRefreshable
	}
	return errUnproven
}
