package reauth

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reauth-go/reauth/internal/logins"
	"github.com/reauth-go/reauth/internal/objects"
	"github.com/reauth-go/reauth/internal/sse"
	"github.com/reauth-go/reauth/internal/vendors"
)

// The types that point at each other, and their locks. The methods that change them stand in the
// files above: a member's in pool_member.go, a group's in pool_group.go. Locks are held for work in
// memory only.

// Pool holds credentials, chooses among them, and renews them: for one provider or for many, in one
// process or, with a shared Store, in many. Make one with NewPool or OpenPool and Close it at the
// end; the zero value is a NewPool.
//
// Its methods may be called from several goroutines. Observe, Logger and Relogin must be set before
// first use.
type Pool struct {
	Observe func(context.Context, Event) // nil: nobody; called with no lock held, a panic in it is recovered
	Logger  *slog.Logger                 // nil: silent

	// Relogin asks a person for a new login in the place of one whose grant is dead. It is called when
	// no other credential can serve a request, or a caller of Token or Report, and its result takes
	// the place of the dead login in pool and store; those who wait go on with it, each as long as its
	// own context allows. There is one call at a time for a credential and process, and it goes on
	// when those who wait leave. s is of the credential. The result may leave out Provider and ID; a
	// login of another account is an error.
	//
	// Its context ends when the pool is closed, and when the credential gets other tokens, because
	// somebody has logged in elsewhere, or is removed. A login that it returns then is stored all the
	// same, unless a later one, or the removal, stands there: RefreshFailed tells that. An error or a
	// panic means that nobody is asked again, here and by other processes, before the credential is
	// added anew, is Reset, or gets other tokens. It must not call the pool. nil: nobody is asked.
	Relogin func(ctx context.Context, s CredentialStatus) (Credential, error)

	once   sync.Once
	store  Store
	shared bool // others may write to store
	// secretless says that no name in the store may tell anything of a token, not even by a digest.
	secretless bool

	hosts  atomic.Pointer[hostMap[*group]] // replaced as a whole by Register
	groups sync.Map                        // provider name → *group
	added  atomic.Uint32                   // credentials ever taken in; their order
	view   storeView
	told   toldLacks
	work   workers

	mu         sync.Mutex // guards what follows
	registered []string
	warned     bool // NotDurable has been said
}

// storeView is what a pool knows of its store.
type storeView struct {
	changes atomic.Int64         // changes of tokens in this pool; see merging
	checked atomic.Int64         // when the store was last checked; unix nanoseconds
	busy    atomic.Bool          // a background check is under way
	anew    atomic.Bool          // the next merge is of everything, whatever was merged before
	look    atomic.Pointer[look] // the last one that was begun
	loading chan struct{}        // of size one: a lock, which respects a context, on loading the store
	version string               // the store's version that was last merged; guarded by loading

	followed atomic.Bool // the pool follows logins of other programs

	mu       sync.Mutex // guards what follows
	identity string     // of the store that was last merged; empty: none yet
	failure  lookFailure
	written  map[credentialKey]bool          // records that this pool has written, or adopted under a claim, since the last merge
	ahead    map[*member]bool                // of whose records this pool knows newer ones than the store
	removals map[credentialKey]bool          // tombstones that the store lacks
	writing  bool                            // what the store lacks is being written
	more     bool                            // a look has found more of that since
	unsaved  map[savedElsewhere]func() Entry // fmt shows the address of a function, whatever the verb
	later    []Event                         // that nobody could be told so far
	told     map[string]bool                 // troubles of the store that events have told
}

// look is one check of the store in the background.
type look struct {
	began time.Time
	done  chan struct{}
}

// lookFailure is the last failure to read the store.
type lookFailure struct {
	at  time.Time
	err error
}

// savedElsewhere names a pair that was not saved before its store gave way to another one.
type savedElsewhere struct {
	identity string
	key      credentialKey
}

// nextChange counts a change of tokens.
func (v *storeView) nextChange() int64 { return v.changes.Add(1) }

// registered is a provider as it was registered, with its defaults resolved. Register replaces it
// as a whole.
type registered struct {
	Provider
	mayRefuse func(*http.Response) bool
	bound     boundPaths
	// modelPaths are the segments of paths behind which the model is named.
	modelPaths []string
	// readsLimits says that answers are read for limits, which the provider tells in the way of limits.
	readsLimits bool
	limits      vendors.Limits
	// builtin says that Authorize is of the built-in table: it replaces values of the header as a
	// whole, and changes nothing else.
	builtin bool
}

// newRegistered resolves the defaults of p. With FirstEvent, event streams are looked into as well.
func newRegistered(p Provider) *registered {
	r := &registered{Provider: p, mayRefuse: p.MayRefuse, bound: newBoundPaths(p.BoundPaths), modelPaths: modelPathsOf(p.Name)}
	r.readsLimits, r.limits = p.ReadLimits || p.Strategy == MostHeadroom, vendors.Of(p.Name).Limits
	if r.mayRefuse == nil {
		r.mayRefuse = mayRefuse
	}
	if p.FirstEvent > 0 {
		byStatus := r.mayRefuse
		r.mayRefuse = func(resp *http.Response) bool { return sse.IsStream(resp) || byStatus(resp) }
	}
	return r
}

// group is the credentials of one provider.
type group struct {
	pool     *Pool
	name     string
	provider atomic.Pointer[registered] // nil: not registered yet
	chosen   atomic.Pointer[candidates] // valid while its version is the group's
	turn     atomic.Uint64              // of RoundRobin
	size     atomic.Int64               // number of members
	version  atomic.Uint64              // counts changes of any member's standing
	objects  objects.Memory
	doubts   doubts

	mu      sync.Mutex // guards what follows
	members []*member  // by priority, then in the order in which they were added
	byID    map[string]*member
	removed map[string]tombstone
	senders map[uint64]*member // hash of an access token → a member that sends it; see group.twins
}

// doubts are the topics whose requests were forbidden to several credentials for a reason that nobody
// understands. The request may be at fault, and providers charge for violations, and ban accounts: so
// one credential gets all such requests for a while, and others are drawn in one by one.
type doubts struct {
	active atomic.Int32 // number of topics; a request without any reads no more than this

	mu   sync.Mutex // guards list
	list map[topic]*doubt
}

// doubt is one such topic.
type doubt struct {
	until  time.Time // no further credential is drawn in before
	member *member   // gets the requests until then
	tried  []*member
}

// tombstone is a removal that a pool knows of.
type tombstone struct {
	entry  Entry
	change int64  // of the pool; see merging
	home   string // identity of the store in which the credential was removed; empty: not known
}

// standingChanged makes the next choice look at all standings anew.
func (g *group) standingChanged() { g.version.Add(1) }

// candidates is a snapshot of the members that may be chosen, valid until a standing changes.
// Choosing from it takes no lock and searches nothing, however many credentials are put aside.
type candidates struct {
	version   uint64
	good      []*member   // in good standing, by priority
	tiers     [][]*member // good, cut where the priority changes
	trials    []*member   // whose marks have ended, while no request has shown since that they serve again
	spare     *member     // the one that recovers soonest; for when none is in good standing
	all       []*member
	hostBound bool      // some members serve only certain hosts
	topical   bool      // some have marks about a topic
	wake      time.Time // when a mark ends or a probe is due; zero: never
	probe     atomic.Pointer[member]
	byTopic   sync.Map // topic → *candidates, where topical; at most maxTopics
	topics    atomic.Int32
	homes     atomic.Pointer[tierHomes] // made when a request with an affinity needs them
	making    sync.Mutex                // held while homes are made
}

// member is a credential of a pool. Fields that every request reads come first, as in tokens. Its
// size is a multiple of a cache line's, so that these fields of each member lie on one line.
type member struct {
	tokens     atomic.Pointer[tokens]
	marks      atomic.Pointer[marks] // nil: none
	place      atomic.Pointer[place]
	inFlight   atomic.Int64
	rejections atomic.Int32              // in a row, since a provider last accepted the credential
	unproven   atomic.Int32              // those of unproven tokens, likewise
	gone       atomic.Bool               // removed
	trial      atomic.Uint32             // until when a request tries the credential, in Unix seconds; 0: none does
	limits     atomic.Pointer[limitNews] // nil: nothing is known

	group *group
	id    string
	hash  uint64 // of the ID
	order uint32 // in which it was taken in

	unsaved bool // an exchange brought the tokens, and the store could not take them so far; guarded by mu

	mu        sync.Mutex // guards what follows, and writes to tokens and marks
	flight    *flight    // the renewal under way, or nil
	restraint *restraint // nil: none
	history   *history   // nil: none
	queue     *markQueue // nil: empty
	change    int64      // number of the last change of the tokens; see merging
	home      string     // identity of the store that has the record; empty: not known

	// twin is the next member with the same access token in a ring; nil: there is none. It and sends,
	// the hash under which the member stands in senders, are guarded by the group's lock.
	twin  *member
	sends uint64

	source *source // nil: the credential is the store's
	asking *flight // the call of Pool.Relogin under way, or nil; guarded by mu
}

// source is what gives a credential of AddSource its tokens. Nothing of such a credential reaches the
// store, and nothing of it comes from there.
type source struct {
	refresher Refresher
	ctx       context.Context    //nolint:containedctx // ends when the credential is removed, or the pool closed
	end       context.CancelFunc // ends ctx
}

// history is what a pool remembers of tokens that were replaced.
type history struct {
	past        []string     // digests of the last few access tokens
	programSeen logins.State // of the followed program's file when it was last read
}

// markQueue is the marks of a member that are to be written to the store.
type markQueue struct {
	list    []queuedMark
	writing bool // a worker writes them
}

func (m *member) String() string { return m.group.name + "/" + m.id }

// place is what the program says of a credential, as opposed to its tokens.
type place struct {
	priority int
	named    []string // hosts as the program gave them
	hosts    []hostPattern
	follow   *follower // the program whose login it is; nil: it is the pool's own
}

// anyPlace is the place of most credentials: of which a program says nothing.
//
//nolint:gochecknoglobals // never changed: a pointer to it saves a copy per credential
var anyPlace place

// newPlace reads the place of a stored or added credential. Add has checked it, a store has not.
func newPlace(c Credential) *place {
	hosts := ownHosts(c)
	if _, follows := c.Metadata[followKey]; len(hosts) == 0 && c.Priority == 0 && !follows {
		return &anyPlace
	}
	return &place{priority: c.Priority, named: c.Hosts, hosts: hosts, follow: followerOf(c)}
}

// same reports whether both say the same.
func (p *place) same(o *place) bool {
	return p.priority == o.priority && slices.Equal(p.named, o.named) && p.follow.same(o.follow)
}

// serves reports whether the credential may be sent to d: the hosts that the program has named decide,
// else what is known of the tokens. A nil d is a client that is not HTTP: its program knows where it
// sends the token.
func (m *member) serves(d *destination) bool {
	hosts := m.place.Load().hosts
	switch {
	case d == nil:
		return true
	case len(hosts) > 0:
		return slices.ContainsFunc(hosts, func(h hostPattern) bool { return h.matches(d) })
	}
	return !m.tokens.Load().refusedAt(d)
}

// isHostBound reports whether the credential serves only some of its provider's hosts.
func (m *member) isHostBound() bool {
	return len(m.place.Load().hosts) > 0 || m.tokens.Load().refusing != nil
}

// standing returns the mark about the whole credential that is in force and ends last, or nil.
func (m *member) standing(now time.Time) *mark { return m.marks.Load().standing("", now) }

// secrets returns the tokens that the credential has now, beside more.
func (m *member) secrets(more ...string) []string { return secretsOf(m.tokens.Load().cred, more...) }

func (m *member) key() credentialKey { return credentialKey{m.group.name, m.id} }

// entry returns the record of the credential as a store keeps it, without marks. It shares with the
// tokens. A store has no tokens of a login that is followed.
func (m *member) entry() Entry {
	e, place := m.tokens.Load().entry(), m.place.Load()
	e.Credential.Provider, e.Credential.ID = m.group.name, m.id
	e.Credential.Priority, e.Credential.Hosts = place.priority, place.named
	if place.follow != nil {
		e.Credential.AccessToken, e.Credential.RefreshToken, e.Credential.Expiry = "", "", time.Time{}
	}
	return e
}

// observed reports whether anybody is told of events, so that a successful request need not build
// one.
func (p *Pool) observed() bool { return p.Observe != nil || p.Logger != nil }

// emit tells the observer and the log. No lock may be held: an observer may call the pool. A panic in
// one of them must not take a request down, nor an exchange for which others wait; the other is told.
func (p *Pool) emit(ctx context.Context, e Event) {
	if !p.observed() {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if failed := p.observe(ctx, e); failed != nil {
		_ = p.log(ctx, panicked(failed)) // its own panic has nobody left to be told
	}
	if failed := p.log(ctx, e); failed != nil {
		_ = p.observe(ctx, panicked(failed))
	}
}

// emit tells an event about the credential.
func (m *member) emit(ctx context.Context, e Event) {
	e.Provider, e.ID = m.group.name, m.id
	m.group.pool.emit(ctx, e)
}

// observe calls the observer, and returns its panic.
func (p *Pool) observe(ctx context.Context, e Event) (failed *panicError) {
	if p.Observe == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			failed = newPanicError("observer", r)
		}
	}()
	p.Observe(ctx, e)
	return nil
}

// log writes an event into the log, and returns the panic of its handler.
func (p *Pool) log(ctx context.Context, e Event) (failed *panicError) {
	if p.Logger == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			failed = newPanicError("logger", r)
		}
	}()
	p.Logger.LogAttrs(ctx, e.level(), "reauth: "+string(e.Type), e.attrs()...)
	return nil
}

// panicked is the event of a panic.
func panicked(err *panicError) Event {
	return Event{Time: time.Now(), Type: Panicked, Reason: err.what, Err: err}
}

// crashed tells the panic of a function that the program has given, whose value is r, and returns it as
// an error. It is called while the panic is being recovered. key is of the credential that it was
// about, as far as there is one.
func (p *Pool) crashed(ctx context.Context, key credentialKey, what string, r any, secrets ...string) error {
	err := newPanicError(what, r, secrets...)
	e := panicked(err)
	e.Provider, e.ID = key.provider, key.id
	p.emit(ctx, e)
	return err
}

// secretsOf returns the secrets that the pool knows of a credential; of none, those of all, as far as
// an error can be looked through for them.
func (p *Pool) secretsOf(key credentialKey) (list []string) {
	const most = 1000 // credentials
	p.groups.Range(func(name, value any) bool {
		g, _ := value.(*group)
		if key.provider != "" && key.provider != name {
			return true
		}
		g.mu.Lock()
		members := slices.Clone(g.members)
		g.mu.Unlock()
		for _, m := range members {
			if (key.id == "" || key.id == m.id) && len(list) < 2*most {
				list = m.secrets(list...)
			}
		}
		return true
	})
	return list
}

// crashed tells the panic of a function that was called for the credential.
func (m *member) crashed(ctx context.Context, what string, r any, secrets ...string) error {
	return m.group.pool.crashed(ctx, m.key(), what, r, m.secrets(secrets...)...)
}
