package reauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// Credentials that something else than a refresh token renews. They live in this process.

// AddSource adds a credential whose tokens a source gives: a command, a file, an identity service, a
// function of the program. It returns the credential's ID, which is "source" when c has none.
//
// c may hold no access token. The source is asked for one at the first use when there is none, when it
// is about to expire, and when the provider has refused it; never because of a request alone. A token
// without an expiry is kept until it is refused. One call at a time is made, for all who wait. Its
// context ends after 30 s, when the credential is removed, and when the pool is closed. A source that
// goes on then is left alone: those who wait get an error, and it is not called again before it
// returns. After a call that failed, or gave the same token again, the source rests for 20 s, then for
// a minute; the last token is used meanwhile. RefusalFromContext tells the source why it is called.
//
// The credential is in no Store, and is not shared with other processes: each asks its own source. It
// lives until Remove or Close. A stored credential of the same ID is not used meanwhile; StoreFailed
// tells it.
//
// An error are, beside what is one of Add: a nil source, a refresh token, which only Add can keep, and
// an ID that the pool has already. ctx is for the observer; AddSource waits for nothing. It may be
// called from several goroutines.
func (p *Pool) AddSource(ctx context.Context, c Credential, s Refresher) (id string, err error) {
	c.ID = cmp.Or(strings.TrimSpace(c.ID), sourceID)
	if err = checkSource(c, s); err == nil {
		c, err = c.normalized(true)
	}
	if err != nil {
		return "", fmt.Errorf("reauth: add source: %w", err)
	}
	g := p.known(c.Provider)
	if g == nil || g.provider.Load() == nil {
		return "", fmt.Errorf("reauth: add source: %w", p.unknown(c.Provider))
	}
	if err := g.provider.Load().checkAdded(c); err != nil {
		return "", fmt.Errorf("reauth: add source %s/%s: %w", c.Provider, c.ID, err)
	}
	m := g.newMember(Entry{Credential: c}, p.newSource(s))
	if g.add(m) != m {
		m.source.end()
		return "", fmt.Errorf("reauth: add source %s: the pool has a credential of that ID; "+
			"Remove it first, or set Credential.ID to another one", m)
	}
	m.warnForeign(ctx, c)
	return c.ID, nil
}

// checkSource refuses what only Add can take.
func checkSource(c Credential, s Refresher) error {
	switch _, follows := c.Metadata[followKey]; {
	case s == nil:
		return errors.New("the source is nil")
	case follows:
		return errors.New("the credential follows another program's login, and that is its source; Add it")
	case c.RefreshToken != "":
		return errors.New("the credential has a refresh token, which would be lost with the process; " +
			"Add it, or leave the refresh token to the source")
	}
	return nil
}

// newSource returns a source that ends with the pool.
func (p *Pool) newSource(s Refresher) *source {
	ctx, end := context.WithCancel(p.work.ctx)
	return &source{refresher: s, ctx: ctx, end: end}
}

// askSource calls the member's source, and publishes what it gives.
func (x *exchange) askSource(ctx context.Context) (*tokens, error) {
	ctx, stop := x.m.source.within(ctx)
	defer stop()
	x.m.announce(ctx, x.f, x.why.String())
	from := x.m.tokens.Load().entry()
	r := x.m.startRun(withRefusal(ctx, x.refusal), x.m.refresher(), from.Credential)
	if !r.endsBefore(ctx, exchangeTimeout+lateAnswer) {
		hangs := x.m.source.ended(x.m)
		if hangs == nil {
			hangs = x.m.hangs(r)
		}
		x.f = x.m.letGo(ctx, x.f, hangs)
		x.handOver(context.WithoutCancel(ctx), r, from)
		return nil, hangs
	}
	return x.takeUp(ctx, x.brought(r, from))
}

// within returns a context with the values of ctx that ends with the source.
func (s *source) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	detach := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { detach(); cancel() }
}
