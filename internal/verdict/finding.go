package verdict

// finding is what one clause of an answer says: something of somebody.
type finding struct {
	cell              // whom, what, and what that means
	text       string // the words from the one to the other
	fromCode   bool   // a code says so
	fromAdvice bool   // words that tell the reader what to do say so
	cause      bool   // it stands as the cause of something else
	mention    bool   // of money or a limit, with no word that says what is with it
	scope      scope  // whether it is said of one model
}

// before reports whether f decides before g. A statement decides before advice, and in one clause the
// cause before its effect.
func (f *finding) before(g *finding) bool {
	switch {
	case f.fromAdvice != g.fromAdvice:
		return g.fromAdvice
	case f.mention != g.mention:
		return g.mention
	case f.cause != g.cause && f.rank != vague && g.rank != elsewhere && f.fromCode == g.fromCode:
		return f.cause
	case f.rank == ofLimit && g.rank == ofLimit: // the longer one
		return f.reason == "usage-limit" && g.reason == "rate-limit"
	case f.reason == "plan" && g.rank == ofLimit: // of the two, the first that is said
		return false
	case f.rank == vague && g.rank == vague && f.kind == g.kind: // a sentence is clearer than a code
		return g.fromCode && !f.fromCode
	}
	return f.rank < g.rank
}

// fits reports whether the finding may decide under that status. A status that tells by itself whom a
// refusal is about is believed before words that are broad, or about the request.
func (f *finding) fits(status int) bool {
	if f.mention && status != 403 && status != 402 {
		return false
	}
	switch status {
	case 400:
		return f.rank != vague || f.kind == Exhausted
	case 401:
		return f.rank != ofRequest && (f.rank != vague || f.kind != Pass)
	case 402:
		return f.rank <= ofKey
	case 403:
		return f.rank < ofRequest || f.kind == Exhausted || f.kind == Forbidden || f.reason == "content"
	case 404, 429:
		return f.rank < ofKey
	}
	return true
}

// heard is what an answer says by its words alone.
type heard struct {
	best  finding
	next  finding // the best one that means something else
	found bool    // there is a best one
	two   bool    // there is a next one
	named bool    // a code, a member or the first sentence names the part of the request that is wrong
	spoke bool    // a sentence has said something
	// scopes are what is said of one model, about each subject.
	scopes [subjects]scope
}

// take weighs another finding.
func (h *heard) take(f *finding) {
	if f.rank == ofRequest && f.who == request && f.what != failed && (f.fromCode || !h.spoke) {
		h.named = true
	}
	h.spoke = h.spoke || !f.fromCode
	if f.scope.model {
		h.scopes[subjectOf(f.kind, f.reason)].add(f.scope)
	}
	switch {
	case !h.found || f.before(&h.best):
		if h.found && h.best.kind != f.kind {
			h.next, h.two = h.best, true
		}
		h.best, h.found = *f, true
	case f.kind != h.best.kind && (!h.two || f.before(&h.next)):
		h.next, h.two = *f, true
	}
}

// listen reads the codes and the sentences of an answer.
func (e *evidence) listen() (h heard) {
	h.named = e.names("names-param") || e.names("field-path")
	r := reader{v: known(), heard: &h}
	r.clause.tokens, r.scratch = r.someTokens[:0], r.someBytes[:0]
	for _, code := range e.raw {
		r.read(code, true)
	}
	for left, i := maxText, 0; i < len(e.texts) && left > 0; i++ {
		t := e.texts[i][:min(len(e.texts[i]), left)]
		r.read(t, false)
		left -= len(t)
	}
	return h
}

// names reports whether the answer has that code.
func (e *evidence) names(code string) bool {
	for _, c := range e.codes {
		if c == code {
			return true
		}
	}
	return false
}
