package reauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Add puts a credential into the pool and its store, and returns its ID. Adding the same login
// again changes nothing but Priority, Hosts and ClientID, which are the program's to say; so does a
// pair that has been rotated away meanwhile, as a program has it that takes its login from its
// environment at every start. A new login under an ID replaces tokens and marks. ctx bounds the
// wait for a running exchange of that credential.
//
// What can never work is an error that names the way out: an unknown provider; a token with a scheme
// before it, the name of a variable in its place, white space or a character outside of ASCII in it; no
// token, and no refresher to get one; Hosts of which none is the provider's. Where the provider is the
// program's own and has an Authorize or a Refresher, it says what a token looks like. What probably
// cannot work is told by Doubtful.
func (p *Pool) Add(ctx context.Context, c Credential) (id string, err error) {
	named := strings.TrimSpace(c.ID) != ""
	c, err = c.normalized(false)
	if err != nil {
		return "", fmt.Errorf("reauth: add credential: %w", err)
	}
	g := p.known(c.Provider)
	if g == nil || g.provider.Load() == nil {
		return "", fmt.Errorf("reauth: add credential: %w", p.unknown(c.Provider))
	}
	if p.secretless && !named && c.ID == digestID(c) {
		c.ID = g.secretlessID(ctx, c)
	}
	provider := g.provider.Load()
	if err := provider.checkAdded(c); err != nil {
		return "", fmt.Errorf("reauth: add credential %s/%s: %w", c.Provider, c.ID, err)
	}
	if m := g.find(c.ID); m != nil && m.source != nil {
		return "", fmt.Errorf("reauth: add credential %s: %w", m, errIDOfSource)
	}
	newLogin, home := false, ""
	stored, err := p.store.Update(ctx, c.Provider, c.ID, func(h Holding) (Entry, error) {
		var merged Entry
		home = h.Identity
		merged, newLogin, err = g.mergeLogin(h, c)
		return merged, err
	})
	if err != nil {
		return "", fmt.Errorf("reauth: add credential %s/%s: %w", c.Provider, c.ID, err)
	}
	m := g.addStored(stored, newLogin)
	if m == nil {
		return "", fmt.Errorf("reauth: add credential %s/%s: it was removed meanwhile, or its ID given to a source; "+
			"add it again", c.Provider, c.ID)
	}
	m.setHome(home)
	p.noteWritten(m.key())
	m.takeMarks(stored.Marks)
	if !p.shared && provider.Refresher != nil && c.RefreshToken != "" {
		p.warnNotDurable(ctx, m)
	}
	m.warnForeign(ctx, c)
	return c.ID, nil
}

var errIDOfSource = errors.New("AddSource has given that ID to a source; Remove it first, or set Credential.ID to another one")

// secretlessID returns the ID of a credential that only its tokens could name: that of the member which
// has them already, so that adding a login twice is one credential, else a random one.
func (g *group) secretlessID(ctx context.Context, c Credential) string {
	_ = g.pool.load(ctx) // another process may have added it; an error is told by the Update that follows
	for _, m := range g.snapshot() {
		held := m.entry()
		switch {
		case m.source != nil:
		case sameTokens(held.Credential, c), held.leftBehind(c.RefreshToken),
			c.RefreshToken != "" && held.Credential.RefreshToken == c.RefreshToken:
			return m.id
		}
	}
	return idPrefix + strings.ToLower(rand.Text()[:12])
}

// checkAdded refuses a credential that no request can ever use.
func (r *registered) checkAdded(c Credential) error {
	switch reserved := checkNotSealed(c.Metadata); {
	case reserved != nil:
		return reserved
	case c.AccessToken == "" && c.RefreshToken != "" && r.Refresher == nil:
		return fmt.Errorf("it has no access token, and %s has no Refresher that gets one for a refresh token; "+
			"set AccessToken, or Register a Refresher first", r.Name)
	case !r.hasHostOf(c):
		return fmt.Errorf("none of its Hosts (%s) is one of %s (%s), so no request would get it; "+
			"name one of those, or Register the provider with that host first",
			strings.Join(c.Hosts, ", "), r.Name, strings.Join(r.Hosts, ", "))
	}
	return checkShape(c, r.Authorize == nil || vendors.Of(r.Name).Name != "")
}

// hasHostOf reports whether the provider may get a request that the credential is for. Of a provider
// that does not speak HTTP, nothing is known.
func (r *registered) hasHostOf(c Credential) bool {
	theirs, _ := parsePatterns(r.Hosts) // Register has checked them, and a test those of the built-in table
	own := ownHosts(c)
	return len(theirs) == 0 || len(own) == 0 || slices.ContainsFunc(own, func(o hostPattern) bool {
		return slices.ContainsFunc(theirs, func(t hostPattern) bool { return o.overlaps(&t) })
	})
}

// warnForeign tells that the key seems to be another provider's.
func (m *member) warnForeign(ctx context.Context, c Credential) {
	if owner, prefix := foreignTo(m.group.name, c.AccessToken); owner != "" {
		m.emit(ctx, Event{Type: Doubtful, Reason: foreignPrefix, Err: fmt.Errorf(
			"reauth: the key of %s begins with %q, as those of %s do; if it is one of those, Remove it and "+
				"Add it as a credential of %s", m, prefix, owner, owner)})
	}
}

// mergeLogin returns the record that the store holds after c was added, and whether that is a new
// login. What this pool knows of the credential counts where the store went back.
func (g *group) mergeLogin(h Holding, c Credential) (merged Entry, newLogin bool, err error) {
	base, known := h.Entry, h.Found
	if m := g.find(c.ID); m != nil && m.source != nil { // since Add has looked
		return Entry{}, false, errIDOfSource
	} else if m != nil {
		held := m.entry()
		if !known || compareEntries(&held, &base, m.livesIn(h.Identity)) > 0 {
			base, known = held.over(h), true
		} else if !base.Removed {
			base.Spent = unite(&base, &held) // what this pool knows to be older is no new login
		}
	} else if tomb, ok := g.tombstone(c.ID); ok && (!known || compareEntries(&tomb.entry, &base, true) > 0) {
		base, known = tomb.entry.over(h), true
	}
	switch {
	case known && base.Removed && base.rotatedAway(c.RefreshToken):
		return Entry{}, false, errors.New("the credential was removed, and this pair had been rotated away before: " +
			"its refresh token is spent; log in again")
	case known && !base.Removed && len(base.unfit) == 0 && isStale(&base, c):
		base.Credential.Priority, base.Credential.Hosts = c.Priority, c.Hosts
		if c.ClientID != "" {
			base.Credential.ClientID = c.ClientID
		}
		return base, false, nil
	}
	merged = Entry{
		Credential: c, Login: laterLogin(h, base), Generation: 1 + max(base.Generation, generationOf(h.Behind)),
	}
	merged.Spent = unite(&merged, &base) // the history of the ID outlives a login
	if c.RefreshToken != "" {
		merged.Spent = withSpent(merged.Spent, loginPrefix+digest(c.RefreshToken))
	}
	return merged, true, nil
}

// isStale reports whether c holds nothing newer than old: the same tokens, a pair that was rotated
// away, or an older access token of the same login.
func isStale(e *Entry, c Credential) bool {
	old := e.Credential
	if old.Metadata[followKey] != c.Metadata[followKey] || old.Metadata[followPathKey] != c.Metadata[followPathKey] {
		return false // whose login it is has changed
	}
	if c.RefreshToken != "" {
		return e.leftBehind(c.RefreshToken) || c.RefreshToken == old.RefreshToken && !hasYoungerAccess(old, c)
	}
	if c.AccessToken == old.AccessToken {
		return true
	}
	// An access token alone, beside a pair: it is taken for one of the pair's, unless it lives
	// longer.
	return old.RefreshToken != "" && !c.Expiry.IsZero() && !hasYoungerAccess(old, c)
}

// hasYoungerAccess reports whether c's access token was issued after old's, as far as expiries
// tell.
func hasYoungerAccess(old, c Credential) bool {
	return old.AccessToken == "" && c.AccessToken != "" || !old.Expiry.IsZero() && c.Expiry.After(old.Expiry)
}

// warnNotDurable says once that a rotated pair of this pool is lost when the process exits.
func (p *Pool) warnNotDurable(ctx context.Context, m *member) {
	p.mu.Lock()
	warned := p.warned
	p.warned = true
	p.mu.Unlock()
	if !warned {
		m.emit(ctx, Event{Type: NotDurable, Reason: "in-memory"})
	}
}

var errNoProviderInFile = errors.New("the file of the login that is followed names no provider; " +
	"set Credential.Provider, or log in there first")

// normalized returns c as a pool keeps it: names resolved, white space around tokens dropped, and
// the facts that a JWT tells filled in. One that has a source may come without a token.
func (c Credential) normalized(hasSource bool) (Credential, error) {
	c = c.clone()
	c.Provider = vendors.Canonical(c.Provider)
	c.AccessToken, c.RefreshToken = strings.TrimSpace(c.AccessToken), strings.TrimSpace(c.RefreshToken)
	c.ID, c.AccountID = strings.TrimSpace(c.ID), strings.TrimSpace(c.AccountID)
	_, follows := c.Metadata[followKey]
	switch {
	case c.Provider == "" && follows:
		return c, errNoProviderInFile
	case c.Provider == "":
		return c, errNoProvider
	case c.AccessToken == "" && c.RefreshToken == "" && !follows && !hasSource:
		return c, errNoToken
	}
	if follows {
		c.AccessToken, c.RefreshToken, c.Expiry = "", "", time.Time{} // only the program's file has them
		var err error
		if c, err = c.followed(); err != nil {
			return c, err
		}
	}
	if c.AccessToken == "" && isKey(c.Provider, c.RefreshToken) {
		c.AccessToken, c.RefreshToken = c.RefreshToken, "" // nothing can be minted from it, it is the key
	}
	c.fillFromJWT()
	switch {
	case c.ID != "":
	case follows:
		c.ID = followedID(c.Metadata)
	default:
		c.ID = c.derivedID()
	}
	for _, f := range []struct{ name, value string }{
		{"AccessToken", c.AccessToken}, {"RefreshToken", c.RefreshToken}, {"AccountID", c.AccountID}, {"ID", c.ID},
	} {
		if err := checkText(f.name, f.value, math.MaxInt); err != nil {
			return c, err
		}
	}
	if err := checkNames(c); err != nil {
		return c, err
	}
	return c, checkHosts(c)
}
