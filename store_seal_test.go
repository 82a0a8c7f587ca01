package reauth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/scantest"
	"github.com/reauth-go/reauth/reauthtest"
)

// sealKeyOf returns a key for tests.
func sealKeyOf(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// sealed returns a sealed store over another one.
func sealed(t testing.TB, s reauth.Store, key []byte, old ...[]byte) reauth.Store {
	t.Helper()
	got, err := reauth.NewSealedStore(s, key, old...)
	require.NoError(t, err)
	return got
}

// A sealed store keeps all promises of a store, over any.
func TestSealedStoreKeepsItsWord(t *testing.T) {
	places := make(map[string]reauth.Store)
	reauthtest.TestStore(t, func(t *testing.T, place string) reauth.Store {
		if places[place] == nil {
			places[place] = sealed(t, reauth.NewMemStore(), sealKeyOf(1))
		}
		return places[place]
	})
}

func TestSealedFileStoreKeepsItsWord(t *testing.T) {
	t.Parallel() // it waits in real time
	folder := t.TempDir()
	reauthtest.TestStore(t, func(t *testing.T, place string) reauth.Store {
		return sealed(t, reauth.NewFileStore(filepath.Join(folder, place+".json")), sealKeyOf(1))
	}, slices.DeleteFunc(reauthtest.StorePromises(), func(name string) bool {
		return name == "oldest_of_more_than_1000_removals_go"
	})...)
}

// tokensOf are the forms of a credential's secrets that a scan looks for.
func tokensOf(c reauth.Credential) (forms []string) {
	return scantest.Forms(c.AccessToken, c.RefreshToken, c.AccountID, c.Metadata["note"])
}

// found returns what of the secrets is in a file below a folder.
func found(t testing.TB, folder string, secrets []string) []string {
	t.Helper()
	return scantest.Folder(t, folder, secrets)
}

// secretCredential is a credential with something to hide in every field.
func secretCredential(id string) reauth.Credential {
	return reauth.Credential{
		Provider: "xai-oauth", ID: id, AccessToken: "at-" + rand.Text(), RefreshToken: "rt-" + rand.Text(),
		AccountID: "acct-" + rand.Text(), Metadata: map[string]string{"note": "note-" + rand.Text()},
	}
}

// Nothing of a credential is legible in the file, its folder and its names, from the first write on,
// through exchanges, marks, removals and a write that fails.
func TestSealedFileHoldsNoSecret(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "store.json")
	ctx := context.Background()
	pool, err := reauth.OpenPool(ctx, sealed(t, reauth.NewFileStore(path), sealKeyOf(1)))
	require.NoError(t, err)
	r := newRigOn(t, reauthtest.XAI, pool)
	var secrets []string
	for _, id := range []string{"", "b", "c"} {
		c := secretCredential(id)
		if id == "" {
			c.AccountID = ""
		}
		access, refresh := r.fake.Login()
		c.AccessToken, c.RefreshToken = access, refresh
		_, err := pool.Add(ctx, c)
		require.NoError(t, err)
		secrets = append(secrets, tokensOf(c)...)
		require.Empty(t, found(t, folder, secrets))
		r.fake.Expire(access)
		status, _ := r.mustPost(t)
		require.Equal(t, 200, status)
		for _, s := range pool.Status() {
			fresh, err := pool.Token(reauth.WithCredential(ctx, r.provider, s.ID), r.provider)
			require.NoError(t, err)
			secrets = append(secrets, tokensOf(fresh)...)
		}
		require.Empty(t, found(t, folder, secrets))
	}
	require.NoError(t, pool.Remove(ctx, r.provider, "b"))
	require.NoError(t, pool.Close())
	require.Empty(t, found(t, folder, secrets))
	legible := []string{"reauth-sealed", reauth.SealingKeyID(sealKeyOf(1))}
	require.Len(t, found(t, folder, legible), len(legible), "the scan finds what is there")
}

// A login without an account gets a random ID, and adding it twice is one credential all the same,
// also after an exchange.
func TestSealedStoreNamesNoSecret(t *testing.T) {
	ctx := context.Background()
	pool, err := reauth.OpenPool(ctx, sealed(t, reauth.NewMemStore(), sealKeyOf(1)))
	require.NoError(t, err)
	r := newRigOn(t, reauthtest.XAI, pool)
	defer func() { require.NoError(t, pool.Close()) }()
	access, refresh := r.fake.Login()
	c := reauth.Credential{Provider: r.provider, AccessToken: access, RefreshToken: refresh}
	first, err := pool.Add(ctx, c)
	require.NoError(t, err)
	require.NotContains(t, first, scantest.Digest(refresh)[:8])
	require.NoError(t, pool.Refresh(ctx, r.provider, first))
	again, err := pool.Add(ctx, c)
	require.NoError(t, err)
	require.Equal(t, first, again)
	key, err := pool.Add(ctx, reauth.Credential{Provider: "groq", AccessToken: "gsk_0123456789abcdef"})
	require.NoError(t, err)
	same, err := pool.Add(ctx, reauth.Credential{Provider: "groq", AccessToken: "gsk_0123456789abcdef"})
	require.NoError(t, err)
	require.Equal(t, key, same)
	require.NotContains(t, key, scantest.Digest("gsk_0123456789abcdef")[:8])
}

// Keys: the first seals, all open; a missing one is named and nothing is overwritten.
func TestSealedStoreKeys(t *testing.T) {
	ctx := context.Background()
	inner := reauth.NewMemStore()
	c := secretCredential("me")
	put := func(s reauth.Store, c reauth.Credential) error {
		_, err := s.Update(ctx, c.Provider, c.ID, func(h reauth.Holding) (reauth.Entry, error) {
			e := h.Entry
			e.Credential, e.Generation = c, e.Generation+1
			return e, nil
		})
		return err
	}
	get := func(s reauth.Store) (reauth.Credential, []error) {
		snap, err := s.Load(ctx, "")
		require.NoError(t, err)
		if len(snap.Entries) == 0 {
			return reauth.Credential{}, snap.Broken
		}
		return snap.Entries[0].Credential, snap.Broken
	}
	sealedBy := func() string {
		snap, err := inner.Load(ctx, "")
		require.NoError(t, err)
		note := snap.Entries[0].Credential.Metadata["reauth-sealed"]
		if note == "" {
			return ""
		}
		return strings.Split(note, ".")[1]
	}
	require.NoError(t, put(inner, c))
	one := sealed(t, inner, sealKeyOf(1))
	got, _ := get(one)
	require.Equal(t, c, got, "a record in the clear is read as it is")
	require.NoError(t, put(one, c))
	require.Equal(t, reauth.SealingKeyID(sealKeyOf(1)), sealedBy())

	other := sealed(t, inner, sealKeyOf(2))
	got, broken := get(other)
	require.Empty(t, got)
	require.Len(t, broken, 1)
	require.ErrorIs(t, broken[0], reauth.ErrSealed)
	require.ErrorContains(t, broken[0], reauth.SealingKeyID(sealKeyOf(1)))
	require.ErrorIs(t, put(other, c), reauth.ErrSealed, "it is not overwritten")

	both := sealed(t, inner, sealKeyOf(2), sealKeyOf(1))
	got, _ = get(both)
	require.Equal(t, c, got)
	require.NoError(t, put(both, c))
	require.Equal(t, reauth.SealingKeyID(sealKeyOf(2)), sealedBy())
	_, broken = get(one)
	require.ErrorContains(t, broken[0], reauth.SealingKeyID(sealKeyOf(2)))

	plain := sealed(t, inner, nil, sealKeyOf(2))
	got, _ = get(plain)
	require.Equal(t, c, got)
	require.NoError(t, put(plain, c))
	require.Empty(t, sealedBy())
	got, _ = get(inner)
	require.Equal(t, c, got, "the way back")

	for _, bad := range [][]byte{{}, {1, 2, 3}, make([]byte, 64)} {
		_, err := reauth.NewSealedStore(inner, bad)
		require.ErrorContains(t, err, "key 1 of 1")
		_, err = reauth.NewSealedStore(inner, sealKeyOf(1), bad)
		require.ErrorContains(t, err, "key 2 of 2")
	}
	_, err := reauth.NewSealedStore(nil, sealKeyOf(1))
	require.Error(t, err)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", both, both, both, both), string(sealKeyOf(1)))
}

// A record is sealed, sealed anew and put in the clear as it is. A login has a refresh token, so this
// must not make it an older record than it was.
func TestRecordIsSealedAsItIs(t *testing.T) {
	ctx := context.Background()
	for range 20 { // the order of two tokens is the order of their digests
		inner := reauth.NewMemStore()
		one := sealed(t, inner, sealKeyOf(1))
		c := secretCredential("me")
		putEntry(t, inner, c)
		want := opened(t, one)["me"]
		for _, s := range []reauth.Store{
			one, one, sealed(t, inner, sealKeyOf(2), sealKeyOf(1)), sealed(t, inner, nil, sealKeyOf(2)), one, inner,
		} {
			_, err := s.Update(ctx, c.Provider, c.ID, func(h reauth.Holding) (reauth.Entry, error) { return h.Entry, nil })
			require.NoError(t, err)
			got := opened(t, sealed(t, inner, sealKeyOf(1), sealKeyOf(2)))["me"]
			require.Equal(t, c, got.Credential)
			require.True(t, want.Login.Equal(got.Login))
			require.Equal(t, want.Generation, got.Generation)
		}
	}
}

// A record that was moved, or of which a legible part was changed, does not open, and says so. A program
// without any key does not take it for a credential.
func TestSealedRecordIsBound(t *testing.T) {
	ctx := context.Background()
	inner := reauth.NewMemStore()
	store := sealed(t, inner, sealKeyOf(1))
	pool, err := reauth.OpenPool(ctx, store)
	require.NoError(t, err)
	c := secretCredential("me")
	_, err = pool.Add(ctx, c)
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	snap, err := inner.Load(ctx, "")
	require.NoError(t, err)
	row := snap.Entries[0]
	for name, change := range map[string]func(e *reauth.Entry){
		"another ID":          func(e *reauth.Entry) { e.Credential.ID = "you" },
		"another provider":    func(e *reauth.Entry) { e.Credential.Provider = "groq" },
		"a later login":       func(e *reauth.Entry) { e.Login = e.Login.Add(time.Hour) },
		"a higher generation": func(e *reauth.Entry) { e.Generation++ },
		"a removal":           func(e *reauth.Entry) { e.Removed = true },
		"another stand-in":    func(e *reauth.Entry) { e.Credential.AccessToken = "reauth-sealed:x" },
		"a damaged envelope":  func(e *reauth.Entry) { e.Credential.Metadata["reauth-sealed"] = "1.x" },
		"an envelope cut off": func(e *reauth.Entry) {
			note := e.Credential.Metadata["reauth-sealed"]
			e.Credential.Metadata["reauth-sealed"] = note[:len(note)-9]
		},
		"an envelope of later": func(e *reauth.Entry) { e.Credential.Metadata["reauth-sealed"] = "2.x.y.z" },
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := reauth.NewMemStore()
			e := row
			e.Credential.Metadata = maps.Clone(row.Credential.Metadata)
			change(&e)
			_, err := elsewhere.Update(ctx, e.Credential.Provider, e.Credential.ID, func(reauth.Holding) (reauth.Entry, error) {
				return e, nil
			})
			require.NoError(t, err)
			got, err := sealed(t, elsewhere, sealKeyOf(1)).Load(ctx, "")
			require.NoError(t, err)
			require.Empty(t, got.Entries)
			require.Len(t, got.Broken, 1)
		})
	}
	moved := reauth.NewMemStore() // the row as it is, in another store
	_, err = moved.Update(ctx, row.Credential.Provider, row.Credential.ID, func(reauth.Holding) (reauth.Entry, error) {
		return row, nil
	})
	require.NoError(t, err)
	got, err := sealed(t, moved, sealKeyOf(1)).Load(ctx, "")
	require.NoError(t, err)
	require.ErrorContains(t, got.Broken[0], "moved here from another store")

	unsealed, err := reauth.OpenPool(ctx, inner)
	require.NoError(t, err)
	events := new(eventLog)
	unsealed.Observe = events.observe
	defer func() { require.NoError(t, unsealed.Close()) }()
	require.Empty(t, unsealed.Status())
	_, err = unsealed.Token(ctx, "xai-oauth")
	require.Error(t, err)
	_, err = unsealed.Add(ctx, c)
	require.ErrorIs(t, err, reauth.ErrSealed, "nor does it write over it")
	_, err = unsealed.Add(ctx, reauth.Credential{
		Provider: "groq", AccessToken: "k", Metadata: map[string]string{"reauth-sealed": "1.a.b.c"},
	})
	require.ErrorContains(t, err, "reauth-sealed")
}

// The first record of a file is bound to the identity that the file gets with it.
func TestFirstSealedRecordIsBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.json")
	ctx := context.Background()
	pool, err := reauth.OpenPool(ctx, sealed(t, reauth.NewFileStore(path), sealKeyOf(1)))
	require.NoError(t, err)
	_, err = pool.Add(ctx, secretCredential("me"))
	require.NoError(t, err)
	require.NoError(t, pool.Close())
	snap, err := reauth.NewFileStore(path).Load(ctx, "")
	require.NoError(t, err)
	require.Equal(t, "b", strings.Split(snap.Entries[0].Credential.Metadata["reauth-sealed"], ".")[2])
}

// FuzzSealedRecord looks for an envelope that crashes its reader, or opens without the key.
func FuzzSealedRecord(f *testing.F) {
	f.Add("1.a.b.c")
	f.Add("1..b.AAAA") // without a key's id
	f.Add("1." + reauth.SealingKeyID(sealKeyOf(1)) + ".b.AAAA")
	f.Fuzz(func(t *testing.T, note string) {
		inner := reauth.NewMemStore()
		_, err := inner.Update(context.Background(), "groq", "me", func(reauth.Holding) (reauth.Entry, error) {
			return reauth.Entry{Credential: reauth.Credential{Metadata: map[string]string{"reauth-sealed": note}}}, nil
		})
		if err != nil {
			return // no text
		}
		snap, err := sealed(t, inner, sealKeyOf(1)).Load(context.Background(), "")
		require.NoError(t, err)
		require.Empty(t, snap.Entries)
		require.Len(t, snap.Broken, 1)
	})
}
