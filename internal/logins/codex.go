package logins

import (
	"encoding/json"
	"strings"
)

const codexProvider = "openai-codex"

// codexFile is Codex CLI's auth.json (openai/codex, codex-rs/login/src/auth/storage.rs).
type codexFile struct {
	Mode          string          `json:"auth_mode"` // absent: told by what is there
	APIKey        string          `json:"OPENAI_API_KEY"`
	PersonalToken string          `json:"personal_access_token"`
	AgentIdentity json.RawMessage `json:"agent_identity"`
	BedrockKey    json.RawMessage `json:"bedrock_api_key"`
	Tokens        struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		AccountID    string `json:"account_id"`
		IDToken      text   `json:"id_token"`
	} `json:"tokens"`
}

// readCodex takes first what Codex CLI itself would use: a personal access token unless another
// mode is named, then the login.
func readCodex(content []byte, _ Canonical) (found Found, err error) {
	var file codexFile
	if err := decode(content, &file); err != nil {
		return found, err
	}
	add := []func(*Found, codexFile){addCodexPersonal, addCodexLogin}
	if file.Mode != "" && file.Mode != "personalAccessToken" {
		add = []func(*Found, codexFile){addCodexLogin, addCodexPersonal}
	}
	for _, a := range add {
		a(&found, file)
	}
	addCodexOthers(&found, file)
	return found, nil
}

// addCodexPersonal adds a personal access token, which a person makes for a ChatGPT workspace
// (developers.openai.com/codex/enterprise/access-tokens). Nobody refreshes it, and the file does
// not name its account.
func addCodexPersonal(found *Found, file codexFile) {
	if access := token(file.PersonalToken); access != "" {
		found.addFollowed(Login{Provider: codexProvider, Name: codexPersonalName, AccessToken: access})
	} else if file.PersonalToken != "" {
		found.skip(codexPersonalName, "it is no token")
	}
}

const (
	codexPersonalName   = "personal access token"
	codexPersonalPrefix = "at-"
)

func addCodexLogin(found *Found, file codexFile) {
	access := token(file.Tokens.AccessToken)
	if access == "" {
		return
	}
	name := "ChatGPT login"
	if strings.HasPrefix(access, codexPersonalPrefix) {
		name = codexPersonalName
	}
	found.addFollowed(Login{
		Provider: codexProvider, Name: name,
		AccessToken: access, RefreshToken: token(file.Tokens.RefreshToken),
		AccountID: accountOf(access, file.Tokens.IDToken, file.Tokens.AccountID),
	})
}

// addCodexOthers adds what is of no use as a login of ChatGPT.
func addCodexOthers(found *Found, file codexFile) {
	if key := token(file.APIKey); key != "" {
		found.add(Login{Provider: "openai-api", Name: "API key", AccessToken: key})
		found.advise(codexProvider, `it holds an API key and no login; add the key as a credential of "openai"`)
	}
	if isPresent(file.AgentIdentity) {
		found.skip("agent identity", "reauth cannot use it")
		found.advise(codexProvider, "it holds an agent identity, which signs each request, and reauth cannot do that; "+
			"log in there with ChatGPT, or with a personal access token")
	}
	if isPresent(file.BedrockKey) {
		found.skip("Amazon Bedrock key", `it is no login of ChatGPT; add it as a credential of "bedrock"`)
		found.advise(codexProvider, `it holds a key of Amazon Bedrock and no login; add the key as a credential of "bedrock"`)
	}
}

// isPresent reports whether a file has a member, and not as null.
func isPresent(member json.RawMessage) bool { return len(member) > 0 && string(member) != "null" }
