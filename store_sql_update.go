package reauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// sqlUpdate is one Update.
type sqlUpdate struct {
	s        *SQLStore
	key      credentialKey
	holder   string // of the claim
	identity string // of the store, when the record was read
	was      *sqlRow

	mu    sync.Mutex
	over  bool // fn has returned; guarded by mu
	spent bool // the refresh token may be spent; guarded by mu
}

// Update claims the credential, and renews the claim while fn runs.
func (s *SQLStore) Update(
	ctx context.Context, provider, id string, fn func(Holding) (Entry, error),
) (Entry, error) {
	key := canonicalKey(provider, id)
	if err := checkKey(key); err != nil {
		return Entry{}, s.fail(err)
	}
	claim, release, err := s.claim(ctx, key)
	if err != nil {
		return Entry{}, s.fail(err)
	}
	defer release()
	u := &sqlUpdate{s: s, key: key, holder: claim.holder}
	h, err := u.read(ctx, claim)
	if err != nil {
		return Entry{}, s.fail(err)
	}
	got, err := u.call(fn, h)
	if err != nil {
		return Entry{}, err
	}
	got.Credential.Provider, got.Credential.ID = key.provider, key.id
	stored, err := u.write(ctx, claim, got)
	if err != nil {
		return got, fmt.Errorf("%w: %w", ErrNotStored, s.fail(err))
	}
	return stored, nil
}

// checkKey refuses a key under which no record may be stored.
func checkKey(key credentialKey) error {
	e := Entry{Credential: Credential{Provider: key.provider, ID: key.id}}
	return e.check()
}

// read reads the record. It first stores the result that an earlier Update could not store, so that
// nobody reads what it replaces.
func (u *sqlUpdate) read(ctx context.Context, claim *sqlClaim) (Holding, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer stop()
	if err := u.s.saveUnsaved(ctx, claim); err != nil {
		return Holding{}, fmt.Errorf("storing the tokens of an earlier exchange: %w", err)
	}
	v, err := u.s.viewKey(ctx, u.key)
	if err != nil {
		return Holding{}, err
	}
	u.was, u.identity = v.row(u.key), v.identity
	if u.was.broken != nil {
		return Holding{}, u.was.broken
	}
	return Holding{
		Entry: u.was.entry.clone(), Found: u.was.found, Identity: v.identity, Now: v.now, Spend: u.spend,
	}, nil
}

// viewKey reads one record.
func (s *SQLStore) viewKey(ctx context.Context, key credentialKey) (*sqlView, error) {
	return s.db.view(ctx, s.dialect.viewOfKey(), key.provider, key.id)
}

// call calls fn, and ends Spend behind it.
func (u *sqlUpdate) call(fn func(Holding) (Entry, error), h Holding) (Entry, error) {
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.over = true
	}()
	return fn(h)
}

var errOver = errors.New("the claim was given back")

// spend implements Holding.Spend. It writes only what a holder of the claim may write.
func (u *sqlUpdate) spend(ctx context.Context, sp Spending) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return u.s.fail(errOver)
	}
	err := sp.check()
	if err == nil {
		err = u.writeSpending(ctx, sp)
	}
	if err == nil {
		u.spent = sp.Of != ""
	}
	return u.s.fail(err)
}

// writeSpending notes Spending while the claim is held. The record must be the one that was read: a
// holder whose claim has run out may have stored the successor of the refresh token since.
func (u *sqlUpdate) writeSpending(ctx context.Context, sp Spending) error {
	if err := u.confirmClaim(ctx); err != nil {
		return err
	}
	args := []any{u.key.provider, u.key.id, u.holder, sp.Of, sqlTime(sp.Since), sp.Holder}
	unchanged := ""
	const record = `EXISTS (SELECT 1 FROM reauth_records r WHERE r.provider = $1 AND r.id = $2`
	switch {
	case sp.Of == "": // that nothing is spent is true whatever stands there
	case u.was.found:
		unchanged, args = ` AND `+record+` AND r.record = $7)`, append(args, u.was.raw)
	default:
		unchanged = ` AND NOT ` + record + `)`
	}
	n, err := u.s.db.exec(ctx, `INSERT INTO reauth_spending (provider, id, of, since, holder)
		SELECT c.provider, c.id, CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT)
		FROM reauth_claims c WHERE c.provider = $1 AND c.id = $2 AND c.holder = $3`+unchanged+`
		ON CONFLICT (provider, id) DO UPDATE SET of = excluded.of, since = excluded.since, holder = excluded.holder`, args...)
	if err != nil || n > 0 {
		return err
	}
	if err := u.confirmClaim(ctx); err != nil {
		return err
	}
	return fmt.Errorf("the record was replaced in the database since it was read: %w", errReplaced)
}

// confirmClaim renews the claim. Its error is errClaimLost when another holder may have it.
func (u *sqlUpdate) confirmClaim(ctx context.Context) error {
	still, err := u.s.renewClaim(ctx, u.key, u.holder)
	if err == nil && !still {
		return errClaimLost
	}
	return err
}

// check refuses a Spending that a store must not write.
func (sp *Spending) check() error {
	if err := checkText("what is being spent", sp.Of, maxText); err != nil {
		return err
	}
	return checkText("the holder", sp.Holder, maxText)
}

// write stores the result of fn. After a Spend a result that the database did not take stays with
// the claim, for the next Update.
func (u *sqlUpdate) write(ctx context.Context, claim *sqlClaim, got Entry) (Entry, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer stop()
	unsaved := &sqlUnsaved{key: u.key, identity: u.identity, was: u.was, got: got.clone()}
	stored, err := u.s.persist(ctx, unsaved)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, errOvertaken):
		claim.unsaved = nil
	case u.spent:
		claim.unsaved = unsaved
	}
	return stored, err
}

// sqlUnsaved is a result that is to be stored.
type sqlUnsaved struct {
	key      credentialKey
	identity string  // of the store that it is for
	was      *sqlRow // what it replaces
	got      Entry
}

// saveUnsaved stores the result that an earlier Update could not store. One that no store may write
// only keeps the claim until another result is stored.
func (s *SQLStore) saveUnsaved(ctx context.Context, claim *sqlClaim) error {
	if claim.unsaved == nil || !claim.unsaved.writable() {
		return nil
	}
	_, err := s.persist(ctx, claim.unsaved)
	if err != nil && !errors.Is(err, errOvertaken) {
		return err
	}
	claim.unsaved = nil
	return nil
}

// writable reports whether the result is within the bounds of a record.
func (u *sqlUnsaved) writable() bool { return u.got.check() == nil }

// maxOvertakings bounds how often a result is compared with a record that changes meanwhile.
const maxOvertakings = 100

// persist stores a result and returns it as it is stored. When something else stands there than was
// read, the one order of records decides.
func (s *SQLStore) persist(ctx context.Context, u *sqlUnsaved) (Entry, error) {
	if err := u.got.check(); err != nil {
		return Entry{}, err
	}
	if u.was.found && !mayReplace(&u.got, &u.was.entry) {
		return Entry{}, fmt.Errorf("%w: the record that it was to replace is newer", errOvertaken)
	}
	for range maxOvertakings {
		raw, columns, err := u.was.encode(u.got)
		if err != nil {
			return Entry{}, err
		}
		n, err := s.replace(ctx, u, raw, columns)
		if err != nil {
			return Entry{}, err
		}
		v, err := s.viewKey(ctx, u.key)
		if n > 0 || err == nil && v.identity == u.identity && v.row(u.key).raw == raw {
			s.forgetRemoved(ctx, &u.got)
			return u.stored(raw, v, err), nil // an earlier try may have written it, and its answer been lost
		}
		if err != nil {
			return Entry{}, err
		}
		if err := u.yield(v); err != nil {
			return Entry{}, err
		}
	}
	return Entry{}, errors.New("the record changed again and again meanwhile")
}

// replace writes a record in the place of the row that was read, unless something else stands there
// by now, and returns how many rows it has written.
func (s *SQLStore) replace(ctx context.Context, u *sqlUnsaved, raw string, c sqlColumns) (n int64, err error) {
	args := []any{
		u.key.provider, u.key.id, c.login, c.generation, c.removed, c.tokenOf, c.refreshOf, c.loginOf, raw, u.identity,
	}
	if u.was.found {
		return s.db.exec(ctx, `UPDATE reauth_records SET login = $3, generation = $4, removed = $5, token_of = $6,
			refresh_of = $7, login_of = $8, record = $9 WHERE provider = $1 AND id = $2 AND record = $11
			AND EXISTS (SELECT 1 FROM reauth_meta WHERE identity = $10)`, append(args, u.was.raw)...)
	}
	return s.db.exec(ctx, sqlInsertRecord+` FROM reauth_meta WHERE identity = CAST($10 AS TEXT)
		ON CONFLICT (provider, id) DO NOTHING`, args...)
}

// sqlInsertRecord adds a record behind all others.
const sqlInsertRecord = `INSERT INTO reauth_records (provider, id, position, login, generation, removed, token_of,
	refresh_of, login_of, record) SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), version + 1, CAST($3 AS BIGINT),
	CAST($4 AS BIGINT), CAST($5 AS INTEGER), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT), CAST($9 AS TEXT)`

// yield compares the result with the record that stands in its place by now. It returns nil when
// the result may be stored over it.
func (u *sqlUnsaved) yield(v *sqlView) error {
	now := v.row(u.key)
	switch {
	case v.identity != u.identity:
		return fmt.Errorf("%w: the tables were made anew, and are another store now", errOvertaken)
	case now.broken != nil:
		return now.broken
	case now.found && !mayReplace(&u.got, &now.entry):
		return fmt.Errorf("%w: another holder has written a newer record, "+
			"this one was suspended, or cut off, for longer than its claim", errOvertaken)
	}
	u.was = now
	return nil
}

// stored returns the result as it was stored, with the marks that v shows beside it.
func (u *sqlUnsaved) stored(raw string, v *sqlView, err error) Entry {
	if err == nil {
		if now := v.row(u.key); now.raw == raw && now.broken == nil {
			return now.entry
		}
	}
	record := toStoredRecord(u.got)
	e := record.entry()
	e.Marks = u.was.entry.Marks
	e.Marks = e.boundMarks()
	return e.clone()
}

// forgetRemoved deletes the oldest records of removed credentials, when e has made one too many. If
// that fails, the next removal does it.
func (s *SQLStore) forgetRemoved(ctx context.Context, e *Entry) {
	if !e.Removed {
		return
	}
	_, _ = s.db.exec(ctx, `DELETE FROM reauth_records WHERE removed = 1 AND (provider, id) IN (
		SELECT provider, id FROM reauth_records WHERE removed = 1
		ORDER BY login DESC, position DESC LIMIT 1000000 OFFSET `+fmt.Sprint(maxTombstones)+`)`)
}
