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
	asked time.Time // when the request was sent whose answer has told it
	over  time.Time // when the window has passed, or the bucket is full, by the wall's clock
	takes float64   // the share that a request takes, on average
	size  float64   // of a bucket, in requests or tokens; 0: it is none
}

// hearing is the circumstances in which an answer told limits.
type hearing struct {
	now, asked time.Time // of the answer, and of its request
	model      string    // of the request; empty: it is not known
	took       bool      // the request was let through, and so counts
}

// limitNews is the limits that answers told of an account, sorted by model and name. It is replaced as a
// whole.
type limitNews struct{ list []seenLimit }

const (
	// newsLasts is how long news counts that has neither reset nor window: limits are of a minute, if
	// nothing else is said.
	newsLasts = time.Minute
	// takesLasts is how long a bucket is remembered after it is full, for what a request takes of it.
	takesLasts = time.Hour
	// maxSeen bounds how many limits are remembered of a credential: those of a dozen models.
	maxSeen = 64
	// requestTakes is the share that a request in flight counts for at least, until its answer says what
	// it took. It spreads a burst, of which no answer is there yet.
	requestTakes = 0.01
)

// noteLimits remembers the limits that an answer has told to a request that was sent with t. One to
// tokens of another login leaves those that are known.
func (m *member) noteLimits(told []limits.Limit, t *tokens, h hearing) {
	for t.ofLogin(m.tokens.Load()) {
		known := m.limits.Load()
		news := known.with(told, h)
		if !m.limits.CompareAndSwap(known, news) {
			continue // another answer has told some meanwhile
		}
		if !t.ofLogin(m.tokens.Load()) { // a new login has come meanwhile, and forgotten the limits before this
			m.limits.CompareAndSwap(news, nil)
		}
		return
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

// with returns the news with what an answer told. What was known and ends first goes when there is too
// much.
func (n *limitNews) with(told []limits.Limit, h hearing) *limitNews {
	known := 0
	if n != nil {
		known = len(n.list)
	}
	list := make([]seenLimit, 0, len(told)+known)
	for _, l := range told {
		s := newSeenLimit(l, h)
		list = append(list, s.after(n.find(s.Name, s.Model), h))
	}
	for i := range known {
		old := &n.list[i]
		again := slices.ContainsFunc(list[:len(told)], func(s seenLimit) bool { return s.Name == old.Name && s.Model == old.Model })
		if !again && old.counts(h.now) {
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

// counts reports whether the limit still tells something: a window until it has passed, and a bucket as
// long as what a request takes of it is worth knowing.
func (l *seenLimit) counts(now time.Time) bool {
	if l.size > 0 {
		now = now.Add(-takesLasts)
	}
	return l.over.After(now)
}

// newSeenLimit notes when the window of a limit passes. A bucket is of the request's model.
func newSeenLimit(l limits.Limit, h hearing) seenLimit {
	now := h.now.Round(0)
	s := seenLimit{
		Limit: Limit{Name: l.Name, Left: l.Left, Window: l.Window, Reset: l.Reset.Round(0)},
		asked: h.asked, takes: requestTakes, size: l.Size,
	}
	if l.Size > 0 {
		s.Model = h.model
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

// after returns what is known of a limit that was told after old; nil: nothing was known. Answers
// overtake each other: the one to the later request knows what both have taken. Which share of a bucket a
// request takes is a moving average of what is missing at each answer to one that was let through.
func (l *seenLimit) after(old *seenLimit, h hearing) seenLimit {
	switch {
	case old != nil && old.asked.After(l.asked) && old.over.After(h.now):
		return *old
	case l.size == 0:
	case old == nil:
		l.takes = 1 - l.Left
	case h.took:
		l.takes = old.takes + (old.leftAt(h.now)-l.Left-old.takes)/8
	default:
		l.takes = old.takes
	}
	return *l
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
