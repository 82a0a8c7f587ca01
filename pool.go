package reauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// NewPool returns a pool that lives in memory, for API keys and for tests. Tokens rotated in it are
// lost when the process ends, and with them the login; an event, NotDurable, says so once.
func NewPool() *Pool {
	p := new(Pool)
	p.setup()
	return p
}

// OpenPool returns a pool over a durable store, which may be shared with other pools, here and
// elsewhere. It reads the store once; ctx bounds that.
func OpenPool(ctx context.Context, s Store) (*Pool, error) {
	if s == nil {
		return nil, errors.New("reauth: open pool: the store is nil; use NewPool for a pool in memory")
	}
	p := &Pool{shared: true}
	if sealed, ok := s.(*sealedStore); ok {
		p.secretless = !sealed.plain
	}
	p.store = checkedStore{guardedStore{s, p.crashed, p.secretsOf}}
	p.setup()
	if err := p.load(ctx); err != nil {
		return nil, fmt.Errorf("reauth: open pool: %w", err)
	}
	return p, nil
}

// setup makes the pool ready for use. A zero Pool is set up by the first method that needs it.
func (p *Pool) setup() {
	p.once.Do(func() {
		if p.store == nil {
			p.store = newMemStore()
		}
		p.work.begin(func(r any) {
			_ = p.crashed(context.Background(), credentialKey{}, "worker", r) // told
		})
		p.view.loading = make(chan struct{}, 1)
		for row := range vendors.All() {
			r := newRegistered(builtinProvider(row))
			r.builtin = true
			p.groupOf(row.Name).provider.Store(r)
		}
		p.rebuildHosts()
	})
}

// String tells how many credentials the pool has, and nothing of them.
func (p *Pool) String() string {
	n := int64(0)
	p.groups.Range(func(_, g any) bool {
		n += g.(*group).size.Load()
		return true
	})
	if n == 1 {
		return "reauth.Pool(1 credential)"
	}
	return fmt.Sprintf("reauth.Pool(%d credentials)", n)
}

// Format prints String under any verb and flag.
func (p *Pool) Format(f fmt.State, _ rune) { show(f, p.String()) }

// LogValue is what slog shows.
func (p *Pool) LogValue() slog.Value { return slog.StringValue(p.String()) }

// table returns the one table of hosts.
func (p *Pool) table() *hostMap[*group] {
	p.setup()
	return p.hosts.Load()
}

// group returns the group of a canonical provider name, as groupOf does, of a pool that is set up.
func (p *Pool) group(name string) *group {
	p.setup()
	return p.groupOf(name)
}

// Register adds a provider, or replaces the one of that name, built-in or not. To extend a built-in
// one, start from LookupProvider. A bad host pattern, or one that another registered provider has,
// is an error and nothing changes; a pattern of a built-in provider goes over to the registered
// one.
func (p *Pool) Register(pr Provider) error {
	pr.Name = vendors.Canonical(pr.Name)
	pr.Hosts, pr.BoundPaths = slices.Clone(pr.Hosts), slices.Clone(pr.BoundPaths)
	if pr.Name == "" || pr.Name == "custom" {
		return errors.New("reauth: register: the provider has no name")
	}
	patterns, err := parsePatterns(pr.Hosts)
	if err != nil {
		return fmt.Errorf("reauth: register %s: %w", pr.Name, err)
	}
	if err := cmp.Or(checkBoundPaths(pr.BoundPaths), checkMaxInFlight(pr.MaxInFlight)); err != nil {
		return fmt.Errorf("reauth: register %s: %w", pr.Name, err)
	}
	g := p.group(pr.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkUnclaimed(pr.Name, patterns); err != nil {
		return err
	}
	g.provider.Store(newRegistered(pr))
	if !slices.Contains(p.registered, pr.Name) {
		p.registered = append(p.registered, pr.Name)
	}
	p.rebuildHosts()
	p.told.forget("")
	p.told.forget(pr.Name)
	return nil
}

// checkUnclaimed refuses a host pattern that another registered provider has. p.mu is held.
func (p *Pool) checkUnclaimed(name string, patterns []hostPattern) error {
	for _, other := range p.registered {
		if other == name {
			continue
		}
		theirs, _ := parsePatterns(p.groupOf(other).provider.Load().Hosts) // Register has parsed them before
		for _, t := range theirs {
			if i := slices.IndexFunc(patterns, func(m hostPattern) bool { return m.same(&t) }); i >= 0 {
				return fmt.Errorf("reauth: register %s: host pattern %q belongs to the registered provider %s",
					name, patterns[i].text, other)
			}
		}
	}
	return nil
}

// rebuildHosts makes the one table of hosts anew. Registered providers stand before built-in ones.
// p.mu is held, or the pool is not shared yet.
func (p *Pool) rebuildHosts() {
	m := new(hostMap[*group])
	add := func(name string) {
		g := p.groupOf(name)
		// Register has checked the patterns, and a test those of the built-in table.
		patterns, _ := parsePatterns(g.provider.Load().Hosts)
		for _, h := range patterns {
			m.add(h, g)
		}
	}
	for _, name := range p.registered {
		add(name)
	}
	for row := range vendors.All() {
		if !slices.Contains(p.registered, row.Name) {
			add(row.Name)
		}
	}
	p.hosts.Store(m)
}

// ProviderFor returns the provider whose credentials requests to u get.
func (p *Pool) ProviderFor(u *url.URL) (Provider, bool) {
	d := newDestination(u)
	g, ok := p.table().lookup(&d)
	if !ok {
		return Provider{}, false
	}
	pr := g.provider.Load().Provider
	pr.Hosts, pr.BoundPaths = slices.Clone(pr.Hosts), slices.Clone(pr.BoundPaths)
	return pr, true
}

// known returns the group of the provider with that canonical name: it is registered, or the pool has
// a credential of it. nil: neither.
func (p *Pool) known(name string) *group {
	p.setup()
	g, ok := p.groups.Load(name)
	if !ok {
		return nil
	}
	if g := g.(*group); g.provider.Load() != nil || g.size.Load() > 0 {
		return g
	}
	return nil
}

// unknown says that nobody knows the provider of that canonical name.
func (p *Pool) unknown(name string) error {
	p.mu.Lock()
	registered := slices.Clone(p.registered)
	p.mu.Unlock()
	return errors.New(vendors.Unknown(name, "Register it first", registered...))
}

// lookup returns a credential of the pool, or nil.
func (p *Pool) lookup(provider, id string) *member {
	if g := p.known(vendors.Canonical(provider)); g != nil {
		return g.find(id)
	}
	return nil
}

// member returns a credential of the pool. Its error says what of the names is not known.
func (p *Pool) member(provider, id string) (*member, error) {
	name := vendors.Canonical(provider)
	if m := p.lookup(name, id); m != nil {
		return m, nil
	}
	if p.known(name) == nil {
		return nil, p.unknown(name)
	}
	return nil, fmt.Errorf("the pool has no credential %s of %s", shown(id), name)
}

// find is member with an error that begins with what the caller was about to do.
func (p *Pool) find(what, provider, id string) (*member, error) {
	m, err := p.member(provider, id)
	if err != nil {
		err = fmt.Errorf("reauth: %s: %w", what, err)
	}
	return m, err
}

// shown returns a name that a caller has chosen for a message. A long one may be a secret in the
// wrong place.
func shown(name string) string {
	if len(name) > maxID {
		return fmt.Sprintf("(a name of %d bytes)", len(name))
	}
	return fmt.Sprintf("%q", name)
}

// Remove takes a credential out of the pool and its store. It waits for a running exchange, which
// never re-creates it. The call of a source is ended.
func (p *Pool) Remove(ctx context.Context, provider, id string) error {
	m, err := p.find("remove", provider, id)
	if err != nil {
		return err
	}
	if m.source != nil {
		m.group.drop(m) // first: those who wait for the call are told why it ended
		m.source.end()
		p.view.lookAnew() // the store may have a credential of that ID, which was left alone
		return nil
	}
	var tomb Entry
	stored, err := p.store.Update(ctx, m.group.name, m.id, func(h Holding) (Entry, error) {
		held := m.entry()
		tomb = Entry{
			Credential: Credential{Provider: m.group.name, ID: m.id}, Removed: true, Login: laterLogin(h, held),
			Generation: max(held.Generation, h.Entry.Generation), Spent: withSpent(h.Entry.Spent, held.Spent...),
		}
		if err := m.refuses(h); err != nil {
			return Entry{}, err
		}
		return tomb, nil
	})
	if err != nil && !errors.Is(err, errOtherStore) { // the other store has nothing to remove
		return fmt.Errorf("reauth: remove %s: %w", m, err)
	}
	if err == nil {
		tomb = stored
		p.noteWritten(m.key())
	}
	m.removed(tomb)
	return nil
}

// Reset lifts the marks of a credential: it is in good standing again, and may be refreshed again
// at once.
func (p *Pool) Reset(ctx context.Context, provider, id string) error {
	m, err := p.find("reset", provider, id)
	if err != nil {
		return err
	}
	if m.source != nil {
		m.pardon(time.Now())
		return nil
	}
	for range mostClaims {
		err = p.load(ctx) // what others have marked is lifted too
		writes := m.pardon(time.Now())
		if err == nil {
			err = m.writeAll(ctx, writes)
		}
		if !errors.Is(err, ErrMarked) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("reauth: reset %s: %w", m, err)
	}
	return nil
}

// writeAll writes marks to the store, up to the first that fails.
func (m *member) writeAll(ctx context.Context, writes []queuedMark) error {
	for _, q := range writes {
		if err := m.tellStore(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// closeTimeout is longer than an exchange and its saving take.
const closeTimeout = 45 * time.Second

// Close starts no new exchange and waits until those under way are stored, for 45 s at most. It
// ends the calls of sources and of Relogin. Requests made later are sent, and never refreshed. It
// is safe to call it more than once.
func (p *Pool) Close() error {
	p.setup()
	if !p.work.close(closeTimeout) {
		return errors.New("reauth: close: an exchange was still under way after 45 s; its tokens may be lost")
	}
	return nil
}
