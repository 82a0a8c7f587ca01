package reauthtest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
)

// resultPromises are those about what Update stores of its function's result.
func resultPromises() []storePromise {
	const fields = "Of fn's result Credential, Login, Removed, Generation, Spent and LastRefresh are stored. "
	return []storePromise{
		{name: "fields_of_the_result_are_stored", text: fields, check: checkFields},
		{
			name:  "marks_and_spending_of_the_result_are_not_stored",
			text:  fields + "Its Marks and Spending are not: the stored marks stay, …, and Spending ends.",
			check: checkMarksNotStored,
		},
		{
			name: "void_marks_go_when_a_result_is_stored", text: "The stored marks stay, but for those that are void.",
			check: checkVoidMarksGo,
		},
		{
			name: "provider_and_id_stay_those_of_the_call", text: "Provider and ID stay those of the call.",
			check: checkNamesStay,
		},
		{
			name: "newer_record_is_not_replaced",
			text: "The result is stored only while the record that is there by then, if there is one, is no newer by the " +
				"one order of records. When fn succeeded and storing failed, Update returns fn's entry and an error that " +
				"matches ErrNotStored.",
			check: checkNewerStays,
		},
		{
			name: "removed_record_is_brought_back_by_a_later_login_only",
			text: "Removed says that the credential was removed. The record stays, without tokens, so that an older one " +
				"does not bring the credential back.",
			check: checkRemovedStays,
		},
	}
}

// fullEntry returns a record in which every field that Update stores has a value.
func fullEntry() reauth.Entry {
	zone := time.FixedZone("elsewhere", 5*3600)
	e := reauth.Entry{
		Credential: reauth.Credential{
			Provider: storeProvider, ID: storeID,
			AccessToken: "at \"quoted\" <&> ü", RefreshToken: `rt\back`,
			AccountID: "account ü", ClientID: "client",
			Expiry: time.Date(2031, 2, 3, 4, 5, 6, 789_012_345, zone), Hosts: []string{"api.x.ai", "*.x.ai:8443"},
			Priority: -3,
			Metadata: map[string]string{
				"a": "1", "": "no name", "b": "", "lines": "one\ntwo\ttab", "ü \u2028": "\U0001f511 \ufffd",
			},
		},
		Login:       time.Date(2030, 1, 1, 2, 3, 4, 5, zone),
		Generation:  1<<53 + 1, // a float64 does not have it
		LastRefresh: time.Now(),
	}
	for i := range 48 { // as many as are kept, of both kinds
		d := digestOf(fmt.Sprint("spent ", i))
		if i%3 == 0 {
			d = "login:" + d
		}
		e.Spent = append(e.Spent, d)
	}
	return e
}

func checkFields(c *storeCheck) {
	full := fullEntry()
	got, err := c.store(c.a, full)
	if err != nil {
		c.fatalf("Update fails: %v", err)
	}
	c.same("what Update returns", got, full)
	c.expect("in another store", c.b, full)
	c.same("what an Update finds", c.held(c.b, storeID).Entry, full)

	bare := reauth.Entry{
		Credential: reauth.Credential{Provider: storeProvider, ID: storeID, AccessToken: "bare"},
		Login:      full.Login.Add(1),
	}
	c.put(c.b, bare)
	c.expect("after a record with fewer fields", c.a, bare)
	gone := removal(storeID, bare.Login.Add(1))
	c.put(c.b, gone)
	c.expect("after a removal", c.a, gone)

	zero := reauth.Entry{Credential: reauth.Credential{Provider: storeProvider, ID: "no login", RefreshToken: "only"}}
	c.put(c.a, zero)
	c.expect("a record without a Login", c.b, gone, zero)
}

func checkMarksNotStored(c *storeCheck) {
	first := entry(1)
	first.Marks = map[string]reauth.Mark{"login": loginMarkOf(first, "of fn's result")}
	first.Spending = spendingOf(first)
	got, err := c.store(c.a, first)
	if err != nil {
		c.fatalf("Update fails: %v", err)
	}
	c.same("what Update returns", got, entry(1))
	c.expect("after a new record with marks", c.b, entry(1))

	m, model := loginMarkOf(first, "written by Mark"), loginMarkOf(first, "of a model")
	c.mark(c.a, "login", m, time.Time{})
	c.mark(c.a, "model:m", model, time.Time{})
	second := entry(2)
	m2 := m
	m2.Reason, m2.At = "of fn's result", m.At.Add(time.Hour)
	second.Marks = map[string]reauth.Mark{"login": m2, "token": tokenMarkOf(second, "of fn's result")}
	second.Spending = spendingOf(second)
	if got, err = c.store(c.b, second); err != nil {
		c.fatalf("Update fails: %v", err)
	}
	want := withMarks(entry(2), map[string]reauth.Mark{"login": m, "model:m": model})
	c.same("what Update returns", got, want)
	c.expect("after a record with other marks", c.a, want)
}

func checkVoidMarksGo(c *storeCheck) {
	stands := entry(1)
	c.put(c.a, stands)
	token, login := tokenMarkOf(stands, "of the token"), loginMarkOf(stands, "of the login")
	grant := markOf(digestOf(stands.Credential.RefreshToken), "of the grant")
	c.mark(c.a, "token", token, time.Time{})
	c.mark(c.a, "login", grant, time.Time{})
	c.mark(c.a, "model:m", login, time.Time{})

	same := stands
	same.Credential.Priority = 1
	c.put(c.b, same)
	c.expect("after a result with the same tokens", c.a,
		withMarks(same, map[string]reauth.Mark{"token": token, "login": grant, "model:m": login}))
	half := entry(2)
	half.Credential.RefreshToken = stands.Credential.RefreshToken
	c.put(c.b, half)
	c.expect("after a new access token", c.a,
		withMarks(half, map[string]reauth.Mark{"login": grant, "model:m": login}))
	c.put(c.b, entry(3))
	c.expect("after new tokens of the login", c.a, withMarks(entry(3), map[string]reauth.Mark{"model:m": login}))
	anew := entry(4)
	anew.Login = anew.Login.Add(time.Hour)
	c.put(c.b, anew)
	c.expect("after a new login", c.a, anew)
	c.mark(c.a, "login", loginMarkOf(anew, "of the new login"), time.Time{})
	gone := removal(storeID, anew.Login.Add(time.Hour))
	c.put(c.b, gone)
	c.expect("after a removal", c.a, gone)
}

func checkNamesStay(c *storeCheck) {
	for i, names := range [][2]string{{"anthropic", "another"}, {"", ""}, {storeProvider, "\x00"}} {
		e := entry(int64(i))
		got, err := c.a.Update(c.ctx, storeProvider, storeID, func(reauth.Holding) (reauth.Entry, error) {
			named := e
			named.Credential.Provider, named.Credential.ID = names[0], names[1]
			return named, nil
		})
		if err != nil {
			c.failf("fn's result has the names %q: Update fails: %v", names, err)
		}
		c.same(fmt.Sprintf("what Update returns for the names %q", names), got, e)
		c.expect(fmt.Sprintf("after a result with the names %q", names), c.b, e)
	}
}

// succession is a record and a result that meets it.
type succession struct {
	what         string
	stands, next reauth.Entry
	stored       bool
}

// successions returns a case of each clause of the one order, both ways.
func successions() []succession {
	later := func(e reauth.Entry) reauth.Entry {
		e.Login = e.Login.Add(1)
		return e
	}
	spent := func(e, left reauth.Entry, prefix string) reauth.Entry {
		e.Spent = []string{prefix + digestOf(left.Credential.RefreshToken)}
		return e
	}
	one, two, gone := entry(1), entry(2), removal(storeID, firstLogin())
	// tie has other tokens than one, and their Generation.
	tie := func(later time.Duration) reauth.Entry {
		e := two
		e.Generation, e.LastRefresh = one.Generation, one.LastRefresh.Add(later)
		return e
	}
	low, high := one, tie(0)
	if digestOf(low.Credential.RefreshToken) > digestOf(high.Credential.RefreshToken) {
		low, high = high, low
	}
	return []succession{
		{"the same record", one, one, true},
		{"a higher generation", one, two, true},
		{"a lower generation", two, one, false},
		{"a lower generation of a later login", two, later(one), true},
		{"a higher generation of an earlier login", later(one), two, false},
		{"a refresh token that was rotated away", spent(two, one, ""), one, false},
		{"a refresh token that was rotated away, of a later login", spent(two, one, ""), later(one), false},
		{"a refresh token that was a login, of a later login", spent(two, one, "login:"), later(one), false},
		{"a lower generation that has spent the refresh token", two, spent(one, two, ""), true},
		{"an earlier login that has spent the refresh token", later(two), spent(one, two, "login:"), true},
		{"both have spent the other's refresh token", spent(two, one, ""), spent(one, two, ""), false},
		{"a later refresh of one generation", one, tie(time.Second), true},
		{"an earlier refresh of one generation", one, tie(-time.Second), false},
		{"the higher digest", low, high, true},
		{"the lower digest", high, low, false},
		{"a removal of the same login", two, gone, true},
		{"a removal of an earlier login", later(one), gone, false},
		{"a removal of a later login", two, later(gone), true},
		{"a pair of the login that was removed", gone, two, false},
		{"a pair of an earlier login than the removal", later(gone), two, false},
		{"a pair of a later login than the removal", gone, later(two), true},
		{"a removal over an earlier one", gone, later(gone), true},
		{"a removal over a later one", later(gone), gone, false},
	}
}

func checkNewerStays(c *storeCheck) {
	for i, s := range successions() {
		id := fmt.Sprint("case ", i)
		s.stands.Credential.ID, s.next.Credential.ID = id, id
		c.put(c.a, s.stands)
		got, err := c.store(c.both()[i%2], s.next)
		c.same("what Update returns for "+s.what, got, s.next)
		due := s.stands
		if s.stored {
			due = s.next
		}
		switch {
		case s.stored && err != nil:
			c.failf("the result is %s: Update fails: %v", s.what, err)
		case !s.stored && !errors.Is(err, reauth.ErrNotStored):
			c.failf("the result is %s: Update returns %v, which does not match ErrNotStored", s.what, err)
		}
		if now := c.held(c.b, id).Entry; len(differences(now, due)) > 0 {
			c.failf("the result is %s: then %s", s.what, strings.Join(differences(now, due), ", "))
		}
	}
}

func checkRemovedStays(c *storeCheck) {
	c.put(c.a, entry(1))
	gone := removal(storeID, firstLogin().Add(time.Hour))
	c.put(c.a, gone)
	if _, err := c.store(c.b, entry(9)); !errors.Is(err, reauth.ErrNotStored) {
		c.failf("a pair of the removed login: Update returns %v, which does not match ErrNotStored", err)
	}
	c.expect("after a pair of the removed login", c.b, gone)
	anew := entry(2)
	anew.Login = gone.Login.Add(1)
	c.put(c.b, anew)
	c.expect("after a later login", c.a, anew)
}
