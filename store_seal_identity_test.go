package reauth_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/scantest"
)

// bindingsOf returns how the sealed records of a store are bound, and with which key, by ID.
func bindingsOf(t testing.TB, s reauth.Store) map[string]string {
	t.Helper()
	snap, err := s.Load(context.Background(), "")
	require.NoError(t, err)
	found := make(map[string]string)
	for _, e := range snap.Entries {
		if parts := strings.Split(e.Credential.Metadata["reauth-sealed"], "."); len(parts) == 4 {
			found[e.Credential.ID] = parts[2] + " " + e.SealedWith()
		}
	}
	return found
}

// opened returns the entries of a store by ID. None may be broken.
func opened(t testing.TB, s reauth.Store) map[string]reauth.Entry {
	t.Helper()
	snap, err := s.Load(context.Background(), "")
	require.NoError(t, err)
	require.Empty(t, snap.Broken)
	found := make(map[string]reauth.Entry)
	for _, e := range snap.Entries {
		found[e.Credential.ID] = e
	}
	return found
}

// putEntry stores a credential as a new login.
func putEntry(t testing.TB, s reauth.Store, c reauth.Credential) {
	t.Helper()
	_, err := s.Update(context.Background(), c.Provider, c.ID, func(h reauth.Holding) (reauth.Entry, error) {
		return reauth.Entry{Credential: c, Login: h.Now, Generation: h.Entry.Generation + 1}, nil
	})
	require.NoError(t, err)
}

// renamed is what NewIdentity takes.
type renamed interface {
	NewIdentity(ctx context.Context) (string, error)
}

func TestSealedStoreNewIdentity(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.json")
	file := reauth.NewFileStore(path)
	putEntry(t, file, secretCredential("clear"))
	putEntry(t, sealed(t, file, sealKeyOf(1)), secretCredential("old"))
	store := sealed(t, file, sealKeyOf(2), sealKeyOf(1))
	putEntry(t, store, secretCredential("new"))
	require.NoError(t, store.Mark(ctx, "xai-oauth", "new", "token", reauth.Mark{
		Until: time.Now().Add(time.Hour), At: time.Now(), Reason: "why",
		Of: scantest.Digest(opened(t, store)["new"].Credential.AccessToken),
	}, time.Time{}))
	before := opened(t, store)
	require.Len(t, before["new"].Marks, 1)
	snap, err := file.Load(ctx, "")
	require.NoError(t, err)

	_, err = file.NewIdentity(ctx)
	require.ErrorIs(t, err, reauth.ErrSealed, "without the keys")
	require.ErrorContains(t, err, "2 records are bound")
	_, err = sealed(t, file, sealKeyOf(2)).(renamed).NewIdentity(ctx)
	require.ErrorIs(t, err, reauth.ErrSealed, "with one of two keys")
	require.ErrorContains(t, err, "1 of 2 sealed records do not open")
	require.ErrorContains(t, err, reauth.SealingKeyID(sealKeyOf(1)))
	require.Equal(t, map[string]string{
		"old": "b " + reauth.SealingKeyID(sealKeyOf(1)), "new": "b " + reauth.SealingKeyID(sealKeyOf(2)),
	}, bindingsOf(t, file), "nothing was changed")

	identity, err := store.(renamed).NewIdentity(ctx)
	require.NoError(t, err)
	require.NotEqual(t, snap.Identity, identity)
	now, err := file.Load(ctx, "")
	require.NoError(t, err)
	require.Equal(t, identity, now.Identity)
	require.Equal(t, before, opened(t, store), "everything opens, marks too")
	key := reauth.SealingKeyID(sealKeyOf(2))
	require.Equal(t, map[string]string{"old": "b " + key, "new": "b " + key}, bindingsOf(t, file))
	inClear := before["clear"].Credential.AccessToken
	require.NotEmpty(t, found(t, filepath.Dir(path), []string{inClear}), "what is in the clear stays so")

	_, err = sealed(t, reauth.NewMemStore(), sealKeyOf(1)).(renamed).NewIdentity(ctx)
	require.ErrorContains(t, err, "has no method to give it another identity")
}

// faltering is a file store that fails when it is told to.
type faltering struct {
	*reauth.FileStore
	renames func(ctx context.Context) error // before the identity changes
	updates func() error
}

func (s *faltering) NewIdentity(ctx context.Context) (string, error) {
	if err := s.renames(ctx); err != nil {
		return "", err
	}
	return s.FileStore.NewIdentity(ctx)
}

func (s *faltering) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	if err := s.updates(); err != nil {
		return reauth.Entry{}, err
	}
	return s.FileStore.Update(ctx, provider, id, fn)
}

// Wherever it breaks off, every record opens, and the next call ends well.
func TestSealedStoreNewIdentityBreaksOff(t *testing.T) {
	ctx := context.Background()
	trouble := errors.New("the disk is full")
	path := filepath.Join(t.TempDir(), "store.json")
	file := reauth.NewFileStore(path)
	good := sealed(t, file, sealKeyOf(1))
	for _, id := range []string{"a", "b", "c"} {
		putEntry(t, good, secretCredential(id))
	}
	before := opened(t, good)
	key := reauth.SealingKeyID(sealKeyOf(1))
	bound := map[string]string{"a": "b " + key, "b": "b " + key, "c": "b " + key}
	for left := range 6 {
		updates, renamedBy := 0, false
		store := sealed(t, &faltering{
			FileStore: file,
			renames:   func(context.Context) error { renamedBy = true; return nil },
			updates: func() error {
				if updates++; updates > left {
					return trouble
				}
				return nil
			},
		}, sealKeyOf(1))
		identity, err := store.(renamed).NewIdentity(ctx)
		require.ErrorIs(t, err, trouble)
		require.Equal(t, renamedBy, identity != "")
		require.Equal(t, left >= 3, renamedBy, "the identity changes when no record is bound")
		require.Equal(t, before, opened(t, good))
		require.Equal(t, left == 0, maps.Equal(bound, bindingsOf(t, file)))
		_, err = good.(renamed).NewIdentity(ctx)
		require.NoError(t, err)
		require.Equal(t, before, opened(t, good))
		require.Equal(t, bound, bindingsOf(t, file))
	}
	_, err := sealed(t, &faltering{
		FileStore: file, renames: func(context.Context) error { return trouble }, updates: func() error { return nil },
	}, sealKeyOf(1)).(renamed).NewIdentity(ctx)
	require.ErrorIs(t, err, trouble)
	require.Equal(t, before, opened(t, good))
}

// What another process writes meanwhile is bound to the identity before: the file refuses then.
func TestSealedStoreNewIdentityWhileAnotherWrites(t *testing.T) {
	ctx := context.Background()
	file := reauth.NewFileStore(filepath.Join(t.TempDir(), "store.json"))
	good := sealed(t, file, sealKeyOf(1))
	putEntry(t, good, secretCredential("a"))
	later := secretCredential("a")
	store := sealed(t, &faltering{
		FileStore: file, updates: func() error { return nil },
		renames: func(context.Context) error {
			putEntry(t, good, later)
			return nil
		},
	}, sealKeyOf(1))
	_, err := store.(renamed).NewIdentity(ctx)
	require.ErrorIs(t, err, reauth.ErrSealed)
	require.Equal(t, later.AccessToken, opened(t, good)["a"].Credential.AccessToken)
}

// relabelled is a store in memory with an identity that can be changed under its records.
type relabelled struct {
	reauth.Store
	identity string
	renames  func()
}

func (s *relabelled) NewIdentity(context.Context) (string, error) {
	s.renames()
	s.identity = "another"
	return s.identity, nil
}

func (s *relabelled) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	snap, err := s.Store.Load(ctx, version)
	snap.Identity = s.identity
	return snap, err
}

func (s *relabelled) Update(
	ctx context.Context, provider, id string, fn func(reauth.Holding) (reauth.Entry, error),
) (reauth.Entry, error) {
	return s.Store.Update(ctx, provider, id, func(h reauth.Holding) (reauth.Entry, error) {
		h.Identity = s.identity
		return fn(h)
	})
}

// In a database a record may slip in behind the look, bound to the identity before. It is sealed anew
// with the rest.
func TestSealedStoreNewIdentityTakesALateRecordAlong(t *testing.T) {
	store := &relabelled{Store: reauth.NewMemStore(), identity: "one"}
	good := sealed(t, store, sealKeyOf(1))
	putEntry(t, good, secretCredential("a"))
	later := secretCredential("a")
	store.renames = func() { putEntry(t, good, later) }
	identity, err := good.(renamed).NewIdentity(context.Background())
	require.NoError(t, err)
	require.Equal(t, "another", identity)
	require.Equal(t, later.AccessToken, opened(t, good)["a"].Credential.AccessToken)
}
