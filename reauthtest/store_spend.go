package reauthtest

import (
	"context"
	"errors"
	"time"

	"github.com/reauth-go/reauth"
)

// spendPromises are those about the Spend of a Holding, and about the claim after it.
func spendPromises() []storePromise {
	const durably = "Spend notes, durably and at once, which refresh token is being exchanged; a zero value, that none is."
	return []storePromise{
		{name: "spend_outlives_an_update_that_fails", text: durably, check: checkSpendOutlives},
		{name: "zero_value_of_spend_says_that_none_is_spent", text: durably, check: checkSpendZero},
		{name: "spend_touches_nothing_else", text: "It touches nothing else.", check: checkSpendTouches},
		{
			name: "spending_ends_with_a_stored_result", text: "The stored marks stay …, and Spending ends.",
			check: checkSpendingEnds,
		},
		{
			name: "spend_fails_after_fn_has_returned", text: "It fails when the claim is lost, and after fn has returned.",
			check: checkSpendFails,
		},
		{
			name: "claim_stays_when_a_result_after_a_spend_is_not_stored",
			text: "After a Spend the store keeps the claim then: the tokens in hand are the only ones that are good. " +
				"The store's next Update of the credential, and no other store's, enters with that claim. The claim ends " +
				"when the result, or a newer record, is stored.",
			check: checkClaimStays,
		},
	}
}

// spend calls the Spend of a holding.
func (c *storeCheck) spend(h reauth.Holding, sp reauth.Spending) {
	if err := h.Spend(c.ctx, sp); err != nil {
		c.failf("Spend fails: %v", err)
	}
}

// spendingOf returns how a pool notes that it exchanges the refresh token of a record.
func spendingOf(e reauth.Entry) reauth.Spending {
	return reauth.Spending{
		Of:     digestOf(e.Credential.RefreshToken),
		Since:  firstLogin().Add(90*time.Minute + 1),
		Holder: `host "ü", process 1`,
	}
}

// spendable stores a record with a mark, and returns it as it is while its token is being spent.
func (c *storeCheck) spendable() (before, spending reauth.Entry) {
	before = entry(1)
	before.Credential.Metadata = map[string]string{"k": "v"}
	before.Spent = []string{digestOf("rt-left-behind")}
	c.put(c.a, before)
	m := loginMarkOf(before, "capped")
	c.mark(c.a, "login", m, time.Time{})
	before.Marks = map[string]reauth.Mark{"login": m}
	spending = before
	spending.Spending = spendingOf(before)
	return before, spending
}

func checkSpendOutlives(c *storeCheck) {
	_, spending := c.spendable()
	c.failing(c.a, storeID, func(h reauth.Holding) { c.spend(h, spending.Spending) })
	c.expect("after Spend in an Update that failed", c.b, spending)
	c.same("in the Update after one that failed after Spend", c.held(c.b, storeID).Entry, spending)
	c.same("in an Update of a store that was opened later", c.held(c.opened(c.place), storeID).Entry, spending)

	c.failing(c.a, "new", func(h reauth.Holding) {
		_ = h.Spend(c.ctx, spending.Spending) // nobody has said whether it may fail
	})
	c.expect("after Spend of a credential that is not there", c.b, spending)
}

func checkSpendZero(c *storeCheck) {
	before, spending := c.spendable()
	c.failing(c.a, storeID, func(h reauth.Holding) {
		c.spend(h, spending.Spending)
		c.spend(h, reauth.Spending{})
	})
	c.same("after Spend of a zero value", c.held(c.b, storeID).Entry, before)
	c.failing(c.b, storeID, func(h reauth.Holding) { c.spend(h, spending.Spending) })
	c.failing(c.a, storeID, func(h reauth.Holding) { c.spend(h, reauth.Spending{}) })
	c.same("after Spend of a zero value in a later Update", c.held(c.b, storeID).Entry, before)
}

func checkSpendTouches(c *storeCheck) {
	_, spending := c.spendable()
	other := entryOf("other", 1)
	c.put(c.b, other)
	m := loginMarkOf(entry(1), "a model")
	c.failing(c.a, storeID, func(h reauth.Holding) {
		c.mark(c.b, "model:m", m, time.Time{}) // after fn was given the record
		h.Entry.Credential.AccessToken = "not to be stored"
		c.spend(h, spending.Spending)
	})
	spending.Marks = map[string]reauth.Mark{"login": spending.Marks["login"], "model:m": m}
	c.expect("after Spend", c.b, spending, other)
}

func checkSpendingEnds(c *storeCheck) {
	_, spending := c.spendable()
	c.during(c.a, entry(2), func(h reauth.Holding) { c.spend(h, spending.Spending) })
	if got := c.held(c.b, storeID).Entry.Spending; got != (reauth.Spending{}) {
		c.failf("after the result was stored, Spending is %v", got)
	}
	c.failing(c.a, storeID, func(h reauth.Holding) { c.spend(h, spendingOf(entry(2))) })
	c.put(c.b, entry(3)) // another store ends what the first has left
	if got := c.held(c.a, storeID).Entry.Spending; got != (reauth.Spending{}) {
		c.failf("after another result was stored, Spending is %v", got)
	}
}

func checkSpendFails(c *storeCheck) {
	var spends []func(context.Context, reauth.Spending) error
	keep := func(h reauth.Holding) { spends = append(spends, h.Spend) }
	c.during(c.a, entry(1), keep)
	c.failing(c.a, storeID, keep)
	for i, spend := range spends {
		if err := spend(c.ctx, spendingOf(entry(1))); err == nil {
			c.failf("Spend succeeds after fn has returned %v", []error{nil, errOfFn}[i])
		}
	}
	c.expect("after Spend had failed", c.b, entry(1))
	c.failing(c.b, storeID, func(reauth.Holding) {
		if err := spends[0](c.ctx, spendingOf(entry(1))); err == nil {
			c.failf("Spend of an earlier Update succeeds while another store has the claim")
		}
	})
	c.expect("after Spend had failed", c.b, entry(1))
}

// checkClaimStays stores a result that the bounds forbid: the one failure that every store has.
func checkClaimStays(c *storeCheck) {
	_, spending := c.spendable()
	bad := entry(2)
	bad.Credential.AccessToken = "line\nbreak"
	got, err := c.a.Update(c.ctx, storeProvider, storeID, func(h reauth.Holding) (reauth.Entry, error) {
		c.spend(h, spending.Spending)
		return bad, nil
	})
	if !errors.Is(err, reauth.ErrNotStored) || got.Credential.AccessToken != bad.Credential.AccessToken {
		c.failf("the result cannot be stored: Update returns %v and the record of generation %d; "+
			"ErrNotStored and fn's result are due", err, got.Generation)
	}
	c.expect("after a result that was not stored", c.b, spending)
	if c.apart() {
		ctx, stop := context.WithTimeout(c.ctx, glance)
		defer stop()
		c.mayNotEnter(ctx, c.b, context.DeadlineExceeded)
	}
	c.returns("Update of the store that has kept the claim", func(context.Context) { c.put(c.a, entry(2)) })
	c.returns("Update after the kept claim has ended", func(context.Context) { c.put(c.b, entry(3)) })
}
