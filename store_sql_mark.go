package reauth

import (
	"context"
	"errors"
	"time"
)

// Mark writes a mark by one statement that compares and sets. It needs no claim.
func (s *SQLStore) Mark(ctx context.Context, provider, id, key string, m Mark, seen time.Time) error {
	k := canonicalKey(provider, id)
	err := checkMark(key, m)
	if err == nil {
		err = checkKey(k)
	}
	if err == nil {
		err = s.mark(ctx, k, key, m, seen)
	}
	if errors.Is(err, ErrMarked) {
		return err
	}
	return s.fail(err)
}

func (s *SQLStore) mark(ctx context.Context, k credentialKey, key string, m Mark, seen time.Time) error {
	for range maxOvertakings {
		n, err := s.writeMark(ctx, k, key, m, seen)
		if err != nil || n > 0 {
			return err
		}
		v, err := s.viewKey(ctx, k)
		if err != nil {
			return err
		}
		if again, err := v.row(k).explainUnmarked(key, m.Of, seen); !again {
			return err
		}
	}
	return ErrMarked
}

// writeMark is Entry.mayMark and its mark in one statement. It returns how many marks were written.
func (s *SQLStore) writeMark(
	ctx context.Context, k credentialKey, key string, m Mark, seen time.Time,
) (n int64, err error) {
	return s.db.exec(ctx, `INSERT INTO reauth_marks (provider, id, key, at, until, of, reason)
		SELECT r.provider, r.id, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT)
		FROM reauth_records r WHERE r.provider = $1 AND r.id = $2 AND r.removed = 0 AND CAST($6 AS TEXT) <> ''
		AND CAST($6 AS TEXT) IN (r.token_of, r.refresh_of, r.login_of)
		ON CONFLICT (provider, id, key) DO UPDATE
		SET at = excluded.at, until = excluded.until, of = excluded.of, reason = excluded.reason
		WHERE reauth_marks.at = CAST($8 AS TEXT) OR reauth_marks.of = '' OR NOT EXISTS (SELECT 1 FROM reauth_records r
			WHERE r.provider = reauth_marks.provider AND r.id = reauth_marks.id
			AND reauth_marks.of IN (r.token_of, r.refresh_of, r.login_of))`,
		k.provider, k.id, key, sqlTime(m.At), sqlTime(m.Until), m.Of, m.Reason, sqlTime(seen))
}

// explainUnmarked says why no mark was written. again says that nothing speaks against it any more.
func (r *sqlRow) explainUnmarked(key, of string, seen time.Time) (again bool, err error) {
	if r.broken != nil {
		return false, r.broken
	}
	if !r.found {
		return false, nil // dropped
	}
	err = r.entry.mayMark(key, of, seen)
	if errors.Is(err, errVoidMark) {
		return false, nil // dropped
	}
	return err == nil, err
}
