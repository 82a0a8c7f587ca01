package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// fill stores n records, as nobody does: by few statements.
func fill(t testing.TB, d database, n int) {
	t.Helper()
	db := d.open(t)
	const batch = 500
	for from := 0; from < n; from += batch {
		var values []string
		for i := from; i < min(n, from+batch); i++ {
			access, refresh := fmt.Sprint("access ", i, strings.Repeat("x", 500)), fmt.Sprint("refresh ", i)
			values = append(values, fmt.Sprintf(`('xai-oauth', 'n%[1]d', %[1]d, %[2]d, 1, 0, '%[3]s', '%[4]s', '0',
				'{"provider":"xai-oauth","id":"n%[1]d","access_token":"%[5]s","refresh_token":"%[6]s","generation":1}')`,
				i, time.Time{}.UnixMicro(), digest(access), digest(refresh), access, refresh))
		}
		mustExec(t, db, `INSERT INTO reauth_records (provider, id, position, login, generation, removed, token_of,
			refresh_of, login_of, record) VALUES `+strings.Join(values, ","))
	}
}

// What one change costs another store must not grow with the number of records. The metrics are
// medians; "ratio" is that of 100,000 records and of 10.
func BenchmarkOneChange(b *testing.B) {
	for name, d := range databases {
		b.Run(name, func(b *testing.B) {
			type side struct {
				s, other *reauth.SQLStore
				version  string
				times    []time.Duration
			}
			sides, all := make([]*side, 2), make([]time.Duration, 2)
			for i, n := range []int{10, 100_000} {
				d := d(b)
				x := &side{s: d.store(b), other: d.store(b)}
				fill(b, d, n)
				begin := time.Now()
				snap := look(b, x.other, "")
				all[i] = time.Since(begin)
				require.Len(b, snap.Entries, n)
				x.version = snap.Version
				sides[i] = x
			}
			var unchanged []time.Duration
			for n := 0; b.Loop(); n++ {
				for _, x := range sides {
					e := pair(int64(n+2), fmt.Sprint(n))
					e.Credential.Provider, e.Credential.ID = provider, fmt.Sprint("n", n%10)
					save(b, x.s, e)
					begin := time.Now()
					snap := look(b, x.other, x.version)
					x.times = append(x.times, time.Since(begin))
					require.True(b, snap.Delta)
					require.Len(b, snap.Entries, 1)
					x.version = snap.Version
					begin = time.Now()
					look(b, x.other, x.version)
					unchanged = append(unchanged, time.Since(begin))
				}
			}
			few, many := median(sides[0].times), median(sides[1].times)
			b.ReportMetric(float64(few.Microseconds()), "µs-change-10")
			b.ReportMetric(float64(many.Microseconds()), "µs-change-100000")
			b.ReportMetric(float64(many)/float64(few), "ratio")
			b.ReportMetric(float64(all[1].Milliseconds()), "ms-all-100000")
			b.ReportMetric(float64(median(unchanged).Microseconds()), "µs-unchanged")
		})
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}
