package reauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// For clients that are not HTTP, and for people.

// Refresh renews a credential now: it adopts a pair newer than the one held at the call, else exchanges the refresh token.
// Callers at the same time share one exchange. Its error is a *RefreshError when the token endpoint refused, matches
// ErrNotRefreshable for a static key, or is ctx's; the exchange then goes on.
func (p *Pool) Refresh(ctx context.Context, provider, id string) error {
	m, err := p.find("refresh", provider, id)
	if err != nil {
		return err
	}
	_, err = m.renew(ctx, nil, m.cur.Load(), forced)
	if err == ErrNotRefreshable { //nolint:errorlint // one that names the credential is not named again
		err = fmt.Errorf("reauth: refresh %s: %w", m, err)
	}
	return err
}

// Token returns a usable credential of the provider, as a request would get it: refreshed in the background when it is
// about to expire, and before Token returns when it has expired. A pin or an affinity in ctx is honoured. Tell the pool
// with Report what came of it.
func (p *Pool) Token(ctx context.Context, provider string) (Credential, error) {
	name := canonicalName(provider)
	g := p.group(name)
	var tried []*member
	for {
		now := time.Now()
		p.look(ctx, now)
		m := g.choose(nil, now, choiceFrom(ctx), tried)
		if m == nil {
			return Credential{}, fmt.Errorf("reauth: token: the pool has no usable credential of %s; Add one", name)
		}
		h := m.cur.Load()
		if h.due(now) {
			var err error
			if h, err = m.ready(ctx, nil, h, now); err != nil {
				return Credential{}, err
			}
		}
		if h.cred.AccessToken != "" {
			c := h.cred.clone()
			delete(c.Metadata, spentKey)
			return c, nil
		}
		tried = append(tried, m)
	}
}

// Report tells the pool how a credential got by Token fared, as Classify or ClassifyError judged it. accessToken is the one
// that was used: when it has been replaced meanwhile, nothing happens. A Rejected one is renewed before Report returns;
// its error then says why that failed, and the credential is put aside. Other refusals put aside or retire it. A Pass is
// worth reporting too: a fresh token that is rejected before anybody had a use of it is not renewed again at once.
func (p *Pool) Report(ctx context.Context, provider, id, accessToken string, v Verdict) error {
	m, err := p.find("report", provider, id)
	if err != nil {
		return err
	}
	h, now := m.cur.Load(), time.Now()
	if h.digest != digest(accessToken) {
		return nil
	}
	p.emit(ctx, Event{Type: Judged, Provider: m.provider, ID: m.id, Reason: v.label()})
	switch v.Kind {
	case Pass:
		if m.acceptedAt(h, now) {
			p.mark(ctx, m, Standing{At: now, Of: h.digest})
		}
		return nil
	case Exhausted, Forbidden:
		h.accepted.Store(true)
	case Rejected:
		if now.Sub(h.received) > acceptedAfter {
			h.accepted.Store(true)
		}
		_, err = m.renew(ctx, nil, h, rejected)
		var own *callerError
		if err == nil || errors.As(err, &own) {
			return err
		}
	case Dead:
	}
	if s := m.sentence(ctx, h, now, v, err); s != nil {
		s.share(ctx)
	}
	return err
}

// acceptedAfter is how long a token must have been out before a rejection can be taken for its end and not for its birth.
const acceptedAfter = time.Minute

// CredentialStatus is how a credential stands, without its secrets.
type CredentialStatus struct {
	Provider, ID, AccountID         string
	Fingerprint                     string // beginning of a digest of the access token, to tell two tokens apart
	Reason                          string // of a state other than Good
	Follows                         string // whose login it is, when it is another program's: Follow's kind
	State                           State  // Good, Aside or Retired
	Expiry, AsideUntil, LastRefresh time.Time
	InFlight, Priority              int
}

// Status returns all credentials of the pool, by provider, priority and ID.
func (p *Pool) Status() []CredentialStatus {
	now := time.Now()
	var list []CredentialStatus
	p.groups.Range(func(_, g any) bool {
		for _, m := range g.(*group).snapshot() {
			list = append(list, m.status(now))
		}
		return true
	})
	slices.SortFunc(list, func(a, b CredentialStatus) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (m *member) status(now time.Time) CredentialStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.cur.Load()
	s := CredentialStatus{
		Provider: m.provider, ID: m.id, AccountID: h.cred.AccountID, Fingerprint: fingerprint(h.cred), State: Good,
		Expiry: h.cred.Expiry.Round(0), LastRefresh: m.refresh.Round(0), InFlight: int(m.inFlight.Load()), Priority: m.place.Load().priority,
	}
	if f := m.place.Load().follow; f != nil {
		s.Follows = f.kind
	}
	if k := m.standing(now); k != nil {
		s.State, s.Reason, s.AsideUntil = Aside, k.reason, k.until.Round(0)
		if k.retired {
			s.State = Retired
		}
	}
	return s
}
