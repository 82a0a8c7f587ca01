package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
