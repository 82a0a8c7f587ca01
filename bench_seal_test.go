package reauth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// BenchmarkSealedStore compares a sealed file with one in the clear, in turns: the exchange of a token,
// the first load, and a look that finds one record changed.
func BenchmarkSealedStore(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		open := func(sealing bool) (path string, s reauth.Store) {
			path = logins(b, n)
			s = reauth.NewFileStore(path)
			if sealing {
				s = sealed(b, s, sealKeyOf(1))
				for i := range min(n, 1000) {
					rotate(b, s, fmt.Sprintf("user-%d", i), i)
				}
			} else {
				for i := range min(n, 1000) {
					rotate(b, s, fmt.Sprintf("user-%d", i), i)
				}
			}
			return path, s
		}
		path, plain := open(false)
		sealedPath, closed := open(true)
		ratio := func(name string, f func(s reauth.Store, path string, sealing bool) time.Duration) {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				var took [2]time.Duration
				for b.Loop() {
					took[0] += f(plain, path, false)
					took[1] += f(closed, sealedPath, true)
				}
				b.ReportMetric(float64(took[1])/float64(took[0]), "times")
			})
		}
		i := 0
		ratio("exchange", func(s reauth.Store, _ string, _ bool) time.Duration {
			i++
			began := time.Now()
			rotate(b, s, fmt.Sprintf("user-%d", i%min(n, 1000)), i)
			return time.Since(began)
		})
		ratio("open", func(_ reauth.Store, path string, sealing bool) time.Duration {
			s := reauth.Store(reauth.NewFileStore(path))
			if sealing {
				s = sealed(b, s, sealKeyOf(1))
			}
			began := time.Now()
			_, err := s.Load(b.Context(), "")
			require.NoError(b, err)
			return time.Since(began)
		})
		versions := map[reauth.Store]string{}
		ratio("look", func(s reauth.Store, _ string, _ bool) time.Duration {
			i++
			if versions[s] == "" {
				snap, err := s.Load(b.Context(), "")
				require.NoError(b, err)
				versions[s] = snap.Version
			}
			rotate(b, s, fmt.Sprintf("user-%d", i%min(n, 1000)), i)
			began := time.Now()
			snap, err := s.Load(b.Context(), versions[s])
			require.NoError(b, err)
			versions[s] = snap.Version
			return time.Since(began)
		})
	}
}
