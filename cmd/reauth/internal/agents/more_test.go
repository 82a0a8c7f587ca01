//go:build unix && agents

package agents

import (
	"fmt"

	"github.com/reauth-go/reauth/reauthtest"
)

// quiet are Claude Code's own switches of what it sends beside the requests to the model.
var quiet = []string{
	"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "DISABLE_TELEMETRY=1",
	"DISABLE_ERROR_REPORTING=1",
}

// claude speaks the Messages API.
var claude = &agent{
	name: "Claude Code", dialect: reauthtest.Anthropic, provider: "anthropic", env: quiet,
	settle: func(*world) {},
	command: func(w *world) []string {
		return []string{installed(w.t, "claude", "@anthropic-ai/claude-code-*/claude"), "-p", "Hello"}
	},
	lead: func(origin, key string) []string {
		return []string{"ANTHROPIC_BASE_URL=" + origin, "ANTHROPIC_AUTH_TOKEN=" + key}
	},
	words: func(out, errs string) string { return out + errs },
	refusal: "event: error\n" + `data: {"type":"error","error":{"type":"authentication_error","message":"OAuth token has ` +
		`expired. Please obtain a new token or refresh your existing token."}}` + "\n\n",
}

// claudeHelper is Claude Code with apiKeyHelper, at a gateway that takes the token of a login.
// Anthropic's own API takes one with a beta header only, which a helper cannot set. By default it
// asks ten times again, which takes minutes.
var claudeHelper = &agent{
	name: "Claude Code with apiKeyHelper", dialect: reauthtest.OpenAI, provider: "openai-codex", path: "/v1", env: quiet,
	settle: func(w *world) {
		w.write(".claude/settings.json", fmt.Sprintf(`{"apiKeyHelper": "reauth token openai-codex --issuer %s"}`, w.api))
	},
	helper: func(w *world) *seen {
		return w.program([]string{"ANTHROPIC_BASE_URL=" + w.api, "CLAUDE_CODE_MAX_RETRIES=2"}, claude.command(w)...)
	},
	words: claude.words,
}

// gemini speaks Google's API, which has keys: another key takes the place of one that is refused.
// The model is named, because Gemini CLI else asks a model which one to use. By default it asks ten
// times of a used-up quota, which takes minutes.
var gemini = &agent{
	name: "Gemini CLI", dialect: reauthtest.Gemini, provider: "gemini", key: true,
	settle: func(w *world) {
		w.write(".gemini/settings.json", `{
	"general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false, "maxAttempts": 2},
	"privacy": {"usageStatisticsEnabled": false}, "telemetry": {"enabled": false},
	"security": {"auth": {"selectedType": "gemini-api-key"}}
}`)
	},
	command: func(w *world) []string {
		script := installed(w.t, "gemini", "@google/gemini-cli/bundle/gemini.js")
		return []string{"node", script, "--skip-trust", "-m", "gemini-2.5-flash", "-p", "Hello"}
	},
	lead: func(origin, key string) []string {
		return []string{"GOOGLE_GEMINI_BASE_URL=" + origin, "GEMINI_API_KEY=" + key}
	},
	words: func(out, errs string) string { return out + matching(errs, `Error when|unexpected critical error`) },
	refusal: `data: {"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",` +
		`"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",` +
		`"reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}` + "\r\n\r\n",
}
