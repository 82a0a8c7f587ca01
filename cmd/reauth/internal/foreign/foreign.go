// Package foreign reads the files in which other programs keep their logins. It never writes one.
package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/reauth-go/reauth"
)

// Program is one whose logins can be read.
type Program struct {
	Kind  string // as reauth.Follow names it
	Owner string // for people
	env   string // the variable that names its folder
	home  string // the folder without it, below the user's home
	name  string // of the file
	lock  string // of a file beside it that is there while the program refreshes; empty: it has none
	read  func([]byte) (Found, error)
}

// Programs are all that are known.
var Programs = []Program{ //nolint:gochecknoglobals // a table
	{Kind: "hermes", Owner: "Hermes", env: "HERMES_HOME", home: ".hermes", name: "auth.json", read: readHermes},
	{Kind: "codex", Owner: "Codex CLI", env: "CODEX_HOME", home: ".codex", name: "auth.json", read: readCodex},
	{Kind: "claude-code", Owner: "Claude Code", env: "CLAUDE_CONFIG_DIR", home: ".claude", name: ".credentials.json", read: readClaude},
	{Kind: "qwen", Owner: "Qwen Code", env: "QWEN_HOME", home: ".qwen", name: "oauth_creds.json", lock: "oauth_creds.lock", read: readQwen},
	{Kind: "grok", Owner: "Grok CLI", env: "GROK_HOME", home: ".grok", name: "auth.json", read: readGrok},
}

// Lookup returns the program of a kind.
func Lookup(kind string) (Program, bool) {
	i := slices.IndexFunc(Programs, func(p Program) bool { return p.Kind == kind })
	if i < 0 {
		return Program{}, false
	}
	return Programs[i], true
}

// Login is one that was found.
type Login struct {
	Credential reauth.Credential
	Name       string // for people: what the file calls it
	ID         string // what tells it from the file's others; may be empty
	Followed   bool   // it is the one that reauth.Follow follows
}

// Skipped is something that was found and is of no use.
type Skipped struct{ Name, Why string }

// Found is what a file holds.
type Found struct {
	Logins  []Login
	Skipped []Skipped
}

func (f *Found) skip(name, why string) { f.Skipped = append(f.Skipped, Skipped{name, why}) }

// Path returns where the program keeps its logins. A folder that is named stands for the file in it.
func (p Program) Path(named string) string {
	if named != "" {
		if info, err := os.Stat(named); err == nil && info.IsDir() {
			return filepath.Join(named, p.name)
		}
		return named
	}
	if dir := os.Getenv(p.env); dir != "" {
		return filepath.Join(dir, p.name)
	}
	home, _ := os.UserHomeDir() // none: a relative path, which the error will show
	return filepath.Join(home, p.home, p.name)
}

const (
	maxFile   = 4 << 20
	pause     = 100 * time.Millisecond
	staleLock = 10 * time.Second // after which Qwen Code itself ignores its lock
)

// Read reads the program's file. Some programs write in place: half a file is read once more. Its errors quote nothing of
// the file, which is full of secrets.
func (p Program) Read(path string) (Found, error) {
	found, err := p.readOnce(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		<-time.NewTimer(pause).C
		found, err = p.readOnce(path)
	}
	return found, err
}

func (p Program) readOnce(path string) (Found, error) {
	f, err := os.Open(path)
	if err != nil {
		return Found{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return Found{}, err
	}
	return p.read(b)
}

// Busy reports whether the program is refreshing the login at path just now, as far as it tells.
func (p Program) Busy(path string) bool {
	if p.lock == "" {
		return false
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(path), p.lock))
	return err == nil && time.Since(info.ModTime()) < staleLock
}

var errForeign = errors.New("it is not what that program writes: broken JSON, or another program's file")

func decode(b []byte, v any) error {
	if json.Unmarshal(b, v) != nil {
		return errForeign
	}
	return nil
}

// stamp is a time that may be text or a number, in s or ms; anything else is unknown.
type stamp struct{ time.Time }

// UnmarshalJSON never fails: one odd stamp must not hide the login.
func (t *stamp) UnmarshalJSON(b []byte) error {
	var n float64
	switch {
	case json.Unmarshal(b, &n) == nil:
		t.Time = instant(n)
	case json.Unmarshal(b, &t.Time) != nil:
		t.Time = time.Time{}
	}
	return nil
}

// instant reads Unix seconds or milliseconds.
func instant(n float64) time.Time {
	switch {
	case !(n > 0 && n < 1e14):
		return time.Time{}
	case n > 1e11:
		return time.UnixMilli(int64(n))
	}
	return time.UnixMilli(int64(n * 1000))
}

func readCodex(b []byte) (found Found, err error) {
	var file struct {
		APIKey   string          `json:"OPENAI_API_KEY"`
		Agent    json.RawMessage `json:"agent_identity"`
		Personal string          `json:"personal_access_token"`
		Tokens   struct {
			AccessToken  string `json:"access_token"`
			RefreshToken string `json:"refresh_token"`
			AccountID    string `json:"account_id"`
		} `json:"tokens"`
	}
	if err := decode(b, &file); err != nil {
		return found, err
	}
	if t := file.Tokens; t.AccessToken != "" {
		found.Logins = append(found.Logins, Login{Name: "ChatGPT login", Followed: true, Credential: reauth.Credential{
			Provider: "openai-codex", AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, AccountID: t.AccountID,
		}})
	}
	if file.APIKey != "" {
		found.Logins = append(found.Logins, Login{Name: "API key", Credential: reauth.Credential{Provider: "openai-api", AccessToken: file.APIKey}})
	}
	if len(file.Agent) > 0 && string(file.Agent) != "null" {
		found.skip("agent identity", "reauth cannot use it")
	}
	if file.Personal != "" {
		found.skip("personal access token", "reauth cannot use it")
	}
	return found, nil
}

func readClaude(b []byte) (found Found, err error) {
	var file struct {
		OAuth struct {
			AccessToken  string   `json:"accessToken"`
			RefreshToken string   `json:"refreshToken"`
			ExpiresAt    float64  `json:"expiresAt"`
			ClientID     string   `json:"clientId"`
			Scopes       []string `json:"scopes"`
		} `json:"claudeAiOauth"`
		MCP map[string]json.RawMessage `json:"mcpOAuth"`
	}
	if err := decode(b, &file); err != nil {
		return found, err
	}
	if o := file.OAuth; o.AccessToken != "" {
		l := Login{Name: "Claude login", Followed: true, Credential: reauth.Credential{
			Provider: "anthropic", AccessToken: o.AccessToken, RefreshToken: o.RefreshToken, Expiry: instant(o.ExpiresAt), ClientID: o.ClientID,
		}}
		if len(o.Scopes) > 0 && !slices.Contains(o.Scopes, "user:inference") {
			l.Name += ", without the scope user:inference"
		}
		found.Logins = append(found.Logins, l)
	}
	if n := len(file.MCP); n > 0 {
		found.skip(fmt.Sprintf("%d login(s) of MCP servers", n), "they are no LLM provider's")
	}
	return found, nil
}

func readQwen(b []byte) (found Found, err error) {
	var file struct {
		AccessToken  string  `json:"access_token"`
		RefreshToken string  `json:"refresh_token"`
		ResourceURL  string  `json:"resource_url"`
		ExpiryDate   float64 `json:"expiry_date"`
	}
	if err := decode(b, &file); err != nil {
		return found, err
	}
	if file.AccessToken == "" {
		return found, nil
	}
	c := reauth.Credential{Provider: "qwen-oauth", AccessToken: file.AccessToken, RefreshToken: file.RefreshToken, Expiry: instant(file.ExpiryDate)}
	if file.ResourceURL != "" {
		c.Metadata = map[string]string{"resource_url": file.ResourceURL}
	}
	found.Logins = append(found.Logins, Login{Name: "Qwen login", Followed: true, Credential: c})
	return found, nil
}
