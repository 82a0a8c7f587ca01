//go:build unix

package fleettest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// Causes of the loss of a login. All but the last are those that the stored record allows.
const (
	lostUnsaved = "the only holder of the newest pair died before it was saved"
	lostBehind  = "spent by a process that had not seen the newest pair, after the store went back, before a holder's next look"
	lostWaited  = "spent by a process that had not seen the newest pair, and has waited in vain for a holder"
	lostCut     = "the holder was suspended, or cut off, for longer than its claim"
	lostStalled = "the machine, or the store, was so slow that the holder's claim ran out"
	lostClaim   = "the claim of the holder was put back with the rest of the store, before the newest pair was saved"
	lostAnother = "unsaved when another store came in the place of its own, and spent again when that was back, before the holder's next look"
	lostOther   = "OTHER"
)

// lookTime is how long after the look of a holder the store may still be older: the holder has to
// wait for the claim. The claim of nobody may have been put back with the rest.
const lookTime = time.Second

// position is where a refresh token stands: in which login, and after how many rotations.
type position struct {
	login *login
	n     int
}

// trial judges a Soak after its end.
type trial struct {
	*soak
	grants []Grant
	at     map[string]position
	by     map[string]*member
	next   map[string]*Grant // by the refresh token that was spent for it
}

// judge checks what the processes and the store have left, and reports.
func (s *soak) judge(took time.Duration) {
	j := s.newTrial()
	for _, m := range s.all {
		assert.True(s.t, m.ended || !m.died.IsZero(), "%s has ended by itself: %s", m.Name, m.stderr)
	}
	losses, refusals := j.losses(), j.refusals()
	j.judgeStore()
	j.report(took, losses, refusals)
	for cause, list := range losses {
		if *soakStories {
			s.t.Logf("%s:\n%s", cause, strings.Join(list, "\n\n"))
		}
		assert.False(s.t, strings.HasPrefix(cause, lostOther), "%s: %s", cause, strings.Join(list, "\n"))
	}
	for why, list := range refusals {
		assert.False(s.t, strings.HasPrefix(why, unexplained), "%s: %s", why, strings.Join(list[:min(5, len(list))], "\n"))
	}
}

// newTrial puts the tokens of all logins in order.
func (s *soak) newTrial() *trial {
	j := &trial{
		soak: s, grants: s.Provider.Grants(), at: make(map[string]position), by: make(map[string]*member),
		next: make(map[string]*Grant),
	}
	for _, m := range s.all {
		j.by[m.Name] = m
	}
	for i := range j.grants {
		if g := &j.grants[i]; g.Issued != "" {
			j.next[g.Spent] = g
		}
	}
	for _, l := range s.logins {
		token := l.refresh
		j.at[token] = position{l, 0}
		for n := 1; j.next[token] != nil; n++ {
			token = j.next[token].Issued
			j.at[token] = position{l, n}
		}
	}
	return j
}

// losses returns what tells of each login that was lost, by cause.
func (j *trial) losses() map[string][]string {
	list := make(map[string][]string)
	for i := range j.grants {
		g := &j.grants[i]
		if !g.Reuse {
			continue
		}
		cause, detail := j.causeOf(g)
		list[cause] = append(list[cause], detail)
	}
	return list
}

// causeOf says why a refresh token was spent twice, which ends its login.
func (j *trial) causeOf(g *Grant) (cause, detail string) {
	p, ok := j.at[g.Spent]
	if !ok {
		return lostOther + ": a token that nobody was given", g.Spent
	}
	detail = j.story(g, p)
	if knew, at := j.knewNewer(j.by[g.Worker], p, g.Arrived); knew {
		return lostOther + ": spent by a process that had seen a newer pair", detail +
			"\n\tit had seen it at " + clock(at)
	}
	saved, wasSaved := j.savedNewer(p, g.Arrived)
	if !wasSaved {
		return j.causeUnsaved(g), detail
	}
	back := j.wentBack(saved, g.Arrived)
	switch lost := j.causeOfClaim(g); {
	case back.IsZero() && lost != "": // it has read the older pair just before the newer one was saved
		return lost, detail
	case back.IsZero():
		return lostOther + ": the store did not go back", detail
	}
	if holder, looked := j.lookedBefore(p, back, g); holder != nil {
		return lostOther + ": a holder had looked", fmt.Sprintf("%s\n\tthe store went back at %s, %s looked at %s",
			detail, clock(back), holder.Name, clock(looked))
	}
	switch {
	case !j.Notes:
	case j.hasWaited(g):
		return lostWaited, detail
	case !j.wasNoteless(saved.Add(-time.Second), back) && !j.diedWriting(g):
		return lostOther + ": it has not waited for a holder", detail
	}
	return lostBehind, detail
}

// hasWaited reports whether the worker of a grant has told that the store went back. It tells that
// when the exchange is over, and so before the next one of the login, unless it dies before.
func (j *trial) hasWaited(g *Grant) bool {
	m, l := j.by[g.Worker], j.at[g.Spent].login
	if !m.died.IsZero() && m.died.Before(g.Arrived.Add(time.Second+idle(g.Arrived, m.died, m))) {
		return true
	}
	next := slices.IndexFunc(j.grants, func(h Grant) bool {
		return h.Worker == g.Worker && h.Arrived.After(g.Arrived) && j.at[h.Spent].login == l
	})
	return slices.ContainsFunc(m.notes, func(n Note) bool {
		return n.What == noteEvent && strings.HasPrefix(n.Text, "store-failed behind") && n.ID == l.id &&
			n.At.After(g.Arrived.Add(-time.Second)) && (next < 0 || n.At.Before(j.grants[next].Arrived))
	})
}

// diedWriting reports whether the worker that obtained the newest pair died when the pair was in the
// store, and the store's note of it perhaps not yet.
func (j *trial) diedWriting(g *Grant) bool {
	newest := j.next[g.Spent]
	for next := newest; next != nil && next.Arrived.Before(g.Arrived); next = j.next[newest.Issued] {
		newest = next
	}
	m := j.by[newest.Worker]
	return !m.died.IsZero() && !slices.ContainsFunc(m.notes, func(n Note) bool {
		return n.What == noteSaved && n.Token == newest.Issued
	})
}

// wasNoteless reports whether a trouble kept the store, at some moment of a time, from noting what
// it holds.
func (j *trial) wasNoteless(from, to time.Time) bool {
	return slices.ContainsFunc(j.spans, func(sp span) bool {
		return (sp.NoNotes || sp.Anew) && sp.from.Before(to) && sp.to.After(from)
	})
}

// causeUnsaved says why a pair was not saved.
func (j *trial) causeUnsaved(g *Grant) string {
	first := j.next[g.Spent]
	holder := j.by[first.Worker]
	switch lost := j.causeOfClaim(g); {
	case !holder.died.IsZero() && holder.died.Before(g.Arrived):
		return lostUnsaved
	case lost != "":
		return lost
	case j.cameBack(first.Arrived, g.Arrived, holder):
		return lostAnother
	}
	return lostOther + ": its holder lives and has not saved it"
}

// causeOfClaim says why the worker that had spent the token before may have lost its claim; "": it
// cannot.
func (j *trial) causeOfClaim(g *Grant) string {
	first := j.next[g.Spent]
	holder, from := j.by[first.Worker], first.Arrived.Add(-time.Second)
	switch {
	case j.Claim == 0:
	case j.outFor(holder, from, g.Arrived) >= j.Claim/2: // nobody knows when it was renewed last
		return lostCut
	case longestIn(holder.stalls(), from, g.Arrived) >= j.Claim/2,
		g.Arrived.Sub(first.Arrived) >= j.Claim/2 && j.diedWriting(g): // it cannot tell any more
		return lostStalled
	case !j.wentBack(from, g.Arrived).IsZero():
		return lostClaim
	}
	return ""
}

// cameBack reports whether a store was put in the place of another one after from, and so briefly before
// to that the holder need not have looked at it.
func (j *trial) cameBack(from, to time.Time, holder *member) bool {
	return slices.ContainsFunc(j.spans, func(sp span) bool {
		return sp.Anew && sp.to.After(from) && sp.to.Before(to) &&
			sp.to.Add(2*lookTime+idle(sp.to, to, holder)).After(to)
	})
}

// outFor returns how long, at a stretch, a worker was suspended, or the store out of order, in a
// time.
func (j *trial) outFor(m *member, from, to time.Time) time.Duration {
	return longestIn(slices.Concat(m.suspended, j.spans), from, to)
}

// longestIn returns how long, at a stretch, one of the spans lasted in a time.
func longestIn(spans []span, from, to time.Time) (longest time.Duration) {
	for _, sp := range spans {
		longest = max(longest, minTime(sp.to, to).Sub(maxTime(sp.from, from)))
	}
	return longest
}

// idle returns for how much of a time one of the workers was suspended or could not go on.
func idle(from, to time.Time, workers ...*member) time.Duration {
	var s stalls
	for _, m := range workers {
		for _, sp := range slices.Concat(m.suspended, m.stalls()) {
			s.add(stall{from: sp.from, to: sp.to})
		}
	}
	return s.within(from, to, func(stall) bool { return true })
}

// stalls are when the worker could not go on, by its own account.
func (m *member) stalls() (list []span) {
	for _, n := range m.notes {
		if n.What == noteStalled {
			list = append(list, span{from: n.Begin, to: n.At})
		}
	}
	return list
}

// isNewer reports whether a token is a newer one of the same login.
func (j *trial) isNewer(token string, p position) bool {
	q, ok := j.at[token]
	return ok && q.login == p.login && q.n > p.n
}

// knewNewer reports whether, and when first, a worker knew a newer pair of the login.
func (j *trial) knewNewer(m *member, p position, before time.Time) (bool, time.Time) {
	for _, n := range m.notes {
		if n.At.Before(before) && j.isNewer(n.Token, p) {
			return true, n.At
		}
	}
	return false, time.Time{}
}

// savedNewer returns when a newer pair of the login was first seen in the store.
func (j *trial) savedNewer(p position, before time.Time) (at time.Time, found bool) {
	for _, m := range j.all {
		for _, n := range m.notes {
			if n.What != noteUnsaved && n.At.Before(before) && j.isNewer(n.Token, p) && (!found || n.At.Before(at)) {
				at, found = n.At, true
			}
		}
	}
	return at, found
}

// wentBack returns when the store went back last in a time; zero: it did not.
func (j *trial) wentBack(from, to time.Time) (last time.Time) {
	for _, sp := range j.spans {
		for _, at := range []time.Time{sp.from, sp.to} {
			if sp.Back && at.After(from) && at.Before(to) && at.After(last) {
				last = at
			}
		}
	}
	return last
}

// lookedBefore returns a worker that knew a newer pair, lived, and saw the older store long enough
// before the grant to have written the newer pair.
func (j *trial) lookedBefore(p position, back time.Time, g *Grant) (*member, time.Time) {
	for _, m := range j.all {
		if m.Name == g.Worker || !m.died.IsZero() && m.died.Before(g.Arrived) {
			continue
		}
		if knew, at := j.knewNewer(m, p, back); !knew || at.After(back) {
			continue
		}
		for _, n := range m.notes {
			q, known := j.at[n.Token]
			old := n.What == noteSaw && known && q.login == p.login && q.n <= p.n
			if !old || !n.At.After(back) || j.outFor(m, n.At, g.Arrived) > 0 {
				continue
			}
			// Both may have been kept: the holder from writing, and the other from asking after it has read.
			if n.At.Add(lookTime + j.Claim + idle(n.At, g.Arrived, m, j.by[g.Worker])).Before(g.Arrived) {
				return m, n.At
			}
		}
	}
	return nil, time.Time{}
}

// refusals returns the refused requests, by what explains them.
func (j *trial) refusals() map[string][]string {
	list := make(map[string][]string)
	for _, m := range j.all {
		for _, n := range m.notes {
			if n.What != noteRefused {
				continue
			}
			why, rest, _ := strings.Cut(n.Text, " [")
			kind := why
			if strings.HasPrefix(why, unexplained) {
				kind = unexplained
			}
			list[kind] = append(list[kind], fmt.Sprintf("%s %s %s: %s [%s", clock(n.At), m.Name, n.ID, why, rest))
		}
	}
	return list
}

// judgeStore checks what the store holds at the end.
func (j *trial) judgeStore() {
	t := j.t
	snap, err := j.Store.Load(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, snap.Broken)
	there := make(map[string]reauth.Entry)
	for _, e := range snap.Entries {
		if !e.Removed {
			there[e.Credential.ID] = e
		}
	}
	for _, id := range soakIDs() {
		p := j.people[id]
		e, found := there[id]
		if p.removed {
			assert.False(t, found, "%s was removed, and is in the store", id)
			continue
		}
		if !assert.True(t, found, "%s is not in the store", id) {
			continue
		}
		assert.Same(t, p.login, j.at[e.Credential.RefreshToken].login, "the store holds the newest login of %s", id)
		assert.True(t, j.Provider.Current(e.Credential.RefreshToken), "the store holds the newest pair of %s", id)
		assert.Empty(t, e.Spending.Of)
	}
}
