//go:build unix

package agents

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/reauthtest"
)

// agent is an agent, as it is run and read.
type agent struct {
	name     string // as in agents.md
	dialect  reauthtest.Dialect
	provider string
	path     string   // of the API below its origin
	slow     bool     // it takes seconds of computing to start
	key      bool     // the provider has keys, and no logins
	env      []string // its own switches of telemetry and updates
	settle   func(w *world)
	// command is the agent with its arguments. The base URL and the key stand in the environment.
	command func(w *world) []string
	// lead are the variables of the environment by which it finds a proxy.
	lead func(origin, key string) []string
	// helper runs it with its own setting for a command that prints a key. It is nil where it has
	// none.
	helper  func(w *world) *seen
	words   func(out, errs string) string
	refusal string // a refusal of the token, as the first event of a stream
}

// through runs the agent with the base URL of a proxy.
func (a *agent) through(w *world, origin, key string) *seen {
	return w.program(a.lead(origin, key), a.command(w)...)
}

// installed returns the path of what an agent's npm package contains.
func installed(t *testing.T, agent string, patterns ...string) string {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join("..", "..", "testdata", "agents", agent, "node_modules", pattern))
		require.NoError(t, err)
		if len(found) > 0 {
			path, err := filepath.Abs(found[0])
			require.NoError(t, err)
			return path
		}
	}
	require.Fail(t, "not installed", "%s: run cmd/reauth/testdata/tools.sh", agent)
	return ""
}

// matching returns the lines of a text that match, and each of several equal ones once.
func matching(text, pattern string) string {
	lines := regexp.MustCompile(`(?m)^.*(?:`+pattern+`).*$`).FindAllString(text, -1)
	return strings.Join(slices.Compact(lines), "\n")
}

// openAI are the variables of programs that speak OpenAI's API.
func openAI(path string) func(origin, key string) []string {
	return func(origin, key string) []string {
		return []string{"OPENAI_BASE_URL=" + origin + path, "OPENAI_API_KEY=" + key}
	}
}

// opencode speaks the chat completions API with the SDK that its own documentation names for other
// providers.
var opencode = &agent{
	name: "opencode", dialect: reauthtest.XAI, provider: "xai-oauth", path: "/v1", slow: true,
	env: []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1"},
	settle: func(w *world) {
		w.write(".config/opencode/opencode.json", `{
	"$schema": "https://opencode.ai/config.json", "autoupdate": false, "share": "disabled", "snapshot": false,
	"model": "reauth/example", "small_model": "reauth/example",
	"provider": {"reauth": {
		"npm": "@ai-sdk/openai-compatible", "name": "reauth",
		"options": {"baseURL": "{env:OPENAI_BASE_URL}", "apiKey": "{env:OPENAI_API_KEY}"},
		"models": {"example": {"name": "Example"}}
	}}
}`)
		// opencode installs this package, for plugins, on its first start; there is no setting
		// against it.
		w.write(".config/opencode/package-lock.json",
			`{"lockfileVersion": 3, "packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}`)
		w.write(".config/opencode/node_modules/.package-lock.json", "{}")
	},
	command: func(w *world) []string {
		return []string{
			installed(w.t, "opencode", "opencode-"+runtime.GOOS+"-*[0-9a-z]4/bin/opencode", "opencode-*/bin/opencode"),
			"run", "--title", "test", "Hello",
		}
	},
	lead: openAI("/v1"),
	words: func(out, errs string) string {
		return out + matching(errs, `Error|error`)
	},
	refusal: `data: {"error":{"code":"unauthenticated:bad-credentials",` +
		`"message":"The OAuth2 access token could not be validated."}}` + "\n\n",
}

// codexSettings are those of every run, up to the address of the model provider.
const codexSettings = `model = "example"
model_provider = "reauth"
check_for_update_on_startup = false

[analytics]
enabled = false

[features]
plugins = false

[model_providers.reauth]
name = "reauth"
`

// codex speaks the Responses API.
var codex = &agent{
	name: "Codex", dialect: reauthtest.OpenAI, provider: "openai-codex", path: "/v1",
	settle: func(w *world) {
		w.write(".codex/config.toml", codexSettings+`base_url = "http://127.0.0.1:1/v1"
env_key = "OPENAI_API_KEY"
`)
	},
	command: func(w *world) []string {
		return []string{
			"sh", "-c", `exec "$0" exec --skip-git-repo-check -c model_providers.reauth.base_url="\"$OPENAI_BASE_URL\"" Hello`,
			codexBinary(w.t),
		}
	},
	lead: openAI("/v1"),
	helper: func(w *world) *seen {
		w.write(".codex/config.toml", codexSettings+fmt.Sprintf(`base_url = "%[1]s/v1"
requires_openai_auth = false

[model_providers.reauth.auth]
command = "reauth"
args = ["token", "openai-codex", "--issuer", "%[1]s"]
timeout_ms = 30000
refresh_interval_ms = 300000
`, w.api))
		return w.program(nil, codexBinary(w.t), "exec", "--skip-git-repo-check", "Hello")
	},
	words: func(out, errs string) string { return out + matching(errs, `^ERROR|^error`) },
	refusal: "event: response.failed\n" + `data: {"type":"response.failed","sequence_number":0,"response":{"id":"resp_1",` +
		`"object":"response","status":"failed","error":{"code":"token_expired","message":"Your authentication token has ` +
		`expired. Please try signing in again."}}}` + "\n\n",
}

func codexBinary(t *testing.T) string {
	return installed(t, "codex", "@openai/codex-*/vendor/*/bin/codex")
}
