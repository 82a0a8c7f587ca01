package reauth

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/limits"
)

// seenLimit is a limit as an answer told it.
type seenLimit struct {
	Limit
	told  time.Time // when; zero: it does not fill up before its window has passed
	over  time.Time // when the window has passed, by the wall's clock
	takes float64   // the share that a request takes, on average
	size  float64   // of a bucket, in requests or tokens; 0: it is none
}

// limitNews is the limits that answers told of an account, sorted by model and name. It is replaced as a
// whole.
type limitNews struct{ list []seenLimit }

const (
	// newsLasts is how long news counts that has neither reset nor window: limits are of a minute, if
	// nothing else is said.
	newsLasts = time.Minute
	// maxSeen bounds how many limits are remembered of a credential: those of a dozen models.
	maxSeen = 64
	// requestTakes is the share that a request in flight counts for at least, until its answer says what
	// it took. It spreads a burst, of which no answer is there yet.
	requestTakes = 0.01
)

// noteLimits remembers the limits that the answer to a request for the model, sent with t, has told. One
// to tokens of another login leaves those that are known.
func (m *member) noteLimits(told []limits.Limit, t *tokens, model string, now time.Time) {
	if !t.ofLogin(m.tokens.Load()) {
		return
	}
	news := m.limits.Load().with(told, model, now)
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

// with returns the news with what an answer told now. What was known and ends first goes when there is
// too much.
func (n *limitNews) with(told []limits.Limit, model string, now time.Time) *limitNews {
	known := 0
	if n != nil {
		known = len(n.list)
	}
	list := make([]seenLimit, 0, len(told)+known)
	for _, l := range told {
		s := newSeenLimit(l, model, now)
		s.learn(n.find(s.Name, s.Model), now)
		list = append(list, s)
	}
	for i := range known {
		old := &n.list[i]
		again := slices.ContainsFunc(list[:len(told)], func(s seenLimit) bool { return s.Name == old.Name && s.Model == old.Model })
		if !again && old.over.After(now) {
			list = append(list, *old)
		}
	}
	if len(list) > maxSeen {
		slices.SortFunc(list[len(told):], func(a, b seenLimit) int { return b.over.Compare(a.over) })
		list = list[:maxSeen]
	}
	slices.SortFunc(list, func(a, b seenLimit) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Name, b.Name))
	})
	return &limitNews{list}
}

// find returns what is known of the limit of that name and model; nil: nothing.
func (n *limitNews) find(name, model string) *seenLimit {
	if n == nil {
		return nil
	}
	for i := range n.list {
		if l := &n.list[i]; l.Name == name && l.Model == model {
			return l
		}
	}
	return nil
}

// newSeenLimit notes when the window of a limit has passed that was told now. A bucket is of the model.
func newSeenLimit(l limits.Limit, model string, now time.Time) seenLimit {
	now = now.Round(0)
	s := seenLimit{
		Limit: Limit{Name: l.Name, Left: l.Left, Window: l.Window, Reset: l.Reset.Round(0)}, takes: requestTakes, size: l.Size,
	}
	if l.Size > 0 {
		s.Model = model
	}
	s.over = s.Reset
	switch {
	case s.over.IsZero():
		s.over = now.Add(cmp.Or(l.Window, newsLasts))
	case l.Size > 0:
		s.told = now
	}
	return s
}

// learn learns which share a request takes of a bucket, on average: a moving one of what is missing at
// each answer. old is what was known before; nil: nothing.
func (l *seenLimit) learn(old *seenLimit, now time.Time) {
	switch {
	case l.size == 0:
	case old == nil:
		l.takes = 1 - l.Left
	default:
		l.takes = old.takes + (old.leftAt(now)-l.Left-old.takes)/8
	}
}

// leftBeside returns the share that is left by now, less what the requests in flight take.
func (l *seenLimit) leftBeside(inFlight int64, now time.Time) float64 {
	return l.leftAt(now) - float64(inFlight)*max(l.takes, requestTakes)
}

// leftAt returns the share that is left by now, if nothing was taken since it was told.
func (l *seenLimit) leftAt(now time.Time) float64 {
	switch {
	case !l.over.After(now):
		return 1
	case l.told.IsZero() || !now.After(l.told):
		return l.Left
	}
	return l.Left + (1-l.Left)*now.Sub(l.told).Seconds()/l.over.Sub(l.told).Seconds()
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

// tightest returns what is left of the window of which least is left for a request about the topic, less
// what the requests in flight take, and when the window ends; zero: it is not known. A window that has
// passed is full, and so is what nothing is known of.
func (n *limitNews) tightest(about topic, inFlight int64, now time.Time) (left float64, reset time.Time) {
	left = 1
	if n == nil {
		return left, reset
	}
	for i := range n.list {
		l := &n.list[i]
		if !l.over.After(now) || !l.holdsUp(about) {
			continue
		}
		is := l.leftBeside(inFlight, now)
		if is < left || reset.IsZero() || is == left && l.over.Before(reset) {
			left, reset = min(left, is), l.over
		}
	}
	return left, reset
}

// holdsUp reports whether the limit is one of a request: of all, of its model, or of a family of models
// that the model is of.
func (l *seenLimit) holdsUp(about topic) bool {
	if l.Model != "" {
		model, _ := about.model()
		return model == l.Model
	}
	_, family, isFamily := strings.Cut(l.Name, "_")
	return !isFamily || topic(modelMark+family+familyEnd).covers(about)
}

// isBusy reports whether m has as many requests in flight as MaxInFlight allows.
func (r *registered) isBusy(m *member) bool {
	return r.MaxInFlight > 0 && m.inFlight.Load() >= int64(r.MaxInFlight)
}
