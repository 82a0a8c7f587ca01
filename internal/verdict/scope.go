package verdict

import "strings"

// scope is whether something is said of one model, and of which family.
type scope struct {
	model  bool
	family string // empty: the model of the request
}

// add takes what another clause says of the same subject. A name in full is more precise than a family,
// but it is a family that the limit counts for.
func (s *scope) add(t scope) {
	s.model = true
	if s.family == "" {
		s.family = t.family
	}
}

// The subjects that are told apart: a limit of a model tells nothing of the account's money.
const (
	aboutNothing = iota
	aboutMoney
	aboutLimits
	aboutRights
	subjects
)

// subjectOf returns the subject of a verdict.
func subjectOf(k Kind, reason string) int {
	switch {
	case k == Forbidden:
		return aboutRights
	case k == Exhausted && strings.HasSuffix(reason, "billing"):
		return aboutMoney
	case k == Exhausted:
		return aboutLimits
	}
	return aboutNothing
}

// scope tells whether the answer states that the limit, or the lack, is one of a model: by a rule, by
// what only the vendor's headers and quota ids tell, or in words.
func (e *evidence) scope(d *decision) scope {
	v := d.verdict()
	if v.Kind == Exhausted {
		if s, known := e.scopeOfQuota(); known {
			return s
		}
	}
	if d.rule != nil && d.rule.model {
		return scope{model: true, family: d.rule.family}
	}
	if r := e.firstOf([][]rule{modelRules}); r != nil && r.kind == v.Kind {
		return scope{model: true, family: r.family}
	}
	if d.rule != nil && d.unheard {
		d.heard = e.listen()
	}
	return d.heard.scopes[subjectOf(v.Kind, v.Reason)]
}

// reportScope is for words that name a limit of one model and say nothing of it: "Limit for gpt-4o".
func (c *clause) reportScope(h *heard) {
	if !c.has(anyModel) || !c.has(limit|rate) {
		return
	}
	if s := c.scopeOf(&cell{kind: Exhausted, reason: "usage-limit"}); s.model {
		h.scopes[aboutLimits].add(s)
	}
}

// scopeOf tells whether the clause says m of one model.
func (c *clause) scopeOf(m *cell) (s scope) {
	about := subjectOf(m.kind, m.reason)
	if c.advice || about == aboutNothing || !c.has(anyModel) {
		return s
	}
	if !c.scoped[about] {
		c.scoped[about], c.scopes[about] = true, c.readScope(about)
	}
	return c.scopes[about]
}

// readScope tells whether what the clause says about a subject is said of one model.
func (c *clause) readScope(about int) (s scope) {
	inside := 0 // where the name of a model ends
	for k := range c.tokens {
		t := &c.tokens[k]
		switch {
		case t.says&anyModel == 0 || t.begin < inside && t.says&named == 0 || !c.meansModel(about, k):
		case t.says&family != 0 && !inLongerName(c.text, t.begin, t.end):
			s.add(scope{family: c.word(k)})
		default:
			s.model = true
		}
		if t.says&named != 0 {
			inside = t.end
		}
	}
	return s
}

// anyModel is what names a model, or models.
const anyModel = model | named | family | group

// meansModel reports whether what is said about a subject is said of the model that the k-th token names.
func (c *clause) meansModel(about, k int) bool {
	if c.tokens[k].says&anyModel == model && !c.isOne(k) {
		return false
	}
	switch about {
	case aboutRights:
		return true
	case aboutMoney: // "You lack the credit to run this model" is said of the account
		return c.isFollowed(k, seeks|needed, 3)
	}
	return c.isPointedAt(k) || c.isPrepositioned(k) || c.isFollowed(k, limit|rate, c.reachOf(k))
}

// reachOf is how far a limit may stand behind the k-th token: "Opus 4.5 weekly usage limit", but of a
// noun only "model limit".
func (c *clause) reachOf(k int) int {
	if c.tokens[k].says&anyModel == model {
		return 1
	}
	return 5
}

// isFollowed reports whether a token that says one of those stands within reach behind the k-th.
func (c *clause) isFollowed(k int, says concept, reach int) bool {
	for _, t := range c.tokens[k+1:] {
		if t.at-c.tokens[k].at > reach+c.wordsOf(k) {
			return false
		}
		if t.says&says != 0 {
			return true
		}
	}
	return false
}

// wordsOf is how many further words the name of a model has: it counts as several.
func (c *clause) wordsOf(k int) (n int) {
	if c.tokens[k].says&named == 0 {
		return 0
	}
	for i := c.tokens[k].begin; i < c.tokens[k].end; i++ {
		if joinsName(c.text[i]) {
			n++
		}
	}
	return n
}

// isOne reports whether the k-th token, a noun, means one model. "models", "model requests", "any model"
// and "(model: x)" do not, nor does the endpoint of an API.
func (c *clause) isOne(k int) bool {
	t, word := &c.tokens[k], c.word(k)
	if strings.HasSuffix(word, "s") || strings.HasPrefix(word, "endpoint") {
		return false
	}
	rest := c.text[t.end:]
	if rest != "" && (rest[0] == ':' || rest[0] == '=') && !c.isPrepositioned(k) {
		return false
	}
	return !startsWith(strings.TrimLeft(rest, " \t\n._-"), attributes) && !endsWithWord(c.text[:t.begin], quantifiers)
}

// Words behind a noun of which it only tells what they are about, words before it that mean many, and
// words that point at one.
var (
	attributes  = []string{"request", "call", "usage", "invocation", "provider", "api", "inference", "输入", "供应商", "调用"}
	quantifiers = []string{
		"any", "all", "every", "other", "another", "nenhum", "aucun", "ningún", "ningun", "kein", "任何", "所有", "其他",
	}
	pointers = []string{
		"this", "that", "selected", "requested", "specified", "chosen", "este", "esta", "ce", "cette", "dieses", "этой",
		"该", "此", "这个", "這個", "当前", "當前", "所选", "この", "이",
	}
)

// isPointedAt reports whether a word points at the model that the k-th token names.
func (c *clause) isPointedAt(k int) bool {
	return c.tokens[k].says&model != 0 && endsWithWord(c.text[:c.tokens[k].begin], pointers)
}

// isPrepositioned reports whether the k-th token stands behind a preposition: "limit for the model".
func (c *clause) isPrepositioned(k int) bool {
	for i := k - 1; i >= 0 && c.tokens[k].at-c.tokens[i].at <= 3; i-- {
		switch t := &c.tokens[i]; {
		case t.says&aside != 0:
			return true
		case t.says&rate != 0: // "requests per model"
			return endsWithWord(c.text[:t.end], []string{"per"})
		case t.says&anyModel == 0 && t.says&(anyWho|anyWhat) != 0:
			return false
		}
	}
	return false
}

// startsWith reports whether text begins with one of the words, in any case.
func startsWith(text string, words []string) bool {
	for _, w := range words {
		if len(text) >= len(w) && strings.EqualFold(text[:len(w)], w) {
			return true
		}
	}
	return false
}

// endsWithWord reports whether the last word of text is one of the words, in any case. A word of a
// language without spaces may stand at the end of others.
func endsWithWord(text string, words []string) bool {
	text = strings.TrimRight(text, " \t\n_-")
	for _, w := range words {
		n := len(text) - len(w)
		if n >= 0 && strings.EqualFold(text[n:], w) && (n == 0 || isUnspacedText(w) || !isLetter(text[n-1])) {
			return true
		}
	}
	return false
}
