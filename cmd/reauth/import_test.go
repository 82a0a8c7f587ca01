package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/logins"
	"github.com/reauth-go/reauth/reauthtest"
)

// jwt returns an unsigned JWT with a subject, an expiry and the marker.
func tokenFor(subject string, lives time.Duration) string {
	enc := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":%q,"exp":%d,"note":%q}`, subject, time.Now().Add(lives).Unix(), marker)
	return enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(claims)) + ".EXAMPLE"
}

// write writes a file at path below the shell's home and returns its full path.
func (s *shell) write(content string, path ...string) string {
	s.t.Helper()
	file := filepath.Join(append([]string{s.home}, path...)...)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(s.t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// soon is the lifetime of the tokens in the files. The half minute keeps a printed lifetime at the
// same whole minutes while a test runs.
const soon = 2*time.Hour + 30*time.Second

// programFiles returns the content of a file for each program, as that program writes it: the login
// and the other members that a file can have.
func programFiles() map[string]string {
	ms, iso := time.Now().Add(soon).UnixMilli(), time.Now().Add(soon).UTC().Format(time.RFC3339Nano)
	return map[string]string{
		"codex": fmt.Sprintf(`{"auth_mode":"chatgpt","OPENAI_API_KEY":"sk-%[1]s",`+
			`"tokens":{"id_token":"x","access_token":%[2]q,"refresh_token":"rt-%[1]s","account_id":"acct-7"},`+
			`"last_refresh":"2026-01-01T00:00:00Z","agent_identity":{"a":1},"personal_access_token":"at-%[1]s"}`,
			marker, tokenFor("user-7", soon)),
		"claude-code": fmt.Sprintf(`{"claudeAiOauth":{`+
			`"accessToken":"sk-ant-oat01-%[1]s","refreshToken":"sk-ant-ort01-%[1]s","expiresAt":%[2]d,`+
			`"scopes":["user:inference","user:profile"],"subscriptionType":"max"},`+
			`"mcpOAuth":{"a|1":{"accessToken":"%[1]s"},"b|2":{}}}`, marker, ms),
		"qwen": fmt.Sprintf(`{"access_token":"%[1]s-at","refresh_token":"%[1]s-rt",`+
			`"token_type":"Bearer","resource_url":"portal.qwen.ai","expiry_date":%[2]d}`, marker, ms),
		"grok": fmt.Sprintf(`{"https://auth.x.ai::client-1":{"key":%[2]q,"refresh_token":"rt-%[1]s",`+
			`"expires_at":%[3]q,"oidc_client_id":"client-1","email":"jane@example.com"},`+
			`"https://accounts.x.ai/key":{"key":"xai-%[1]s"},"https://auth.x.ai::old":{"refresh_token":"x"}}`,
			marker, tokenFor("user-9", soon), iso),
		"hermes": fmt.Sprintf(`{"version":1,"active_provider":"xai-oauth",
			"providers":{"nous":{"access_token":"na-%[1]s","refresh_token":"nr-%[1]s","expires_at":%[3]q},
				"spotify":{"access_token":"sp-%[1]s"},"qwen-oauth":{}},
			"credential_pool":{"xai-oauth":[
				{"id":"b","label":"second","priority":2,"access_token":%[4]q,"refresh_token":"rt-b-%[1]s"},
				{"id":"a","label":"first","priority":1,"access_token":%[2]q,"refresh_token":"rt-a-%[1]s",
					"last_status":"ok"},
				{"id":"c","label":"gone","access_token":"at-c-%[1]s","refresh_token":"rt-c-%[1]s",
					"last_status":"dead"}],
			"openrouter":[{"source":"env:OPENROUTER_API_KEY","access_token":"",
				"secret_fingerprint":"sha256:0123456789abcdef"}],
			"custom:litellm":[{"access_token":"%[1]s"}],
			"groq":[{"source":"manual","auth_type":"api_key","access_token":"gsk-%[1]s"}],"zai":"broken"}}`,
			marker, tokenFor("user-a", soon), iso, tokenFor("user-b", soon)),
		"ant": fmt.Sprintf(`{"version":"1.0","authentication":{"type":"user_oauth","client_id":"c"},
			"organization_id":"org-%s"}`, marker),
		"kimi": fmt.Sprintf(`{"access_token":%[2]q,"refresh_token":"rt-%[1]s","expires_at":%[3]d.5,
			"scope":"kimi-code","token_type":"Bearer","expires_in":900}`,
			marker, tokenFor("user-k", soon), ms/1000),
		"opencode": fmt.Sprintf(`{"anthropic":{"type":"oauth","access":"sk-ant-oat01-%[1]s","refresh":"sk-ant-ort01-%[1]s","expires":%[2]d},
			"openai":{"type":"oauth","access":%[3]q,"refresh":"rt-%[1]s","expires":%[2]d,"accountId":"acct-7"},
			"openrouter":{"type":"api","key":"sk-or-v1-%[1]s"},"zai-coding-plan":{"type":"api","key":"z-%[1]s"},
			"zhipuai":{"type":"api","key":"p-%[1]s"},"github-copilot":{"type":"oauth","access":"gho_%[1]s","refresh":"gho_%[1]s","expires":0},
			"github-copilot-enterprise":{"type":"oauth","access":"gho_e%[1]s","refresh":"gho_e%[1]s","expires":0,"enterpriseUrl":"acme.ghe.com"},
			"azure":{"type":"api","key":"az-%[1]s"},"nous":{"type":"oauth","access":"na-%[1]s","refresh":"nr-%[1]s","expires":%[2]d},
			"https://corp.example":{"type":"wellknown","key":"TOKEN","token":"%[1]s"},"my-gateway":{"type":"api","key":"%[1]s"}}`,
			marker, ms, tokenFor("user-7", soon)),
	}
}

// besides returns the further file of each program that has one, by its path from the folder that
// place begins with.
func besides(kind string) (path, content string) {
	if kind != "ant" {
		return "", ""
	}
	return "credentials/default.json", fmt.Sprintf(`{"version":"1.0","type":"oauth_token",
		"access_token":"sk-ant-oat01-%[1]s","refresh_token":"sk-ant-ort01-%[1]s","expires_at":%[2]d}`,
		marker, time.Now().Add(soon).Unix())
}

// writeProgram writes the files of a program below a folder, as that program has them there. It
// returns the path of the main one.
func (s *shell) writeProgram(kind, folder string) string {
	s.t.Helper()
	if path, content := besides(kind); path != "" {
		s.write(content, folder, path)
	}
	return s.write(programFiles()[kind], folder, inside[kind])
}

// place holds the default path of each program's folder below the user's home.
var place = map[string]string{
	"codex":       ".codex",
	"claude-code": ".claude",
	"qwen":        ".qwen",
	"grok":        ".grok",
	"hermes":      ".hermes",
	"ant":         "config/anthropic",
	"kimi":        ".kimi-code",
	"opencode":    ".local/share",
}

// inside holds the path of each program's file in that folder.
var inside = map[string]string{
	"codex":       "auth.json",
	"claude-code": ".credentials.json",
	"qwen":        "oauth_creds.json",
	"grok":        "auth.json",
	"hermes":      "auth.json",
	"ant":         "configs/default.json",
	"kimi":        "credentials/kimi-code.json",
	"opencode":    "opencode/auth.json",
}

func TestImport(t *testing.T) {
	for _, p := range logins.Programs() {
		kind := p.Kind
		s := newShell(t)
		nothing := s.transcript([]string{"import", kind})
		file := s.writeProgram(kind, place[kind])
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		follow := s.transcript([]string{"import", kind}, []string{"import", kind}, []string{"status"})
		over := s.transcript([]string{"import", kind, "--take-over"},
			[]string{"import", kind, "--take-over"},
			[]string{"status"}, []string{"import", kind})
		s.golden("import-"+kind, nothing+"\n"+follow+"\n"+over)
		after, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, content, after, "%s: the other program's file is never written", kind)
	}
}

// import finds the same login by the path of the file, by the path of its folder, and by the
// program's own environment variable.
func TestImportFromElsewhere(t *testing.T) {
	for _, p := range logins.Programs() {
		s := newShell(t)
		file := s.writeProgram(p.Kind, "elsewhere")
		named := file
		if p.Kind == "kimi" {
			named = filepath.Dir(file) // whose further files have the logins of other regions
		}
		s.run("", "import", p.Kind, named).ok()
		assert.Contains(t, s.run("", "import", p.Kind, filepath.Dir(file)).ok(), "nothing new")
		s.setenv(map[string]string{
			"hermes":      "HERMES_HOME",
			"codex":       "CODEX_HOME",
			"claude-code": "CLAUDE_CONFIG_DIR",
			"qwen":        "QWEN_HOME",
			"grok":        "GROK_HOME",
			"ant":         "ANTHROPIC_CONFIG_DIR",
			"kimi":        "KIMI_CODE_HOME",
			"opencode":    "XDG_DATA_HOME",
		}[p.Kind], filepath.Join(s.home, "elsewhere"))
		assert.Contains(t, s.run("", "import", p.Kind).ok(), "follows")
		assert.Contains(t, inLines(s.run("", "status").ok()), "follows "+p.Kind)
	}
}

// The command and the library find the same file, login and token of each program.
func TestProgramsAreThoseThatTheLibraryFollows(t *testing.T) {
	for _, p := range logins.Programs() {
		s := newShell(t)
		file := s.writeProgram(p.Kind, place[p.Kind])
		found, err := p.Read(file, knownProvider)
		require.NoError(t, err)
		require.NotEmpty(t, found.Logins)
		for _, l := range found.Logins {
			if !l.Followed {
				continue
			}
			pool := reauth.NewPool()
			c := reauth.Follow(p.Kind, file)
			c.Provider = l.Provider
			_, err := pool.Add(t.Context(), c)
			require.NoError(t, err, "%s %s", p.Kind, l.Name)
			followed, err := pool.Token(t.Context(), c.Provider)
			require.NoError(t, err)
			assert.Equal(t, followed.AccessToken, l.AccessToken, "%s %s", p.Kind, l.Name)
			assert.WithinDuration(t, followed.Expiry, orUnknown(l.Expiry, followed.Expiry), time.Second,
				"%s %s", p.Kind, l.Name)
			require.NoError(t, pool.Close())
		}
	}
}

// If a file names one provider in two ways, import follows the login under the first name. It
// prints texts of the file without their escape sequences.
func TestImportOfAHostileFile(t *testing.T) {
	s := newShell(t)
	s.write(fmt.Sprintf(`{"credential_pool":{"xai":[{"label":"one\u001b[2J","access_token":"at-1-%[1]s"}],
		"xai-oauth":[{"label":"two","access_token":"at-2-%[1]s","refresh_token":"rt-2-%[1]s"}],
		"openrouter":[{"source":"env:\u001b[2JKEY","access_token":"sha256:0123456789abcdef"}]}}`, marker),
		place["hermes"], inside["hermes"])
	out := s.run("", "import", "hermes").ok()
	assert.Contains(t, out, "follows  xai, one[2J: as xai-oauth/hermes")
	assert.Contains(t, out, "skipped  xai-oauth, two: only the first login of a provider is followed")
	assert.Contains(t, out, "Hermes keeps its secret elsewhere, in env:[2JKEY")
	assert.NotContains(t, out, "\x1b")
}

// orUnknown returns t, or other if t is zero: a file need not tell the expiry that its JWT has.
func orUnknown(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

// import names a file that it cannot use, and creates no store.
func TestImportOfBadFiles(t *testing.T) {
	for kind, folder := range place {
		for content, code := range map[string]int{
			"":                           exitFailed,
			`{"access_token":"` + marker: exitFailed,
			`[1,2]`:                      exitFailed,
			`{}`:                         exitLogin,
		} {
			if content == "{}" && (kind == "hermes" || kind == "ant") {
				// A file of Hermes always has a pool or providers, and one of ant a way to
				// authenticate.
				code = exitFailed
			}
			s := newShell(t)
			file := s.write(content, folder, inside[kind])
			if kind == "kimi" {
				file = filepath.Dir(file)
			}
			text := s.run("", "import", kind).fails(code)
			assert.Contains(t, text, file, "%s %q", kind, content)
			assert.NoFileExists(t, s.store())
		}
	}
}

// A database in the place of the file is OpenCode 2's, which has no file.
func TestImportOfOpenCode2(t *testing.T) {
	s := newShell(t)
	s.write("SQLite format 3", place["opencode"], "opencode", "opencode.db")
	text := s.run("", "import", "opencode").fails(exitLogin)
	assert.Contains(t, text, "OpenCode 2 keeps its logins in its database, which reauth does not read; log in with reauth instead")
}

// A login that no request could use is skipped, with the reason. The others are followed.
func TestImportPassesOverALoginOfNoUse(t *testing.T) {
	s := newShell(t)
	s.write(`{"github-copilot":{"type":"oauth","access":"gho_`+marker+`","refresh":"gho_`+marker+`","expires":0,"enterpriseUrl":"github.example"},
		"openrouter":{"type":"api","key":"sk-or-`+marker+`"}}`, place["opencode"], inside["opencode"])
	for _, args := range [][]string{{"import", "opencode"}, {"import", "opencode", "--take-over"}} {
		out := s.run("", args...).ok()
		assert.Contains(t, out, "skipped  github-copilot: add credential copilot/")
		assert.Contains(t, out, "none of its Hosts (copilot-api.github.example) is one of copilot")
		assert.Contains(t, out, "openrouter: as openrouter/")
	}
}

// A personal access token of Codex is followed, and copied as the key that it is.
func TestImportOfAPersonalAccessToken(t *testing.T) {
	s := newShell(t)
	s.write(`{"auth_mode":"personalAccessToken","personal_access_token":"at-`+marker+`"}`, ".codex", "auth.json")
	assert.Contains(t, s.run("", "import", "codex").ok(), "follows  personal access token: as openai-codex/codex")
	out := s.run("", "import", "codex", "--take-over").ok()
	assert.Contains(t, out, "copied  personal access token: as openai-codex/key-")
	assert.NotContains(t, out, "logged out", "a token that nobody refreshes is not spent here")
}

// With --take-over import copies a login over that of the same account only if it is newer.
func TestImportNeverOverwritesANewerLogin(t *testing.T) {
	s := newShell(t)
	older, newer := tokenFor("user-9", time.Hour), tokenFor("user-9", 3*time.Hour)
	grok := func(token string) {
		s.write(fmt.Sprintf(`{"https://auth.x.ai::c":{"key":%q,"refresh_token":"rt-%s"}}`,
			token, token[len(token)-60:]),
			".grok", "auth.json")
	}
	grok(newer)
	s.run("", "import", "grok", "--take-over").ok()
	grok(older)
	out := s.run("", "import", "grok", "--take-over").ok()
	assert.Contains(t, out, "the store has a newer login, xai-oauth/user-9")
	assert.NotContains(t, out, "logged out")
	assert.Equal(t, newer, s.stored("xai-oauth", "user-9").AccessToken)
	grok(tokenFor("user-9", 5*time.Hour))
	assert.Contains(t, s.run("", "import", "grok", "--take-over").ok(), "copied")
	assert.NotEqual(t, newer, s.stored("xai-oauth", "user-9").AccessToken)
}

// import keeps a login that names no account as one credential, however often its tokens change.
// After --take-over the store refreshes it.
func TestTakeOverIsRefreshedHere(t *testing.T) {
	fake := reauthtest.New(reauthtest.Anthropic)
	server := serveFake(t, fake)
	s := newShell(t)
	claude := func(access, refresh string, lives time.Duration) {
		s.write(fmt.Sprintf(`{"claudeAiOauth":{"accessToken":%q,"refreshToken":%q,"expiresAt":%d}}`,
			access, refresh, time.Now().Add(lives).UnixMilli()),
			".claude", ".credentials.json")
	}
	access, refresh := fake.Login()
	claude(access, refresh, time.Minute)
	s.run("", "import", "claude-code").ok()
	s.run("", "import", "claude-code", "--take-over").ok()
	assert.Equal(t, refresh, s.stored("anthropic", "claude-code").RefreshToken)
	assert.Equal(t, 1, strings.Count(s.run("", "status").ok(), "anthropic"), "who follows and who took over are one")
	fake.Expire(access)
	// reauthtest serves the token endpoint at another path than Anthropic does.
	p := s.pool()
	pr, _ := reauth.LookupProvider("anthropic")
	var err error
	pr.Refresher, err = reauth.BuiltinRefresher("anthropic",
		reauth.OAuth2Config{TokenURL: server.URL + reauthtest.TokenPath})
	require.NoError(t, err)
	require.NoError(t, p.Register(pr))
	require.NoError(t, p.Refresh(t.Context(), "anthropic", "claude-code"))
	assert.True(t, fake.Current(s.stored("anthropic", "claude-code").RefreshToken))
	assert.Contains(t, s.run("", "import", "claude-code", "--take-over").ok(), "the store has a newer login")
	assert.Contains(t, s.run("", "import", "claude-code").ok(), "the store has a login of its own of that account")
	assert.True(t, fake.Current(s.stored("anthropic", "claude-code").RefreshToken))
	access, refresh = fake.Login()
	claude(access, refresh, 5*time.Hour)
	assert.Contains(t, s.run("", "import", "claude-code", "--take-over").ok(), "copied")
	assert.Equal(t, 1, strings.Count(s.run("", "status").ok(), "anthropic"))
}

// A followed login is used but never refreshed: its refresh token can be spent once, by its
// program.
func TestFollowedLoginsAreProbedAndLeftAlone(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := fake.Login()
	grok := func(token string) {
		s.write(fmt.Sprintf(`{"https://auth.x.ai::c":{"key":%q,"refresh_token":"rt-%s"}}`, token, marker),
			".grok", "auth.json")
	}
	grok(access)
	s.run("", "import", "grok").ok()
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok()
	fake.Expire(access)
	s.golden("followed", s.transcript(
		append([]string{"probe", "xai"}, at(server)...),
		append([]string{"refresh", "xai"}, at(server)...),
		append([]string{"refresh", "xai", "grok"}, at(server)...)))
	assert.Zero(t, fake.TokenRequests(), "the refresh token is the other program's to spend")
	next, _ := fake.Login()
	grok(next)
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).ok()
	require.NoError(t, os.Remove(filepath.Join(s.home, ".grok", "auth.json")))
	s.run("", append([]string{"probe", "xai"}, at(server)...)...).fails(exitLogin)
	s.run("", "remove", "xai", "grok").ok()
}

// While Qwen Code's lock file is fresh, Qwen Code is refreshing its login. import then must not
// copy tokens that Qwen Code may have spent. It returns an error instead of waiting.
func TestTakeOverWaitsForNobody(t *testing.T) {
	s := newShell(t)
	s.writeProgram("qwen", place["qwen"])
	lock := s.write("", ".qwen", "oauth_creds.lock")
	// It stays fresh, however slowly the command runs.
	ahead := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(lock, ahead, ahead))
	assert.Contains(t, s.run("", "import", "qwen", "--take-over").fails(exitFailed), "is refreshing its login just now")
	s.run("", "import", "qwen").ok()
	old := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(lock, old, old))
	s.run("", "import", "qwen", "--take-over").ok()
}
