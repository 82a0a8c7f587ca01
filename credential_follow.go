package reauth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Borrowed logins. Another program's login has one owner, the program: only it may spend the refresh token. We read its
// file, take the access token in it, and when that is refused we read again.

// ownerFile says how a program keeps its login.
type ownerFile struct {
	owner    string // for people
	provider string // empty: the file holds logins of several
	env      string // the variable that names the folder
	home     string // the folder without it, below the user's home
	name     string
	read     func(b []byte, provider string) (Credential, error)
}

var ownerFiles = map[string]ownerFile{
	"codex":       {"Codex CLI", "openai-codex", "CODEX_HOME", ".codex", "auth.json", readCodexFile},
	"claude-code": {"Claude Code", "anthropic", "CLAUDE_CONFIG_DIR", ".claude", ".credentials.json", readClaudeFile},
	"hermes":      {"Hermes", "", "HERMES_HOME", ".hermes", "auth.json", readHermesFile},
	"qwen":        {"Qwen Code", "qwen-oauth", "QWEN_HOME", ".qwen", "oauth_creds.json", readQwenFile},
	"grok":        {"Grok CLI", "xai-oauth", "GROK_HOME", ".grok", "auth.json", readGrokFile},
}

// Where a stored credential keeps whom it follows. It has no tokens then.
const (
	followKey     = "reauth-follow"
	followPathKey = "reauth-follow-path"
)

// Follow returns a credential that follows another program's login without ever changing it: "codex" (Codex CLI),
// "claude-code" (Claude Code's file; on macOS it keeps the login in the keychain, where it cannot be followed), "hermes",
// "qwen" (Qwen Code) or "grok" (Grok CLI). path is the program's file; empty, it is where the program keeps it by default,
// as seen by each process that uses the credential. Hermes's file holds logins of several providers: the credential is
// that of its active provider, unless Provider is set before Pool.Add.
//
// The pool reads the access token from the file, adopts what the owner writes, and never refreshes or writes. A Store keeps
// such a credential without tokens. When the owner's token stays rejected the provider's refusal comes back, and an event
// RefreshFailed says whose login it is. An unknown kind, and a file that cannot be read, are errors of Pool.Add.
func Follow(kind, path string) Credential {
	c := Credential{Provider: ownerFiles[kind].provider, ID: kind, Metadata: map[string]string{followKey: kind}}
	if path != "" {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs // the store may be read by a process elsewhere
		}
		c.Metadata[followPathKey] = path
		c.ID += "-" + digest(path)[:8]
	}
	if c.Provider == "" {
		if f := followerOf(c); f != nil {
			c.Provider = f.activeProvider()
		}
	}
	return c
}

// follower is a login that belongs to another program.
type follower struct {
	ownerFile
	kind, path string
	follows    string // provider
}

// same reports whether both follow the same file of the same program. Either may be nil.
func (f *follower) same(o *follower) bool {
	if f == nil || o == nil {
		return f == o
	}
	return f.kind == o.kind && f.path == o.path
}

// followerOf returns whom a credential follows, or nil.
func followerOf(c Credential) *follower {
	kind := c.Metadata[followKey]
	file, ok := ownerFiles[kind]
	if !ok {
		return nil
	}
	f := &follower{ownerFile: file, kind: kind, path: c.Metadata[followPathKey], follows: c.Provider}
	if f.path == "" {
		f.path = file.defaultPath()
	}
	return f
}

func (o ownerFile) defaultPath() string {
	if dir := os.Getenv(o.env); dir != "" {
		return filepath.Join(dir, o.name)
	}
	home, _ := os.UserHomeDir() // none: a relative path, which the error will show
	return filepath.Join(home, o.home, o.name)
}

// checkFollower refuses a credential that follows nobody there is, and fills in nothing.
func checkFollower(c Credential) error {
	kind, ok := c.Metadata[followKey]
	if !ok {
		return nil
	}
	f := followerOf(c)
	if f == nil {
		return fmt.Errorf("there is no program %q to follow; known are %s", kind, strings.Join(slices.Sorted(maps.Keys(ownerFiles)), ", "))
	}
	_, err := f.load()
	return err
}

const (
	maxOwnerFile = 4 << 20
	ownerPause   = 50 * time.Millisecond
)

// load reads the owner's login. Some owners write in place: half a file is read once more.
func (f *follower) load() (Credential, error) {
	c, err := f.loadOnce()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		<-time.NewTimer(ownerPause).C
		c, err = f.loadOnce()
	}
	if err != nil {
		return Credential{}, fmt.Errorf("follow %s (%s): %w", f.owner, f.path, err)
	}
	return c, nil
}

func (f *follower) loadOnce() (Credential, error) {
	b, err := f.content()
	if err != nil {
		return Credential{}, err
	}
	c, err := f.read(b, f.follows)
	if err != nil {
		return Credential{}, err
	}
	c.AccessToken, c.RefreshToken = strings.TrimSpace(c.AccessToken), "" // the refresh token is the owner's to spend
	if c.AccessToken == "" {
		return Credential{}, fmt.Errorf("it holds no login of %s; log in there first", f.follows)
	}
	c.fillFromJWT()
	return c, nil
}

func (f *follower) content() ([]byte, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("%w; log in there first", withoutPath(err))
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxOwnerFile))
}

// withoutPath drops the path that the caller names anyway.
func withoutPath(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// fill returns c with the owner's tokens, or with none when they cannot be read now.
func (f *follower) fill(c Credential) (Credential, error) {
	got, err := f.load()
	c = c.clone()
	c.AccessToken, c.RefreshToken, c.Expiry = got.AccessToken, "", got.Expiry
	if got.AccountID != "" {
		c.AccountID = got.AccountID
	}
	return c, err
}

// stampOf tells two versions of the file apart.
func (f *follower) stampOf() string {
	info, err := os.Stat(f.path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size())
}

// activeProvider is the provider that Hermes uses now.
func (f *follower) activeProvider() string {
	b, err := f.content()
	if err != nil {
		return ""
	}
	var file struct {
		Active string `json:"active_provider"`
	}
	_ = json.Unmarshal(b, &file) // a broken file is Add's to complain about
	return file.Active
}

// readOwner decodes a file. Its error quotes nothing: the file is full of secrets.
func readOwner(b []byte, v any) error {
	if json.Unmarshal(b, v) != nil {
		return errors.New("it is not what that program writes: broken JSON, or another program's file")
	}
	return nil
}

// looseTime is a stamp that may be text or a number, in s or ms; anything else is unknown.
type looseTime struct{ time.Time }

// UnmarshalJSON never fails: one odd stamp must not hide the login.
func (t *looseTime) UnmarshalJSON(b []byte) error {
	var seconds float64
	switch {
	case json.Unmarshal(b, &seconds) == nil:
		if seconds > 1e11 {
			seconds /= 1000
		}
		t.Time = unixSeconds(seconds)
	case json.Unmarshal(b, &t.Time) != nil:
		t.Time = time.Time{}
	}
	return nil
}

func millis(ms float64) time.Time { return unixSeconds(ms / 1000) }

func readCodexFile(b []byte, _ string) (Credential, error) {
	var file struct {
		APIKey string `json:"OPENAI_API_KEY"`
		Tokens struct {
			AccessToken string `json:"access_token"`
			AccountID   string `json:"account_id"`
		} `json:"tokens"`
	}
	if err := readOwner(b, &file); err != nil {
		return Credential{}, err
	}
	if file.Tokens.AccessToken == "" && file.APIKey != "" {
		return Credential{}, errors.New(`it holds an API key and no login; add the key as a credential of "openai"`)
	}
	return Credential{AccessToken: file.Tokens.AccessToken, AccountID: file.Tokens.AccountID}, nil
}

func readClaudeFile(b []byte, _ string) (Credential, error) {
	var file struct {
		OAuth struct {
			AccessToken string  `json:"accessToken"`
			ExpiresAt   float64 `json:"expiresAt"`
		} `json:"claudeAiOauth"`
	}
	err := readOwner(b, &file)
	return Credential{AccessToken: file.OAuth.AccessToken, Expiry: millis(file.OAuth.ExpiresAt)}, err
}

func readQwenFile(b []byte, _ string) (Credential, error) {
	var file struct {
		AccessToken string  `json:"access_token"`
		ExpiryDate  float64 `json:"expiry_date"`
	}
	err := readOwner(b, &file)
	return Credential{AccessToken: file.AccessToken, Expiry: millis(file.ExpiryDate)}, err
}

// readGrokFile takes, of several entries, one that can be refreshed, and of those the one that lives longest.
func readGrokFile(b []byte, _ string) (Credential, error) {
	type entry struct {
		Key          string    `json:"key"`
		RefreshToken string    `json:"refresh_token"`
		ExpiresAt    looseTime `json:"expires_at"`
	}
	var raw map[string]json.RawMessage
	if err := readOwner(b, &raw); err != nil {
		return Credential{}, err
	}
	var list []entry
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		var e entry
		if json.Unmarshal(raw[name], &e) == nil && e.Key != "" {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return Credential{}, nil
	}
	best := slices.MaxFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(min(len(a.RefreshToken), 1), min(len(b.RefreshToken), 1)), longest(a.ExpiresAt.Time, b.ExpiresAt.Time))
	})
	return Credential{AccessToken: best.Key, Expiry: best.ExpiresAt.Time}, nil
}

// longest compares expiries; none is for ever.
func longest(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}
