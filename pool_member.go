package reauth

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// held is what a pool holds of a credential at one time: its tokens and what is known of them. It is replaced as a whole,
// so that a request can tell whether what it sent is still what is held.
//
// What every request looks at comes first, on one cache line: with ten thousand credentials none of it is in the cache.
type held struct {
	bearer   []string    // the value of an Authorization header, made once; nil: there is no access token
	early    time.Time   // when a refresh in the background is due; zero: never
	accepted atomic.Bool // a provider has accepted it
	minted   bool        // an exchange of this pool made it; else a login or found in the store, and then somebody has used it

	cred     Credential // never changed; handed out as a clone
	digest   string     // of the access token
	received time.Time  // on the monotonic clock
	lifetime time.Duration
	expires  time.Time    // by our clock; zero: unknown, or not to be believed
	notYet   time.Time    // before it the clock alone causes no refresh
	doubted  atomic.Int64 // when a minted token that nobody had accepted was first refused; unix nanoseconds
}

// origin says where tokens come from.
type origin uint8

const (
	fromLogin    origin = iota // Add, or the store at start
	fromStore                  // written there by somebody else while we were running
	fromExchange               // of this pool
)

// margin is how long before its end a token is renewed: a tenth of its life, at most 5 min, and not at the same moment everywhere.
func margin(lifetime time.Duration) time.Duration {
	d := min(lifetime/10, 5*time.Minute)
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}

func newHeld(c Credential, from origin, refreshed time.Time, now time.Time) *held {
	h := &held{cred: c, digest: digest(c.AccessToken), received: now, minted: from == fromExchange}
	if c.AccessToken != "" {
		h.bearer = []string{"Bearer " + c.AccessToken}
	}
	h.accepted.Store(from != fromExchange)
	left := c.Expiry.Sub(now)
	switch {
	case c.Expiry.IsZero():
		return h
	case from == fromExchange:
		h.lifetime = left
	case !refreshed.IsZero() && c.Expiry.After(refreshed):
		h.lifetime = c.Expiry.Sub(refreshed) // both stamps are of one clock
	default:
		claims, _ := readJWT(c.AccessToken) // no JWT: zero
		h.lifetime = max(claims.lifetime(), left)
	}
	if from != fromLogin {
		// By the clock alone, once per half a life: a clock that is off must not cause an exchange per request.
		h.notYet = now.Add(h.lifetime / 2)
		if h.lifetime <= 0 {
			return h // expired on arrival: trusted until refused
		}
	}
	h.expires = c.Expiry
	h.early = c.Expiry.Add(-margin(max(h.lifetime, 0)))
	return h
}

func (h *held) refreshable() bool { return h.cred.RefreshToken != "" }

// expired reports whether the clock says that the token is of no use any more.
func (h *held) expired(now time.Time) bool {
	return h.cred.AccessToken == "" || !h.expires.IsZero() && now.After(h.expires) && !now.Before(h.notYet)
}

// due reports whether the token should be renewed before it is refused.
func (h *held) due(now time.Time) bool {
	return h.bearer == nil || !h.early.IsZero() && now.After(h.early) && !now.Before(h.notYet)
}

// mark is a standing other than good.
type mark struct {
	until   time.Time
	retired bool
	reason  string
	at      time.Time
	of      string       // digest of the access token it is about
	shared  atomic.Bool  // the store knows it
	probe   atomic.Int64 // when one request may try it although others are in the pool; unix nanoseconds, 0: never
}

// State says how a credential stands. Beside Good and Aside there is Retired.
type State string

// The states.
const (
	Good  State = "good"
	Aside State = "aside" // not preferred until CredentialStatus.AsideUntil
)

// member is a credential of a pool. What every request looks at comes first, as in held.
type member struct {
	cur      atomic.Pointer[held]
	mark     atomic.Pointer[mark] // nil: good standing
	place    atomic.Pointer[place]
	inFlight atomic.Int64
	strikes  atomic.Int32 // rejections since it was last accepted
	useless  atomic.Int32 // refreshes since then whose tokens were refused
	gone     atomic.Bool  // removed

	pool     *Pool
	group    *group
	provider string
	id       string
	order    int64
	hash     uint64 // of the ID

	mu        sync.Mutex // guards what follows, and writes to cur and mark
	flight    *flight
	failed    failure
	static    bool     // the refresher said ErrNotRefreshable of the tokens held
	past      []string // digests of access tokens that were replaced, the last few
	unsaved   bool     // the tokens held are newer than the store's
	vain      int32    // exchanges whose tokens were refused to the request that caused them
	vainOf    string   // digest of the last such access token
	vainUntil time.Time
	refresh   time.Time // of the tokens held, by whoever did it
	at        time.Time // of the newest standing known
	spending  string    // digest of the refresh token that is being exchanged here
	seq       int64     // when the tokens changed, as the pool counts; see merge
	marking   bool      // a standing is being written to the store
	toMark    *markToWrite
	ownerSeen string // of the file of the login's owner, when it was last read
}

// place is what the program says of a credential, as opposed to its tokens.
type place struct {
	priority int
	named    []string // hosts as they were given
	hosts    []hostPattern
	follow   *follower // whose login it is; nil: ours
}

func newPlace(c Credential) *place {
	hosts, _ := parsePatterns(c.Hosts) // checked by Add; what a store holds beyond that matches nothing
	if len(c.Hosts) > 0 && len(hosts) == 0 {
		hosts = []hostPattern{{host: "invalid."}}
	}
	return &place{priority: c.Priority, named: c.Hosts, hosts: hosts, follow: followerOf(c)}
}

// same reports whether the two say the same.
func (p *place) same(o *place) bool {
	return p.priority == o.priority && slices.Equal(p.named, o.named) &&
		(p.follow == o.follow || p.follow != nil && o.follow != nil && p.follow.kind == o.follow.kind && p.follow.path == o.follow.path)
}

func (m *member) String() string { return m.provider + "/" + m.id }

// serves reports whether the credential may go to d; nil is no HTTP request, whose caller knows where it goes.
func (m *member) serves(d *destination) bool {
	hosts := m.place.Load().hosts
	return len(hosts) == 0 || d == nil || slices.ContainsFunc(hosts, func(h hostPattern) bool { return h.matches(d) })
}

// standing returns the mark that is in force, or nil.
func (m *member) standing(now time.Time) *mark {
	k := m.mark.Load()
	if k == nil || !k.retired && !now.Before(k.until) {
		return nil
	}
	return k
}

// publish makes h what requests are sent with. Marks are about other tokens and go. m.mu is held.
func (m *member) publish(h *held) {
	if old := m.cur.Load(); old != nil && old.digest != h.digest {
		m.past = append(m.past[max(0, len(m.past)-maxSpent+1):], old.digest)
	}
	m.cur.Store(h)
	m.failed = failure{}
	m.static = false
	m.seq = m.pool.notice.next()
	if k := m.mark.Load(); k != nil && k.of != h.digest {
		m.mark.Store(nil)
	}
	m.group.changed()
}

// pardon lifts all marks and forgets all failures.
func (m *member) pardon(now time.Time) Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mark.Store(nil)
	at := m.stampMark(now)
	m.failed = failure{}
	m.static = false
	m.vain, m.vainUntil = 0, time.Time{}
	m.strikes.Store(0)
	m.useless.Store(0)
	if h := m.cur.Load(); h.minted {
		h.accepted.Store(true) // it may be refreshed again at once
	}
	m.group.changed()
	return Standing{At: at, Of: m.cur.Load().digest, LastRefresh: m.refresh, Spending: m.spending}
}

// acceptedAt notes that a request sent with h at the given time was accepted. It costs two loads when there is nothing to note.
func (m *member) acceptedAt(h *held, sent time.Time) (lifted bool) {
	if !h.accepted.Load() {
		h.accepted.Store(true)
	}
	if m.strikes.Load() != 0 {
		m.strikes.Store(0)
	}
	if m.useless.Load() != 0 {
		m.useless.Store(0)
	}
	k := m.mark.Load()
	if k == nil || k.of != h.digest || sent.Before(k.at) { // sent before: it says nothing about what came after
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark.CompareAndSwap(k, nil) {
		m.group.changed()
		return true
	}
	return false
}

// authorize puts the credential on a request. header is the caller's; the result is a map of its own.
func (h *held) authorize(s *spec, header http.Header) http.Header {
	if header == nil {
		header = http.Header{}
	}
	if s.Authorize != nil && !s.builtin {
		own := header.Clone()
		s.Authorize(own, h.cred.clone())
		return own
	}
	own := maps.Clone(header) // copied as it lies in memory; its values are shared
	for name, values := range own {
		if len(values) < cap(values) {
			own[name] = slices.Clip(values) // safe from an append
		}
		if s.Authorize == nil && name != "Authorization" && isCredentialHeader(name) {
			delete(own, name)
		}
	}
	if s.Authorize != nil {
		s.Authorize(own, h.cred)
	} else {
		own["Authorization"] = h.bearer // without room for an append
	}
	return own
}

// secretsIn returns the headers that hold a secret of m, also one that has been replaced: it may serve for an hour yet.
func (m *member) secretsIn(header http.Header) (names []string) {
	cred := m.cur.Load().cred
	m.mu.Lock()
	past := slices.Clone(m.past)
	m.mu.Unlock()
	for name, values := range header {
		if slices.ContainsFunc(values, func(v string) bool {
			last := v[strings.LastIndexByte(v, ' ')+1:]
			return carries(v, cred.AccessToken) || carries(v, cred.RefreshToken) || isSpent(cred, last) || slices.Contains(past, digest(last))
		}) {
			names = append(names, name)
		}
	}
	return names
}

// carries reports whether a header's value is the secret, alone or behind a scheme.
func carries(value, secret string) bool {
	if secret == "" || !strings.HasSuffix(value, secret) {
		return false
	}
	rest := value[:len(value)-len(secret)]
	return rest == "" || strings.HasSuffix(rest, " ")
}
