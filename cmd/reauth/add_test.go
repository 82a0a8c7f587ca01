package main

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/reauthtest"
)

// The command refuses what the library refuses, with its words, and repeats nothing of the key.
func TestAddRefusesWhatCannotWork(t *testing.T) {
	s := newShell(t)
	for key, want := range map[string]string{
		"$OPENAI_" + marker:        "AccessToken is the name of a variable and not its value",
		"${OPENAI_" + marker + "}": "AccessToken is the name of a variable and not its value",
		"Bearer sk-" + marker:      `AccessToken begins with "Bearer"; give the key alone`,
		"sk-" + marker + "\u2026":  "AccessToken holds a character outside of ASCII",
		"sk- " + marker:            "AccessToken holds white space",
	} {
		text := s.run(key, "add", "openai", "--key-stdin").fails(exitFailed)
		assert.Contains(t, text, want)
		assert.NotContains(t, text, marker)
	}
	text := s.run("sk-"+marker, "add", "openai", "--key-stdin", "--hosts", "api.x.ai").fails(exitFailed)
	assert.Contains(t, text, "none of its Hosts (api.x.ai) is one of openai-api (api.openai.com, *.api.openai.com)")
	text = s.run(`{"refresh_token":"rt-`+marker+`"}`, "add", "groq", "--token-stdin").fails(exitFailed)
	assert.Contains(t, text, "groq has no Refresher that gets one for a refresh token")
	text = s.run("sk-"+marker, "add", "openia", "--key-stdin").fails(exitUsage)
	assert.Contains(t, text, `provider "openia" is unknown (did you mean "openai"?)`)
	assert.Empty(t, s.run("", "status").ok(), "nothing was added")
}

// A key that is probably another vendor's is added, with a word about it.
func TestAddDoubtsAForeignKey(t *testing.T) {
	s := newShell(t)
	r := s.run("sk-ant-"+marker, "add", "openai", "--key-stdin", "--id", "mine")
	assert.Contains(t, r.ok(), "added openai-api/mine")
	assert.Contains(t, r.errors, `the key of openai-api/mine begins with "sk-ant-", as those of anthropic do`)
	assert.NotContains(t, r.errors, marker)
}

// Whose a personal access token of Codex is, the command asks at the provider's server, before it
// stores anything. Whoever names the account is not asked about.
func TestAddAsksForTheAccount(t *testing.T) {
	fake := reauthtest.New(reauthtest.OpenAI)
	server := serveFake(t, fake)
	s := newShell(t)
	token := "at-" + marker + "-EXAMPLE"
	add := []string{"add", "codex", "--key-stdin", "--issuer", server.URL}
	text := s.run(token, add...).fails(exitFailed)
	assert.Contains(t, text, "account of a credential of openai-codex: the server refuses the token: it has expired")
	assert.NoFileExists(t, s.store())

	fake.AddPersonalToken(token, "acct-1", true)
	assert.Equal(t, "added openai-codex/acct-1 (codex)\n", s.run(token, add...).ok())
	c := s.stored("openai-codex", "acct-1")
	assert.Equal(t, "acct-1", c.AccountID)
	assert.Equal(t, map[string]string{vendors.FedRAMPNote: "true", vendors.IssuerNote: server.URL}, c.Metadata)
	s.run("", "probe", "codex", "--base-url", server.URL+"/backend-api").ok()
	sent := fake.Requests()
	require.Len(t, sent, 1)
	assert.Equal(t, []string{"acct-1", "true"},
		[]string{sent[0].Header.Get("Chatgpt-Account-Id"), sent[0].Header.Get("X-Openai-Fedramp")})

	named := []string{"add", "codex", "--key-stdin", "--account", "acct-2", "--issuer", "http://127.0.0.1:1"}
	assert.Equal(t, "added openai-codex/acct-2 (codex)\n", s.run(token+"2", named...).ok())
	for issuer, want := range map[string]string{
		"http://auth.example": "must be https", "ftp://auth.example": "wants a URL", "https://u:p@auth.example": "without user",
	} {
		assert.Contains(t, s.run(token, "add", "codex", "--key-stdin", "--issuer", issuer).fails(exitUsage), want)
	}
	assert.Contains(t, s.run("key", "add", "groq", "--key-stdin", "--issuer", server.URL).fails(exitUsage), "has no logins")
}

// A login of another server than the provider's default one is added as such.
func TestAddNamesTheServer(t *testing.T) {
	s := newShell(t)
	s.run(`{"access_token":"at-`+marker+`","refresh_token":"rt-`+marker+`"}`,
		"add", "kimi", "--token-stdin", "--id", "you", "--issuer", "https://auth.kimi.ai").ok()
	assert.Equal(t, "https://auth.kimi.ai", s.stored("kimi-coding", "you").Metadata[vendors.IssuerNote])
}

// A login whose access token tells no account is named by the one that its ID token tells, or the
// answer.
func TestAddNamesALoginByItsAccount(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	identity := encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"sub":"user-7"}`)) + ".sig"
	s := newShell(t)
	pair := `"access_token":"at-` + marker + `","refresh_token":"rt-` + marker + `"`
	for _, c := range []struct{ provider, more, want string }{
		{"xai", `,"id_token":"` + identity + `"`, "added xai-oauth/user-7 (xai)\n"},
		{"claude", `,"account":{"uuid":"acct-9","email_address":"jane@example.com"}`, "added anthropic/acct-9 (claude)\n"},
	} {
		assert.Equal(t, c.want, s.run("{"+pair+c.more+"}", "add", c.provider, "--token-stdin").ok())
	}
	out := s.run(`{`+pair+`,"id_token":7,"account":"none"}`, "add", "minimax-oauth", "--token-stdin").ok()
	assert.Regexp(t, `^added minimax-oauth/key-[0-9a-f]{12}\n$`, out)
	assert.Equal(t, "added minimax-oauth/mine\n",
		s.run(`{`+pair+`,"id_token":"`+identity+`"}`, "add", "minimax-oauth", "--token-stdin", "--id", "mine").ok())
}
