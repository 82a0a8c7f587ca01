package reauth

import (
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// mark is a standing other than good.
type mark struct {
	until   time.Time
	retired bool
	reason  string
	at      time.Time
	of      string       // digest of the access token that it is about
	shared  atomic.Bool  // the store knows it
	probe   atomic.Int64 // when one request may try it although others are good; unix nanoseconds, 0: never
}

// probeEvery is how often one request tries a credential whose reset lies far ahead: providers
// lift limits early.
const probeEvery = time.Hour

// newMark makes a mark about the access token of that digest. One that ends more than an hour ahead
// is probed.
func newMark(until time.Time, retired bool, reason string, at time.Time, of string) *mark {
	k := &mark{until: until, retired: retired, reason: reason, at: at, of: of}
	if until.Sub(at) > probeEvery && !retired {
		k.probe.Store(at.Add(probeEvery).UnixNano())
	}
	return k
}

// recovers is when the mark ends. A retired credential comes last.
func (k *mark) recovers() time.Time {
	if k.retired {
		return time.Unix(math.MaxInt32, 0).AddDate(1000, 0, 0)
	}
	return k.until
}

// How long a credential is put aside.
const (
	billingRest  = time.Hour
	usageRest    = 15 * time.Minute
	rateRest     = time.Minute
	rejectedRest = 30 * time.Second // doubling, at most longestRest
	refusedRest  = 5 * time.Second  // of unproven tokens; doubling, at most longestRest
)

// isDeadly reports whether the refusal retires the credential: its account is gone, or its grant
// is.
func isDeadly(v Verdict, failed error) bool {
	return v.Kind == Dead || v.Kind == Rejected && isPermanent(failed)
}

// markFor is the mark that the refusal v of t deserves; failed is why a rejected token could not be
// renewed, and rejections how often in a row the credential has been rejected. A Pass and a
// Forbidden deserve none.
func markFor(t *tokens, v Verdict, failed error, rejections int, now time.Time) *mark {
	switch {
	case v.Kind == Dead:
		return newMark(time.Time{}, true, v.Reason, now, t.digest)
	case isDeadly(v, failed):
		return newMark(time.Time{}, true, failureReason(failed), now, t.digest)
	case v.Kind == Exhausted:
		return newMark(exhaustedUntil(v, now), false, v.Reason, now, t.digest)
	case v.Kind == Rejected:
		first := rejectedRest
		if t.unproven() {
			first = refusedRest
		}
		return newMark(now.Add(wait.Doubled(first, longestRest, rejections-1)), false, v.Reason, now, t.digest)
	}
	return nil
}

// exhaustedUntil is when a credential with that verdict is preferred again.
func exhaustedUntil(v Verdict, now time.Time) time.Time {
	if v.Reset.After(now) {
		return v.Reset
	}
	rest := usageRest
	switch {
	case strings.Contains(v.Reason, "billing"):
		rest = billingRest
	case strings.Contains(v.Reason, "rate"):
		rest = rateRest
	}
	if !v.Reset.IsZero() { // an instant in the past: the limit is over, or a clock is wrong
		rest = min(rest, rateRest)
	}
	return now.Add(rest)
}
