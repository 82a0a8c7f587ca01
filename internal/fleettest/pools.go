package fleettest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// PoolsOfOneProcess opens a pool over each store. The stores share one place. Together the pools
// must spend each refresh token only once, as the pools of several processes do.
func PoolsOfOneProcess(t *testing.T, rounds int, stores ...reauth.Store) {
	t.Helper()
	p := NewProvider(t, 20*time.Millisecond)
	base := new(http.Transport)
	t.Cleanup(base.CloseIdleConnections)
	access, refresh := p.Login()
	clients := make([]*http.Client, 0, len(stores))
	for _, store := range stores {
		pool, err := reauth.OpenPool(t.Context(), store)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, pool.Close()) })
		require.NoError(t, Register(pool, p.URL, ""))
		_, err = pool.Add(t.Context(), reauth.Credential{
			Provider: ProviderName, ID: "me", AccessToken: access, RefreshToken: refresh,
		})
		require.NoError(t, err)
		clients = append(clients, &http.Client{Transport: reauth.NewRecoveringTransport(base, pool)})
	}
	for round := range rounds {
		p.Expire()
		var senders sync.WaitGroup
		for _, client := range clients {
			for range 5 {
				senders.Go(func() {
					status, err := post(t.Context(), client, p.URL)
					assert.NoError(t, err)
					assert.Equal(t, http.StatusOK, status)
				})
			}
		}
		senders.Wait()
		require.Equal(t, round+1, p.Exchanges())
		require.Equal(t, round+1, p.TokenRequests())
	}
	require.Zero(t, p.Reuses())
	snap, err := stores[0].Load(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, snap.Entries, 1)
	assert.True(t, p.Current(snap.Entries[0].Credential.RefreshToken), "the store holds the newest pair")
}

// post sends one request, as an SDK does.
func post(ctx context.Context, client *http.Client, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions",
		strings.NewReader(`{"model":"example"}`))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer set by the transport")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
