package reauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// For clients that are not HTTP, and for people.

// Refresh renews a credential now: it adopts a pair newer than the one held at the call, else
// exchanges the refresh token. Callers at the same time share one exchange. Its error is a
// *RefreshError when the token endpoint refused, matches ErrNotRefreshable for a static key, or is
// ctx's; the exchange then goes on.
func (p *Pool) Refresh(ctx context.Context, provider, id string) error {
	m, err := p.find("refresh", provider, id)
	if err != nil {
		return err
	}
	_, err = m.renew(ctx, m.tokens.Load(), demand{why: forced})
	if namesNobody(err) {
		err = fmt.Errorf("reauth: refresh %s: %w", m, err)
	}
	return err
}

// namesNobody reports whether err calls a credential not refreshable without a name.
func namesNobody(err error) bool {
	var followed *followedError
	return errors.Is(err, ErrNotRefreshable) && !errors.As(err, &followed)
}

// Token returns a usable credential of the provider, as a request would get it: refreshed in the
// background when it is about to expire, and before Token returns when it has expired. A pin or an
// affinity in ctx is honoured. Tell the pool with Report what came of it. Where no credential has an
// access token, its error tells of each why it could not be renewed.
func (p *Pool) Token(ctx context.Context, provider string) (Credential, error) {
	g := p.known(vendors.Canonical(provider))
	if g == nil {
		return Credential{}, fmt.Errorf("reauth: token: %w", p.unknown(vendors.Canonical(provider)))
	}
	route := routingFrom(ctx)
	var tried []*member
	var why []error
	for {
		now := time.Now()
		p.checkStore(ctx, now)
		if g.size.Load() == 0 {
			p.awaitLook(ctx, now)
		}
		m, _ := g.choose(nil, now, route, tried) // a try lasts as long as it may: see Report
		switch {
		case m == nil && len(why) > 0:
			return p.tokenAnew(ctx, g, tried, why)
		case m == nil:
			return Credential{}, fmt.Errorf("reauth: token: %w", p.explain(g.lack(route, tried), nil, tried))
		}
		t, err := m.ready(ctx, m.tokens.Load(), now)
		switch {
		case isCallerError(err):
			return Credential{}, err
		case t.cred.AccessToken != "":
			return t.cred.clone(), nil
		}
		tried, why = append(tried, m), append(why, fmt.Errorf("%q: %w", m.id, cmp.Or(err, errNothingNewer)))
	}
}

// tokenAnew is the end of Token when no credential has an access token: those were tried, and the
// errors are why they have none. A new login in the place of a dead grant has one.
func (p *Pool) tokenAnew(ctx context.Context, g *group, tried []*member, why []error) (Credential, error) {
	m, t, err := reloginAny(ctx, tried, nil)
	switch {
	case isCallerError(err):
		return Credential{}, err
	case err != nil:
		why = append(why, err)
	case m != nil && t.cred.AccessToken != "":
		return t.cred.clone(), nil
	}
	return Credential{}, fmt.Errorf("reauth: token: no credential of %s has an access token: %w", g.name, joined(why))
}

// joined is several errors in one line.
type joined []error

func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }

// Report tells the pool how a credential got by Token fared, as Classify or ClassifyError judged
// it. accessToken is the one that was used: when it has been replaced meanwhile, nothing happens. A
// Rejected one is renewed before Report returns; its error then says why that failed, and the
// credential is put aside. Other refusals put aside or retire it; a limit of one model puts it aside as a
// whole, because Report does not know for which model it was used. A Pass is worth reporting too: a
// fresh token that is rejected before anybody had a use of it is not renewed again at once.
func (p *Pool) Report(ctx context.Context, provider, id, accessToken string, v Verdict) error {
	m, err := p.find("report", provider, id)
	if err != nil {
		return err
	}
	t, now := m.tokens.Load(), time.Now()
	if t.digest != digest(accessToken) {
		return nil
	}
	v.Reason = label(redact(v.Reason, secretsOf(t.cred)...))
	m.emit(ctx, Event{Type: Judged, Reason: v.label()})
	switch v.Kind {
	case Pass:
		m.noteAccepted(ctx, t, now, "")
		return nil
	case Exhausted, Forbidden:
		t.accepted.Store(true)
	case Rejected, Dead:
		if v.Kind == Rejected && now.Sub(t.received) > acceptedAfter {
			t.accepted.Store(true)
		}
		if !m.isCurable(v) {
			break
		}
		if _, err = m.renew(ctx, t, because(&Refusal{Verdict: v})); err != nil {
			err = m.reloginInstead(ctx, t, err)
		}
		if err == nil || isCallerError(err) {
			return err
		}
	}
	if penalty := m.penalize(ctx, t, m.marks.Load(), v, err, ""); penalty != nil {
		penalty.share(ctx)
	}
	return err
}

// reloginInstead asks for a new login when a renewal of t has failed with err because the grant is
// dead, and no other credential is good. It returns nil when there is one now.
func (m *member) reloginInstead(ctx context.Context, t *tokens, err error) error {
	route := routingFrom(ctx)
	if !isPermanent(err) || !m.mayRelogin() || !route.pinned && m.group.hasAnother(nil, time.Now(), route, m) {
		return err
	}
	_, failed := m.relogin(ctx, t, nil)
	if failed == nil || isCallerError(failed) {
		return failed
	}
	return fmt.Errorf("%w; %w", err, failed)
}

// acceptedAfter is how old a token must be before its rejection proves that it has ended: not all
// of the provider's servers may know a younger one yet.
const acceptedAfter = time.Minute

// Status returns all credentials of the pool, by provider, priority and ID.
func (p *Pool) Status() []CredentialStatus {
	now := time.Now()
	var list []CredentialStatus
	for _, m := range p.members() {
		list = append(list, m.status(now))
	}
	slices.SortFunc(list, func(a, b CredentialStatus) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	return list
}
