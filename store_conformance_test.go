package reauth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/storetest"
)

// The stores in SQL pass the same tests in integration/, where the databases are.

func TestStoreInMemoryKeepsItsWord(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		store := reauth.NewMemStore()
		return storetest.Backend{Open: func(testing.TB) reauth.Store { return store }}
	})
}

func TestFileStoreKeepsItsWord(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		path := filepath.Join(t.TempDir(), "credentials.json")
		return storetest.Backend{
			Open: func(testing.TB) reauth.Store { return reauth.NewFileStore(path) },
			Edit: func(t testing.TB, _, _ string, change func(map[string]any)) {
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				var file map[string]any
				require.NoError(t, json.Unmarshal(b, &file))
				change(file["credentials"].([]any)[0].(map[string]any))
				b, err = json.Marshal(file)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(path, b, 0o600))
			},
		}
	})
}
