package reauth_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// logins returns the path of a store's file with n logins, whose tokens are as long as short ones
// are in practice.
func logins(t testing.TB, n int) string {
	const record = `
		{"provider":"xai-oauth","id":"user-%d","access_token":"at-%s-%d","refresh_token":"rt-%s-%d",` +
		`"expiry":"2026-05-17T10:11:12.123Z","login":"2026-05-01T10:11:12.123Z","generation":7,` +
		`"last_refresh":"2026-05-17T04:11:12.123Z"}`
	path := filepath.Join(t.TempDir(), "auth.json")
	var b bytes.Buffer
	b.WriteString(`{"format":"reauth","version":2,"identity":"I","stamp":"S","credentials":[`)
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, record, i, strings.Repeat("a", 120), i, strings.Repeat("r", 60), i)
	}
	b.WriteString("\n\t]\n}\n")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// rotate does what an exchange does with a store: it notes the refresh token, and stores other
// tokens.
func rotate(t testing.TB, s reauth.Store, id string, n int) {
	_, err := s.Update(context.Background(), "xai-oauth", id, func(h reauth.Holding) (reauth.Entry, error) {
		e := h.Entry
		of := reauth.Digest(e.Credential.RefreshToken)
		if err := h.Spend(context.Background(), reauth.Spending{Of: of, Since: h.Now}); err != nil {
			return e, err
		}
		e.Credential.AccessToken = fmt.Sprintf("at-%s-%d", strings.Repeat("b", 120), n)
		e.Credential.RefreshToken = fmt.Sprintf("rt-%s-%d", strings.Repeat("s", 60), n)
		e.Spent = append(e.Spent, of)
		e.Spent = e.Spent[max(0, len(e.Spent)-32):]
		e.Generation++
		e.LastRefresh = h.Now
		return e, nil
	})
	require.NoError(t, err)
}

// rewrite writes the bytes as a store must at least: to disk, and under the name of the file.
func rewrite(t testing.TB, path string, content []byte) {
	f, err := os.CreateTemp(filepath.Dir(path), "bare")
	require.NoError(t, err)
	_, err = f.Write(content)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, os.Rename(f.Name(), path))
}

// BenchmarkFileStoreRotation compares one rotation among many logins with writing and syncing the
// same bytes, in turns, so that both find the disk in the same mood.
func BenchmarkFileStoreRotation(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := logins(b, n)
			bare := filepath.Join(filepath.Dir(path), "bare.json")
			content, err := os.ReadFile(path)
			require.NoError(b, err)
			s := reauth.NewFileStore(path)
			_, err = s.Load(b.Context(), "")
			require.NoError(b, err)
			var rotating, writing time.Duration
			i := 0
			for b.Loop() {
				id := fmt.Sprintf("user-%d", i*7919%n)
				i++
				start := time.Now()
				rotate(b, s, id, i)
				rotating += time.Since(start)
				start = time.Now()
				rewrite(b, bare, content)
				writing += time.Since(start)
			}
			b.ReportMetric(float64(rotating.Nanoseconds())/float64(i), "ns/rotation")
			b.ReportMetric(float64(writing.Nanoseconds())/float64(i), "ns/write")
			b.ReportMetric(float64(rotating)/float64(writing), "times")
		})
	}
}

// BenchmarkFileStoreOpen is the first Load. Its memory is what the store keeps of a login.
func BenchmarkFileStoreOpen(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := logins(b, n)
			for b.Loop() {
				s := reauth.NewFileStore(path)
				snap, err := s.Load(b.Context(), "")
				require.NoError(b, err)
				require.Len(b, snap.Entries, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/login")
			b.ReportMetric(keptPerLogin(b, path, n), "B/login")
		})
	}
}

// keptPerLogin returns how much memory a store keeps of a login, in bytes.
func keptPerLogin(t testing.TB, path string, n int) float64 {
	s := reauth.NewFileStore(path)
	before := heap()
	_, err := s.Load(context.Background(), "")
	require.NoError(t, err)
	kept := float64(heap()-before) / float64(n)
	runtime.KeepAlive(s)
	return kept
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkFileStoreFollow is what one rotation costs another process that has the file open.
func BenchmarkFileStoreFollow(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := logins(b, n)
			s, other := reauth.NewFileStore(path), reauth.NewFileStore(path)
			snap, err := other.Load(b.Context(), "")
			require.NoError(b, err)
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				rotate(b, s, fmt.Sprintf("user-%d", i*7919%n), i)
				b.StartTimer()
				snap, err = other.Load(b.Context(), snap.Version)
				require.NoError(b, err)
				require.Len(b, snap.Entries, 1)
			}
		})
	}
}

// BenchmarkFileStoreUnchanged is a Load while the file is as it was.
func BenchmarkFileStoreUnchanged(b *testing.B) {
	path := logins(b, 10_000)
	settle(b, path)
	s := reauth.NewFileStore(path)
	snap, err := s.Load(b.Context(), "")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if snap, err = s.Load(b.Context(), snap.Version); err != nil || len(snap.Entries) > 0 {
			b.Fatal(err)
		}
	}
}
