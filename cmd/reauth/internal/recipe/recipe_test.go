package recipe_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/cmd/reauth/internal/recipe"
)

var (
	command = recipe.Recipe{Provider: "groq", ID: "one", Command: []string{"pass", "show", "s3cr3t <&>"}, Priority: 2}
	file    = recipe.Recipe{
		Provider: "azure-foundry", ID: "two", File: filepath.Join(os.TempDir(), "token"), Account: "acct",
		Hosts: []string{"my.openai.azure.com"}, Notes: map[string]string{"note": "true"},
	}
)

// fresh returns the file of recipes of a store that is not there yet.
func fresh(t *testing.T) recipe.File {
	t.Helper()
	f, err := recipe.Beside(filepath.Join(t.TempDir(), "config", "auth.json"))
	require.NoError(t, err)
	return f
}

func replaceAll(list ...recipe.Recipe) func([]recipe.Recipe) ([]recipe.Recipe, error) {
	return func([]recipe.Recipe) ([]recipe.Recipe, error) { return list, nil }
}

func TestRecipesAreKept(t *testing.T) {
	f := fresh(t)
	list, err := f.Load()
	require.NoError(t, err)
	assert.Empty(t, list, "without a file")
	require.NoError(t, f.Change(t.Context(), replaceAll(command, file)))
	list, err = f.Load()
	require.NoError(t, err)
	assert.Equal(t, []recipe.Recipe{command, file}, list)
	err = f.Change(t.Context(), func(list []recipe.Recipe) ([]recipe.Recipe, error) {
		list[0].Priority = 9
		return list[:1], errors.New("no")
	})
	require.EqualError(t, err, "no")
	list, err = f.Load()
	require.NoError(t, err)
	assert.Equal(t, []recipe.Recipe{command, file}, list, "nothing was changed")
	require.NoError(t, f.Change(t.Context(), replaceAll()))
	list, err = f.Load()
	require.NoError(t, err)
	assert.Empty(t, list)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(f.Path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

// A recipe tells what it is without the arguments of its command.
func TestRecipeInWords(t *testing.T) {
	assert.Equal(t, "command pass", command.String())
	assert.Equal(t, "file "+file.File, file.String())
	assert.Equal(t, "groq/one", command.Name())
	assert.Equal(t, `reauth.CommandSource("pass")`, fmt.Sprint(command.Source()))
	assert.Equal(t, fmt.Sprintf("reauth.FileSource(%q)", file.File), fmt.Sprint(file.Source()))
	c := file.Credential()
	assert.Equal(t, []any{"azure-foundry", "two", "acct", file.Hosts, file.Notes},
		[]any{c.Provider, c.ID, c.AccountID, c.Hosts, c.Metadata})
	assert.True(t, command.Equal(command))
	for _, other := range []recipe.Recipe{
		file, {Provider: "groq", ID: "one", Command: command.Command}, {Provider: "groq", ID: "two", Command: command.Command, Priority: 2},
	} {
		assert.False(t, command.Equal(other), other)
	}
}

// Writers at the same time lose nothing of each other.
func TestConcurrentChanges(t *testing.T) {
	f := fresh(t)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			assert.NoError(t, f.Change(t.Context(), func(list []recipe.Recipe) ([]recipe.Recipe, error) {
				return append(list, recipe.Recipe{Provider: "groq", ID: fmt.Sprint(i), Command: []string{"x"}}), nil
			}))
		})
	}
	all.Wait()
	list, err := f.Load()
	require.NoError(t, err)
	assert.Len(t, list, 16)
}

// A file that is not in order is refused as a whole, without a word of what is in it.
func TestFilesThatAreRefused(t *testing.T) {
	f := fresh(t)
	require.NoError(t, f.Change(t.Context(), replaceAll(command)))
	for text, want := range map[string]string{
		"":                             "it is no JSON (line 1); mend it, or remove it",
		"{\n\"version\": 1,\ns3cr3t":   "it is no JSON (line 3)",
		`{"version": "s3cr3t"}`:        "a member is of the wrong kind (line 1)",
		`{"version": 2, "sources":[]}`: "it is of version 2, and this program knows version 1; use the newer program",
		`{}`:                           "it is of version 0",
		"{\"version\": 1,\n\"sources\":[\n{\"command\":\"s3cr3t\"}]}":                                "a member is of the wrong kind (line 3)",
		`{"version":1,"sources":[{"provider":"groq","id":"a","command":["x"],"s3cr3t":1}]}`:          "it has a member that is not known; mend",
		`{"version":1,"sources":[{"provider":"groq","id":"a","command":["x"]},{"provider":"groq"}]}`: "source 2 (groq/): it names no provider, or no id",
		`{"version":1,"sources":[{"provider":"groq","id":"a"}]}`:                                     "(groq/a): it has to have either a command or a file",
		`{"version":1,"sources":[{"provider":"groq","id":"a","command":["x"],"file":"/x"}]}`:         "either a command or a file",
		`{"version":1,"sources":[{"provider":"groq","id":"a","command":[" ","s3cr3t"]}]}`:            "its command names no program",
		`{"version":1,"sources":[{"provider":"groq","id":"a","file":"relative"}]}`:                   "its file is no absolute path",
	} {
		require.NoError(t, os.WriteFile(f.Path, []byte(text), 0o600))
		list, err := f.Load()
		require.ErrorContains(t, err, want, text)
		assert.ErrorContains(t, err, "the sources in "+f.Path+" are refused, and nothing in it is run: ")
		assert.NotContains(t, err.Error(), "s3cr3t")
		assert.Empty(t, list)
		require.ErrorContains(t, f.Change(t.Context(), replaceAll(file)), want, "it is not written over")
	}
}

// Both names of a store that is reached by a link have the same recipes, and two stores have their
// own.
func TestWhereRecipesAre(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	at := func(path string) string {
		f, err := recipe.Beside(path)
		require.NoError(t, err)
		return f.Path
	}
	store := filepath.Join(dir, "auth.json")
	assert.Equal(t, filepath.Join(dir, "sources-auth.json"), at(store))
	assert.Equal(t, filepath.Join(dir, "sources-staging.json"), at(filepath.Join(dir, "staging.json")))
	t.Chdir(dir)
	assert.Equal(t, at(store), at("auth.json"))
	if runtime.GOOS != "windows" { // a link needs a privilege there
		require.NoError(t, os.Mkdir(filepath.Join(dir, "links"), 0o700))
		require.NoError(t, os.Symlink(store, filepath.Join(dir, "links", "other.json")))
		assert.Equal(t, at(store), at(filepath.Join(dir, "links", "other.json")))
	}

	one, err := recipe.ForDatabase(dir, "postgres://me@host:5432/a")
	require.NoError(t, err)
	two, err := recipe.ForDatabase(dir, "postgres://me@host:5432/b")
	require.NoError(t, err)
	assert.NotEqual(t, one.Path, two.Path)
	assert.Regexp(t, `^sources-[0-9a-f]{12}\.json$`, filepath.Base(one.Path))
	require.NoError(t, one.Change(t.Context(), replaceAll(command)))
	text, err := os.ReadFile(one.Path)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"store": "postgres://me@host:5432/a"`, "a person can tell whose it is")
	list, err := one.Load()
	require.NoError(t, err)
	assert.Equal(t, []recipe.Recipe{command}, list)
}
