package verdict

// cell says what a refusal means in which something is said of somebody.
type cell struct {
	who, what concept
	kind      Kind
	reason    string
	rank      rank
}

// rank orders what one answer says: the lowest decides. Many refusals of an account name the token too,
// and give the unpaid bill as the cause.
type rank uint8

const (
	elsewhere rank = iota // somebody else's trouble
	ofMoney
	ofAccount // banned, or gone
	ofRight
	ofLoad // the vendor has too much to do
	ofLimit
	ofSleep // an account that was switched off, for a reason that may stand beside it
	ofKey
	ofRequest // the request, or a model that is not there
	vague     // a word so broad that all others say more
)

// alone is for a word that says enough where a clause names nobody.
var alone = []cell{
	{0, busy, Pass, "overloaded", ofLoad},
	{0, denied, Forbidden, "permission", vague},
	{0, notFound, Pass, "not-found", vague},
	{0, inactive | banned, Dead, "account-disabled", ofSleep}, // only in a code
	{0, banned | misuse, Pass, "content", vague},
	{0, overdue, Exhausted, "billing", ofMoney},
}

// meaning returns the cell for words that say who and what, or nil.
func meaning(who, what concept) *cell {
	for i := range matrix {
		if m := &matrix[i]; m.who&who != 0 && m.what&what != 0 {
			return m
		}
	}
	return nil
}

// matrix is asked from top to bottom for a word that says what, and the nearest word that says who.
var matrix = []cell{
	// Money and amounts.
	{
		money, lacking | overdue | usedUp | exceeded | inactive | unready | needed | invalid | expired | notFound |
			failed | denied, Exhausted, "billing", ofMoney,
	},
	{account, overdue, Exhausted, "billing", ofMoney},
	{
		limit, usedUp | exceeded | lacking | expired | invalid | inactive | failed | banned, Exhausted, "usage-limit",
		ofLimit,
	},
	{limit, denied, Forbidden, "plan", ofRight}, // "usage not included"

	// The account, and the key.
	{account | permission, banned, Dead, "account-disabled", ofAccount},
	{account, misuse | revoked | expired, Dead, "account-disabled", ofAccount},
	{account, inactive, Dead, "account-disabled", ofSleep},
	{method, inactive | denied | unready, Forbidden, "policy", ofRight},
	{
		key, invalid | expired | revoked | notFound | lacking | needed | failed | inactive | malformed, Rejected, "token",
		ofKey,
	},
	{account, notFound, Rejected, "token", ofKey},
	{key | account, denied | unready | invalid, Forbidden, "permission", ofRight},

	// What the account may do.
	{permission, denied | lacking | needed | failed | inactive | expired | revoked, Forbidden, "scope", ofRight},
	{plan, usedUp | exceeded, Exhausted, "usage-limit", ofLimit},
	{account, needed, Forbidden, "policy", ofRight}, // "must be a member"
	{plan, notFound | lacking | needed | expired | inactive | denied | unready | invalid, Forbidden, "plan", ofRight},
	{place, denied | lacking | invalid | inactive | busy, Forbidden, "region", ofRight},
	{client, denied | unready | invalid, Forbidden, "policy", ofRight},
	{model | vendor | feature, unready, Forbidden, "plan", ofRight},
	{feature, usedUp | exceeded, Exhausted, "usage-limit", vague}, // "resource exhausted"
	{feature, denied | inactive, Forbidden, "plan", vague},

	// What is not about the credential.
	{
		model | vendor, notFound | denied | lacking | inactive | invalid | malformed | revoked | needed | failed | expired,
		Pass, "model", ofRequest,
	},
	{model | vendor | upstream | limit, busy, Pass, "overloaded", ofLoad},
	{
		upstream, failed | invalid | denied | exceeded | lacking | expired | notFound | usedUp | inactive, Pass, "upstream",
		elsewhere,
	},
	{request | content, banned | misuse, Pass, "content", ofRequest},
	{
		request, invalid | malformed | lacking | needed | exceeded | denied | failed | notFound, Pass, "request",
		ofRequest,
	},
	{content, banned | misuse | denied | invalid | inactive, Pass, "content", ofRequest},
}
