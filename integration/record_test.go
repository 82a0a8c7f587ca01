package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

func TestRecordIsStoredExactly(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, other, db := d.store(t), d.store(t), d.open(t)
		at := time.Date(2026, 3, 4, 5, 6, 7, 89, time.FixedZone("", 3600))
		e := reauth.Entry{
			Credential: reauth.Credential{
				Provider: "xai", ID: "me", AccessToken: "access ä", RefreshToken: `"quoted" \`, Expiry: at, AccountID: "account",
				ClientID: "client", Hosts: []string{"api.x.ai", "*.x.ai"}, Priority: -3,
				Metadata: map[string]string{"note": "two\nlines"},
			},
			Login: at.Add(1), Generation: 7, Spent: []string{"a", "login:b"}, LastRefresh: at.Add(2),
			Marks:    map[string]reauth.Mark{"token": {Until: at}},
			Spending: reauth.Spending{Of: "x"},
		}
		stored := save(t, s, e)
		want := e
		want.Credential.Provider, want.Credential.Expiry = "xai-oauth", e.Credential.Expiry.UTC()
		want.Login, want.LastRefresh = e.Login.UTC(), e.LastRefresh.UTC()
		want.Marks, want.Spending = nil, reauth.Spending{}
		assert.Equal(t, want, stored)
		assert.Equal(t, want, record(t, other))
		_, err := other.Update(bounded(t), "grok", "me", func(h reauth.Holding) (reauth.Entry, error) {
			assert.True(t, h.Found)
			assert.Equal(t, want, h.Entry)
			assert.Equal(t, look(t, s, "").Identity, h.Identity)
			return h.Entry, nil
		})
		require.NoError(t, err)

		const setJSON = `UPDATE reauth_records SET record = $1`
		raw := text(t, db, `SELECT record FROM reauth_records`)
		mustExec(t, db, setJSON, strings.Replace(raw, "{", `{"newer":{"x":[1]},`, 1))
		_, err = s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.Contains(t, text(t, db, `SELECT record FROM reauth_records`), `"newer":{"x":[1]}`)

		e.Removed, e.Login = true, at.Add(time.Hour)
		stored = save(t, s, e)
		assert.True(t, stored.Removed)
		assert.Empty(t, stored.Credential.AccessToken+stored.Credential.RefreshToken)
		assert.Equal(t, e.Spent, stored.Spent)
		assert.Equal(t, stored, record(t, other))
		raw = text(t, db, `SELECT record FROM reauth_records`)
		assert.NotContains(t, raw, "access")
		assert.NotContains(t, raw, "quoted")
	})
}

func TestRecordsStayInTheirOrder(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s := d.store(t)
		order := func() (list []string) {
			for _, e := range look(t, s, "").Entries {
				list = append(list, e.Credential.ID)
			}
			return list
		}
		for _, name := range []string{"c", "a", "b"} {
			e := pair(1, name)
			e.Credential.Provider, e.Credential.ID = provider, name
			save(t, s, e)
		}
		for _, removed := range []bool{true, false} {
			e := pair(2, "c")
			e.Credential.Provider, e.Credential.ID = provider, "c"
			e.Removed, e.Login = removed, time.Now()
			save(t, s, e)
			assert.Equal(t, []string{"c", "a", "b"}, order())
		}
	})
}

func TestRecordOutOfBoundsIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		for _, bad := range []string{"", "a\x00b", "a\xffb", strings.Repeat("x", 257)} {
			_, err := s.Update(bounded(t), provider, bad, func(h reauth.Holding) (reauth.Entry, error) {
				assert.Fail(t, "it cannot be claimed")
				return h.Entry, nil
			})
			require.ErrorContains(t, err, "reauth: sql store: the ")
			require.Error(t, s.Mark(bounded(t), provider, bad, "token", reauth.Mark{}, time.Time{}))
		}
		for what, c := range map[string]reauth.Credential{
			"the access token has 65537 bytes": {AccessToken: strings.Repeat("x", 64<<10+1)},
			"the metadata has":                 {Metadata: map[string]string{"a": strings.Repeat("x", 64<<10)}},
			"no valid UTF-8":                   {Metadata: map[string]string{"a": "\xff"}},
			"control character":                {RefreshToken: "a\nb"},
		} {
			_, err := s.Update(bounded(t), provider, id, write(reauth.Entry{Credential: c}))
			require.ErrorIs(t, err, reauth.ErrNotStored)
			require.ErrorContains(t, err, what)
		}
		require.ErrorContains(t, s.Mark(bounded(t), provider, id, "other", reauth.Mark{}, time.Time{}), "no key of a mark")
		for _, table := range []string{"reauth_records", "reauth_claims", "reauth_marks"} {
			assert.Zero(t, number(t, db, `SELECT count(*) FROM `+table))
		}
	})
}

// A record that cannot be read hides no other, and is not overwritten.
func TestBrokenRecord(t *testing.T) {
	for name, breaks := range map[string]string{
		"NoJSON":       `UPDATE reauth_records SET record = '{"access_token": "secret' WHERE id = 'me'`,
		"OtherJSON":    `UPDATE reauth_records SET record = '{"token": "secret"}' WHERE id = 'me'`,
		"OtherType":    `UPDATE reauth_records SET record = '{"provider": "xai-oauth", "id": 7}' WHERE id = 'me'`,
		"OtherToken":   `UPDATE reauth_records SET record = replace(record, 'access 1', 'secret') WHERE id = 'me'`,
		"OtherColumn":  `UPDATE reauth_records SET generation = 9 WHERE id = 'me'`,
		"OtherName":    `UPDATE reauth_records SET provider = 'xai' WHERE id = 'me'`,
		"OutOfBounds":  `UPDATE reauth_records SET record = replace(record, '"metadata":{', '"metadata":{"a\u0000":"",') WHERE id = 'me'`,
		"OddMark":      `INSERT INTO reauth_marks SELECT provider, id, 'token', 'today', '', token_of, '' FROM reauth_records`,
		"OddSpending":  `INSERT INTO reauth_spending SELECT provider, id, 'x', 'today', '' FROM reauth_records`,
		"SQLiteColumn": `UPDATE reauth_records SET generation = 'nine' WHERE id = 'me'`,
	} {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, d database) {
				if name == "SQLiteColumn" && d.driver != "sqlite" {
					return
				}
				s, db := d.store(t), d.open(t)
				e := pair(1, "1")
				e.Credential.Metadata = map[string]string{"x": "y"}
				save(t, s, e)
				version := look(t, s, "").Version
				mustExec(t, db, breaks)
				other := pair(1, "other")
				other.Credential.Provider, other.Credential.ID = provider, "other"
				save(t, s, other)
				for _, v := range []string{"", version} {
					snap := look(t, s, v)
					require.Len(t, snap.Entries, 1)
					assert.Equal(t, "other", snap.Entries[0].Credential.ID)
					if name == "OddSpending" && v != "" {
						continue // an exchange counts as no change
					}
					require.Len(t, snap.Broken, 1)
					var broken *reauth.RecordError
					require.ErrorAs(t, snap.Broken[0], &broken)
					assert.Equal(t, id, broken.ID)
					assert.NotContains(t, broken.Error(), "secret")
					assert.Contains(t, broken.Error(), "delete that row")
				}
				if name == "OtherName" {
					return
				}
				before := text(t, db, `SELECT record FROM reauth_records WHERE id = 'me'`)
				_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
					assert.Fail(t, "nothing was read")
					return h.Entry, nil
				})
				var broken *reauth.RecordError
				require.ErrorAs(t, err, &broken)
				assert.Equal(t, before, text(t, db, `SELECT record FROM reauth_records WHERE id = 'me'`))
				assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_claims`))
			})
		})
	}
}

// A record that breaks while its Update is inside is not overwritten either.
func TestRecordThatBreaksMeanwhile(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, pair(1, "1"))
		_, err := s.Update(bounded(t), provider, id, func(reauth.Holding) (reauth.Entry, error) {
			mustExec(t, db, `UPDATE reauth_records SET record = 'broken'`)
			return pair(2, "2"), nil
		})
		require.ErrorIs(t, err, reauth.ErrNotStored)
		require.ErrorContains(t, err, "holds no JSON of reauth")
		assert.Equal(t, "broken", text(t, db, `SELECT record FROM reauth_records`))
	})
}

// The oldest records of removed credentials go, and what belongs to removed ones.
func TestRemovedCredentials(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		var values []string
		for i := range 1000 {
			values = append(values, fmt.Sprintf(`('xai-oauth', 'gone %d', %d, %d, 0, 1, '', '', '', '')`, i, i, i+5))
		}
		mustExec(t, db, `INSERT INTO reauth_records (provider, id, position, login, generation, removed, token_of,
			refresh_of, login_of, record) VALUES `+strings.Join(values, ","))
		save(t, s, pair(1, "1"))
		for _, key := range []string{"token", "model:x"} {
			require.NoError(t, s.Mark(bounded(t), provider, id, key, reauth.Mark{At: time.Now(), Of: digest("access 1")}, time.Time{}))
		}
		e := pair(2, "1")
		e.Removed, e.Login = true, time.Now()
		_, err := s.Update(bounded(t), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
			return e, h.Spend(bounded(t), reauth.Spending{Of: "x"})
		})
		require.NoError(t, err)
		assert.EqualValues(t, 1000, number(t, db, `SELECT count(*) FROM reauth_records`))
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_records WHERE id = 'gone 0'`), "the oldest")
		assert.EqualValues(t, 1, number(t, db, `SELECT count(*) FROM reauth_records WHERE id = 'me'`))
		for _, table := range []string{"reauth_marks", "reauth_spending", "reauth_claims"} {
			assert.Zero(t, number(t, db, `SELECT count(*) FROM `+table), table)
		}
		require.NoError(t, s.Mark(bounded(t), provider, id, "token", reauth.Mark{At: time.Now(), Of: digest("access 1")}, time.Time{}))
		assert.Zero(t, number(t, db, `SELECT count(*) FROM reauth_marks`), "a mark of it is dropped")
	})
}

// Stores of several processes may be shared by many callers at once.
func TestManyWritersOfOneRecord(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		done := make(chan struct{}, 6)
		for range cap(done) {
			s := d.store(t)
			go func() {
				defer func() { done <- struct{}{} }()
				for range 5 {
					_, err := s.Update(context.Background(), provider, id, func(h reauth.Holding) (reauth.Entry, error) {
						return pair(h.Entry.Generation+1, fmt.Sprint(h.Entry.Generation+1)), nil
					})
					assert.NoError(t, err)
				}
			}()
		}
		for range cap(done) {
			<-done
		}
		assert.EqualValues(t, 30, record(t, d.store(t)).Generation, "one at a time")
	})
}

// A value that cannot be sent counts as absent. The rest of the record serves, and may be written.
func TestRecordWithAValueThatCannotBeSent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		s, db := d.store(t), d.open(t)
		save(t, s, reauth.Entry{
			Credential: reauth.Credential{AccessToken: "at-1", RefreshToken: "rt-1", AccountID: "acct-1"}, Login: time.Now(),
		})
		mustExec(t, db, `UPDATE reauth_records SET record = replace(record, 'acct-1', 'acct\n1') WHERE id = 'me'`)
		e := record(t, s)
		assert.Equal(t, []string{"at-1", "rt-1", ""},
			[]string{e.Credential.AccessToken, e.Credential.RefreshToken, e.Credential.AccountID})

		pool, err := reauth.OpenPool(bounded(t), s)
		require.NoError(t, err)
		var told []reauth.Event
		pool.Observe = func(_ context.Context, e reauth.Event) { told = append(told, e) }
		c, err := pool.Token(bounded(t), provider)
		require.NoError(t, err)
		assert.Equal(t, []string{"at-1", ""}, []string{c.AccessToken, c.AccountID})
		require.NoError(t, pool.Close())
		require.Len(t, told, 1)
		assert.Equal(t, reauth.StoreFailed, told[0].Type)
		require.ErrorContains(t, told[0].Err, "AccountID holds a control character")

		_, err = s.Update(bounded(t), provider, id, keep)
		require.NoError(t, err)
		assert.NotContains(t, text(t, db, `SELECT record FROM reauth_records`), "account_id")
	})
}
