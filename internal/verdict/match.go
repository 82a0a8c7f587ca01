package verdict

import (
	"net/http"
	"slices"
	"strings"
)

// rule is one row of the table. All conditions that are set must hold; of a list, one entry must.
type rule struct {
	kind   Kind
	reason string
	// in holds canonical names of providers, separated by spaces. "" is any provider.
	in string
	// status lists statuses; a number below 10 stands for its class, 5 for 5xx. nil is any status.
	// An event that carries no status matches any number but a class.
	status []int
	// header is "Name" for a header that must be there, or "Name: part" for one whose value must
	// contain part.
	header string
	// code lists codes: "x" is x itself, "x*" begins with x, and "*x" ends with x.
	code []string
	// phrase lists phrases of at most six words, in lower case. "a … b" is a and soon after it b;
	// "^a" is a at the beginning of the text.
	phrase []string
	// page lists words of an HTML page; "" is any page.
	page []string
	// unless lists phrases that must not occur.
	unless []string
	// who is whom a code of a Forbidden rule means, where the reason leaves it open.
	who concept
	// model says that the limit, or the lack, is one of a model. family is that of all its models.
	model  bool
	family string
}

func (r *rule) matches(e *evidence) bool {
	return r.matchesStatus(e.status) && (e.status != 0 || r.code != nil || r.phrase != nil) &&
		r.appliesTo(e.provider.Name) &&
		(r.header == "" || hasHeader(e.header, r.header)) &&
		(r.code == nil || slices.ContainsFunc(e.codes, r.names)) &&
		(r.phrase == nil || containsPhrase(e.text, r.phrase)) &&
		(r.page == nil || e.page != "" && containsPhrase(e.page, r.page)) &&
		!containsPhrase(e.text, r.unless)
}

func (r *rule) appliesTo(provider string) bool {
	if r.in == "" {
		return true
	}
	if provider == "" || !strings.Contains(r.in, provider) {
		return false
	}
	for name := range strings.FieldsSeq(r.in) {
		if name == provider {
			return true
		}
	}
	return false
}

func (r *rule) matchesStatus(status int) bool {
	if r.status == nil {
		return true
	}
	for _, s := range r.status {
		if s == status || s < 10 && s == status/100 || s >= 10 && status == 0 {
			return true
		}
	}
	return false
}

// names reports whether the rule lists code.
func (r *rule) names(code string) bool {
	for _, c := range r.code {
		switch {
		case c[0] != '*' && c[0] != code[0]: // most of them
		case c == code:
			return true
		case strings.HasSuffix(c, "*") && strings.HasPrefix(code, c[:len(c)-1]):
			return true
		case strings.HasPrefix(c, "*") && strings.HasSuffix(code, c[1:]):
			return true
		}
	}
	return false
}

// hasHeader reports whether h has the header that a rule wants: "Name", or "Name: part".
func hasHeader(h http.Header, want string) bool {
	name, part, _ := strings.Cut(want, ": ")
	for _, v := range h.Values(name) {
		if strings.Contains(strings.ToLower(v), part) {
			return true
		}
	}
	return false
}

// maxGap is how many bytes may stand in for "…", the second part of the phrase included.
const maxGap = 80

// containsPhrase reports whether one of the phrases occurs in text.
func containsPhrase(text string, phrases []string) bool {
	for _, p := range phrases {
		if begin, ok := strings.CutPrefix(p, "^"); ok {
			if strings.HasPrefix(text, begin) {
				return true
			}
			continue
		}
		first, second, gap := strings.Cut(p, " … ")
		i := strings.Index(text, first)
		if i >= 0 && !gap {
			return true
		}
		for ; i >= 0; i = nextIndex(text, first, i) {
			after := text[i+len(first):]
			if strings.Contains(after[:min(len(after), maxGap)], second) {
				return true
			}
		}
	}
	return false
}

// nextIndex returns where part occurs in s behind i, or -1.
func nextIndex(s, part string, i int) int {
	j := strings.Index(s[i+1:], part)
	if j < 0 {
		return -1
	}
	return i + 1 + j
}
