package reauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

func TestAddDropsWhiteSpaceAroundTokens(t *testing.T) {
	pool := poolOf(t, reauth.Credential{
		Provider: " xai\n", ID: " me ", AccountID: " acct-1 ",
		AccessToken: "\t key-EXAMPLE\r\n", RefreshToken: " rt-EXAMPLE\n",
	})
	c, err := pool.Token(context.Background(), "xai")
	require.NoError(t, err)
	assert.Empty(t, c.Metadata, "the pool keeps its own notes to itself")
	c.Metadata = nil
	assert.Equal(t, reauth.Credential{
		Provider: "xai-oauth", ID: "me", AccountID: "acct-1",
		AccessToken: "key-EXAMPLE", RefreshToken: "rt-EXAMPLE",
	}, c)
	assert.Equal(t, "key-EXAMPLE", bearerSent(t, pool, "https://api.x.ai/v1"))
}

func TestAddRefusesBadCredentials(t *testing.T) {
	const control = " holds a control character, such as a line break in the middle;" +
		" it cannot be sent in a header"
	for name, c := range map[string]struct {
		c    reauth.Credential
		want string
	}{
		"unknown provider": {
			c:    reauth.Credential{Provider: "unheard-of", AccessToken: "k"},
			want: `provider "unheard-of" is unknown; Register it first`,
		},
		"custom, unknown": {
			c:    reauth.Credential{Provider: "custom:unheard-of", AccessToken: "k"},
			want: `provider "unheard-of" is unknown; Register it first`,
		},
		"no token": {
			c:    reauth.Credential{Provider: "xai"},
			want: "the credential has neither an access token nor a refresh token",
		},
		"tokens of white space": {
			c:    reauth.Credential{Provider: "xai", AccessToken: " \n", RefreshToken: "\t"},
			want: "the credential has neither an access token nor a refresh token",
		},
		"access token on two lines": {
			c: reauth.Credential{Provider: "xai", AccessToken: "key-\nEXAMPLE"}, want: "AccessToken" + control,
		},
		"refresh token with NUL": {
			c:    reauth.Credential{Provider: "xai", AccessToken: "k", RefreshToken: "rt\x00"},
			want: "RefreshToken" + control,
		},
		"account with DEL": {
			c: reauth.Credential{Provider: "xai", AccessToken: "k", AccountID: "a\x7fb"}, want: "AccountID" + control,
		},
		"ID with a tab": {reauth.Credential{Provider: "xai", AccessToken: "k", ID: "a\tb"}, "ID" + control},
		"bad host": {
			c:    reauth.Credential{Provider: "xai", AccessToken: "k", Hosts: []string{"api.x.ai", "a..b"}},
			want: "a label of the host is empty",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := poolOf(t)
			id, err := pool.Add(context.Background(), c.c)
			require.ErrorContains(t, err, "reauth: add credential: ")
			assert.ErrorContains(t, err, c.want)
			assert.Empty(t, id)
			assert.Empty(t, pool.Status())
		})
	}
}

// A credential without an ID gets one from its account, from the claims of its token, or from a
// digest of its longest-lived token.
func TestAddDerivesIDs(t *testing.T) {
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "key-" + hex.EncodeToString(sum[:])[:12]
	}
	account := exampleJWT(`{"sub":"user-1","https://api.openai.com/auth":{"chatgpt_account_id":"acct-2"}}`)
	for name, c := range map[string]struct {
		c    reauth.Credential
		want string
	}{
		"the user's": {reauth.Credential{ID: "me", AccessToken: account, AccountID: "acct-1"}, "me"},
		"account":    {reauth.Credential{AccessToken: "key-EXAMPLE", AccountID: "acct-1"}, "acct-1"},
		"subject": {
			c:    reauth.Credential{AccessToken: exampleJWT(`{"sub":"user-1"}`), RefreshToken: "rt-EXAMPLE"},
			want: "user-1",
		},
		"account and subject": {
			c:    reauth.Credential{AccessToken: exampleJWT(`{"sub":"user-1"}`), AccountID: "acct-1"},
			want: "acct-1:user-1",
		},
		"account in the token":     {reauth.Credential{AccessToken: account}, "acct-2:user-1"},
		"the user's account first": {reauth.Credential{AccessToken: account, AccountID: "acct-1"}, "acct-1:user-1"},
		"key":                      {reauth.Credential{AccessToken: "key-EXAMPLE"}, digest("key-EXAMPLE")},
		"pair": {
			c: reauth.Credential{AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE"}, want: digest("rt-EXAMPLE"),
		},
		"refresh token alone":        {reauth.Credential{RefreshToken: "rt-EXAMPLE"}, digest("rt-EXAMPLE")},
		"JWT without a subject":      {reauth.Credential{AccessToken: exampleJWT(`{}`)}, digest(exampleJWT(`{}`))},
		"what only looks like a JWT": {reauth.Credential{AccessToken: "eyJ.EXAMPLE.x"}, digest("eyJ.EXAMPLE.x")},
	} {
		t.Run(name, func(t *testing.T) {
			c.c.Provider = "openai-codex"
			pool := poolOf(t)
			id, err := pool.Add(context.Background(), c.c)
			require.NoError(t, err)
			assert.Equal(t, c.want, id)
			assert.Equal(t, c.want, pool.Status()[0].ID)
		})
	}
}

func TestAddingTwiceIsOneCredential(t *testing.T) {
	younger := exampleJWT(`{"sub":"user-1","exp":4102444801}`)
	for name, c := range map[string]struct {
		first, second reauth.Credential
		want          string // the access token that the pool has in the end
	}{
		"same key": {
			first:  reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"},
			second: reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"},
			want:   "key-EXAMPLE",
		},
		"by an alias": {
			first:  reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"},
			second: reauth.Credential{Provider: " X.AI", AccessToken: "key-EXAMPLE\n"},
			want:   "key-EXAMPLE",
		},
		"same pair": {
			first:  reauth.Credential{Provider: "xai", AccessToken: "at-1", RefreshToken: "rt-1"},
			second: reauth.Credential{Provider: "xai", AccessToken: "at-1", RefreshToken: "rt-1"},
			want:   "at-1",
		},
		"new login of a subject": {
			first: reauth.Credential{
				Provider: "xai", AccessToken: exampleJWT(`{"sub":"user-1","exp":4102444800}`), RefreshToken: "rt-1",
			},
			second: reauth.Credential{Provider: "xai", AccessToken: younger, RefreshToken: "rt-2"},
			want:   younger,
		},
		"new key of an account": {
			first:  reauth.Credential{Provider: "xai", AccessToken: "key-1", AccountID: "acct-1"},
			second: reauth.Credential{Provider: "xai", AccessToken: "key-2", AccountID: "acct-1"},
			want:   "key-2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := poolOf(t, c.first, c.second)
			assert.Len(t, pool.Status(), 1)
			assert.Equal(t, c.want, bearerSent(t, pool, "https://api.x.ai/v1"))
		})
	}
	pool := poolOf(t,
		reauth.Credential{Provider: "xai", AccessToken: "key-1"},
		reauth.Credential{Provider: "xai", AccessToken: "key-2"},
		reauth.Credential{Provider: "groq", AccessToken: "key-1"})
	assert.Len(t, pool.Status(), 3, "another key, and the same key of another provider, are credentials of their own")
}

func TestAddWithoutProviderSaysSo(t *testing.T) {
	for _, name := range []string{"", " \n"} {
		_, err := poolOf(t).Add(context.Background(), reauth.Credential{Provider: name, AccessToken: "key-EXAMPLE"})
		assert.ErrorContains(t, err, "the credential names no provider; set Credential.Provider")
	}
}

func TestAddRefusesAccountOfTheTokenWithControlCharacters(t *testing.T) {
	at := exampleJWT(`{"sub":"user-1","https://api.openai.com/auth":{"chatgpt_account_id":"acct\n2"}}`)
	_, err := poolOf(t).Add(context.Background(), reauth.Credential{Provider: "codex", AccessToken: at})
	assert.ErrorContains(t, err, "AccountID holds a control character")
}

func TestAddTwiceIsOneCredential(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		access, refresh := r.fake.Login()
		c := reauth.Credential{Provider: "grok", AccessToken: access, RefreshToken: refresh}
		first, err := r.pool.Add(context.Background(), c)
		require.NoError(t, err)
		second, err := r.pool.Add(context.Background(), c)
		require.NoError(t, err)
		assert.Equal(t, first, second)
		assert.Len(t, r.pool.Status(), 1)
	})
}

// A program adds the login from its environment at every start. The provider rotated that pair away
// long ago. The newer pair in the store serves on.
func TestStaleLoginAddedAtEveryStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := reauth.NewMemStore()
		fake := reauthtest.New(reauthtest.XAI)
		access, refresh := fake.Login()
		for start := range 50 {
			pool, err := reauth.OpenPool(context.Background(), store)
			require.NoError(t, err)
			r := newRigOn(t, reauthtest.XAI, pool)
			r.fake, r.transport.Base = fake, fake.Transport()
			r.refreshAt(t, fake)
			login := reauth.Credential{Provider: "xai", AccessToken: access, RefreshToken: refresh}
			_, err = pool.Add(context.Background(), login)
			require.NoError(t, err)
			require.Len(t, pool.Status(), 1)
			fake.Expire()
			status, _ := r.mustPost(t)
			require.Equal(t, 200, status, "start %d", start)
			require.NoError(t, pool.Close())
		}
		assert.Equal(t, 50, fake.Exchanges())
		assert.Zero(t, fake.Reuses())
		assert.True(t, fake.Alive(refresh))
	})
}

// Adding a pair that was rotated away, or a part of the current pair, leaves the current pair
// alone.
func TestAddOfAnOlderPairOfTheSameLogin(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		ctx := context.Background()
		var pairs []reauth.Credential
		r.login(t, "me")
		for range 20 {
			a, b := r.current(t)
			pairs = append(pairs, reauth.Credential{ID: "me", AccessToken: a, RefreshToken: b})
			require.NoError(t, r.pool.Refresh(ctx, r.provider, "me"))
		}
		access, refresh := r.current(t)
		for i, p := range pairs { // the pool remembers the last 32 spent tokens
			r.add(t, p)
			a, b := r.current(t)
			require.Equal(t, access, a, "pair %d", i)
			require.Equal(t, refresh, b)
		}
		r.add(t, reauth.Credential{ID: "me", AccessToken: access})
		_, b := r.current(t)
		assert.Equal(t, refresh, b, "adding the access token alone keeps the refresh token")
		r.add(t, reauth.Credential{ID: "me", AccessToken: "stale-one", RefreshToken: refresh})
		a, _ := r.current(t)
		assert.Equal(t, access, a, "another access token beside the same refresh token is no newer one")
	})
}

func TestNewLoginReplacesPairAndMarks(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		old, _ := r.login(t, "me")
		r.fake.Block(old)
		r.mustPost(t)
		require.EqualValues(t, reauth.Retired, r.status(t, "me").State)
		fresh, _ := r.login(t, "me")
		assert.Equal(t, reauth.Good, r.status(t, "me").State)
		r.mustPost(t)
		seen := r.tokens()
		assert.Equal(t, fresh, seen[len(seen)-1])
	})
}

// Adding a known key again changes its priority and its hosts.
func TestAddChangesWhatIsTheProgramsToSay(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.fake.Block("key-a")
	r.mustPost(t)
	r.add(t, reauth.Credential{ID: "a", AccessToken: "key-a", Priority: 7, Hosts: []string{"eu.api.x.ai"}})
	s := r.status(t, "a")
	assert.Equal(t, 7, s.Priority)
	assert.EqualValues(t, reauth.Retired, s.State, "adding the same key again keeps its marks")
	r.mustPost(t)
	assert.Equal(t, "set by the transport", r.tokens()[len(r.tokens())-1], "the key serves another host now")
}

// Metadata and Hosts are copied when a credential enters the pool and when it leaves it.
func TestMetadataIsClonedAtEveryBorder(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	mine := map[string]string{"k": "v"}
	hosts := []string{"api.x.ai"}
	r.fake.AddKey("key-a")
	r.add(t, reauth.Credential{ID: "a", AccessToken: "key-a", Metadata: mine, Hosts: hosts})
	mine["k"], hosts[0] = "changed", "changed"
	c, err := r.pool.Token(context.Background(), r.provider)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"k": "v"}, c.Metadata)
	assert.Equal(t, []string{"api.x.ai"}, c.Hosts)
	c.Metadata["k"], c.Hosts[0] = "changed", "changed"
	c, err = r.pool.Token(context.Background(), r.provider)
	require.NoError(t, err)
	assert.Equal(t, "v", c.Metadata["k"])
}
