package logins_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/logins"
)

// The readers of more files than one.

const (
	antOAuth = `{"version":"1.0","authentication":{"type":"user_oauth","client_id":"c"}}`
	antWIF   = `{"authentication":{"type":"oidc_federation","federation_rule_id":"fdrl_1"}}`
)

func TestReadersOfFolders(t *testing.T) {
	type login = logins.Login
	antTokens := `{"version":"1.0","type":"oauth_token","access_token":"at","refresh_token":"rt","expires_at":` + seconds + `,"account_email":"jane@example.com"}`
	kimi := func(token, expires string) string {
		return `{"access_token":"` + token + `","refresh_token":"rt","expires_at":` + expires + `,"scope":"kimi-code","token_type":"Bearer","expires_in":900}`
	}
	const china, global, other = "credentials/kimi-code.json", "credentials/kimi-code-env-0e4f99c69cc27850.json", "credentials/kimi-code-env-0123456789abcdef.json"
	ant := func(more login) login {
		more.Provider, more.Name, more.Followed, more.FollowOnly = "anthropic", "profile default", true, true
		return more
	}
	for name, c := range map[string]struct {
		kind    string
		files   map[string]string
		want    []login
		skipped []string
	}{
		"ant": {
			"ant",
			map[string]string{"configs/default.json": antOAuth, "credentials/default.json": antTokens},
			[]login{ant(login{AccessToken: "at", RefreshToken: "rt", Expiry: end})},
			nil,
		},
		"ant, active profile": {
			"ant",
			map[string]string{
				"active_config": "work\n", "configs/default.json": antOAuth, "credentials/default.json": antTokens,
				"configs/work.json": antOAuth, "credentials/work.json": `{"access_token":"at-2"}`,
			},
			[]login{{Provider: "anthropic", Name: "profile work", Followed: true, FollowOnly: true, AccessToken: "at-2"}},
			nil,
		},
		"ant, identity token": {
			"ant",
			map[string]string{"configs/default.json": antWIF, "credentials/default.json": `{"type":"oauth_token","access_token":"at","expires_at":` + seconds + `}`},
			[]login{ant(login{AccessToken: "at", Expiry: end})},
			nil,
		},
		"ant, of another host": {
			"ant",
			map[string]string{
				"configs/default.json":     `{"base_url":"https://gateway.example:8443/","authentication":{"type":"user_oauth"}}`,
				"credentials/default.json": antTokens,
			},
			[]login{ant(login{AccessToken: "at", RefreshToken: "rt", Expiry: end, Hosts: []string{"gateway.example:8443"}})},
			nil,
		},
		"ant, of Anthropic's host": {
			"ant",
			map[string]string{
				"configs/default.json":     `{"base_url":"https://api.anthropic.com/","authentication":{"type":"user_oauth"}}`,
				"credentials/default.json": antTokens,
			},
			[]login{ant(login{AccessToken: "at", RefreshToken: "rt", Expiry: end})},
			nil,
		},
		"ant, of this computer": {
			"ant",
			map[string]string{
				"configs/default.json":     `{"base_url":"http://127.0.0.1:8080","authentication":{"type":"user_oauth"}}`,
				"credentials/default.json": antTokens,
			},
			[]login{ant(login{AccessToken: "at", RefreshToken: "rt", Expiry: end, Hosts: []string{"http://127.0.0.1:8080"}})},
			nil,
		},
		"ant, of no host": {
			"ant",
			map[string]string{"configs/default.json": `{"base_url":"ftp://x","authentication":{"type":"user_oauth"}}`, "credentials/default.json": antTokens},
			nil,
			[]string{"profile default: its base_url is none"},
		},
		"ant, logged out": {"ant", map[string]string{"configs/default.json": antOAuth}, nil, []string{"profile default: it is not logged in"}},
		"ant, identity token, none yet": {
			"ant",
			map[string]string{"configs/default.json": antWIF},
			nil,
			[]string{"profile default: it exchanges an identity token, and has not done so yet"},
		},
		"ant, unknown way": {
			"ant",
			map[string]string{"configs/default.json": `{"authentication":{"type":"magic"}}`},
			nil,
			[]string{"profile default: reauth does not know its way to authenticate"},
		},
		"ant, unknown kind": {
			"ant",
			map[string]string{"configs/default.json": antOAuth, "credentials/default.json": `{"type":"signature","access_token":"x"}`},
			nil,
			[]string{"profile default: its credentials are of a kind that reauth does not know"},
		},
		"ant, digest in place of a token": {
			"ant",
			map[string]string{"configs/default.json": antOAuth, "credentials/default.json": `{"access_token":"sha256:0123"}`},
			nil,
			[]string{"profile default: it holds no token"},
		},
		"kimi, mainland China": {
			"kimi",
			map[string]string{china: kimi("at", seconds), "region": "global"},
			[]login{{Provider: "kimi-coding", Name: "Kimi Code login, api.kimi.com", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end, Hosts: []string{"api.kimi.com/coding"}}},
			nil,
		},
		"kimi, global": {
			"kimi",
			map[string]string{global: kimi("at", seconds+".5"), china: `{"access_token":"","refresh_token":"","expires_at":0}`},
			[]login{{Provider: "kimi-coding", Name: "Kimi Code login, api.kimi.ai", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end.Add(500e6), Hosts: []string{"api.kimi.ai/coding"}, Metadata: map[string]string{"reauth-issuer": "https://auth.kimi.ai"}}},
			[]string{"kimi-code.json: it holds no token"},
		},
		"kimi, both": {
			"kimi",
			map[string]string{global: kimi("at-2", "1000000000"), china: kimi("at-1", seconds)},
			[]login{
				{Provider: "kimi-coding", Name: "Kimi Code login, api.kimi.com", Followed: true, AccessToken: "at-1", RefreshToken: "rt", Expiry: end, Hosts: []string{"api.kimi.com/coding"}},
				{Provider: "kimi-coding", Name: "Kimi Code login, api.kimi.ai", AccessToken: "at-2", RefreshToken: "rt", Expiry: time.Unix(1e9, 0), Hosts: []string{"api.kimi.ai/coding"}, Metadata: map[string]string{"reauth-issuer": "https://auth.kimi.ai"}},
			},
			nil,
		},
		"kimi, odd files": {
			"kimi",
			map[string]string{china: kimi("at", seconds), global: `{"access_token":`, other: kimi("x", seconds), "credentials/kimi-code.lock": "", "credentials/notes.json": "7"},
			[]login{{Provider: "kimi-coding", Name: "Kimi Code login, api.kimi.com", Followed: true, AccessToken: "at", RefreshToken: "rt", Expiry: end, Hosts: []string{"api.kimi.com/coding"}}},
			[]string{
				"kimi-code-env-0123456789abcdef.json: its name does not tell which host takes its token",
				"kimi-code-env-0e4f99c69cc27850.json: it is not what that program writes: broken JSON, or another program's file",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			home(t)
			folder := t.TempDir()
			for path, content := range c.files {
				write(t, content, folder, filepath.FromSlash(path))
			}
			p := program(t, c.kind)
			found, err := p.Read(p.Path(folder), canonical)
			require.NoError(t, err)
			for i := range found.Logins {
				found.Logins[i].Expiry = found.Logins[i].Expiry.UTC()
			}
			for i := range c.want {
				c.want[i].Expiry = c.want[i].Expiry.UTC()
			}
			assert.Equal(t, c.want, found.Logins)
			var skipped []string
			for _, s := range found.Skipped {
				skipped = append(skipped, s.Name+": "+s.Why)
			}
			assert.Equal(t, c.skipped, skipped)
		})
	}
}

// What cannot be read is named, with the way out, and nothing of it is quoted.
func TestFoldersThatCannotBeRead(t *testing.T) {
	const broken = "it is not what that program writes: broken JSON, or another program's file"
	for name, c := range map[string]struct {
		kind  string
		files map[string]string // a path that ends with a slash is a folder
		err   string            // of Read
		why   string            // of Followed
	}{
		"ant, missing":           {"ant", nil, "no such file", ""},
		"ant, a folder":          {"ant", map[string]string{"configs/default.json/": ""}, "it is a folder; name the file in it", ""},
		"ant, half written":      {"ant", map[string]string{"configs/default.json": `{"authentication":{"type":"secret`}, broken, ""},
		"ant, wrong types":       {"ant", map[string]string{"configs/default.json": `{"authentication":["secret"]}`}, broken, ""},
		"ant, huge":              {"ant", map[string]string{"configs/default.json": antOAuth + strings.Repeat(" ", 4<<20)}, "it is larger than 4 MiB; it may be another program's file", ""},
		"ant, another version":   {"ant", map[string]string{"configs/default.json": `{"version":"2.0","authentication":{"type":"secret"}}`}, "it is of a format that this version of reauth does not know; log in with reauth instead", ""},
		"ant, tokens empty":      {"ant", map[string]string{"configs/default.json": antOAuth, "credentials/default.json": ""}, "its file $/credentials/default.json: " + broken, ""},
		"ant, tokens half":       {"ant", map[string]string{"configs/default.json": antOAuth, "credentials/default.json": `{"access_token":"secret`}, "its file $/credentials/default.json: " + broken, ""},
		"ant, tokens of types":   {"ant", map[string]string{"configs/default.json": antOAuth, "credentials/default.json": `{"access_token":["secret"]}`}, "its file $/credentials/default.json: " + broken, ""},
		"ant, tokens a folder":   {"ant", map[string]string{"configs/default.json": antOAuth, "credentials/default.json/": ""}, "its file $/credentials/default.json: it is a folder; name the file in it", ""},
		"ant, tokens, version":   {"ant", map[string]string{"configs/default.json": antOAuth, "credentials/default.json": `{"version":"10","access_token":"secret"}`}, "its file $/credentials/default.json: it is of a format that this version of reauth does not know; log in with reauth instead", ""},
		"ant, logged out":        {"ant", map[string]string{"configs/default.json": antOAuth}, "", "the profile is not logged in; log in there first: ant auth login"},
		"ant, identity token":    {"ant", map[string]string{"configs/default.json": antWIF}, "", "the profile exchanges an identity token, and has not done so yet; use that program once"},
		"ant, unknown way":       {"ant", map[string]string{"configs/default.json": `{"authentication":{"type":"secret"}}`}, "", "the profile authenticates in a way that this version of reauth does not know; log in with reauth instead"},
		"ant, of no host":        {"ant", map[string]string{"configs/default.json": `{"base_url":"secret","authentication":{"type":"user_oauth"}}`}, "", "the base_url of the profile is none; mend it there"},
		"ant, digest":            {"ant", map[string]string{"configs/default.json": antOAuth, "credentials/default.json": `{"access_token":"sha256:secret"}`}, "", "it holds no login of anthropic; log in there first"},
		"kimi, missing":          {"kimi", nil, "file does not exist", ""},
		"kimi, empty":            {"kimi", map[string]string{"kimi-code.json": ""}, broken, ""},
		"kimi, half written":     {"kimi", map[string]string{"kimi-code.json": `{"access_token":"secret`}, broken, ""},
		"kimi, a folder":         {"kimi", map[string]string{"kimi-code.json/": ""}, "file does not exist", ""},
		"kimi, wrong types":      {"kimi", map[string]string{"kimi-code.json": `{"access_token":{"secret":1}}`}, broken, ""},
		"kimi, huge":             {"kimi", map[string]string{"kimi-code.json": `{}` + strings.Repeat(" ", 4<<20)}, "it is larger than 4 MiB; it may be another program's file", ""},
		"kimi, digest":           {"kimi", map[string]string{"kimi-code.json": `{"access_token":"sha256:secret"}`}, "", "it holds no login of kimi-coding; log in there first"},
		"kimi, another host's":   {"kimi", map[string]string{"kimi-code-env-00.json": `{"access_token":"secret"}`}, "", "its name does not tell which host takes its token; name the folder, or one of kimi-code-env-0e4f99c69cc27850.json, kimi-code.json"},
		"opencode, missing":      {"opencode", nil, "no such file", ""},
		"opencode, a folder":     {"opencode", map[string]string{"auth.json/": ""}, "it is a folder; name the file in it", ""},
		"opencode, wrong types":  {"opencode", map[string]string{"auth.json": `["secret"]`}, broken, ""},
		"opencode, half written": {"opencode", map[string]string{"auth.json": `{"xai":{"type":"api","key":"secret`}, broken, ""},
		"opencode, huge":         {"opencode", map[string]string{"auth.json": `{}` + strings.Repeat(" ", 4<<20)}, "it is larger than 4 MiB; it may be another program's file", ""},
	} {
		t.Run(name, func(t *testing.T) {
			home(t)
			folder := t.TempDir()
			for path, content := range c.files {
				if path, isFolder := strings.CutSuffix(path, "/"); isFolder {
					require.NoError(t, os.MkdirAll(filepath.Join(folder, path), 0o700))
					continue
				}
				write(t, content, folder, filepath.FromSlash(path))
			}
			p := program(t, c.kind)
			synctest.Test(t, func(t *testing.T) { // half a file is read again after some time
				found, err := p.Read(p.Path(folder), canonical)
				if c.err != "" {
					require.Error(t, err)
					got := filepath.ToSlash(strings.ReplaceAll(err.Error(), folder, "$"))
					assert.True(t, strings.HasPrefix(got, c.err), "%s\n%s", got, c.err)
					assert.NotContains(t, got, "secret")
					return
				}
				require.NoError(t, err)
				provider := map[string]string{"ant": "anthropic", "kimi": "kimi-coding"}[c.kind]
				_, err = found.Followed(provider, nil)
				require.EqualError(t, err, c.why)
			})
		})
	}
}
