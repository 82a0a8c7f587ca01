package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// results reads the outcomes that a command has printed as JSON, also one that failed.
func (r *ended) results() (found []outcome) {
	r.t.Helper()
	var doc struct{ Credentials []outcome }
	require.NoError(r.t, json.Unmarshal([]byte(r.out), &doc), "%s%s", r.out, r.errors)
	require.NotNil(r.t, doc.Credentials, "an empty list is []")
	return doc.Credentials
}

// Programs read what became of each credential; the exit code and standard error are those of a person.
func TestOutcomesInJSON(t *testing.T) {
	fake, server, s := expired(t)
	s.put(reauth.Credential{ID: "key", AccessToken: "xai-" + marker})
	args := append([]string{"refresh", "xai", "--json"}, at(server)...)
	r := s.run("", args...)
	assert.Zero(t, r.code)
	results := r.results()
	require.Len(t, results, 2)
	assert.Equal(t, outcome{Provider: "xai-oauth", ID: "key", Result: resultLeftAlone}, results[0])
	assert.Equal(t, []string{"you", resultRefreshed}, []string{results[1].ID, results[1].Result})
	assert.Len(t, results[1].Fingerprint, 8)
	require.NotNil(t, results[1].Expiry)

	fake.Revoke(s.stored("xai-oauth", "you").RefreshToken)
	r = s.run("", append(args, "you")...)
	assert.Equal(t, exitLogin, r.code)
	assert.Equal(t, resultFailed, r.results()[0].Result)
	assert.Contains(t, r.results()[0].Error, "a new login is needed")
	assert.Contains(t, r.errors, "a new login is needed")

	assert.Equal(t, []outcome{{Provider: "xai-oauth", ID: "you", Result: resultReset}},
		s.run("", "reset", "xai", "you", "--json").results())
	var doc struct{ Records []checkedJSON }
	require.NoError(t, json.Unmarshal([]byte(s.run("", "store", "check", "--json").ok()), &doc))
	require.Len(t, doc.Records, 2)
	assert.True(t, doc.Records[0].Opens)
	assert.Equal(t, []outcome{{Provider: "xai-oauth", ID: "you", Result: resultRemoved}},
		s.run("", "remove", "xai", "you", "--json").results())
	r = s.run("", "remove", "groq", "--json")
	assert.Equal(t, exitFailed, r.code)
	assert.Empty(t, r.results())
}
