package login

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/reauth-go/reauth/internal/mask"
	"github.com/reauth-go/reauth/internal/printable"
	"github.com/reauth-go/reauth/internal/vendors"
)

// say tells the program what happens meanwhile.
func (s *Session) say(text string) {
	if s.opt.Note != nil {
		s.opt.Note(text)
	}
}

// hide keeps secrets out of every later text of tell.
func (s *Session) hide(secrets ...string) { s.hidden = append(s.hidden, secrets...) }

// tell returns a server's text in a form that can be shown: one line, the hidden secrets replaced, at
// most 300 bytes and an ellipsis.
func (s *Session) tell(text string) string {
	text, _ = mask.Text(text, s.hidden...)
	text = printable.Line(text)
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// noAnswer returns the error of a request without an answer. It leaves out the request's address,
// which the error of net/http contains.
func (s *Session) noAnswer(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Errorf("no answer within %s", callTimeout)
		}
		err = u.Err
	}
	return errors.New(s.tell(err.Error()))
}

// refusal returns the error for an answer that ends the login: what has failed, the server's own
// reason, and advice for the person where there is any.
func (s *Session) refusal(what string, a *answer) error {
	said := strings.Join(parts(s.tell(a.code), s.tell(a.description)), ": ")
	switch {
	case a.code == "expired_token":
		return errTooLate()
	case a.status >= 300 && a.status <= 399:
		said = "the server points to another address, which is not followed"
	case a.raw == nil:
		said = "the answer is not of an authorization server"
	case said == "":
		said = "the server does not say why"
	}
	if a.status != 0 { // the browser brings no status
		what = fmt.Sprintf("%s: status %d", what, a.status)
	}
	if advice := s.advice(a); advice != nil {
		return fmt.Errorf("%s: %s; %w", what, said, advice)
	}
	return fmt.Errorf("%s: %s", what, said)
}

// advice returns what the person can do about a refusal, or what it means. It returns nil if there is
// nothing to say.
func (s *Session) advice(a *answer) error {
	switch {
	case strings.Contains(a.description, "missing_codex_entitlement"):
		return errors.New("this workspace has no Codex. Choose another one, or ask its administrator")
	case a.code == "access_denied":
		return fmt.Errorf("%w, there or by the account's own rules. Start another login to be asked anew", ErrDenied)
	case s.isIneligible(a):
		return errors.New(
			"this account is not entitled to such a login, and another one does not change that. Use an API key")
	case a.code == "invalid_client", a.code == "unauthorized_client":
		return errors.New("the server does not take this client ID")
	case a.code == "invalid_scope":
		return errors.New("ask for another scope")
	case a.status == http.StatusTooManyRequests && retryAfter(a.header) > 0:
		return fmt.Errorf("start another login in %s", retryAfter(a.header))
	case a.status == http.StatusTooManyRequests:
		return errors.New("wait a while, then start another login")
	case a.status >= 500:
		return errors.New("start another login later")
	}
	return nil
}

// errTooLate returns the error of a login that nobody consented to in time.
func errTooLate() error { return fmt.Errorf("%w; start another login for a new one", ErrExpired) }

// isIneligible reports whether the account may not log in at all. xAI answers an account whose tier
// has no access with 403 at its token endpoint, or with invalid_grant and "access denied".
func (s *Session) isIneligible(a *answer) bool {
	return s.auth.Dialect == vendors.XAI && a.status == http.StatusForbidden && a.raw != nil ||
		a.code == "invalid_grant" && strings.Contains(strings.ToLower(a.description), "access denied")
}

// parts returns the texts that are not empty.
func parts(texts ...string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return kept
}
