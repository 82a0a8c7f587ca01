package verdict

import (
	"strings"
	"unicode/utf8"
)

// token is one word or expression of a clause that says something.
type token struct {
	says       concept
	at         int // number of the word in its clause; a comma counts as two
	begin, end int // where it stands in the text
}

// clause is a part of a sentence that makes one statement, or a code.
type clause struct {
	text   string // that the tokens point into
	tokens []token
	words  int
	code   bool
	advice bool // it tells the reader what to do, and nothing of what is

	scopes [subjects]scope // of each subject that was asked for
	scoped [subjects]bool
}

// How many words may stand between whom a clause means and what it says, and what counts as further
// words between them.
const (
	reach      = 14
	asidePays  = 7 // for "of your account", where the clause is about something else
	seekerPays = 3 // for X in "X requires Y": it is Y that is lacking
)

// report tells h what the clause says.
func (c *clause) report(h *heard) {
	for j := range c.tokens {
		if what := c.saidAt(j); what != 0 {
			c.pair(h, j, what)
		}
	}
	c.reportRate(h)
	c.reportCause(h)
	c.reportMention(h)
	c.reportScope(h)
}

// tell tells h that the clause says m of the tokens i and j.
func (c *clause) tell(h *heard, m cell, i, j int) {
	begin := min(c.tokens[i].begin, c.tokens[j].begin)
	end := max(c.tokens[i].end, c.tokens[j].end)
	h.take(&finding{
		cell: m, text: c.text[begin:end], fromCode: c.code, fromAdvice: c.advice, cause: c.followsBecause(j),
		scope: c.scopeOf(&m),
	})
}

// saidAt is what the j-th token says of somebody. A good word says something if it is negated, and a
// bad one if it is not.
func (c *clause) saidAt(j int) concept {
	says := c.tokens[j].says
	what := says & anyWhat
	if what == 0 {
		return 0
	}
	isGood, negated := says&good != 0, c.negated(j)
	switch {
	case isGood && !negated:
		return 0
	case !isGood && negated && says&not == 0 && what&(lacking|busy|failed|needed) == 0:
		return 0
	}
	return what
}

// negated reports whether a negation stands before the j-th token, with nothing said in between, or in
// languages that put it there, right behind.
func (c *clause) negated(j int) bool {
	t, span := c.tokens[j], 2
	if t.says&good != 0 {
		span = 6
	}
	for k := j - 1; k >= 0 && t.at-c.tokens[k].at <= span; k-- {
		switch before := c.tokens[k].says; {
		case before&not != 0:
			return true
		case before&(good|anyWhat) != 0 && before&anyWho == 0:
			return false
		}
	}
	if t.says&good == 0 || j+1 == len(c.tokens) {
		return false
	}
	next := c.tokens[j+1]
	return next.says&not != 0 && next.says&anyWhat == 0 && next.at == t.at+1
}

// pair finds whom the j-th token means: the nearest one for which the matrix has a meaning.
func (c *clause) pair(h *heard, j int, what concept) {
	best, cost, who := (*cell)(nil), reach+1, 0
	for k := range c.tokens {
		d := c.distance(k, j)
		if c.tokens[k].says&anyWho == 0 || d > cost {
			continue
		}
		m := meaning(c.tokens[k].says, what)
		if m != nil && (d < cost || best != nil && m.rank < best.rank) {
			best, cost, who = m, d, k
		}
	}
	if best == nil {
		if m, ok := c.alone(what); ok {
			c.tell(h, m, j, j)
		}
		return
	}
	m := *best
	m.who, m.what = m.who&c.tokens[who].says, m.what&what
	c.tell(h, c.refined(m, who, j, what), who, j)
}

// distance is how far the k-th token, which says who, is from the j-th, which says what.
func (c *clause) distance(k, j int) int {
	d := c.tokens[k].at - c.tokens[j].at
	d = max(d, -d)
	if c.isAside(k) {
		d += asidePays
	}
	if k < j && c.tokens[j].says&seeks != 0 {
		d += seekerPays
	}
	return d
}

// isAside reports whether the k-th token stands in words about an earlier one: "limit of your account".
func (c *clause) isAside(k int) bool {
	for i := k - 1; i >= 0 && c.tokens[k].at-c.tokens[i].at <= 3; i-- {
		switch says := c.tokens[i].says; {
		case says&aside != 0:
			return c.hasBefore(i, anyWho)
		case says&(anyWho|anyWhat) != 0:
			return false
		}
	}
	return false
}

// has reports whether a token says one of those.
func (c *clause) has(says concept) bool { return c.hasBefore(len(c.tokens), says) }

// hasBefore reports whether one of the first n tokens says one of those.
func (c *clause) hasBefore(n int, says concept) bool {
	for i := range n {
		if c.tokens[i].says&says != 0 {
			return true
		}
	}
	return false
}

// passes reports whether behind the j-th token one says the first, and behind that one the second.
func (c *clause) passes(j int, first, second concept) bool {
	for i := j + 1; i < len(c.tokens); i++ {
		if c.tokens[i].says&first == 0 {
			continue
		}
		for _, t := range c.tokens[i+1:] {
			if t.says&second != 0 {
				return true
			}
		}
	}
	return false
}

// followsBecause reports whether the j-th token stands behind a word that announces a cause.
func (c *clause) followsBecause(j int) bool { return c.hasBefore(j, because) }

// refined is m, as the other words of the clause change it. The tokens i and j say who and what.
func (c *clause) refined(m cell, i, j int, what concept) cell {
	switch {
	case m.reason == "model" && c.namesPlace():
		m.kind, m.reason, m.rank = Forbidden, "region", ofRight
	case m.reason == "model" && c.tokens[i].says&model != 0 && what&(denied|unready|lacking|inactive) != 0 &&
		c.has(yours|account|plan|permission|key): // another account may have the model
		m.kind, m.reason, m.rank = Forbidden, "plan", ofRight
	case m.reason == "request" && what&exceeded != 0 && c.passes(j, yours, limit|plan):
		m.kind, m.reason, m.rank = Exhausted, "usage-limit", ofLimit
		if c.has(rate) {
			m.reason = "rate-limit"
		}
	case m.who&method != 0 && what == denied && c.tokens[j].says&good == 0 && !c.has(account|client|feature|model|yours):
		m.kind, m.reason, m.rank = Rejected, "token", ofKey
	case m.rank == ofLimit && c.has(rate):
		m.reason = "rate-limit"
	case m.reason == "request" && c.passes(j, because, content): // "rejected as a result of our safety system"
		m.reason = "content"
	default:
		c.refineRight(&m, i, j, what)
	}
	if m.reason == "request" && c.meansWhole(i) {
		m.who = 0
	}
	if c.isBroad(m, i, j, what) {
		m.rank = vague
	}
	return m
}

// refineRight changes m, which tells what somebody may not have, as the other words of the clause do.
func (c *clause) refineRight(m *cell, i, j int, what concept) {
	may := c.tokens[j].says&good != 0 // a good word that is negated: "does not include"
	access := m.who == permission && may && c.word(i) == "access"
	switch {
	case m.who == permission && m.rank == ofRight && (c.passes(j, because, place) || c.speaksOf(place)):
		m.reason, m.who = "region", place // "Access denied due to firewall rules", "Your IP has no access"
	case m.rank == ofRight && m.who&(key|account) != 0 && c.isOnlyFor(client, j):
		m.who = client
	case m.reason == "model" && m.who&vendor != 0 && may && c.speaksOf(permission|plan):
		m.kind, m.reason, m.rank, m.who = Forbidden, "scope", ofRight, permission // "Your role does not include it"
	case m.reason == "model" && m.who&vendor != 0 && c.isOnlyFor(client, j):
		m.kind, m.reason, m.rank, m.who = Forbidden, "policy", ofRight, client
	case m.who&feature != 0 && m.rank == vague && m.reason == "plan" && c.has(plan):
		m.rank, m.who = ofRight, plan
	case access && c.has(model):
		m.reason = "plan" // "You do not have access to the model"
	case access && !c.code && !c.followsBecause(j):
		m.rank = vague // "There is no such file, or you do not have access to it"
	case m.who == permission && what == denied && !c.code && c.isBare(j): // "Access denied"
		m.who = 0
	}
}

// word returns the word of the i-th token in lower case.
func (c *clause) word(i int) string {
	return strings.ToLower(c.text[c.tokens[i].begin:c.tokens[i].end])
}

// meansWhole reports whether the i-th token means the request as a whole, and names no part of it.
func (c *clause) meansWhole(i int) bool {
	switch c.word(i) {
	case "request", "argument", "input":
		return true
	case "parameter", "parameters", "params":
		return c.code
	}
	return false
}

// namesPlace reports whether a token says a place, and is no part of a path such as projects/x/locations/y.
func (c *clause) namesPlace() bool {
	for i := range c.tokens {
		t := &c.tokens[i]
		if t.says&place != 0 && !strings.HasSuffix(c.text[:t.begin], "/") {
			return true
		}
	}
	return false
}

// isBare reports whether a clause that denies names neither who may not nor what, and gives no cause.
func (c *clause) isBare(j int) bool {
	next, _ := utf8.DecodeRuneInString(strings.TrimLeft(c.text[c.tokens[j].end:], " \t\n"))
	return c.tokens[j].says&good == 0 && !isWordRune(next) && !c.has((anyWho|yours|because)&^permission)
}

// speaksOf reports whether the first whom the clause names is one of those.
func (c *clause) speaksOf(who concept) bool {
	for _, t := range c.tokens {
		if t.says&anyWho != 0 {
			return t.says&who != 0
		}
	}
	return false
}

// isOnlyFor reports whether the j-th token denies something to all but those who stand behind it:
// "restricted to the official client".
func (c *clause) isOnlyFor(who concept, j int) bool {
	if c.tokens[j].says&(denied|good) != denied {
		return false
	}
	for _, t := range c.tokens[j+1:] {
		if t.says&who != 0 {
			return true
		}
	}
	return false
}

// isBroad reports whether a code is so broad that a sentence beside it says more: permission_denied,
// authentication_error, invalid_request. It may stand in prose.
func (c *clause) isBroad(m cell, i, j int, what concept) bool {
	joined := c.code
	if i != j && !joined {
		joined = c.text[min(c.tokens[i].end, c.tokens[j].end):max(c.tokens[i].begin, c.tokens[j].begin)] == "_"
	}
	who := c.tokens[i].says
	switch {
	case !joined || m.rank == ofMoney:
		return false
	case what&denied != 0 && who&permission != 0 && c.has(model|account|key|plan|place):
		return false
	}
	return what&failed != 0 || what&(denied|invalid) != 0 && (m.who == 0 || who&(permission|feature|vendor) != 0)
}

// alone is what a word means for which the clause names nobody.
func (c *clause) alone(what concept) (m cell, ok bool) {
	for _, m := range alone {
		if m.what&what != 0 && (m.kind != Dead || c.code && !c.has(anyWho)) {
			return m, true
		}
	}
	return cell{}, false
}

// reportRate is for words that name a limit of requests: they need not say that it was exceeded.
func (c *clause) reportRate(h *heard) {
	for j, t := range c.tokens {
		if t.says&rate != 0 {
			m := cell{who: rate, kind: Exhausted, reason: "rate-limit", rank: ofLimit}
			if c.code {
				m.rank = vague
			}
			c.tell(h, m, j, j)
			return
		}
	}
}

// reportCause is for money that is named as the cause: "User is locked. Reason: TOP_UP".
func (c *clause) reportCause(h *heard) {
	for j, t := range c.tokens {
		if t.says&money != 0 && c.followsBecause(j) {
			c.tell(h, cell{who: money, kind: Exhausted, reason: "billing", rank: ofMoney}, j, j)
			return
		}
	}
}

// reportMention is for a code, or a clause, that names money or a limit and says nothing of it.
func (c *clause) reportMention(h *heard) {
	if c.advice || c.has(request|content|model|anyWhat) {
		return
	}
	for _, t := range c.tokens {
		m := cell{who: t.says & (money | limit), kind: Exhausted, reason: "usage-limit", rank: vague}
		if m.who == 0 {
			continue
		}
		if m.who&money != 0 {
			m.reason = "billing"
		}
		text := c.text[t.begin:t.end]
		h.take(&finding{cell: m, text: text, fromCode: c.code, mention: !c.code})
		return
	}
}
