package reauth

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// Why a refresher is called. A provider may ask for more than a valid token: for claims (Entra's
// continuous access evaluation), for another authentication (RFC 9470) or for a scope (RFC 6750 §3.1).

// Refusal is the answer because of which a Refresher is called.
type Refusal struct {
	Verdict Verdict // what was read in the answer
	Status  int     // of the answer; 0: Pool.Report told the verdict
	// Challenges are the values of WWW-Authenticate (RFC 9110 §11.6.1) as they came. At most 16 are
	// kept, and no more than fit into 16 KiB together.
	Challenges []string
}

// RefusalFromContext returns the refusal because of which a Refresher is called with ctx, so that it
// can ask for tokens that meet a challenge. It is false when no refusal is the reason: the token is
// about to expire or has expired, or Pool.Refresh was called.
func RefusalFromContext(ctx context.Context) (Refusal, bool) {
	r, _ := ctx.Value(refusalKey{}).(*Refusal)
	if r == nil {
		return Refusal{}, false
	}
	copied := *r
	copied.Challenges = slices.Clone(r.Challenges)
	return copied, true
}

type refusalKey struct{}

// withRefusal returns a context for a refresher that is called because of r; nil: because of none. A
// refresher that uses another pool has an own refusal there, or none.
func withRefusal(ctx context.Context, r *Refusal) context.Context {
	return context.WithValue(ctx, refusalKey{}, r)
}

// StepUpRefresher is a Refresher that can also get tokens with another authentication (RFC 9470) or
// with more scopes (RFC 6750 §3.1). A refusal that asks for those is Forbidden and causes no refresh,
// unless the refresher says that it can meet the challenge.
type StepUpRefresher interface {
	Refresher
	// CanStepUp reports whether Refresh, called because of r, can get tokens that meet its
	// challenges. It may be called from several goroutines, decides at once and asks nobody.
	CanStepUp(r Refusal) bool
}

const (
	maxChallenges     = 16       // values of WWW-Authenticate
	maxChallengeBytes = 16 << 10 // all together
)

// newRefusal keeps what a refresher may want to know of an answer.
func newRefusal(v Verdict, resp *http.Response) *Refusal {
	r := &Refusal{Verdict: v, Status: resp.StatusCode}
	left := maxChallengeBytes
	for _, value := range resp.Header.Values("Www-Authenticate") {
		if len(r.Challenges) == maxChallenges || len(value) > left {
			break
		}
		left -= len(value)
		r.Challenges = append(r.Challenges, value)
	}
	return r
}

// asks names what the challenges ask for beyond a valid token. It is empty when that is nothing, and
// the same for challenges that ask for the same.
func (r *Refusal) asks() string {
	var wants []string
	for _, challenge := range r.Challenges {
		params := authParams(challenge)
		code := strings.ToLower(params["error"])
		for _, name := range []string{"claims", "acr_values", "max_age", "scope"} {
			value := params[name]
			if value != "" && (name != "scope" || code == "insufficient_scope") {
				wants = append(wants, name+"="+value)
			}
		}
		if slices.Contains([]string{"insufficient_claims", "insufficient_user_authentication", "insufficient_scope"}, code) {
			wants = append(wants, code)
		}
	}
	slices.Sort(wants)
	return digest(strings.Join(slices.Compact(wants), "\n"))
}

// authParams reads the parameters of a challenge (RFC 9110 §11.2), of which the first of each name
// counts. Names are in lower case.
func authParams(challenge string) map[string]string {
	params := make(map[string]string)
	for challenge != "" {
		name, rest, assigned := strings.Cut(challenge, "=")
		if !assigned {
			break
		}
		name = strings.TrimSpace(name)
		name = name[strings.LastIndexAny(name, ", \t")+1:] // a scheme, or the comma before, stands in front
		var value string
		value, challenge = authValue(strings.TrimLeft(rest, " \t"))
		if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
			continue // no name (RFC 9110 §5.6.2)
		}
		name = strings.ToLower(name)
		params[name] = cmp.Or(params[name], value)
	}
	return params
}

// authValue reads the value of a parameter, a token or a quoted string (RFC 9110 §5.6.4), and returns
// what stands behind it.
func authValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			return s, ""
		}
		return s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), "" // nobody has closed it
}
