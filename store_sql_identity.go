package reauth

import (
	"context"
	"crypto/rand"
	"fmt"
)

// NewIdentity gives the store another identity, and returns it. A copy of a database has the
// identity of its original; processes that have seen the original take a copy with another identity
// for another store (see Snapshot.Identity). Records and marks stay. The tokens in them stay those
// of the original: only a new login gives the copy a refresh token that the original does not spend.
//
// The result of an exchange that is under way, or that could not be stored, is for the identity
// before; it is not stored any more. So call it before the copy is used. Sealed records are bound to
// the identity: it refuses to leave them behind, and the NewIdentity of the sealed store seals them anew.
//
// It is one statement, after a look at the records. When its answer is lost, the identity may have
// changed all the same.
func (s *SQLStore) NewIdentity(ctx context.Context) (string, error) {
	snap, err := s.load(ctx, "")
	if err == nil {
		err = checkUnbound(snap.Entries)
	}
	if err != nil {
		return "", s.fail(err)
	}
	identity := rand.Text()
	// All versions before this one are so far behind that the log has none of them any more: each
	// pool reads everything then.
	n, err := s.db.exec(ctx, fmt.Sprintf(`UPDATE reauth_meta SET version = version + %d,
		nonce = CAST($1 AS TEXT), identity = CAST($2 AS TEXT)`, maxLog), rand.Text(), identity)
	if err == nil && n == 0 {
		err = errNoMeta
	}
	if err != nil {
		return "", s.fail(err)
	}
	return identity, nil
}
