package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
)

// stored returns the numbers of records at which stores are measured.
func stored() []int { return []int{10, 1_000, 10_000, 100_000} }

// BenchmarkFileStore measures what a store in a file costs, by the number of its logins: op=open is the
// first look, look another one when nothing has changed, change an exchange that another store then learns
// of, and mark a mark. The bare thing beside change is the same bytes written, synced and renamed.
func BenchmarkFileStore(b *testing.B) {
	for _, n := range stored() {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "auth.json")
			fresh := func() reauth.Store { return reauth.NewFileStore(path) }
			content := loginFile(n)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				b.Fatal(err)
			}
			b.Run("op=open/by=reauth", func(b *testing.B) {
				for b.Loop() {
					look(b, fresh(), "")
				}
			})
			b.Run("op=look/by=reauth", func(b *testing.B) {
				s := fresh()
				version := look(b, s, "")
				for b.Loop() {
					look(b, s, version)
				}
			})
			b.Run("op=change/by=reauth", func(b *testing.B) { changes(b, fresh(), fresh(), n) })
			b.Run("op=change/by=bare", func(b *testing.B) {
				for b.Loop() {
					rewrite(b, path+".bare", content)
				}
			})
			b.Run("op=mark/by=reauth", func(b *testing.B) { marks(b, fresh(), n) })
		})
	}
}

// loginFile is a store's file with n logins, whose tokens are as long as short ones are in practice.
func loginFile(n int) []byte {
	const record = `
		{"provider":"xai-oauth","id":"%[1]s","access_token":"at-%[2]s-%[4]d","refresh_token":"rt-%[3]s-%[4]d",` +
		`"expiry":"2026-05-17T10:11:12.123Z","login":"2026-05-01T10:11:12.123Z","generation":7,` +
		`"last_refresh":"2026-05-17T04:11:12.123Z"}`
	var b bytes.Buffer
	b.WriteString(`{"format":"reauth","version":2,"identity":"I","stamp":"S","credentials":[`)
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, record, keyID(i), strings.Repeat("a", 120), strings.Repeat("r", 60), i)
	}
	b.WriteString("\n\t]\n}\n")
	return b.Bytes()
}

// look loads a store and returns its version.
func look(b *testing.B, s reauth.Store, version string) string {
	snap, err := s.Load(context.Background(), version)
	if err != nil || len(snap.Broken) > 0 {
		b.Fatal(err, snap.Broken)
	}
	return snap.Version
}

// changes measures an exchange, of another login each time, and the look of another store at it.
func changes(b *testing.B, s, other reauth.Store, n int) {
	look(b, s, "")
	version := look(b, other, "")
	i := 0
	for b.Loop() {
		i++
		_, err := s.Update(context.Background(), providerName, keyID(i*7919%n),
			func(h reauth.Holding) (reauth.Entry, error) {
				e := h.Entry
				of := digest(e.Credential.RefreshToken)
				if err := h.Spend(context.Background(), reauth.Spending{Of: of, Since: h.Now}); err != nil {
					return e, err
				}
				e.Credential.AccessToken = fmt.Sprintf("at-%s-%d", strings.Repeat("b", 120), i)
				e.Credential.RefreshToken = fmt.Sprintf("rt-%s-%d", strings.Repeat("s", 60), i)
				e.Spent = append(e.Spent, of)
				e.Spent = e.Spent[max(0, len(e.Spent)-32):]
				e.Generation++
				e.LastRefresh = h.Now
				return e, nil
			})
		if err != nil {
			b.Fatal(err)
		}
		version = look(b, other, version)
	}
}

// digest is how a record names a token.
func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

// marks measures a mark, of another login each time.
func marks(b *testing.B, s reauth.Store, n int) {
	look(b, s, "")
	i := 0
	for b.Loop() {
		i++
		now := time.Now()
		m := reauth.Mark{Until: now.Add(time.Hour), At: now, Reason: "bench:quota"}
		if err := s.Mark(context.Background(), providerName, keyID(i*7919%n), "model:example", m, now); err != nil {
			b.Fatal(err)
		}
	}
}

// rewrite writes the bytes as a store must at least: to disk, and under the name of the file.
func rewrite(b *testing.B, path string, content []byte) {
	f, err := os.CreateTemp(filepath.Dir(path), "bare")
	if err != nil {
		b.Fatal(err)
	}
	_, err = f.Write(content)
	for _, next := range []func() error{f.Sync, f.Close, func() error { return os.Rename(f.Name(), path) }} {
		if err == nil {
			err = next()
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}
