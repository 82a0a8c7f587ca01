package reauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// The log has one line for each event that the observer gets, with the same content.
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
		r.add(t, reauth.Credential{ID: "foreign", AccessToken: "gsk_EXAMPLE", Priority: 1}) // as Groq's begin
		r.url = strings.Replace(r.url, "https:", "http:", 1)
		r.mustPost(t)

		levels := map[reauth.EventType]string{
			reauth.Sent: "DEBUG", reauth.Judged: "DEBUG",
			reauth.Refreshing: "INFO", reauth.Refreshed: "INFO", reauth.Switched: "INFO", reauth.PutAside: "INFO",
			reauth.Retired: "WARN", reauth.RefreshFailed: "WARN", reauth.NotDurable: "WARN", reauth.GaveUp: "WARN",
			reauth.PassedThrough: "WARN", reauth.Doubtful: "WARN",
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

// Retired is an untyped constant, so that it can be compared with an EventType and with a State.
func TestRetiredIsAnEventAndAState(t *testing.T) {
	var e reauth.EventType = reauth.Retired
	var s reauth.State = reauth.Retired
	assert.Equal(t, "retired", string(e))
	assert.Equal(t, "retired", string(s))
	assert.NotEqual(t, reauth.Good, s)
}
