package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/proxy"
)

// Each flag sets what the library has under that name, for all providers and at any address of theirs.
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
