//go:build unix

package fleettest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fleettest"
)

// A process that is suspended in the middle of an exchange keeps the lock of the kernel. The others
// wait for the lock. They serve with their token as long as the provider accepts it, and never
// spend the refresh token themselves.
func TestFleetMemberIsSuspendedOnAFile(t *testing.T) {
	f := fileFleet(t, 5*time.Millisecond)
	p := f.Provider
	require.NoError(t, f.Login("me"))
	before, err := f.Stored("me")
	require.NoError(t, err)
	asleep := f.MustStart(t, "asleep", "me", "")
	others := []*fleettest.Worker{f.MustStart(t, "other-1", "me", ""), f.MustStart(t, "other-2", "me", "")}

	hold := p.Hold(asleep.Name, true)
	asleep.Tell("refresh")
	<-hold.Arrived
	require.NoError(t, asleep.Suspend())
	hold.Release() // the answer waits in its socket

	for _, w := range others {
		w.Tell("request")
		assert.Equal(t, http.StatusOK, w.Must(t, "request").Status, "the token of before still serves")
		w.Tell("try")
		r := w.Must(t, "try")
		assert.Contains(t, r.Err, "deadline exceeded", "without the lock there is no exchange")
		assert.False(t, r.Lost)
	}
	p.Expire(before.Credential.AccessToken)
	for _, w := range others {
		w.Tell("request")
	}
	require.Eventually(t, func() bool { return refusals(p) == len(others) }, 30*time.Second, time.Millisecond)
	assert.Equal(t, 1, p.TokenRequests(), "both other workers wait")

	require.NoError(t, asleep.Continue())
	assert.Empty(t, asleep.Must(t, "refresh").Err)
	for _, w := range others {
		assert.Equal(t, http.StatusOK, w.Must(t, "request").Status)
		c := w.End(t)
		assert.Equal(t, 1, c.Adopted)
		assert.Zero(t, c.Exchanges)
	}
	assert.Equal(t, 1, asleep.End(t).Exchanges)
	assert.Equal(t, 1, p.TokenRequests())
	assert.Zero(t, p.Reuses())
	after, err := f.Stored("me")
	require.NoError(t, err)
	assert.True(t, p.Current(after.Credential.RefreshToken))
}

// refusals counts the requests that the API has refused.
func refusals(p *fleettest.Provider) (n int) {
	for _, r := range p.Requests() {
		if r.Status != http.StatusOK {
			n++
		}
	}
	return n
}
