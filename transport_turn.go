package reauth

import (
	"context"
	"time"
)

// turn is the part of a recovery that one credential serves.
type turn struct {
	member    *member
	tokens    *tokens // those that were sent last
	renewed   bool    // the credential has been renewed for this request
	adoptions int     // how often another request or process had replaced the tokens
	waited    bool    // unproven tokens have been given time
	try       uint32  // of a credential that is tried after a rest: see member.endTry; 0: it is not
	stepped   int     // how often the credential was renewed for a challenge alone
}

// endTry ends the try of the credential, if this is one.
func (w *turn) endTry() {
	if w.member != nil {
		w.member.endTry(w.try)
	}
	w.try = 0
}

// maxAdoptions bounds how often a request follows tokens that others replace faster than it can use
// them.
const maxAdoptions = 3

// maxSteps bounds how often a request has tokens renewed, each time for another challenge, that it has
// just got by a renewal.
const maxSteps = 2

// replacement returns the tokens that are current by now, if those that were sent have been replaced,
// so that nobody is to be marked for a late refusal; nil: they are current, or cannot meet the demand.
func (w *turn) replacement(d demand) *tokens {
	current := w.member.tokens.Load()
	if current.digest == w.tokens.digest || !current.replaces(w.tokens, d, time.Now()) || w.adoptions >= maxAdoptions {
		return nil
	}
	w.adoptions++
	return current
}

// renew returns other tokens of the credential that meet the demand, or why there are none. A request
// causes one exchange per credential, and one more for each other challenge. When the tokens of that
// exchange are refused too, only the store is asked again, and that only while no provider has
// accepted them.
func (w *turn) renew(ctx context.Context, d demand) (*tokens, error) {
	sent := w.tokens
	if w.renewed {
		w.member.noteFutile(sent)
		switch {
		case sent.lacks(d.challenge) && w.stepped < maxSteps:
			w.stepped++
		case !sent.unproven():
			return nil, errRefusedAgain
		default:
			d.challenge = ""
		}
	}
	renewed, err := w.member.renew(ctx, sent, d)
	switch {
	case err != nil:
		return nil, err
	case renewed.digest == sent.digest:
		return nil, errNothingNewer
	case renewed.minted:
		w.renewed = true
	case w.adoptions < maxAdoptions:
		w.adoptions++
	default:
		return nil, errNothingNewer
	}
	return renewed, nil
}

// mustWait reports whether the tokens that were refused get time and are then tried once more:
// unproven ones, once in a request, unless they have had their time. sent is when they were sent. What
// lacks a challenge will go on lacking it.
func (w *turn) mustWait(sent time.Time, d demand) bool {
	t := w.tokens
	return !w.waited && t.unproven() && !t.hadTime(sent) && !t.lacks(d.challenge)
}
