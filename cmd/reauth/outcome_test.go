package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
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

// Programs read what became of each credential; the exit code and standard error are those of a
// person.
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

// A probe tells the limits that the answer's headers tell, and for a program all that it found.
func TestProbeTellsLimits(t *testing.T) {
	s := newShell(t)
	var status atomic.Int32
	status.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ratelimit-Limit-Requests", "200")
		w.Header().Set("X-Ratelimit-Remaining-Requests", "50")
		w.Header().Set("X-Ratelimit-Reset-Requests", "2h0m30s")
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(server.Close)
	s.run("gsk_"+marker, "add", "groq", "--key-stdin", "--id", "team").ok()
	probe := []string{"probe", "groq", "--base-url", server.URL}
	out := s.run("", probe...).ok()
	assert.Contains(t, out, "groq accepts the credential\n")
	assert.Regexp(t, `  limit requests: 25% left, all of it at \d\d:\d\d \(in 2h00m\)\n`, out)

	var doc probeJSON
	require.NoError(t, json.Unmarshal([]byte(s.run("", append(probe, "--json")...).ok()), &doc))
	require.Len(t, doc.Limits, 1)
	assert.InDelta(t, 0.25, doc.Limits[0].Left, 0.001)
	require.NotNil(t, doc.Limits[0].Reset)
	doc.Limits = nil
	assert.Equal(t, probeJSON{Provider: "groq", ID: "team", Accepted: true, Status: 200, Verdict: "pass", Sent: 1}, doc)

	status.Store(http.StatusUnauthorized)
	r := s.run("", append(probe, "--json")...)
	assert.Equal(t, exitLogin, r.code)
	doc = probeJSON{}
	require.NoError(t, json.Unmarshal([]byte(r.out), &doc))
	assert.Equal(t, []any{false, 401, "rejected"}, []any{doc.Accepted, doc.Status, doc.Verdict})
	assert.Contains(t, doc.Error, "401, rejected")
	assert.Contains(t, r.errors, "401, rejected")
}
