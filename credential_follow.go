package reauth

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/reauth-go/reauth/internal/logins"
	"github.com/reauth-go/reauth/internal/vendors"
)

// Metadata keys under which a stored credential keeps the program that it follows. Such a
// credential is stored without tokens: the program's file has them.
const (
	followKey     = "reauth-follow"
	followPathKey = "reauth-follow-path"
)

// Follow returns a credential that follows another program's login and never changes it. kind is
//
//	ant          Anthropic's CLI and SDKs: a profile, by default the active one
//	claude-code  Claude Code: its file, or its item in the login keychain of macOS
//	codex        Codex CLI: its login of ChatGPT, or a personal access token
//	grok         Grok CLI
//	hermes       Hermes: a login of each of several providers
//	kimi         Kimi Code CLI, of mainland China or global
//	opencode     OpenCode, version 1: a login or an API key of each of several providers
//	qwen         Qwen Code
//
// path is the program's file, or the folder that the file is in. If it is empty, each process that
// uses the credential looks where the program keeps it by default. A file of several providers'
// logins gives that of its active provider, as Hermes's file names it, or of the only one there;
// set Provider before Pool.Add for another. Where the program's login is good at one of the
// provider's hosts only, as Kimi Code's is, Add sets Hosts to that host; Hosts that are set before
// choose among the file's logins. Set AccountID where the provider wants one that the file does not
// tell: the account of a Codex personal access token.
//
// The pool reads the access token from the file and adopts what the program writes there. It never
// refreshes the login and never writes the file. A Store keeps the credential without tokens. When
// the provider goes on refusing the program's token, the caller gets that refusal, and an event
// RefreshFailed says whose login it is. An unknown kind, a file that cannot be read, and a file
// without a login that can be used are errors of Pool.Add.
//
// A file is looked at when its token is refused or has expired, and at most once a second while the
// pool serves. The keychain is asked only where Claude Code has no file at the default place: when
// the token is refused or has expired, and at most once in five minutes in between. It is read by
// security(1), a process of 10 seconds at most; macOS may ask a person whether it may.
func Follow(kind, path string) Credential {
	c := Credential{ID: kind, Metadata: map[string]string{followKey: kind}}
	if path != "" {
		// Another process that reads the store may run in another folder.
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		c.Metadata[followPathKey] = path
		c.ID = followedID(c.Metadata)
	}
	if f := followerOf(c); f != nil {
		c.Provider = f.program.Provider
		if c.Provider == "" {
			c.Provider = f.activeProvider()
		}
	}
	return c
}

// followedID names the file that a credential follows.
func followedID(metadata map[string]string) string {
	kind, path := metadata[followKey], metadata[followPathKey]
	if path == "" {
		return kind
	}
	return kind + "-" + digest(path)[:8]
}

// everyProvider gives the canonical name of a provider. A user may have registered any of them.
func everyProvider(name string) (string, bool) { return vendors.Canonical(name), true }

// follower reads the login of another program that a credential follows. Only that program may
// spend the refresh token: we take the access token from its file, and read again when it is
// refused.
type follower struct {
	program    logins.Program
	kind, path string
	provider   string   // of the login in the file
	hosts      []string // that the credential is bound to; none: it is not, or it is of another provider than the login
}

// same reports whether both follow the same file of the same program. Either may be nil.
func (f *follower) same(o *follower) bool {
	if f == nil || o == nil {
		return f == o
	}
	return f.kind == o.kind && f.path == o.path
}

// followerOf returns the follower of a credential, or nil if the credential follows no program that
// is known.
func followerOf(c Credential) *follower {
	kind := c.Metadata[followKey]
	program, known := logins.Lookup(kind)
	if !known {
		return nil
	}
	path := program.Path(c.Metadata[followPathKey])
	// A program with one login is followed for any provider, such as a proxy that takes its tokens.
	f := &follower{program: program, kind: kind, path: path, provider: cmp.Or(program.Provider, c.Provider)}
	if c.Provider == f.provider {
		f.hosts = c.Hosts
	}
	return f
}

// followed returns c bound to the hosts that take the login which it follows, or an error if that
// cannot be read.
func (c Credential) followed() (Credential, error) {
	f := followerOf(c)
	if f == nil {
		return c, unknownProgram(c.Metadata[followKey])
	}
	l, err := f.login()
	if err == nil && len(c.Hosts) == 0 && c.Provider == f.provider {
		c.Hosts = slices.Clone(l.Hosts)
	}
	return c, err
}

// unknownProgram says that nobody knows the program of that kind.
func unknownProgram(kind string) error {
	return fmt.Errorf("there is no program %q to follow; known are %s", kind, strings.Join(followedKinds(), ", "))
}

// followedKinds returns the kinds of programs that can be followed.
func followedKinds() []string {
	var kinds []string
	for _, p := range logins.Programs() {
		kinds = append(kinds, p.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// login reads the login that is followed. It has no refresh token.
func (f *follower) login() (logins.Login, error) {
	found, err := f.program.Read(f.path, everyProvider)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; %s", err, f.program.WayOut(f.path))
	}
	var l logins.Login
	if err == nil {
		l, err = found.Followed(f.provider, f.hosts)
	}
	if err == nil {
		err = checkFollowed(f.provider, l)
	}
	if err != nil {
		return logins.Login{}, fmt.Errorf("follow %s (%s): %w", f.program.Name, f.where(), newRedactedError(err))
	}
	return l, nil
}

// where names for people the place of the login.
func (f *follower) where() string { return f.program.Where(f.path) }

// checkFollowed refuses a login whose token can be of no use, as Add refuses one.
func checkFollowed(provider string, l logins.Login) error {
	c := Credential{Provider: provider, AccessToken: l.AccessToken}
	if err := unfitError(c.dropUnfit()); err != nil {
		return err
	}
	return checkShape(c, vendors.Of(provider).Name != "")
}

// fill returns c with the tokens of the login that it follows, or without any if they cannot be
// read now. static says that the program does not renew them.
func (f *follower) fill(c Credential) (filled Credential, static bool, err error) {
	c = c.clone()
	c.AccessToken, c.RefreshToken, c.Expiry = "", "", time.Time{}
	l, err := f.login()
	if err == nil && len(l.Hosts) > 0 && len(c.Hosts) == 0 && c.Provider == f.provider {
		err = fmt.Errorf("follow %s (%s): its login is good at %s only; add the credential again, which binds it to that",
			f.program.Name, f.where(), strings.Join(l.Hosts, ", "))
	}
	if err != nil {
		return c, false, err
	}
	read := Credential{AccessToken: l.AccessToken, Expiry: l.Expiry, AccountID: l.AccountID}
	read.fillFromJWT()
	read.dropUnfit() // the account of the token: the reader has looked at the values of the file
	c = c.withNotes(read.Metadata)
	c.AccessToken, c.Expiry = read.AccessToken, read.Expiry
	c.AccountID = cmp.Or(read.AccountID, c.AccountID)
	return c, l.Static, nil
}

// activeProvider returns the provider that the program uses now, or nothing if the file does not
// say: Pool.Add returns an error then.
func (f *follower) activeProvider() string {
	found, err := f.program.Read(f.path, everyProvider)
	if err != nil {
		return ""
	}
	return found.Active
}

// state tells two versions of what the program keeps apart.
func (f *follower) state() logins.State { return f.program.State(f.path) }
