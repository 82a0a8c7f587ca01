package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestTokenAsAnExecCredential(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	s := newShell(t)
	access, _ := s.loginThatEnds(fake, "you", time.Hour)
	var doc struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Status     struct {
			Token      string    `json:"token"`
			Expiration time.Time `json:"expirationTimestamp"`
		} `json:"status"`
	}
	s.setenv("KUBERNETES_EXEC_INFO", `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{}}`)
	strictly(t, s.token("", "xai", "--format", "kubernetes").ok(), &doc)
	assert.Equal(t, "client.authentication.k8s.io/v1", doc.APIVersion)
	assert.Equal(t, "ExecCredential", doc.Kind)
	assert.Equal(t, access, doc.Status.Token)
	assert.WithinDuration(t, time.Now().Add(time.Hour), doc.Status.Expiration, time.Minute)

	s.setenv("KUBERNETES_EXEC_INFO", `{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential"}`)
	r := s.token("", "xai", "--format", "kubernetes")
	assert.Contains(t, r.fails(exitUsage), "set apiVersion: client.authentication.k8s.io/v1 in its configuration")
	assert.Empty(t, r.out)
}

func TestTokenAsACredentialProcess(t *testing.T) {
	s := newShell(t)
	s.put(reauth.Credential{ID: "key", AccessToken: "key-" + marker})
	var doc struct {
		Version                      int
		AccessKeyId, SecretAccessKey string
		Expiration                   string
	}
	text := s.token("", "xai", "--format", "aws").ok()
	strictly(t, text, &doc)
	assert.Equal(t, 1, doc.Version)
	assert.Equal(t, []string{"key", "key-" + marker}, []string{doc.AccessKeyId, doc.SecretAccessKey})
	assert.NotContains(t, text, "Expiration", "a key without an expiry has none")
}

// Docker's helper gives a token for the provider's own hosts, and for that of --base-url.
func TestTokenForDocker(t *testing.T) {
	s := newShell(t)
	s.put(reauth.Credential{ID: "key", AccessToken: "key-" + marker})
	docker := []string{"xai", "--format", "docker"}
	var doc struct{ ServerURL, Username, Secret string }
	strictly(t, s.token("api.x.ai\n", append(docker, "get")...).ok(), &doc)
	assert.Equal(t, []string{"api.x.ai", "key", "key-" + marker}, []string{doc.ServerURL, doc.Username, doc.Secret})
	at := append(docker, "--base-url", "https://registry.corp.example")
	strictly(t, s.token("https://registry.corp.example/v2/", at...).ok(), &doc)
	assert.Equal(t, "https://registry.corp.example/v2/", doc.ServerURL)

	for _, stranger := range []string{
		"https://index.docker.io/v1/", "http://api.x.ai", "api.x.ai.example", "registry.corp.example",
	} {
		r := s.token(stranger, docker...)
		r.fails(exitFailed)
		assert.Equal(t, "credentials not found in native keychain\n", r.out, "%s gets no token", stranger)
	}
	s.token("", docker...).fails(exitUsage)
	assert.Equal(t, "{}\n", s.token("", append(docker, "list")...).ok())
	assert.Contains(t, s.token("{}", append(docker, "store")...).fails(exitFailed), "reauth login")
}

// A real git gets the token for the provider's own hosts, and for that of --base-url, and no other.
func TestTokenForGit(t *testing.T) {
	fake := reauthtest.New(reauthtest.XAI)
	server := serveFake(t, fake)
	s := newShell(t)
	access, _ := s.loginThatEnds(fake, "you", time.Hour)
	helper := `!"` + binary + `" token xai --format git --issuer ` + server.URL
	git := func(host, action string, more ...string) *ended {
		cmd := exec.Command(tool(t, "git"), "-c", "credential.helper=", "-c", "credential.helper="+helper+
			" --base-url https://git.corp.example", "credential", action)
		cmd.Env, cmd.Dir = append(s.env, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1"), s.home
		return s.secretly(cmd, "protocol=https\nhost="+host+"\n"+strings.Join(more, "")+"\n")
	}
	told := git("git.corp.example", "fill").ok()
	assert.Contains(t, told, "username=you\npassword="+access+"\n")
	// Git 2.41 and later read the expiry too; this one may be older.
	expiry := "password_expiry_utc=" + strconv.FormatInt(s.stored("xai-oauth", "you").Expiry.Unix(), 10) + "\n"
	assert.Contains(t, s.token("protocol=https\nhost=api.x.ai\n", "xai", "--format", "git").ok(), expiry)
	git("git.corp.example", "approve", "username=you\n", "password="+access+"\n").ok()
	assert.Equal(t, access, s.stored("xai-oauth", "you").AccessToken)
	r := git("stranger.example", "fill")
	assert.NotZero(t, r.code, "git asks nobody else, and fails")
	assert.NotContains(t, r.out, access)
	git("stranger.example", "reject", "username=you\n", "password="+access+"\n").ok()
	assert.Equal(t, access, s.stored("xai-oauth", "you").AccessToken, "a stranger refuses nothing of ours")

	// What git rejects is replaced.
	git("git.corp.example", "reject", "username=you\n", "password="+access+"\n").ok()
	assert.Equal(t, 1, fake.Exchanges())
	now := s.stored("xai-oauth", "you").AccessToken
	assert.NotEqual(t, access, now)
	assert.Contains(t, git("git.corp.example", "fill").ok(), "password="+now+"\n")
	git("git.corp.example", "reject", "username=you\n", "password="+access+"\n").ok()
	assert.Equal(t, 1, fake.Exchanges(), "an old token that is rejected replaces nothing")
}

// A git that can send bearer tokens gets the token as one.
func TestTokenForAGitWithBearerTokens(t *testing.T) {
	s := newShell(t)
	s.put(reauth.Credential{ID: "my key", AccessToken: "key-" + marker})
	args := []string{"xai", "--format", "git", "get"}
	const ask = "protocol=https\nhost=api.x.ai\n"
	assert.Equal(t, "capability[]=authtype\nauthtype=Bearer\ncredential=key-"+marker+"\nephemeral=1\n",
		s.token("capability[]=authtype\ncapability[]=state\n"+ask+"\n", args...).ok())
	assert.Equal(t, "username=my-key\npassword=key-"+marker+"\n", s.token(ask, args...).ok())
	s.token("host=api.x.ai\n", args...).fails(exitUsage)
	assert.Empty(t, s.token(ask, "xai", "--format", "git", "store").ok())
	assert.Empty(t, s.token(ask, "xai", "--format", "git", "erase").ok(), "git rejects a login that it got elsewhere")
	r := s.token(ask+"password=key-"+marker+"\n", "xai", "--format", "git", "erase")
	assert.Contains(t, r.fails(exitLogin), "was refused")
	assert.Empty(t, r.out)
}

// A credential that is for some hosts only is given for those only.
func TestTokenOfACredentialForOneHost(t *testing.T) {
	s := newShell(t)
	s.run("key-"+marker, "add", "azure", "--key-stdin", "--id", "res", "--hosts", "my-resource.openai.azure.com").ok()
	args := []string{"azure", "--format", "git", "get"}
	assert.Contains(t, s.token("protocol=https\nhost=my-resource.openai.azure.com\n", args...).ok(), "key-"+marker)
	assert.Empty(t, s.token("protocol=https\nhost=other.openai.azure.com\n", args...).ok())
	require.Contains(t, s.token("", "azure").ok(), "key-"+marker, "a caller that tells no host decides by itself")
}
