package main

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// Each flag sets what the library has under that name, for all providers and at any address of
// theirs.
func TestProxyFlagsHoldForAllProviders(t *testing.T) {
	flags := choosing{Strategy: "most-headroom", MaxInFlight: 7, ReadLimits: true, FirstEvent: time.Second}
	for name, at := range map[string]endpoints{"grok": {}, "claude": {BaseURL: "http://127.0.0.1:9999/v1"}} {
		pool := reauth.NewPool()
		list, err := servedAs([]string{name})
		require.NoError(t, err)
		require.NoError(t, list[0].register(pool, at, flags), name)
		pr := list[0].provider
		assert.Equal(t, reauth.MostHeadroom, pr.Strategy, name)
		assert.Equal(t, 7, pr.MaxInFlight, name)
		assert.True(t, pr.ReadLimits, name)
		assert.Equal(t, time.Second, pr.FirstEvent, name)
		require.NoError(t, pool.Close())
	}
}

// The flag --strategy knows every strategy that the library has.
func TestProxyKnowsEveryStrategy(t *testing.T) {
	field, ok := reflect.TypeFor[choosing]().FieldByName("Strategy")
	require.True(t, ok)
	var names []string
	for s := reauth.FillFirst; s.String() != "unknown"; s++ {
		names = append(names, s.String())
		assert.Contains(t, field.Tag.Get("help"), s.String())
		got, ok := strategyOf(s.String())
		assert.True(t, ok)
		assert.Equal(t, s, got)
	}
	assert.Equal(t, strings.Join(names, ","), field.Tag.Get("enum"))
	_, ok = strategyOf("unknown")
	assert.False(t, ok)
}

func TestProxyAffinityFlags(t *testing.T) {
	members := proxy.SessionMembers()
	for _, c := range []struct {
		flags choosing
		want  proxy.Affinity
	}{
		{choosing{}, proxy.Affinity{}},
		{choosing{Affinity: true}, proxy.Affinity{Header: "X-Session-Id", Members: members}},
		{choosing{AffinityHeader: "X-Chat"}, proxy.Affinity{Header: "X-Chat", Members: members}},
		{choosing{Affinity: true, AffinityHeader: "X-Chat"}, proxy.Affinity{Header: "X-Chat", Members: members}},
	} {
		assert.Equal(t, c.want, c.flags.affinity())
	}
	for _, wrong := range []choosing{{MaxInFlight: -1}, {FirstEvent: -1}, {AffinityHeader: "X Chat"}, {AffinityHeader: "X:"}} {
		require.Error(t, wrong.check(), "%+v", wrong)
	}
}

// The addresses of several providers name theirs.
func TestAddressesOfSeveralProviders(t *testing.T) {
	several := []string{"xai-oauth", "anthropic"}
	for _, c := range []struct {
		what  string
		names []string
		flags addresses
		want  map[string]endpoints
		says  string
	}{
		{"of one", several[:1], addresses{BaseURL: []string{"u"}, Issuer: []string{"i"}}, map[string]endpoints{"xai-oauth": {"u", "i"}}, ""},
		{"of one, named", several[:1], addresses{BaseURL: []string{"grok=u"}}, map[string]endpoints{"xai-oauth": {BaseURL: "u"}}, ""},
		{
			"of two", several,
			addresses{BaseURL: []string{"claude=u", "xai=v"}, Issuer: []string{"xai=i"}},
			map[string]endpoints{"anthropic": {BaseURL: "u"}, "xai-oauth": {"v", "i"}},
			"",
		},
		{"whose", several, addresses{BaseURL: []string{"https://gateway.example"}}, nil, "--base-url xai-oauth=URL"},
		{"of another", several, addresses{Issuer: []string{"groq=u"}}, nil, "groq is none of"},
		{"twice", several, addresses{BaseURL: []string{"xai=u", "grok=v"}}, nil, "twice"},
	} {
		got, err := c.flags.of(c.names)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, c.what)
			continue
		}
		require.NoError(t, err, c.what)
		assert.Equal(t, c.want, got, c.what)
	}
}

// The flags reach the requests of a running proxy: what is final is marked or not, a refusal in the
// first event of a stream is recovered from, conversations stay together, and requests take turns.
func TestProxyFlagsAtWork(t *testing.T) {
	r := newRig(t)
	r.AddKey("client-secret-second")
	r.add(t, reauth.Credential{AccessToken: "client-secret-second", ID: "second"})
	used := func() (tokens map[string]bool) {
		tokens = make(map[string]bool)
		for _, q := range r.Requests() {
			tokens[q.Token] = true
		}
		return tokens
	}
	turns := r.start(t, "--strategy", "round-robin", "--affinity-header", "X-Chat")
	for range 4 {
		_, _ = turns.do(t, http.MethodPost, "/v1/chat/completions", `{"model":"example","prompt_cache_key":"one"}`,
			"Content-Type: application/json")
		_, _ = turns.do(t, http.MethodPost, "/v1/chat/completions", chat, "X-Chat: one")
	}
	assert.Len(t, used(), 1, "a conversation")
	for range 4 {
		_, _ = turns.do(t, http.MethodPost, "/v1/chat/completions", chat)
	}
	assert.Len(t, used(), 2, "requests of no conversation")

	r.on("/v1/stream", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if req.Header.Get("Authorization") == "Bearer "+r.access {
			_, _ = w.Write([]byte(`data: {"error":{"message":"token expired","code":"token_expired"}}` + "\n\n"))
			return
		}
		_, _ = w.Write([]byte("data: served\n\n"))
	})
	for _, c := range []struct{ wait, want string }{{"0s", "token expired"}, {"10s", "served"}} {
		_, body := r.start(t, "--first-event", c.wait).do(t, http.MethodPost, "/v1/stream", chat)
		assert.Contains(t, body, c.want, c.wait)
	}
	r.Forbid()
	for _, c := range []struct{ flag, want string }{{"--mark-final", "false"}, {"--no-mark-final", ""}} {
		resp, _ := r.start(t, c.flag).do(t, http.MethodPost, "/v1/chat/completions", chat)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode)
		assert.Equal(t, c.want, resp.Header.Get("X-Should-Retry"), c.flag)
	}
}

// exec has the same flags, from the same table, and its program's requests are sent by them.
func TestExecHasTheFlagsOfChoosing(t *testing.T) {
	flags := map[string]*kong.Node{}
	for _, n := range visible(declared(t).Node) {
		flags[n.Name] = n
	}
	has := func(command, flag string) bool {
		return slices.ContainsFunc(flags[command].Flags, func(f *kong.Flag) bool { return f.Name == flag })
	}
	for _, flag := range []string{"strategy", "affinity", "affinity-header", "max-in-flight", "read-limits", "first-event"} {
		assert.True(t, has("proxy", flag), flag)
		assert.True(t, has("exec", flag), flag)
	}

	tool(t, "curl")
	fake, server, s := expired(t)
	fake.AddKey("xai-" + marker + "-second")
	s.run("xai-"+marker+"-second", "add", "xai", "--key-stdin", "--id", "second").ok()
	run := execArgs(at(server), request+"; "+request, "--strategy", "round-robin")
	assert.Equal(t, "200\n200\n", s.run("", run...).ok())
	used := map[string]bool{}
	for _, q := range fake.Requests() {
		used[q.Token] = true
	}
	assert.Contains(t, used, "xai-"+marker+"-second", "the requests take turns")
	assert.Contains(t, s.run("", execArgs(at(server), "true", "--max-in-flight=-1")...).fails(exitUsage), "--max-in-flight")
}
