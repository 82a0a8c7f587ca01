package reauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The log tells what the observer is told, a line for each event.
func TestLogTellsTheEvents(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		var out bytes.Buffer
		r.pool.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		old, refresh := r.login(t, "me")
		r.key(t, "spare", "key-spare")
		r.fake.Expire(old)
		r.mustPost(t) // refreshed
		now, _ := r.current(t)
		r.fake.Exhaust(noReset, now)
		r.mustPost(t) // switched
		r.fake.Revoke(refresh)
		require.Error(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		r.fake.Block("key-spare")
		r.mustPost(t)

		levels := map[reauth.EventType]string{
			reauth.Sent: "DEBUG", reauth.Judged: "DEBUG", reauth.Refreshed: "INFO", reauth.Switched: "INFO", reauth.PutAside: "INFO",
			reauth.Retired: "WARN", reauth.RefreshFailed: "WARN", reauth.NotDurable: "WARN", reauth.GaveUp: "WARN",
		}
		lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
		events := r.events.all()
		require.Len(t, lines, len(events))
		seen := make(map[reauth.EventType]bool)
		for i, e := range events {
			var line struct{ Level, Msg, Provider, ID, Reason, Err string }
			require.NoError(t, json.Unmarshal(lines[i], &line))
			assert.Equal(t, "reauth: "+string(e.Type), line.Msg)
			assert.Equal(t, levels[e.Type], line.Level, line.Msg)
			assert.Equal(t, r.provider, line.Provider)
			assert.Equal(t, e.ID, line.ID)
			assert.Equal(t, e.Reason, line.Reason)
			assert.Equal(t, e.Err != nil, line.Err != "")
			assert.NotZero(t, e.Time)
			seen[e.Type] = true
		}
		for kind := range levels {
			assert.True(t, seen[kind], "%s did not happen", kind)
		}
	})
}

func TestRetiredIsAnEventAndAState(t *testing.T) {
	var e reauth.EventType = reauth.Retired
	var s reauth.State = reauth.Retired
	assert.Equal(t, "retired", string(e))
	assert.Equal(t, "retired", string(s))
	assert.NotEqual(t, reauth.Good, s)
}

func TestNamesOfStrategies(t *testing.T) {
	for s, want := range map[reauth.Strategy]string{
		reauth.FillFirst: "fill-first", reauth.RoundRobin: "round-robin", reauth.LeastInFlight: "least-in-flight", reauth.Random: "random", 9: "unknown",
	} {
		assert.Equal(t, want, s.String())
	}
}

// A forced renewal must not be content with a look into the store that is under way.
func TestForcedRefreshGoesOnAfterALookIntoTheStore(t *testing.T) {
	bubbleOver(t, func(t *testing.T, r *rig, store *watchedStore) {
		old, _ := r.login(t, "me")
		r.fake.Expire(old)
		r.fake.RefuseNew = true
		r.mustPost(t) // its fresh token was refused: from now on a rejection only reads the store
		store.slow = 5 * time.Second
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.mustPost(t)
		}()
		time.Sleep(2 * time.Second) // it has been refused, given its token time, and reads
		r.fake.RefuseNew = false
		require.NoError(t, r.pool.Refresh(context.Background(), r.provider, "me"))
		assert.Equal(t, 2, r.fake.Exchanges())
		<-done
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
	})
}

// A refresher's own RefreshError stays one when a token is taken out of it.
func TestRefreshErrorOfAUserIsRedacted(t *testing.T) {
	bubble(t, reauthtest.XAI, func(t *testing.T, r *rig) {
		_, refresh := r.login(t, "me")
		cause := errors.New("cannot send " + refresh)
		r.register(t, func(p *reauth.Provider) {
			p.Refresher = reauth.RefresherFunc(func(context.Context, reauth.Credential) (reauth.Credential, error) {
				return reauth.Credential{}, &reauth.RefreshError{Code: "invalid_grant", Description: "no " + refresh, Permanent: true, Err: cause}
			})
		})
		err := r.pool.Refresh(context.Background(), r.provider, "me")
		var re *reauth.RefreshError
		require.ErrorAs(t, err, &re)
		assert.True(t, re.Permanent)
		assert.Equal(t, "invalid_grant", re.Code)
		assert.Equal(t, "no [redacted]", re.Description)
		require.ErrorIs(t, err, cause)
		assert.NotContains(t, err.Error(), refresh)
	})
}

func TestConfigShowsNoSecret(t *testing.T) {
	cfg := reauth.OAuth2Config{TokenURL: "https://user:pass-EXAMPLE@login.example/token?key=q-EXAMPLE", ClientID: "app", ClientSecret: "cs-EXAMPLE"}
	for _, v := range []any{cfg, &cfg, reauth.OAuth2Refresher(cfg), reauth.Provider{Refresher: reauth.OAuth2Refresher(cfg)}} {
		text := shown(v)
		assert.NotContains(t, text, "cs-EXAMPLE")
		assert.NotContains(t, text, "pass-EXAMPLE")
		assert.NotContains(t, text, "q-EXAMPLE")
	}
	assert.Equal(t, "token endpoint https://login.example/token, client app", cfg.String())
	assert.Equal(t, "token endpoint of the provider, client ", reauth.OAuth2Config{}.String())
}

func TestOfBoundCredentialsTheOneThatRecoversSoonestIsUsed(t *testing.T) {
	bubble(t, reauthtest.OpenAI, func(t *testing.T, r *rig) {
		for id, c := range map[string]struct {
			host string
			rest time.Duration
		}{"a": {"chatgpt.com", 3 * time.Hour}, "b": {"chatgpt.com", 2 * time.Hour}, "elsewhere": {"other.example.com", time.Hour}} {
			r.fake.AddKey("key-" + id)
			r.add(t, reauth.Credential{ID: id, AccessToken: "key-" + id, Hosts: []string{c.host}})
			reset := reauth.Verdict{Kind: reauth.Exhausted, Reset: time.Now().Add(c.rest)}
			require.NoError(t, r.pool.Report(context.Background(), r.provider, id, "key-"+id, reset))
		}
		status, _ := r.mustPost(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, []string{"key-b"}, r.tokens())
	})
}
