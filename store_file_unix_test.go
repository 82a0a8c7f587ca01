//go:build unix

package reauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
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

// inChild runs the rest of the test in a process of its own, changed by the function; it returns
// true in that process.
func inChild(t *testing.T, dir string, change func(*exec.Cmd)) bool {
	t.Helper()
	const mark = "REAUTH_TEST_CHILD"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name(), "REAUTH_TEST_DIR="+dir)
	if change != nil {
		change(cmd)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// limitFiles lets no file of the process grow beyond so many bytes, as a disk that is full does.
func limitFiles(t *testing.T, bytes uint64) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = min(bytes, limit.Max)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
}

const noLimit = 1 << 40

// The disk is full before the exchange: it cannot be marked, so there is none. It is full after the
// exchange: the pair serves from memory, and is saved as soon as there is room. The file keeps its
// content all the time.
func TestFileStoreOnAFullDisk(t *testing.T) {
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
	assert.Zero(t, r.fake.TokenRequests(), "what cannot be marked is not exchanged")
	assert.Equal(t, before[0].Credential, load(t, store)[0].Credential)

	limitFiles(t, noLimit)
	require.NoError(t, r.pool.Reset(t.Context(), "xai", "me"))
	inner, err := reauth.BuiltinRefresher("xai-oauth", reauth.OAuth2Config{TokenURL: "https://auth.example.com" + reauthtest.TokenPath, HTTPClient: r.fakeClient()})
	require.NoError(t, err)
	r.register(t, func(p *reauth.Provider) {
		p.Refresher = reauth.RefresherFunc(func(ctx context.Context, c reauth.Credential) (reauth.Credential, error) {
			defer limitFiles(t, 16) // full from now on
			return inner.Refresh(ctx, c)
		})
	})
	status, _ = r.mustPost(t)
	assert.Equal(t, 200, status, "from memory")
	assert.Equal(t, refresh, load(t, store)[0].Credential.RefreshToken, "the file is as it was")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".auth.json.*"))
	require.NoError(t, err)
	assert.Empty(t, left)

	limitFiles(t, noLimit)
	require.Eventually(t, func() bool { return r.fake.Current(load(t, store)[0].Credential.RefreshToken) }, 10*time.Second, 50*time.Millisecond)
	assert.Zero(t, r.fake.Reuses())
	failed := r.events.all(reauth.StoreFailed)
	var reasons []string
	for _, e := range failed {
		reasons = append(reasons, e.Reason)
	}
	assert.Contains(t, reasons, "mark")
	assert.Contains(t, reasons, "persist")
}

// A store that may be read and not written: no lock, no exchange; the token serves while it is
// accepted.
func TestFileStoreThatCannotBeWritten(t *testing.T) {
	dir, err := os.MkdirTemp("", "reauth") // t.TempDir's parents let nobody else in
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	fake := reauthtest.New(reauthtest.XAI)
	if os.Getenv("REAUTH_TEST_DIR") == "" {
		prepareUnwritable(t, dir, fake)
	}
	if !inChild(t, dir, func(cmd *exec.Cmd) {
		if os.Geteuid() == 0 { // root can write anywhere
			cmd.Path = copyBinary(t, dir)
			cmd.Dir = dir
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
	}) {
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

const nobody = 65534

func prepareUnwritable(t *testing.T, dir string, fake *reauthtest.Provider) {
	path := filepath.Join(dir, "auth.json")
	access, refresh := fake.Login()
	put(t, reauth.NewFileStore(path), reauth.Credential{Provider: "xai-oauth", ID: "me", AccessToken: access, RefreshToken: refresh})
	require.NoError(t, os.RemoveAll(path+".locks"))
	require.NoError(t, os.RemoveAll(path+".lock"))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(path, nobody, nobody))
		require.NoError(t, os.Chmod(dir, 0o755))
	} else {
		require.NoError(t, os.Chmod(dir, 0o500))
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	}
}

// copyBinary puts this test's binary where another user may run it.
func copyBinary(t *testing.T, dir string) string {
	from, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer from.Close()
	path := filepath.Join(dir, "test.bin")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return path
}

// A command run by root must not lock the owner of the store out of it.
func TestFileStoreStaysItsOwnersWhenRootWrites(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	dir, err := os.MkdirTemp("", "reauth")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	path := filepath.Join(dir, "auth.json")
	s := reauth.NewFileStore(path)
	for _, key := range []string{"key-a", "key-b"} {
		put(t, s, reauth.Credential{Provider: "xai-oauth", ID: "a", AccessToken: key})
		locks, err := filepath.Glob(path + ".locks/*")
		require.NoError(t, err)
		for _, p := range append(locks, path, path+".lock", path+".locks") {
			info, err := os.Stat(p)
			require.NoError(t, err)
			assert.EqualValues(t, nobody, info.Sys().(*syscall.Stat_t).Uid, p)
		}
	}
}

// Others' clocks are two hours off: that causes no exchange per request, and nobody's marks are
// lost for as long.
func TestFileStoreWithStampsTwoHoursOff(t *testing.T) {
	for _, off := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
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
			assert.LessOrEqual(t, r.fake.TokenRequests(), 1, "one at most, by the clock")

			other, ok := credentialOf(store, "key")
			require.True(t, ok)
			require.NoError(t, store.Mark(t.Context(), "xai-oauth", "key", reauth.Standing{
				At: time.Now().Add(off), AsideUntil: time.Now().Add(off + time.Minute), Reason: "rate-limit", Of: reauth.Digest(other.AccessToken),
			}))
			time.Sleep(1100 * time.Millisecond) // of a real clock: a pool looks once a second
			r.mustPost(t)
			if off > 0 {
				require.Eventually(t, func() bool { return r.status(t, "key").State == reauth.Aside }, 5*time.Second, 10*time.Millisecond)
				assert.WithinDuration(t, time.Now().Add(time.Minute), r.status(t, "key").AsideUntil, 30*time.Second, "a minute is a minute")
			}
			require.NoError(t, r.pool.Reset(t.Context(), "xai", "key"))
			e := load(t, store)
			for _, e := range e {
				if e.Credential.ID == "key" {
					assert.True(t, e.Standing.AsideUntil.IsZero(), "ours is the newer mark, whatever the other's clock says")
				}
			}
		})
	}
}

func credentialOf(s reauth.Store, id string) (reauth.Credential, bool) {
	entries, _, _ := s.Load(context.Background(), "")
	for _, e := range entries {
		if e.Credential.ID == id {
			return e.Credential, true
		}
	}
	return reauth.Credential{}, false
}

// shiftStamps rewrites the file as a host with another clock would have written it.
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

// fakeClient talks to the rig's provider in memory.
func (r *rig) fakeClient() *http.Client { return &http.Client{Transport: r.fake.Transport()} }
