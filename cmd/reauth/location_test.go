package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// databases are ways to name a database at a port where nothing listens. Each holds a password.
var databases = []string{
	"postgres://u:" + marker + "@127.0.0.1:1/x",
	"postgresql://u:" + marker + "@127.0.0.1:1/x",
	"Postgres://u:" + marker + "@127.0.0.1:1/x",
	"postgres://127.0.0.1:1/x?user=u&password=" + marker,
	"postgres://u@127.0.0.1:1/x?pass%77ord=" + marker,
	"postgres://u:%73" + marker + "%2F@127.0.0.1:1/x",
	"postgres://u:" + marker + "#?@127.0.0.1:1/x",
	"host=127.0.0.1 port=1 user=u password=" + marker + " dbname=x",
	"password=" + marker + " user=u host=127.0.0.1 port=1 dbname=x",
	"  host = 127.0.0.1 port = 1 user = u password = " + marker + " dbname = x",
	"host=127.0.0.1 port=1 user=u password='" + marker + " \\'with blanks' dbname=x",
	"host=127.0.0.1 port=1 user=u pwd=" + marker + " dbname=x",
}

// strangers are ways to name a database that PostgreSQL, or reauth, does not know. Each holds a
// password.
var strangers = []string{
	"mysql://u:" + marker + "@127.0.0.1/x",
	"u:" + marker + "x://127.0.0.1/x",
	"u:" + marker + "@127.0.0.1:1/x",
	"//u:" + marker + "@127.0.0.1:1/x",
	"postgres:/u:" + marker + "@127.0.0.1:1/x",
	"postgres:u:" + marker + "@127.0.0.1:1/x",
	"jdbc:postgresql://127.0.0.1:1/x?user=u&password=" + marker,
	"postgres://u:1/" + marker + "@127.0.0.1:1/x",
	"postgres://u:a@" + marker + "#?@127.0.0.1:1/x",
	"postgres://u:a/" + marker + "@127.0.0.1:1/x",
	"postgres://u:1@a/" + marker + "@127.0.0.1:1/x",
	"postgres://u:1/?" + marker + "@127.0.0.1:1/x",
	"postgres://u:%" + marker + "@127.0.0.1:1/x",
	"postgres://u:" + marker + "@[::1:1/x",
	"127.0.0.1/x?password=" + marker,
	"Server=127.0.0.1;Database=x;User Id=u;Password=" + marker,
	"Server=127.0.0.1;Database=x;Uid=u;Pwd=" + marker,
	"Host=127.0.0.1;Username=u;Password=" + marker + ";Database=x",
	"host=127.0.0.1,password=" + marker,
	"host=127.0.0.1 port=1 user=u Password=" + marker + " dbname=x",
	"HOST=127.0.0.1 PORT=1 USER=u PASSWORD=" + marker + " DBNAME=x",
	"host=127.0.0.1 user=u password=a " + marker + " dbname=x",
	"host=127.0.0.1 user=u password='" + marker,
	"host=u:" + marker + "@127.0.0.1",
	"user=u:" + marker + " host=127.0.0.1",
	"host: 127.0.0.1, password: " + marker,
	`{"host":"127.0.0.1","password":"` + marker + `"}`,
}

// A database is reached in every form that PostgreSQL knows, or the store is refused. In neither
// case is a password repeated.
func TestPasswordOfADatabaseIsNotTold(t *testing.T) {
	for _, text := range databases {
		a := &app{store: text}
		at, err := a.where()
		require.NoError(t, err, text)
		require.NotNil(t, at.database, text)
		assert.Equal(t, "postgres://u@127.0.0.1:1/x", a.storeName(), text)
		told := fmt.Sprint(at.database.Password, url.QueryEscape(at.database.Password), at.database.RuntimeParams)
		require.Contains(t, told, marker, text)
		checkSecrets(t, text, at.withoutPassword(errors.New(told)).Error())
	}
	for _, text := range strangers {
		a := &app{store: text}
		_, err := a.where()
		var own *exitError
		require.ErrorAs(t, err, &own, text)
		assert.Equal(t, exitUsage, own.code)
		checkSecrets(t, text, err.Error()+a.storeName())
	}
}

// The path of a file is one, whatever it looks like, if it begins like one.
func TestPathsOfStores(t *testing.T) {
	for _, path := range []string{
		"auth.json", "store/auth.json", "./password=x", "../host=x", "/srv/u:p@host/auth.json", "~/auth.json",
		`C:\Users\me@corp\auth.json`, "C:/Users/me@corp/auth.json", `\\server\share\a@b.json`, "me@corp.json", "a b=c",
	} {
		a := &app{store: path}
		at, err := a.where()
		require.NoError(t, err, path)
		assert.Equal(t, location{file: path}, at)
		assert.Equal(t, path, a.storeName())
	}
	a := &app{store: "postgres:///x?host=/run/postgresql&user=u&password=" + marker}
	assert.Equal(t, "postgres://u@/x?host=%2Frun%2Fpostgresql", a.storeName())
	_, err := (&app{store: "postgres://u:" + marker + "@127.0.0.1/x?sslmode=verify-ca&sslrootcert=/nowhere"}).where()
	require.ErrorContains(t, err, "the TLS of the store's database cannot be configured")
	assert.ErrorContains(t, err, "/nowhere")
	checkSecrets(t, "the error", err.Error())
}

// No command repeats the password, wherever the store is named, and none takes a database for a
// file. Each way to name one costs a process, so a command takes every third stranger only.
func TestPasswordOfADatabaseInCommands(t *testing.T) {
	commands := [][]string{
		{"status"},
		{"status", "--json"},
		{"watch"},
		{"refresh", "xai"},
		{"add", "openrouter", "--key-stdin"},
		{"store", "new-identity", "--yes"},
	}
	for i, text := range append(slices.Clone(databases), strangers...) {
		if i >= len(databases) && i%3 != 0 {
			continue
		}
		s, args := newShell(t), commands[i%len(commands)]
		if i%2 == 0 {
			s.setenv("REAUTH_STORE", text)
		} else {
			args = append([]string{"--store", text}, args...)
		}
		r := s.run("key-"+marker, args...) // run checks the output for secrets
		assert.NotZero(t, r.code, "%q", text)
		assert.NotEmpty(t, r.errors, "%q", text)
		left, err := os.ReadDir(s.home)
		require.NoError(t, err)
		assert.Empty(t, left, "%q is no file", text)
	}
}
