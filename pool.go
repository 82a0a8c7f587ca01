package reauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Pool holds credentials, chooses among them, and renews them: for one provider or for many, in one process or, with a
// shared Store, in many. Make one with NewPool or OpenPool and Close it at the end; the zero value is a NewPool.
//
// Its methods may be called from several goroutines. Observe and Logger must be set before first use.
type Pool struct {
	Observe func(context.Context, Event) // nil: nobody; called with no lock held, a panic in it is recovered
	Logger  *slog.Logger                 // nil: silent

	once   sync.Once
	store  Store
	shared bool // others may write to store

	hosts  atomic.Pointer[hostMap[*group]] // replaced as a whole by Register
	groups sync.Map                        // provider name → *group
	added  atomic.Int64                    // credentials ever taken in; their order
	notice noticing
	work   workers

	mu         sync.Mutex // guards what follows; held for memory work only
	registered []string
	warned     bool // NotDurable has been said
}

// NewPool returns a pool that lives in memory, for API keys and for tests. Tokens rotated in it are lost when the process
// ends, and with them the login; an event, NotDurable, says so once.
func NewPool() *Pool {
	p := new(Pool)
	p.setup()
	return p
}

// OpenPool returns a pool over a durable store, which may be shared with other pools, here and elsewhere. It reads the
// store once; ctx bounds that.
func OpenPool(ctx context.Context, s Store) (*Pool, error) {
	if s == nil {
		return nil, errors.New("reauth: open pool: the store is nil; use NewPool for a pool in memory")
	}
	p := &Pool{store: s, shared: true}
	p.setup()
	if err := p.load(ctx); err != nil {
		return nil, fmt.Errorf("reauth: open pool: %w", err)
	}
	return p, nil
}

// setup makes the pool ready, also one that was not made by NewPool.
func (p *Pool) setup() {
	p.once.Do(func() {
		if p.store == nil {
			p.store = newMemStore()
		}
		p.work.stop = make(chan struct{})
		p.notice.one = make(chan struct{}, 1)
		for row := range vendors.All() {
			s := newSpec(builtinProvider(row))
			s.builtin = true
			p.groupOf(row.Name).spec.Store(s)
		}
		p.rebuildHosts()
	})
}

// table returns the one table of hosts.
func (p *Pool) table() *hostMap[*group] {
	p.setup()
	return p.hosts.Load()
}

// group returns the group of a canonical provider name, made if need be: a store may hold credentials of a provider that
// is registered later.
func (p *Pool) group(name string) *group {
	p.setup()
	return p.groupOf(name)
}

func (p *Pool) groupOf(name string) *group {
	if g, ok := p.groups.Load(name); ok {
		return g.(*group)
	}
	g, _ := p.groups.LoadOrStore(name, &group{pool: p, name: name})
	return g.(*group)
}

// Register adds a provider, or replaces the one of that name, built-in or not. To extend a built-in one, start from
// LookupProvider. A bad host pattern, or one that another registered provider has, is an error and nothing changes; a
// pattern of a built-in provider goes over to the registered one.
func (p *Pool) Register(pr Provider) error {
	pr.Name = canonicalName(pr.Name)
	pr.Hosts, pr.BoundPaths = slices.Clone(pr.Hosts), slices.Clone(pr.BoundPaths)
	if pr.Name == "" || pr.Name == "custom" {
		return errors.New("reauth: register: the provider has no name")
	}
	patterns, err := parsePatterns(pr.Hosts)
	if err != nil {
		return fmt.Errorf("reauth: register %s: %w", pr.Name, err)
	}
	if err := checkBoundPaths(pr.BoundPaths); err != nil {
		return fmt.Errorf("reauth: register %s: %w", pr.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range p.registered {
		if name == pr.Name {
			continue
		}
		theirs, _ := parsePatterns(p.group(name).spec.Load().Hosts) // parsed before
		for _, t := range theirs {
			if i := slices.IndexFunc(patterns, func(m hostPattern) bool { return m.same(&t) }); i >= 0 {
				return fmt.Errorf("reauth: register %s: host pattern %q belongs to the registered provider %s", pr.Name, patterns[i].text, name)
			}
		}
	}
	p.group(pr.Name).spec.Store(newSpec(pr))
	if !slices.Contains(p.registered, pr.Name) {
		p.registered = append(p.registered, pr.Name)
	}
	p.rebuildHosts()
	return nil
}

func parsePatterns(texts []string) ([]hostPattern, error) {
	patterns := make([]hostPattern, 0, len(texts))
	for _, text := range texts {
		h, err := parseHostPattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, h)
	}
	return patterns, nil
}

// rebuildHosts makes the one table of hosts anew. Registered providers stand before built-in ones. p.mu is held, or the
// pool is not shared yet.
func (p *Pool) rebuildHosts() {
	m := new(hostMap[*group])
	add := func(name string) {
		g := p.groupOf(name)
		patterns, _ := parsePatterns(g.spec.Load().Hosts) // checked by Register, and by a test of the built-in table
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
	pr := g.spec.Load().Provider
	pr.Hosts, pr.BoundPaths = slices.Clone(pr.Hosts), slices.Clone(pr.BoundPaths)
	return pr, true
}

// find returns a credential of the pool.
func (p *Pool) find(what, provider, id string) (*member, error) {
	name := canonicalName(provider)
	if g, ok := p.groups.Load(name); ok {
		if m := g.(*group).find(id); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("reauth: %s: the pool has no credential %q of %s", what, id, name)
}

// Add puts a credential into the pool and its store, and returns its ID. Adding the same login again changes nothing but
// Priority, Hosts and ClientID, which are the program's to say; so does a pair that has been rotated away meanwhile, as a
// program has it that takes its login from its environment at every start. A new login under an ID replaces tokens and marks.
// ctx bounds the wait for a running exchange of that credential.
func (p *Pool) Add(ctx context.Context, c Credential) (id string, err error) {
	c, err = c.normalized()
	if err != nil {
		return "", fmt.Errorf("reauth: add credential: %w", err)
	}
	g := p.group(c.Provider)
	spec := g.spec.Load()
	if spec == nil {
		return "", fmt.Errorf("reauth: add credential: provider %q is unknown; Register it first", c.Provider)
	}
	delete(c.Metadata, spentKey) // the store's to say
	news := false
	stored, err := p.store.Update(ctx, c.Provider, c.ID, func(old Credential, found bool) (Credential, error) {
		var merged Credential
		merged, news = mergeLogin(old, found, c)
		return merged, nil
	})
	if err != nil {
		return "", fmt.Errorf("reauth: add credential %s/%s: %w", c.Provider, c.ID, err)
	}
	m := g.take(stored, news)
	if news {
		p.mark(ctx, m, Standing{Of: m.cur.Load().digest, At: time.Now()})
	}
	if !p.shared && spec.Refresher != nil && c.RefreshToken != "" {
		p.warnNotDurable(ctx, c)
	}
	return c.ID, nil
}

// mergeLogin decides what the store holds after c was added, and whether that is a new login.
func mergeLogin(old Credential, found bool, c Credential) (merged Credential, news bool) {
	if found && isStale(old, c) {
		old.Priority, old.Hosts = c.Priority, c.Hosts
		if c.ClientID != "" {
			old.ClientID = c.ClientID
		}
		return old, false
	}
	if spent, ok := old.Metadata[spentKey]; ok { // the history of the ID outlives a login
		if c.Metadata == nil {
			c.Metadata = make(map[string]string)
		}
		c.Metadata[spentKey] = spent
	}
	c.remember(loginPrefix + digest(c.RefreshToken))
	return c, true
}

// isStale reports whether c holds nothing newer than old: the same tokens, a pair already rotated away, or an older
// access token of the same login.
func isStale(old, c Credential) bool {
	younger := old.AccessToken == "" && c.AccessToken != "" || !old.Expiry.IsZero() && c.Expiry.After(old.Expiry)
	switch {
	case old.Metadata[followKey] != c.Metadata[followKey] || old.Metadata[followPathKey] != c.Metadata[followPathKey]:
		return false
	case c.RefreshToken != "" && isSpent(old, c.RefreshToken):
		return true
	case c.RefreshToken == old.RefreshToken && c.RefreshToken != "":
		return !younger
	case c.RefreshToken == "" && c.AccessToken == old.AccessToken:
		return true
	}
	return c.RefreshToken == "" && old.RefreshToken != "" && !c.Expiry.IsZero() && !younger
}

func (p *Pool) warnNotDurable(ctx context.Context, c Credential) {
	p.mu.Lock()
	warned := p.warned
	p.warned = true
	p.mu.Unlock()
	if !warned {
		p.emit(ctx, Event{Type: NotDurable, Provider: c.Provider, ID: c.ID, Reason: "in-memory"})
	}
}

// Remove takes a credential out of the pool and its store. It waits for a running exchange, which never re-creates it.
func (p *Pool) Remove(ctx context.Context, provider, id string) error {
	m, err := p.find("remove", provider, id)
	if err != nil {
		return err
	}
	if err := p.store.Delete(ctx, m.provider, m.id); err != nil {
		return fmt.Errorf("reauth: remove %s: %w", m, err)
	}
	m.gone.Store(true)
	m.group.leave(m)
	return nil
}

// Reset lifts the marks of a credential: it is in good standing again, and may be refreshed again at once.
func (p *Pool) Reset(ctx context.Context, provider, id string) error {
	m, err := p.find("reset", provider, id)
	if err != nil {
		return err
	}
	s := m.pardon(time.Now())
	if err := p.store.Mark(ctx, m.provider, m.id, s); err != nil {
		return fmt.Errorf("reauth: reset %s: %w", m, err)
	}
	return nil
}

// Close starts no new exchange and waits until those under way are stored, for 45 s at most. Requests made later are sent,
// and never refreshed. It is safe to call it more than once.
func (p *Pool) Close() error {
	p.setup()
	if !p.work.close(closeTimeout) {
		return errors.New("reauth: close: an exchange was still under way after 45 s; its tokens may be lost")
	}
	return nil
}

const closeTimeout = 45 * time.Second

// workers counts the goroutines that work for a pool, so that Close can wait for them.
type workers struct {
	mu      sync.Mutex
	running int
	closed  bool
	idle    chan struct{} // made by close, closed by the last worker
	stop    chan struct{} // closed when Close no longer waits
	once    sync.Once
}

// start runs f in a goroutine, unless the pool is closed.
func (w *workers) start(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.run(f)
	return true
}

// run is start with w.mu held.
func (w *workers) run(f func()) {
	w.running++
	go func() {
		defer w.end()
		f()
	}()
}

// more runs f in a goroutine on behalf of a worker that is running: also while Close waits for that one.
func (w *workers) more(f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && w.running == 0 {
		return false
	}
	w.run(f)
	return true
}

func (w *workers) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.running == 0 && w.idle != nil {
		close(w.idle)
	}
}

// close reports whether all workers ended within d.
func (w *workers) close(d time.Duration) bool {
	w.mu.Lock()
	w.closed = true
	if w.idle == nil {
		w.idle = make(chan struct{})
		if w.running == 0 {
			close(w.idle)
		}
	}
	idle := w.idle
	w.mu.Unlock()
	defer w.once.Do(func() { close(w.stop) })
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}
