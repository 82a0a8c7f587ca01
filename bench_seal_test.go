package reauth_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// manyLogins are records as they are after some days: with tokens of 1,200 and 64 bytes, and the
// digests of ten spent refresh tokens.
func manyLogins(n int) []reauth.Entry {
	at := time.Date(2026, 5, 17, 10, 11, 12, 123_000_000, time.UTC)
	entries := make([]reauth.Entry, n)
	for i := range entries {
		e := reauth.Entry{
			Credential: reauth.Credential{
				Provider: "xai-oauth", ID: fmt.Sprintf("user-%d", i), AccountID: fmt.Sprintf("account-%d", i), Expiry: at,
				AccessToken:  fmt.Sprintf("at-%s-%d", strings.Repeat("a", 1200), i),
				RefreshToken: fmt.Sprintf("rt-%s-%d", strings.Repeat("r", 60), i),
			},
			Login: at, Generation: 11, LastRefresh: at,
		}
		for j := range 10 {
			e.Spent = append(e.Spent, reauth.Digest(fmt.Sprint(i, j)))
		}
		entries[i] = e
	}
	return entries
}

// BenchmarkSealedStore compares a sealed file with one in the clear, in turns: the exchange of a token,
// the first load, and a look that finds one record changed; the medians.
func BenchmarkSealedStore(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		folder := b.TempDir()
		closed, open := reauth.SealedFile(b, sealKeyOf(1), manyLogins(n))
		paths := [2]string{filepath.Join(folder, "open.json"), filepath.Join(folder, "sealed.json")}
		write(b, paths[0], string(open))
		write(b, paths[1], string(closed))
		store := func(i int) reauth.Store {
			s := reauth.Store(reauth.NewFileStore(paths[i]))
			if i == 1 {
				s = sealed(b, s, sealKeyOf(1))
			}
			return s
		}
		stores, versions := [2]reauth.Store{store(0), store(1)}, [2]string{}
		for i, s := range stores {
			snap, err := s.Load(b.Context(), "")
			require.NoError(b, err)
			require.Len(b, snap.Entries, n)
			require.Empty(b, snap.Broken)
			versions[i] = snap.Version
		}
		level := runtime.GC
		if n >= 1000 { // buffers of megabytes, which are new memory or not
			level = debug.FreeOSMemory
		}
		turn := 0
		exchange := func(i int) time.Duration {
			turn++
			began := time.Now()
			rotate(b, stores[i], fmt.Sprintf("user-%d", turn%n), turn)
			return time.Since(began)
		}
		for name, f := range map[string]func(i int) time.Duration{
			"exchange": exchange,
			"open": func(i int) time.Duration {
				s := store(i)
				began := time.Now()
				_, err := s.Load(b.Context(), "")
				require.NoError(b, err)
				return time.Since(began)
			},
			"look": func(i int) time.Duration {
				exchange(i)
				began := time.Now()
				snap, err := stores[i].Load(b.Context(), versions[i])
				require.NoError(b, err)
				versions[i] = snap.Version
				return time.Since(began)
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				var took [2][]time.Duration
				for b.Loop() {
					for _, i := range rand.Perm(2) { // the first of two finds other caches than the second
						level() // else one pays for the garbage of the other, or finds its memory
						took[i] = append(took[i], f(i))
					}
				}
				var median [2]time.Duration
				for i := range took {
					slices.Sort(took[i])
					median[i] = took[i][b.N/2]
				}
				b.ReportMetric(float64(median[0].Microseconds()), "µs-open")
				b.ReportMetric(float64(median[1].Microseconds()), "µs-sealed")
				b.ReportMetric(float64(median[1])/float64(median[0]), "times")
			})
		}
	}
}
