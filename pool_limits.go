package reauth

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/limits"
)

// seenLimit is a limit as an answer told it.
type seenLimit struct {
	Limit
	over time.Time // when the window has passed, by the wall's clock
}

// limitNews is the limits that answers told of an account, sorted by name. It is replaced as a whole.
type limitNews struct{ list []seenLimit }

const (
	// newsLasts is how long news counts that has neither reset nor window: limits are of a minute, if
	// nothing else is said.
	newsLasts = time.Minute
	// maxSeen bounds how many limits are remembered of a credential.
	maxSeen = 16
)

// noteLimits remembers what the answer to a request that was sent with t says of limits, if the
// provider is to be listened to. An answer that names none leaves those that are known, and so does one
// to tokens of another login.
func (m *member) noteLimits(p *registered, t *tokens, h http.Header) {
	if p == nil || !p.readsLimits || !t.ofLogin(m.tokens.Load()) {
		return
	}
	now := time.Now()
	told := limits.Read(h, p.limits, now)
	if len(told) == 0 {
		return
	}
	news := m.limits.Load().with(told, now)
	m.limits.Store(news)
	if !t.ofLogin(m.tokens.Load()) { // a new login has come meanwhile, and forgotten the limits before this
		m.limits.CompareAndSwap(news, nil)
	}
}

// forgetLimits forgets the limits when t is of another login than the tokens before it.
func (m *member) forgetLimits(before, t *tokens) {
	if before != nil && !before.ofLogin(t) && m.limits.Load() != nil {
		m.limits.Store(nil)
	}
}

// ofLogin reports whether both tokens are of one login, and so of one account.
func (t *tokens) ofLogin(o *tokens) bool {
	return t == o || t.login == o.login &&
		(t.cred.AccountID == o.cred.AccountID || t.cred.AccountID == "" || o.cred.AccountID == "")
}

// with returns the news with what an answer told now. Older news goes first when there is too much.
func (n *limitNews) with(told []limits.Limit, now time.Time) *limitNews {
	list := make([]seenLimit, 0, len(told))
	for _, l := range told {
		list = append(list, newSeenLimit(Limit(l), now))
	}
	if n != nil {
		for _, old := range n.list {
			again := slices.ContainsFunc(told, func(l limits.Limit) bool { return l.Name == old.Name })
			if !again && old.over.After(now) && len(list) < maxSeen {
				list = append(list, old)
			}
		}
	}
	slices.SortFunc(list, func(a, b seenLimit) int { return cmp.Compare(a.Name, b.Name) })
	return &limitNews{list}
}

// newSeenLimit notes when the window of a limit has passed that was told now.
func newSeenLimit(l Limit, now time.Time) seenLimit {
	l.Reset = l.Reset.Round(0)
	over := l.Reset
	if over.IsZero() {
		over = now.Round(0).Add(cmp.Or(l.Window, newsLasts))
	}
	return seenLimit{l, over}
}

// current returns the limits as they are now, as a copy. nil: none is known.
func (n *limitNews) current(now time.Time) []Limit {
	if n == nil {
		return nil
	}
	list := make([]Limit, len(n.list))
	for i, l := range n.list {
		if list[i] = l.Limit; !l.over.After(now) {
			list[i].Left, list[i].Reset = 1, time.Time{}
		}
	}
	return list
}

// tightest returns what is left of the window of which least is left, and when that ends; zero: it is
// not known. A window of one model does not count: another model's request is not held up by it, and a
// refusal tells of it in time. A window that has passed is full, and so is what nothing is known of.
func (n *limitNews) tightest(now time.Time) (left float64, reset time.Time) {
	left = 1
	if n == nil {
		return left, reset
	}
	for i := range n.list {
		switch l := &n.list[i]; {
		case strings.Contains(l.Name, "_"), !l.over.After(now):
		case l.Left < left, reset.IsZero(), l.Left == left && l.over.Before(reset):
			left, reset = min(left, l.Left), l.over
		}
	}
	return left, reset
}

// isBusy reports whether m has as many requests in flight as MaxInFlight allows.
func (r *registered) isBusy(m *member) bool {
	return r.MaxInFlight > 0 && m.inFlight.Load() >= int64(r.MaxInFlight)
}
