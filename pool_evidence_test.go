package reauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// account is what a credential of the test is: what the provider answers to its requests.
type account struct {
	status int
	body   string
}

// accounts are those of which pools are made. The words are recorded ones.
var accounts = map[string]account{
	"good": {200, `{}`},
	// a key that has expired, behind a 403 that says nothing
	"expired": {403, `{"error":{"message":"Forbidden"}}`},
	"unentitled": {403, `{"error":{"message":"Your plan does not include access to this model. ` +
		`Please upgrade your subscription.","type":"permission_error"}}`},
	"banned":   {401, `{"error":{"code":"account_deactivated","message":"Your account has been deactivated."}}`},
	"locked":   {403, `{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported"}}`},
	"filtered": {403, `{"error":{"code":403,"message":"Input was flagged by moderation: violence"}}`},
}

// accountsRig is a pool of a provider whose credentials are named after their accounts: "expired-2" is
// the second one that has expired.
type accountsRig struct {
	t         *testing.T
	pool      *reauth.Pool
	events    *eventLog
	transport *reauth.RecoveringTransport
	sent      []string // IDs, by the keys that were sent
}

func newAccountsRig(t *testing.T, names ...string) *accountsRig {
	t.Helper()
	r := &accountsRig{t: t, pool: reauth.NewPool(), events: new(eventLog)}
	r.pool.Observe = r.events.observe
	p, _ := reauth.LookupProvider("openai")
	require.NoError(t, r.pool.Register(p))
	for i, name := range names {
		id := fmt.Sprintf("%s-%d", name, i)
		_, err := r.pool.Add(t.Context(), reauth.Credential{Provider: "openai", ID: id, AccessToken: "sk-proj-" + id})
		require.NoError(t, err)
	}
	r.transport = reauth.NewRecoveringTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		id := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer sk-proj-")
		r.sent = append(r.sent, id)
		name, _, _ := strings.Cut(id, "-")
		return answer(req, accounts[name].status, accounts[name].body), req.Body.Close()
	}), r.pool)
	return r
}

// ask sends a request for a model and returns the status of its answer, and how many sends it took.
func (r *accountsRig) ask(model string) (status, sends int) {
	r.t.Helper()
	before := len(r.sent)
	req, err := http.NewRequest(http.MethodPost, "https://api.openai.com/v1/chat/completions",
		strings.NewReader(`{"model":"`+model+`"}`))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.transport.RoundTrip(req)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	return resp.StatusCode, len(r.sent) - before
}

// marked returns the credentials that are put aside for a model, with how long, and "*" before those
// that are aside or retired as a whole.
func (r *accountsRig) marked() (list []string) {
	for _, s := range r.pool.Status() {
		if s.State != reauth.Good {
			list = append(list, "*"+s.ID)
		}
		for _, m := range s.Models {
			list = append(list, fmt.Sprintf("%s %v", s.ID, time.Until(m.AsideUntil).Round(time.Second)))
		}
	}
	return list
}

// What a pool of accounts makes of refusals that say what an account may not: which account serves, how
// many sends the first, the second and the hundredth request cost, and who is marked for how long after
// the first one. A program asks a hundred times, once a second.
func TestForbiddenIsEvidence(t *testing.T) {
	for _, c := range []struct {
		pool                   string
		first, second, hundred string // status, sends
		marked                 string // after the first
		sends                  int    // of all hundred
	}{
		{"good expired", "200 1", "200 1", "200 1", "", 100},
		{"expired good", "200 2", "200 1", "200 1", "expired-0 5m0s", 101},
		{"unentitled good", "200 2", "200 1", "200 1", "unentitled-0 5m0s", 101},
		{"banned good", "200 2", "200 1", "200 1", "*banned-0", 101},
		{"unentitled unentitled good", "200 3", "200 1", "200 1", "unentitled-0 5m0s, unentitled-1 5m0s", 102},
		// A refusal that nobody understands draws in one further account a minute.
		{"expired expired good", "403 2", "403 1", "200 1", "", 103},
		{"expired unentitled good", "200 3", "200 1", "200 1", "expired-0 5m0s, unentitled-1 5m0s", 102},
		// All lack it: three are asked, and those that were asked come last for a minute.
		{"unentitled unentitled", "403 2", "403 1", "403 1", "unentitled-0 1m0s, unentitled-1 1m0s", 0},
		{
			"unentitled unentitled unentitled unentitled good", "403 3", "200 2", "200 1",
			"unentitled-0 1m0s, unentitled-1 1m0s, unentitled-2 1m0s", 0,
		},
		// Nobody may have it: one account is asked, and the same one each time.
		{"locked good", "403 1", "403 1", "403 1", "", 100},
		{"filtered filtered good", "403 1", "403 1", "403 1", "", 100},
		{"expired expired expired", "403 2", "403 1", "403 1", "", 0},
		{"expired", "403 1", "403 1", "403 1", "", 100},
		{"unentitled", "403 1", "403 1", "403 1", "", 100},
	} {
		t.Run(c.pool, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newAccountsRig(t, strings.Fields(c.pool)...)
				var got [100]string
				for i := range got {
					status, sends := r.ask("gpt-5")
					got[i] = fmt.Sprint(status, " ", sends)
					if i == 0 {
						assert.Equal(t, c.marked, strings.Join(r.marked(), ", "))
					}
					time.Sleep(time.Second)
				}
				assert.Equal(t, []string{c.first, c.second, c.hundred}, []string{got[0], got[1], got[99]})
				if c.sends > 0 {
					assert.Len(t, r.sent, c.sends)
				}
				require.NoError(t, r.pool.Close())
			})
		})
	}
}

// What an account lacks of one model says nothing of another one.
func TestLackIsOfOneModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAccountsRig(t, "unentitled", "good")
		status, sends := r.ask("gpt-5")
		require.Equal(t, []int{200, 2}, []int{status, sends})
		e := r.events.last(reauth.PutAside)
		require.Equal(t, "gpt-5 at api.openai.com", e.About)
		require.Equal(t, "unentitled-0", e.ID)
		status, sends = r.ask("gpt-4o")
		require.Equal(t, []int{200, 2}, []int{status, sends}, "it is asked for another model")
		require.NoError(t, r.pool.Close())
	})
}

// However many models a program names, a credential keeps as many marks as a store does.
func TestMarksOfModelsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAccountsRig(t, "unentitled", "good")
		for i := range 200 {
			status, _ := r.ask(fmt.Sprint("model-", i))
			require.Equal(t, 200, status)
			time.Sleep(time.Millisecond)
		}
		marked := r.marked()
		require.Len(t, marked, 64)
		_, sends := r.ask("model-199")
		require.Equal(t, 1, sends, "the newest is known")
		_, sends = r.ask("model-0")
		require.Equal(t, 2, sends, "the one that ended first is forgotten")
		require.NoError(t, r.pool.Close())
	})
}

// A lack lasts 5 minutes, and twice as long each time that it shows again, up to an hour. Between, one
// request tries the account.
func TestLackLastsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newAccountsRig(t, "unentitled", "good")
		for _, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
			status, sends := r.ask("gpt-5")
			require.Equal(t, []int{200, 2}, []int{status, sends})
			require.Equal(t, []string{"unentitled-0 " + (want * time.Minute).String()}, r.marked())
			time.Sleep(want*time.Minute - time.Second)
			_, sends = r.ask("gpt-5")
			require.Equal(t, 1, sends)
			time.Sleep(time.Second)
		}
		accounts["unentitled"], accounts["good"] = accounts["good"], accounts["unentitled"]
		defer func() { accounts["unentitled"], accounts["good"] = accounts["good"], accounts["unentitled"] }()
		status, sends := r.ask("gpt-5")
		require.Equal(t, []int{200, 1}, []int{status, sends}, "the account has got it")
		require.Empty(t, r.marked())
		require.NoError(t, r.pool.Close())
	})
}
