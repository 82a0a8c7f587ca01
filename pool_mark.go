package reauth

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/wait"
)

// mark is one reason why a credential does not stand well, or that such a reason was lifted.
type mark struct {
	until   time.Time // zero, unless retired: the mark was lifted
	retired bool
	reason  string
	of      string       // what it is about, as in Mark.Of
	at      time.Time    // when it was written, by its writer's clock
	since   time.Time    // when it was known here; answers to requests sent before say nothing about it
	probe   atomic.Int64 // when one request may try it although others are good; unix nanoseconds, 0: never
}

// probeEvery is how often one request tries a credential whose reset lies far ahead: providers
// lift limits early.
const probeEvery = time.Hour

// newMark makes a mark about the tokens or the login of that name. One that ends more than an hour
// ahead is probed.
func newMark(until time.Time, retired bool, reason string, at time.Time, of string) *mark {
	k := &mark{until: wait.ByBoth(until, at), retired: retired, reason: reason, of: of, at: at, since: at}
	if until.Sub(at) > probeEvery && !retired {
		k.probe.Store(at.Add(probeEvery).UnixNano())
	}
	return k
}

// readMark makes a mark of one that a store holds.
func readMark(s Mark, now time.Time) *mark {
	at, until := s.At, s.Until
	if ahead := at.Sub(now); ahead > 0 && !until.IsZero() { // the writer's clock is ahead: count from now
		at, until = now, until.Add(-ahead)
	}
	k := newMark(until, s.retires(), s.Reason, at, s.Of)
	k.at = s.At
	if !k.retired {
		k.until = wait.ByBoth(until, now)
	}
	return k
}

// stored returns the mark as a store keeps it.
func (k *mark) stored() Mark {
	m := Mark{Until: k.until.Round(0), At: k.at, Reason: k.reason, Of: k.of}
	if k.retired {
		m.Until = forever
	}
	return m
}

// lifts reports whether the mark says that another one was lifted.
func (k *mark) lifts() bool { return !k.retired && k.until.IsZero() }

// holds reports whether the mark is in force, by both clocks.
func (k *mark) holds(now time.Time) bool { return k != nil && (k.retired || wait.Ahead(k.until, now)) }

// recovers is when the mark ends. A retired credential comes last.
func (k *mark) recovers() time.Time {
	if k.retired {
		return time.Unix(math.MaxInt32, 0).AddDate(1000, 0, 0)
	}
	return k.until
}

// marks are all marks of a credential, the lifted ones too. They are replaced as a whole, so a
// request can compare those that it saw when it left with those that stand. Nil is none.
type marks struct {
	list    []keyedMark
	worst   *mark // of those about the whole credential the one that ends last; nil: none ever held
	topical bool  // there are some about a topic that were not lifted
}

// keyedMark is the newest mark known under one key.
type keyedMark struct {
	key    string
	mark   *mark
	shared bool      // the store has the mark, or is to be told it
	stored time.Time // At of the mark that the store has under the key, as far as known; zero: none
	// base is the At of the newest mark that the store was known to have had when this one was made;
	// of this one itself, once the store has had it. A newer one in the store goes before this one:
	// its writer had not seen that when the request left.
	base time.Time
}

// newest is the At of the newest mark that a writer knows who replaces this one.
func (k keyedMark) newest() time.Time { return latest(k.base, markedAt(k.mark)) }

// get returns the mark under key; the zero value if there is none.
func (s *marks) get(key string) keyedMark {
	if s != nil {
		for _, k := range s.list {
			if k.key == key {
				return k
			}
		}
	}
	return keyedMark{key: key}
}

// with returns the marks with k under its key. Of too many, the one about a topic that ends first goes:
// models and paths are named by whoever sends the requests.
func (s *marks) with(k keyedMark) *marks {
	list := s.keep(func(o keyedMark) bool { return o.key != k.key })
	for len(list) >= maxMarks {
		first := -1
		for i, o := range list {
			if isTopical(o.key) && (first < 0 || o.mark.until.Before(list[first].mark.until)) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		list = slices.Delete(list, first, first+1)
	}
	return newMarks(append(list, k))
}

// without returns the marks without that under key.
func (s *marks) without(key string) *marks {
	return newMarks(s.keep(func(o keyedMark) bool { return o.key != key }))
}

// about returns the marks that are about t. The others are void.
func (s *marks) about(t *tokens) *marks {
	if s == nil {
		return nil
	}
	return newMarks(s.keep(func(o keyedMark) bool { return t.binds(o.mark.of) }))
}

// keep returns a copy of the list with the marks that pass.
func (s *marks) keep(pass func(keyedMark) bool) (list []keyedMark) {
	if s == nil {
		return nil
	}
	for _, k := range s.list {
		if pass(k) {
			list = append(list, k)
		}
	}
	return list
}

// keys returns the keys of all marks.
func (s *marks) keys() (list []string) {
	if s == nil {
		return nil
	}
	for _, k := range s.list {
		list = append(list, k.key)
	}
	return list
}

// newMarks returns the marks of the list, nil for an empty one.
func newMarks(list []keyedMark) *marks {
	if len(list) == 0 {
		return nil
	}
	s := &marks{list: list}
	for _, k := range list {
		switch {
		case k.mark.lifts():
		case isTopical(k.key):
			s.topical = true
		case s.worst == nil || k.mark.recovers().After(s.worst.recovers()):
			s.worst = k.mark
		}
	}
	return s
}

// markedAt is when a mark was written; zero for none.
func markedAt(k *mark) time.Time {
	if k == nil {
		return time.Time{}
	}
	return k.at
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// afterMark is a time for a mark that replaces one of that time: always later.
func afterMark(replaced, now time.Time) time.Time {
	if !now.After(replaced) {
		return replaced.Add(time.Nanosecond)
	}
	return now
}

// queuedMark waits until it is written to the store.
type queuedMark struct {
	key  string
	mark Mark
	seen time.Time // At of the mark that it replaces in the store
}

// follow makes those of the list that were to replace the same mark as q replace q, which has been
// written.
func follow(list []queuedMark, q queuedMark) {
	for i := range list {
		if list[i].key == q.key && list[i].seen.Equal(q.seen) {
			list[i].seen = q.mark.At
		}
	}
}

// enqueue appends q to the list, in the place of an unwritten one of its key: what the store has
// then is what that one was to replace.
func enqueue(list []queuedMark, q queuedMark) []queuedMark {
	i := slices.IndexFunc(list, func(o queuedMark) bool { return o.key == q.key })
	if i < 0 {
		return append(list, q)
	}
	list[i].mark = q.mark
	return list
}

// How long a credential is put aside.
const (
	billingRest  = time.Hour
	usageRest    = 15 * time.Minute
	rateRest     = time.Minute
	rejectedRest = 30 * time.Second // doubling, at most longestRest
	refusedRest  = 5 * time.Second  // of unproven tokens; doubling, at most longestRest
	lackRest     = 5 * time.Minute  // for a topic that another one serves; of a model doubling, at most longestLack
	longestLack  = time.Hour
	lastRest     = time.Minute // for a topic that none serves: they are tried last
)

// isDeadly reports whether the refusal retires the credential: its account is gone, or its grant
// is.
func isDeadly(v Verdict, failed error) bool {
	return v.Kind == Dead || v.Kind == Rejected && isPermanent(failed)
}

// subject returns the key of the mark that the refusal v of t deserves, and what the mark is about;
// failed is why a rejected token could not be renewed, and about the topic of the request. A rejection,
// and the end of an account, are about the access token, a dead grant about the refresh token, the rest
// about the login: an exchange does not end it.
func subject(t *tokens, v Verdict, failed error, about topic) (key, of string) {
	switch {
	case v.Kind == Rejected && isDeadly(v, failed):
		return loginMark, digest(t.cred.RefreshToken)
	case v.Kind == Rejected:
		return tokenMark, t.digest
	case v.Kind == Dead:
		return loginMark, t.digest
	}
	key = loginMark
	if v.Scope == OneModel {
		key = cmp.Or(string(about.ofVerdict(v)), loginMark)
	}
	return key, loginOf(t.login.time())
}

// markFor is the mark about of that the refusal v of t deserves; failed is why a rejected token could
// not be renewed, and rejections how often in a row the credential has been rejected. A Pass and a
// Forbidden deserve none.
func markFor(t *tokens, v Verdict, failed error, of string, rejections int, now time.Time) *mark {
	switch {
	case v.Kind == Dead:
		return newMark(time.Time{}, true, v.Reason, now, of)
	case isDeadly(v, failed):
		return newMark(time.Time{}, true, failureReason(failed), now, of)
	case v.Kind == Exhausted:
		return newMark(exhaustedUntil(v, now), false, v.Reason, now, of)
	case v.Kind == Rejected:
		first := rejectedRest
		if t.unproven() {
			first = refusedRest
		}
		return newMark(now.Add(wait.Doubled(first, longestRest, rejections-1)), false, v.Reason, now, of)
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
