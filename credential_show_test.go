package reauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
)

// holders are the values of ours that lead to a secret, or hold one, each with its name as fmt shows it;
// empty: it has none of its own.
func holders(t *testing.T, c reauth.Credential) map[string]any {
	t.Helper()
	ctx := context.Background()
	file := reauth.NewFileStore(filepath.Join(t.TempDir(), "store.json"))
	memory := reauth.NewMemStore()
	list := map[string]any{
		"reauth.FileStore(": file, "reauth.MemoryStore": memory, "reauth.SQLStore": new(reauth.SQLStore),
		"xai-oauth/me (": &c,
	}
	for name, store := range map[string]reauth.Store{"file": file, "memory": memory} {
		pool, err := reauth.OpenPool(ctx, store)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, pool.Close()) })
		_, err = pool.Add(ctx, c)
		require.NoError(t, err)
		list["reauth.Pool(1 credential)| "+name] = pool
		list["reauth.RecoveringTransport(reauth.Pool(1 credential))| "+name] = reauth.NewRecoveringTransport(nil, pool)
	}
	snap, err := file.Load(ctx, "")
	require.NoError(t, err)
	require.Len(t, snap.Entries, 1)
	entry := snap.Entries[0]
	cfg := reauth.OAuth2Config{TokenURL: "https://login.example/token", ClientSecret: c.AccessToken}
	list["token endpoint https://login.example/token"] = &cfg
	for name, v := range map[string]any{
		"Entry": &entry, "Snapshot": &snap, "Holding": &reauth.Holding{Entry: entry, Behind: &entry},
		"Event":        &reauth.Event{Type: reauth.Sent, Err: fmt.Errorf("of %v", c)},
		"RefreshError": &reauth.RefreshError{Provider: c.Provider, Code: "invalid_grant", Err: fmt.Errorf("of %v", c)},
		"RecordError":  &reauth.RecordError{Provider: c.Provider, Err: fmt.Errorf("of %v", c)},
		"Provider":     &reauth.Provider{Name: "own", Refresher: reauth.OAuth2Refresher(cfg)},
		"Refresher":    reauth.OAuth2Refresher(cfg),
		"Status":       &list["reauth.Pool(1 credential)| file"].(*reauth.Pool).Status()[0],
	} {
		list["- "+name] = v
	}
	return list
}

// No verb of fmt and no log shows a secret of a value of ours: not as it is, behind a pointer, or in a
// field of a program's struct. Behind a pointer this holds for unexported fields too, whose methods fmt
// does not call.
func TestNoHolderShowsASecret(t *testing.T) {
	c := reauth.Credential{
		Provider: "xai-oauth", ID: "me", AccessToken: "at-0123456789abcdefEXAMPLE", RefreshToken: "rt-0123456789abcdefEXAMPLE",
	}
	hidden := make(secrets)
	hidden.add(c.AccessToken, c.RefreshToken)
	type program struct{ Exported any }
	type quiet struct{ unexported any }
	for name, v := range holders(t, c) {
		value := reflect.ValueOf(v).Elem()
		for what, shape := range map[string]any{
			"pointer": v, "value": value, "slice": []any{v}, "map": map[string]any{"a": v}, "nested": &program{v},
			"value in a field": program{value.Interface()}, "unexported": quiet{v}, "pointer to unexported": &quiet{v},
		} {
			where := name + ", " + what
			if isData := keepsInJSON(v); isData && strings.Contains(what, "unexported") {
				hidden.assertAbsent(t, where, fmt.Sprintf("%v %+v %#v %d %x", shape, shape, shape, shape, shape))
			} else if what != "value" && what != "value in a field" || name != "reauth.MemoryStore" && name != "- Refresher" {
				hidden.assertAbsent(t, where, shown(shape)) // nobody can hold a value of an unexported type
			}
			hidden.assertAbsent(t, where+", text log", logged(textHandler, shape))
			if what == "pointer" || what == "value" || what == "nested" && !strings.HasPrefix(name, "-") {
				if b, err := json.Marshal(v); !keepsInJSON(v) {
					hidden.assertAbsent(t, where+", JSON", string(b)+fmt.Sprint(err))
					hidden.assertAbsent(t, where+", JSON log", logged(jsonHandler, shape))
				}
			}
		}
		if own, isOwn := strings.CutPrefix(name, "- "); !isOwn {
			own, _, _ = strings.Cut(own, "| ")
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
				assert.Contains(t, fmt.Sprintf(verb, v), own, verb)
			}
			assert.Contains(t, logged(textHandler, v), own)
			assert.Contains(t, logged(jsonHandler, v), own)
		}
	}
}

// keepsInJSON reports whether v is data of which encoding keeps the secrets, as a Store, or a program's
// configuration, needs.
func keepsInJSON(v any) bool {
	switch v.(type) {
	case *reauth.Credential, *reauth.Entry, *reauth.Snapshot, *reauth.Holding, *reauth.OAuth2Config:
		return true
	}
	return false
}

// A value that no method shows, as one in an unexported field, has its secrets behind pointers: fmt
// shows an address there.
func TestSecretsAreBehindPointers(t *testing.T) {
	for _, v := range []any{
		reauth.Pool{}, reauth.FileStore{}, reauth.SQLStore{}, reauth.RecoveringTransport{}, *reauth.NewMemStore(),
	} {
		assertBehindPointers(t, reflect.TypeOf(v), reflect.TypeOf(v).String(), make(map[reflect.Type]bool))
	}
}

// assertBehindPointers goes through what fmt shows of a value of that type.
func assertBehindPointers(t *testing.T, of reflect.Type, where string, seen map[reflect.Type]bool) {
	t.Helper()
	if seen[of] || of == reflect.TypeFor[time.Time]() {
		return
	}
	seen[of] = true
	assert.NotEqual(t, reflect.TypeFor[reauth.Credential](), of, where)
	switch of.Kind() {
	case reflect.Struct:
		for i := range of.NumField() {
			assertBehindPointers(t, of.Field(i).Type, where+"."+of.Field(i).Name, seen)
		}
	case reflect.Map:
		assertBehindPointers(t, of.Key(), where+"[key]", seen)
		assertBehindPointers(t, of.Elem(), where+"[]", seen)
	case reflect.Slice, reflect.Array:
		assertBehindPointers(t, of.Elem(), where+"[]", seen)
	}
}
