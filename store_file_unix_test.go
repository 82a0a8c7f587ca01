//go:build unix

package reauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// limitFiles lets no file of this process grow beyond so many bytes. That acts like a full disk.
func limitFiles(t *testing.T, bytes uint64) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = min(bytes, limit.Max)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
}

// noLimit is more than any file here needs.
const noLimit = 1 << 40

// When the disk is full before an exchange, the pool cannot write the Spending mark, so it does not
// exchange. When the disk is full after an exchange, the new pair serves from memory, and the pool
// saves it as soon as there is room. The file keeps its content all the time.
func TestFileStoreOnAFullDisk(t *testing.T) {
	t.Parallel() // it waits in real time, in a process of its own
	if !inChild(t, t.TempDir(), nil) {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	path := filepath.Join(os.Getenv("REAUTH_TEST_DIR"), "auth.json")
	store := reauth.NewFileStore(path)
	r := rigOn(t, store)
	defer limitFiles(t, noLimit)
	old, refresh := r.login(t, "me")
	before := load(t, store)

	limitFiles(t, 16)
	r.fake.Expire(old)
	status, body := r.mustPost(t)
	assert.Equal(t, 403, status)
	assert.Contains(t, body, "bad-credentials")
	assert.Zero(t, r.fake.TokenRequests(), "without a mark there is no exchange")
	assert.Equal(t, before[0].Credential, load(t, store)[0].Credential)

	limitFiles(t, noLimit)
	require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
	inner, err := reauth.BuiltinRefresher("xai-oauth", reauth.OAuth2Config{
		TokenURL: "https://auth.example.com" + reauthtest.TokenPath, HTTPClient: r.fakeClient(),
	})
	require.NoError(t, err)
	r.register(t, func(p *reauth.Provider) {
		p.Refresher = reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
			defer limitFiles(t, 16) // the disk is full after the exchange
			return inner.Refresh(ctx, c)
		})
	})
	status, _ = r.mustPost(t)
	assert.Equal(t, 200, status, "the new pair serves from memory")
	assert.Equal(t, refresh, load(t, store)[0].Credential.RefreshToken, "the file has its old content")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".auth.json.*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	limitFiles(t, noLimit)
	saved := func() bool { return r.fake.Current(load(t, store)[0].Credential.RefreshToken) }
	require.Eventually(t, saved, time.Minute, 50*time.Millisecond)
	assert.Zero(t, r.fake.Reuses())
	failed := r.events.all(reauth.StoreFailed)
	var reasons []string
	for _, e := range failed {
		reasons = append(reasons, e.Reason)
	}
	assert.Contains(t, reasons, "mark")
	assert.Contains(t, reasons, "persist")
}

// The process may read the store and not write it. It cannot take the lock, so it does not
// exchange. The token serves while the provider accepts it.
func TestFileStoreThatCannotBeWritten(t *testing.T) {
	dir, err := os.MkdirTemp("", "reauth") // another user cannot enter the parents of t.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	fake := reauthtest.New(reauthtest.XAI)
	if os.Getenv("REAUTH_TEST_DIR") == "" {
		prepareUnwritable(t, dir, fake)
	}
	if !inChild(t, dir, asUser(t, dir)) {
		return
	}
	store := reauth.NewFileStore(filepath.Join(os.Getenv("REAUTH_TEST_DIR"), "auth.json"))
	r := rigOn(t, store)
	c := load(t, store)[0].Credential
	r.fake.AddKey(c.AccessToken)
	status, _ := r.mustPost(t)
	assert.Equal(t, 200, status)
	r.fake.Expire(c.AccessToken)
	status, _ = r.mustPost(t)
	assert.Equal(t, 400, status, "the provider's own refusal of a key")
	assert.Zero(t, r.fake.TokenRequests())
	failed := r.events.all(reauth.StoreFailed)
	require.NotEmpty(t, failed)
	assert.ErrorContains(t, failed[0].Err, "permission denied")
	_, err = r.pool.Add(t.Context(), reauth.Credential{Provider: "xai", ID: "b", AccessToken: "key-b"})
	require.ErrorContains(t, err, "permission denied")
}

// prepareUnwritable makes a store in dir, without its locks, that the child process cannot write.
func prepareUnwritable(t *testing.T, dir string, fake *reauthtest.Provider) {
	path := filepath.Join(dir, "auth.json")
	access, refresh := fake.Login()
	login := reauth.Credential{Provider: "xai-oauth", ID: "me", AccessToken: access, RefreshToken: refresh}
	put(t, reauth.NewFileStore(path), login)
	makeUnwritable(t, path)
}

// The clock of another host is two hours off. That must not cause an exchange per request. It must
// not void the marks of either host for two hours.
func TestFileStoreWithStampsTwoHoursOff(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			t.Parallel() // it waits in real time
			path := newFile(t)
			store := reauth.NewFileStore(path)
			seed := rigOn(t, store)
			seed.login(t, "me")
			seed.key(t, "key", "key-key")
			shiftStamps(t, path, off)
			r := rigOn(t, store)
			r.fake, r.transport.Base = seed.fake, seed.fake.Transport()
			r.refreshAt(t, seed.fake)
			for range 20 {
				status, _ := r.mustPost(t)
				require.Equal(t, 200, status)
			}
			assert.LessOrEqual(t, r.fake.TokenRequests(), 1, "one exchange at most, because of the clock")

			seen := entryOf(t, store, "key").Marks["login"].At
			require.NoError(t, store.Mark(t.Context(), "xai-oauth", "key", "login", reauth.Mark{
				At:     time.Now().Add(off),
				Until:  time.Now().Add(off + time.Minute),
				Reason: "rate-limit",
				Of:     reauth.Digest(entryOf(t, store, "key").Credential.AccessToken),
			}, seen))
			time.Sleep(1100 * time.Millisecond) // in real time: a pool reads the store once a second
			r.mustPost(t)
			if off > 0 {
				aside := func() bool {
					r.mustPost(t) // it looks at the store, if that is due and nobody does
					return r.status(t, "key").State == reauth.Aside
				}
				require.Eventually(t, aside, time.Minute, 10*time.Millisecond)
				want, got := time.Now().Add(time.Minute), r.status(t, "key").AsideUntil
				assert.WithinDuration(t, want, got, 30*time.Second, "a minute there is a minute here")
			}
			require.NoError(t, r.pool.Reset(t.Context(), "xai", "key"))
			lifted := func() bool { return entryOf(t, store, "key").Marks["login"].Until.IsZero() }
			require.Eventually(t, lifted, time.Minute, 10*time.Millisecond,
				"our mark is the newer one, whatever the other host's clock says")
		})
	}
}

// entryOf returns the record with that ID from a store.
func entryOf(t testing.TB, s reauth.Store, id string) reauth.Entry {
	t.Helper()
	for _, e := range load(t, s) {
		if e.Credential.ID == id {
			return e
		}
	}
	require.Fail(t, "there is no record of that ID", id)
	return reauth.Entry{}
}

// shiftStamps moves all stamps in the file, as if a host with a wrong clock had written them.
func shiftStamps(t *testing.T, path string, by time.Duration) {
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(readString(t, path)), &doc))
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if s, ok := e.(string); ok && strings.HasSuffix(s, "Z") {
					if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
						v[k] = at.Add(by)
						continue
					}
				}
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(doc)
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
}
