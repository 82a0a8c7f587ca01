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
	pool := poolOf(t, reauth.Credential{Provider: " xai\n", ID: " me ", AccessToken: "\t key-EXAMPLE\r\n", RefreshToken: " rt-EXAMPLE\n", AccountID: " acct-1 "})
	c, err := pool.Token(context.Background(), "xai")
	require.NoError(t, err)
	assert.Empty(t, c.Metadata, "the pool's notes stay in the pool")
	c.Metadata = nil
	assert.Equal(t, reauth.Credential{Provider: "xai-oauth", ID: "me", AccessToken: "key-EXAMPLE", RefreshToken: "rt-EXAMPLE", AccountID: "acct-1"}, c)
	assert.Equal(t, "key-EXAMPLE", bearerSent(t, pool, "https://api.x.ai/v1"))
}

func TestAddRefusesBadCredentials(t *testing.T) {
	const control = " holds a control character, such as a line break in the middle; it cannot be sent in a header"
	for name, c := range map[string]struct {
		c    reauth.Credential
		want string
	}{
		"unknown provider":          {reauth.Credential{Provider: "unheard-of", AccessToken: "k"}, `provider "unheard-of" is unknown; Register it first`},
		"custom, unknown":           {reauth.Credential{Provider: "custom:unheard-of", AccessToken: "k"}, `provider "unheard-of" is unknown; Register it first`},
		"no token":                  {reauth.Credential{Provider: "xai"}, "the credential has neither an access token nor a refresh token"},
		"tokens of white space":     {reauth.Credential{Provider: "xai", AccessToken: " \n", RefreshToken: "\t"}, "the credential has neither an access token nor a refresh token"},
		"access token on two lines": {reauth.Credential{Provider: "xai", AccessToken: "key-\nEXAMPLE"}, "AccessToken" + control},
		"refresh token with NUL":    {reauth.Credential{Provider: "xai", AccessToken: "k", RefreshToken: "rt\x00"}, "RefreshToken" + control},
		"account with DEL":          {reauth.Credential{Provider: "xai", AccessToken: "k", AccountID: "a\x7fb"}, "AccountID" + control},
		"ID with a tab":             {reauth.Credential{Provider: "xai", AccessToken: "k", ID: "a\tb"}, "ID" + control},
		"bad host":                  {reauth.Credential{Provider: "xai", AccessToken: "k", Hosts: []string{"api.x.ai", "a..b"}}, "a label of the host is empty"},
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
		"the user's":                 {reauth.Credential{ID: "me", AccessToken: account, AccountID: "acct-1"}, "me"},
		"account":                    {reauth.Credential{AccessToken: "key-EXAMPLE", AccountID: "acct-1"}, "acct-1"},
		"subject":                    {reauth.Credential{AccessToken: exampleJWT(`{"sub":"user-1"}`), RefreshToken: "rt-EXAMPLE"}, "user-1"},
		"account and subject":        {reauth.Credential{AccessToken: exampleJWT(`{"sub":"user-1"}`), AccountID: "acct-1"}, "acct-1:user-1"},
		"account in the token":       {reauth.Credential{AccessToken: account}, "acct-2:user-1"},
		"the user's account first":   {reauth.Credential{AccessToken: account, AccountID: "acct-1"}, "acct-1:user-1"},
		"key":                        {reauth.Credential{AccessToken: "key-EXAMPLE"}, digest("key-EXAMPLE")},
		"pair":                       {reauth.Credential{AccessToken: "at-EXAMPLE", RefreshToken: "rt-EXAMPLE"}, digest("rt-EXAMPLE")},
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
		want          string // the access token held in the end
	}{
		"same key":               {reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"}, reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"}, "key-EXAMPLE"},
		"by an alias":            {reauth.Credential{Provider: "xai", AccessToken: "key-EXAMPLE"}, reauth.Credential{Provider: " X.AI", AccessToken: "key-EXAMPLE\n"}, "key-EXAMPLE"},
		"same pair":              {reauth.Credential{Provider: "xai", AccessToken: "at-1", RefreshToken: "rt-1"}, reauth.Credential{Provider: "xai", AccessToken: "at-1", RefreshToken: "rt-1"}, "at-1"},
		"new login of a subject": {reauth.Credential{Provider: "xai", AccessToken: exampleJWT(`{"sub":"user-1","exp":4102444800}`), RefreshToken: "rt-1"}, reauth.Credential{Provider: "xai", AccessToken: younger, RefreshToken: "rt-2"}, younger},
		"new key of an account":  {reauth.Credential{Provider: "xai", AccessToken: "key-1", AccountID: "acct-1"}, reauth.Credential{Provider: "xai", AccessToken: "key-2", AccountID: "acct-1"}, "key-2"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := poolOf(t, c.first, c.second)
			assert.Len(t, pool.Status(), 1)
			assert.Equal(t, c.want, bearerSent(t, pool, "https://api.x.ai/v1"))
		})
	}
	pool := poolOf(t, reauth.Credential{Provider: "xai", AccessToken: "key-1"}, reauth.Credential{Provider: "xai", AccessToken: "key-2"}, reauth.Credential{Provider: "groq", AccessToken: "key-1"})
	assert.Len(t, pool.Status(), 3, "other keys, and the same key of another provider, are others")
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

// Programs add the login from their environment at every start. The pair there has long been
// rotated away.
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
			_, err = pool.Add(context.Background(), reauth.Credential{Provider: "xai", AccessToken: access, RefreshToken: refresh})
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
		for i, p := range pairs[4:] { // the last sixteen spent tokens are remembered
			r.add(t, p)
			a, b := r.current(t)
			require.Equal(t, access, a, "pair %d", i)
			require.Equal(t, refresh, b)
		}
		r.add(t, reauth.Credential{ID: "me", AccessToken: access})
		_, b := r.current(t)
		assert.Equal(t, refresh, b, "the access token alone does not cost the refresh token")
		r.add(t, reauth.Credential{ID: "me", AccessToken: "stale one", RefreshToken: refresh})
		a, _ := r.current(t)
		assert.Equal(t, access, a, "another access token of the same pair is no newer one")
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

func TestAddChangesWhatIsTheProgramsToSay(t *testing.T) {
	r := newRig(t, reauthtest.XAI)
	r.key(t, "a", "key-a")
	r.fake.Block("key-a")
	r.mustPost(t)
	r.add(t, reauth.Credential{ID: "a", AccessToken: "key-a", Priority: 7, Hosts: []string{"eu.api.x.ai"}})
	s := r.status(t, "a")
	assert.Equal(t, 7, s.Priority)
	assert.EqualValues(t, reauth.Retired, s.State, "the same key again is no reason to forget its marks")
	r.mustPost(t)
	assert.Equal(t, "set by the transport", r.tokens()[len(r.tokens())-1], "it serves another host now")
}

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
