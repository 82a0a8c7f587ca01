package recordtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/reauth-go/reauth"
)

// truth is what has happened to the store, as nobody but the model knows it.
type truth struct {
	mu         sync.Mutex           // guards what follows
	faulted    time.Time            // when the place was last put back, moved or deleted
	skewed     bool                 // a process whose clock is wrong has written a mark
	statements map[int64]*statement // of people, by Login in nanoseconds
	saved      map[string]saved     // when a pair was stored first, by refresh token
	marks      []*mark
	resets     []reset
	refusals   []refusal
}

// statement is what a person has said last, at some time: a login, or a removal.
type statement struct {
	login    time.Time
	said     time.Time // when it was stored
	removed  bool
	pair     pair
	current  bool // the process that has added the pair knew of no newer one of that login
	fromEnv  bool // a program has added the pair of its environment
	env      bool // that, and no person has spoken
	by       *process
	known    map[*process]time.Time // since when
	identity map[string]bool        // of the stores that have had it
}

func (s *statement) String() string {
	switch {
	case s.removed:
		return "the removal by " + s.by.name
	case s.env:
		return fmt.Sprintf("login %d from the environment of %s", s.pair.login, s.by.name)
	}
	return fmt.Sprintf("login %d by %s", s.pair.login, s.by.name)
}

// mark is a mark that was stored.
type mark struct {
	reauth.Mark
	key    string
	by     *process
	stored time.Time // when
	told   time.Time // when its writer was told so; zero: not yet
	sent   time.Time // when the request left that it is about
	known  map[*process]bool
}

// reset is a Reset that was done.
type reset struct {
	by    *process
	begun time.Time
	of    string // the login, as marks name it; empty: not known
}

// refusal is an answer of the API that is none.
type refusal struct {
	by             *process
	sent, answered time.Time
}

// saved tells when a pair was stored first, and with which Login.
type saved struct{ at, login time.Time }

// fault notes that somebody has put the place back, moved or deleted it.
func (v *truth) fault() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faulted = time.Now()
}

func (v *truth) noteRefusal(p *process, sent, answered time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refusals = append(v.refusals, refusal{p, sent, answered})
}

func (v *truth) noteReset(p *process, begun time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.resets = append(v.resets, reset{by: p, begun: begun, of: p.knows.loginOf()})
}

// stored notes that a record was stored. The context tells who has asked for it.
func (v *truth) stored(ctx context.Context, p *process, e *reauth.Entry) {
	v.mu.Lock()
	action, byPerson := ctx.Value(actionKey{}).(string)
	if byPerson && v.statements[e.Login.UnixNano()] == nil {
		v.noteStatement(p, e, action == doEnv)
	}
	if rt := e.Credential.RefreshToken; rt != "" && v.saved[rt].at.IsZero() {
		if v.saved == nil {
			v.saved = make(map[string]saved)
		}
		v.saved[rt] = saved{time.Now(), e.Login}
	}
	v.mu.Unlock()
	v.seen(p, e, "")
}

// noteStatement notes a login or a removal. v.mu is held.
func (v *truth) noteStatement(p *process, e *reauth.Entry, fromEnv bool) {
	rt := e.Credential.RefreshToken
	s := &statement{
		login: e.Login, said: time.Now(), removed: e.Removed, by: p, pair: p.w.provider.nameOf(rt), fromEnv: fromEnv,
		current: !p.knowsNewer(rt), known: make(map[*process]time.Time), identity: make(map[string]bool),
	}
	s.env = fromEnv && (!s.current || !p.w.fake.Current(rt) || !v.mayStandFor(p, e))
	if v.statements == nil {
		v.statements = make(map[int64]*statement)
	}
	v.statements[e.Login.UnixNano()] = s
}

// mayStandFor reports whether a pair from an environment is as good as a login by a person: nobody
// has logged in since, or it was never stored. v.mu is held.
func (v *truth) mayStandFor(p *process, e *reauth.Entry) bool {
	others := func(s *statement) bool { return !s.env && !s.login.Equal(e.Login) }
	top, login := v.top(others), v.top(func(s *statement) bool { return !s.removed && others(s) })
	isNew := v.saved[e.Credential.RefreshToken].at.IsZero()
	again := (top == nil || top.removed) &&
		(login == nil || login.pair.login <= p.w.provider.nameOf(e.Credential.RefreshToken).login)
	return again || isNew
}

// mayFollow reports whether s, which is later, may stand where a process that lives knows of top.
// v.mu is held.
func (v *truth) mayFollow(s, top *statement) bool {
	removed := v.top(func(r *statement) bool {
		since, ok := r.known[s.by]
		return r.removed && ok && since.Before(s.said) && !r.login.Before(top.login)
	})
	return !s.env || s.current && (top.removed || removed != nil) || !s.couldKnow(top)
}

// top returns the latest statement that passes; nil if there is none. v.mu is held.
func (v *truth) top(passes func(*statement) bool) (top *statement) {
	for _, s := range v.statements {
		if passes(s) && (top == nil || s.login.After(top.login)) {
			top = s
		}
	}
	return top
}

// couldKnow reports whether the process that has added s has come, before, from the login that s
// brings to the statement top: s must give way then.
func (s *statement) couldKnow(top *statement) bool {
	since, ok := top.known[s.by]
	return ok && since.Before(s.said) && s.by.knowsLogin(s.pair.login, since)
}

// knowsLogin reports whether the process knew a pair of a login before that time.
func (p *process) knowsLogin(login int, before time.Time) bool {
	p.knows.mu.Lock()
	defer p.knows.mu.Unlock()
	for token, since := range p.knows.pairs {
		if since.Before(before) && p.w.provider.nameOf(token).login == login {
			return true
		}
	}
	return false
}

// hasEnvSince reports whether a pair of that login, 0: of any, was added from an environment after
// top, where nobody could tell that it is out of date.
func (v *truth) hasEnvSince(top *statement, login int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.top(func(s *statement) bool {
		return s.fromEnv && s.login.After(top.login) && v.mayFollow(s, top) && (login == 0 || s.pair.login == login)
	}) != nil
}

// knowsNewer reports whether the process knows a newer pair of the same login.
func (p *process) knowsNewer(token string) bool {
	name := p.w.provider.nameOf(token)
	p.knows.mu.Lock()
	defer p.knows.mu.Unlock()
	for other := range p.knows.pairs {
		if n := p.w.provider.nameOf(other); n.login == name.login && n.number > name.number {
			return true
		}
	}
	return false
}

// seen notes that a record has come to the knowledge of a process.
func (v *truth) seen(p *process, e *reauth.Entry, identity string) {
	p.knows.see(e)
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.statements[e.Login.UnixNano()]; s != nil {
		if _, ok := s.known[p]; !ok {
			s.known[p] = time.Now()
		}
		s.identity[identity] = true
	}
}

// loaded notes that a process has read a record and its marks. A pool leaves the marks of a record
// that it finds otherwise to its next look.
func (v *truth) loaded(p *process, e *reauth.Entry, identity string) {
	v.seen(p, e, identity)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.marks {
		if stands, ok := e.Marks[m.key]; ok && stands.At.Equal(m.At) && stands.Of == m.Of {
			m.known[p] = true
		}
	}
}

// marked notes a mark that p has written. told is to be called when p knows that.
func (v *truth) marked(p *process, key string, m reauth.Mark) (told func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.skewed = v.skewed || p.skew != 0
	for _, old := range v.marks {
		if old.key == key && old.At.Equal(m.At) && old.Of == m.Of { // written forward
			old.known[p] = true
			return func() {}
		}
	}
	k := &mark{Mark: m, key: key, by: p, stored: time.Now(), known: map[*process]bool{p: true}}
	made := m.At.Add(-p.skew)
	k.sent = made
	for _, r := range v.refusals {
		if r.by == p && !r.answered.After(made) {
			k.sent = r.sent
		}
	}
	v.marks = append(v.marks, k)
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		k.told = time.Now()
	}
}

// knowledge is what a process has come to know.
type knowledge struct {
	mu      *sync.Mutex
	pairs   map[string]time.Time // refresh tokens, since when
	mints   map[string]time.Time // when the store was read under the claim for the exchange that brought them
	entered time.Time            // when the store was last read under a claim
	last    string               // the login that was seen last, as marks name it
}

func newKnowledge() knowledge {
	return knowledge{mu: new(sync.Mutex), pairs: make(map[string]time.Time), mints: make(map[string]time.Time)}
}

// read notes that the process reads the store under a claim.
func (k *knowledge) read() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entered = time.Now()
}

// minted notes that the process has got that refresh token.
func (k *knowledge) minted(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mints[token] = k.entered
	if _, ok := k.pairs[token]; !ok {
		k.pairs[token] = time.Now()
	}
}

// see notes that the process has read a record.
func (k *knowledge) see(e *reauth.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if rt := e.Credential.RefreshToken; rt != "" {
		k.last = loginOf(e.Login)
		if _, ok := k.pairs[rt]; !ok {
			k.pairs[rt] = time.Now()
		}
	}
}

// since returns since when the process knows a refresh token, and, if it has minted it, when it has
// read the store before.
func (k *knowledge) since(token string) (known, minted time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pairs[token], k.mints[token]
}

// enteredAt returns when the process has last read the store under a claim.
func (k *knowledge) enteredAt() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.entered
}

func (k *knowledge) loginOf() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// digest and loginOf are how records name a token and a login.
func digest(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

func loginOf(login time.Time) string {
	if login.IsZero() {
		return "0"
	}
	return login.UTC().Format(time.RFC3339Nano)
}

// tell describes a record for people.
func (w *world) tell(e *reauth.Entry) string {
	if e.Removed {
		return fmt.Sprintf("a removal at %v, generation %d", e.Login.Sub(w.begin), e.Generation)
	}
	return fmt.Sprintf("%v, added at %v, generation %d", w.provider.nameOf(e.Credential.RefreshToken),
		e.Login.Sub(w.begin), e.Generation)
}

// tellMark describes a mark for people.
func tellMark(m reauth.Mark) string {
	if m.Until.IsZero() {
		return "lifted"
	}
	return fmt.Sprintf("%q", m.Reason)
}
