//go:build unix

package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fleettest"
)

// A process is suspended for longer than its claim while the answer of the token endpoint is on its
// way to it. The next process cannot know that the refresh token is spent, and that costs the
// login. But when the first process goes on, it must not overwrite the pair of a new login with its
// own.
func TestFleetMemberSleepsOverItsClaimWithAnAnswer(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		f := fleet(t, d, claimTime, 5*time.Millisecond)
		p := f.Provider
		require.NoError(t, f.Login("me"))
		asleep, other := f.MustStart(t, "asleep", "me", ""), f.MustStart(t, "other", "me", "")
		hold := p.Hold(asleep.Name, true)
		asleep.Tell("refresh")
		<-hold.Arrived
		require.NoError(t, asleep.Suspend())
		hold.Release()

		other.Tell("request")
		assert.Equal(t, http.StatusOK, other.Must(t, "request").Status, "the token of before still serves")
		other.Tell("refresh")
		r := other.Must(t, "refresh")
		assert.True(t, r.Lost, r.Err)
		assert.Equal(t, 1, p.Reuses())
		require.NoError(t, f.Login("me"))
		login := stored(t, f, "me")

		require.NoError(t, asleep.Continue())
		assert.Empty(t, asleep.Must(t, "refresh").Err, "as far as it can know, its exchange has succeeded")
		eventually200(t, asleep)
		eventually200(t, other)
		assert.Equal(t, login.RefreshToken, stored(t, f, "me").RefreshToken, "no older pair overwrites a newer one")
		other.End(t)
		told := asleep.End(t).StoreFailed
		if assert.NotEmpty(t, told, "an event says so") {
			assert.Contains(t, told[0], "suspended")
		}
	})
}

// This is the same with the token request still on its way. The exchange of the next process comes
// first, and that of the suspended process second.
func TestFleetMemberSleepsOverItsClaimWithARequest(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		f := fleet(t, d, claimTime, 5*time.Millisecond)
		p := f.Provider
		require.NoError(t, f.Login("me"))
		asleep, other := f.MustStart(t, "asleep", "me", ""), f.MustStart(t, "other", "me", "")
		hold := p.Hold(asleep.Name, false)
		asleep.Tell("refresh")
		<-hold.Arrived
		require.NoError(t, asleep.Suspend())

		other.Tell("refresh")
		require.Empty(t, other.Must(t, "refresh").Err)
		newer := stored(t, f, "me")
		require.True(t, p.Current(newer.RefreshToken))
		hold.Release()
		require.Eventually(t, func() bool { return p.Reuses() == 1 }, patience, time.Millisecond)

		require.NoError(t, asleep.Continue())
		assert.Empty(t, asleep.Must(t, "refresh").Err, "its exchange is refused, and it adopts the pair of the other")
		assert.Equal(t, newer.RefreshToken, stored(t, f, "me").RefreshToken, "no older pair overwrites a newer one")
		other.Tell("refresh")
		assert.True(t, other.Must(t, "refresh").Lost, "that login is over")
		require.NoError(t, f.Login("me"))
		eventually200(t, asleep)
		eventually200(t, other)
		told := other.End(t).Refused
		if assert.NotEmpty(t, told, "an event says so") {
			assert.Contains(t, told[0], "invalid_grant")
		}
		asleep.End(t)
	})
}

// A process is suspended for longer than its claim before the exchange. It finds that out before it
// spends a refresh token.
func TestFleetMemberSleepsOverItsClaimBeforeTheExchange(t *testing.T) {
	for _, step := range []string{fleettest.StepReread, fleettest.StepMark} {
		t.Run(step, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				f := fleet(t, d, claimTime, 5*time.Millisecond)
				p := f.Provider
				require.NoError(t, f.Login("me"))
				old := stored(t, f, "me")
				asleep, other := f.MustStart(t, "asleep", "me", step), f.MustStart(t, "other", "me", "")
				asleep.Tell("refresh")
				asleep.Must(t, "at")
				require.NoError(t, asleep.Suspend())
				other.Tell("refresh")
				require.Empty(t, other.Must(t, "refresh").Err)

				require.NoError(t, asleep.Continue())
				asleep.Tell("go")
				assert.Contains(t, asleep.Must(t, "refresh").Err, "suspended")
				assert.Equal(t, 1, p.TokenRequests())
				p.Expire(old.AccessToken)
				eventually200(t, asleep)
				eventually200(t, other)
				assert.Equal(t, 1, p.TokenRequests(), "it has adopted the pair of the other")
				assert.Zero(t, p.Reuses())
				assert.True(t, p.Current(stored(t, f, "me").RefreshToken))
				other.End(t)
				told := strings.Join(asleep.End(t).StoreFailed, "\n")
				assert.Contains(t, told, "suspended", "an event says so")
			})
		})
	}
}

// eventually200 sends one request after the other until one is served. A process notices within
// about a second what another has stored.
func eventually200(t *testing.T, w *fleettest.Worker) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		w.Tell("request")
		r := w.Must(t, "request")
		if r.Status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("requests stay refused: %+v, %+v", r, w.End(t))
		}
	}
}
