package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/sealkey"
)

// counted is a store that counts how often it is read.
type counted struct {
	reauth.Store
	loads atomic.Int32
}

func (c *counted) Load(ctx context.Context, version string) (reauth.Snapshot, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, version)
}

// Each look at the status reads the store once, sealed or not: what it shows is of one moment.
func TestALookReadsTheStoreOnce(t *testing.T) {
	t.Setenv("LOOK_KEY", sealkey.New())
	for _, seal := range [][]string{nil, {"env:LOOK_KEY"}} {
		t.Run(fmt.Sprint(len(seal)), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "auth.json")
			c := &counted{Store: reauth.NewFileStore(path)}
			var out, errs bytes.Buffer
			a := &app{ctx: t.Context(), store: path, seal: seal, stdout: &out, stderr: &errs, opened: c}
			s, err := a.open()
			require.NoError(t, err)
			p, err := reauth.OpenPool(t.Context(), s)
			require.NoError(t, err)
			_, err = p.Add(t.Context(), reauth.Credential{Provider: "groq", ID: "team", AccessToken: "gsk_" + marker})
			require.NoError(t, err)
			require.NoError(t, p.Close())

			look := &app{ctx: t.Context(), store: path, seal: seal, stdout: &out, stderr: &errs, opened: c}
			c.loads.Store(0)
			require.NoError(t, (&statusCmd{}).Run(look))
			assert.Contains(t, out.String(), "team")
			assert.Equal(t, int32(1), c.loads.Load(), "status")
			assert.Zero(t, look.close())

			look = &app{ctx: t.Context(), store: path, seal: seal, stdout: &out, stderr: &errs, opened: c}
			c.loads.Store(0)
			read, err := (&watchCmd{}).looks(look)
			require.NoError(t, err)
			for range 3 {
				v, err := read()
				require.NoError(t, err)
				require.Len(t, v.list, 1)
				assert.Equal(t, len(seal) > 0, v.seal.any)
			}
			assert.Equal(t, int32(3), c.loads.Load(), "watch, three times")
			assert.Empty(t, errs.String())
			checkSecrets(t, "the status", out.String())
		})
	}
}
