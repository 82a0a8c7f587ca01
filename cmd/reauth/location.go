package main

import (
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/reauth-go/reauth/cmd/reauth/internal/pattern"
)

// location is where the store is: a file, or a database.
type location struct {
	file     string          // the path; empty for a database
	database *pgx.ConnConfig // nil for a file
}

// Ways in which people write what a database is reached by. Each may hold a password.
var (
	// postgresURL matches the two schemes that PostgreSQL knows.
	postgresURL = pattern.Lazy(`(?i)^postgres(?:ql)?://`)
	// keywords matches the keyword form, as in "host=localhost password=…". The keywords are those
	// of libpq that a connection string is likely to begin with.
	keywords = pattern.Lazy(`(?i)^\s*(?:host|hostaddr|port|dbname|database|user|password|passfile|service|` +
		`servicefile|ssl[a-z]+|connect_timeout|application_name|options|target_session_attrs|search_path)\s*=`)
	// scheme matches a URL's scheme, so that nothing else of the text is repeated with it.
	scheme = pattern.Lazy(`^([a-zA-Z][a-zA-Z0-9+.-]{0,19})://`)
	// sure matches a path that cannot be meant otherwise.
	sure = pattern.Lazy(`^(?:/[^/]|\.{1,2}[/\\]|~|[A-Za-z]:[/\\][^/\\]|\\\\)`)
	// secretive matches what holds a password, as likely as not: a name of one with a value, or a
	// user with a password in front of a host.
	secretive = pattern.Lazy(`(?i)(?:pass[a-z]*|pwd|secret|token)["']?\s*[=:]|:.*@|^//|^[a-z0-9+]+:/`)
	// userValue matches a value in a URL's query in which an @ may stand.
	userValue = pattern.Lazy(`(?i)(?:user|password|sslpassword|application_name)=[^&]*`)
)

// where returns the location that --store or REAUTH_STORE names. What is neither a path nor known
// to lead to a PostgreSQL database is a usage error, which repeats nothing that may be a password.
func (a *app) where() (location, error) {
	switch text := a.store; {
	case text == "":
		file, err := defaultStore()
		return location{file: file}, err
	case sure().MatchString(text):
		return location{file: text}, nil
	case postgresURL().MatchString(text), keywords().MatchString(text):
		return database(text)
	case strings.Contains(text, "://"):
		if m := scheme().FindStringSubmatch(text); m != nil {
			return location{}, usagef("the store %s://… is none that is known; name a file, or a postgres:// URL", m[1])
		}
		return location{}, errNoPlace
	case secretive().MatchString(text):
		return location{}, errNoPlace
	default:
		return location{file: text}, nil
	}
}

// Errors of a store that cannot be what the person means. They repeat nothing of it.
var (
	errNoPlace = usagef("the store is not repeated here, as it may hold a password: name a file, a postgres:// URL, " +
		"or keywords such as host=localhost dbname=reauth; the name of a file with such characters begins with ./")
	errBadDatabase = usagef("the address of the store's database is malformed, and not repeated here, as it may hold a " +
		"password: write it as postgres://user:password@host:5432/database, with an @ or / in the password as %%40 or %%2F, " +
		"or as host=… user=… password='…' dbname=… in lower case")
)

// database returns the location of a database that is given by a URL or by keywords.
func database(text string) (location, error) {
	if m := postgresURL().FindString(text); m != "" {
		text = strings.ToLower(m) + text[len(m):] // pgx knows the schemes in lower case
		if isAmbiguous(text[len(m):]) {
			return location{}, errBadDatabase
		}
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		// err repeats what was given. Of its causes one says nothing of that, and is common.
		if _, why, ok := strings.Cut(err.Error(), "`: failed to configure TLS"); ok {
			return location{}, usagef("the TLS of the store's database cannot be configured%s", why)
		}
		return location{}, errBadDatabase
	}
	if isMisread(config) {
		return location{}, errBadDatabase
	}
	return location{database: config}, nil
}

// isMisread reports whether a user, a host or a database holds a character that none has. Then it
// holds the password too, most likely: the text is in another form than it looks like, as in
// "host=db;password=…". A keyword in upper case is misread too: pgx takes it for a setting of the
// server, and connects to the default host.
func isMisread(config *pgx.ConnConfig) bool {
	for name := range config.RuntimeParams {
		if name != strings.ToLower(name) && keywords().MatchString(name+"=") {
			return true
		}
	}
	hosts := config.Host
	for _, f := range config.Fallbacks {
		hosts += " " + f.Host
	}
	if strings.ContainsAny(config.User+config.Database, ":;=") || strings.ContainsAny(hosts, ";=@") {
		return true
	}
	return slices.ContainsFunc(strings.Fields(hosts), func(host string) bool {
		return strings.Contains(host, ":") && net.ParseIP(host) == nil && !filepath.IsAbs(host)
	})
}

// isAmbiguous reports whether an @ stands behind the host of a URL. Then a part of the password has
// most likely been read as the host, the database or a parameter: the password holds a slash.
func isAmbiguous(behindScheme string) bool {
	_, tail, _ := strings.Cut(behindScheme, "/")
	return strings.Contains(userValue().ReplaceAllString(tail, ""), "@")
}

// storeName returns the location of the store for messages: a path, or a URL without the password
// and the parameters of the database.
func (a *app) storeName() string {
	at, err := a.where()
	switch {
	case err != nil:
		return "no store"
	case at.database == nil:
		return at.file
	}
	u := url.URL{Scheme: "postgres", Path: "/" + at.database.Database}
	if at.database.User != "" {
		u.User = url.User(at.database.User)
	}
	if filepath.IsAbs(at.database.Host) { // the folder of a socket
		u.RawQuery = url.Values{"host": {at.database.Host}}.Encode()
	} else {
		u.Host = net.JoinHostPort(at.database.Host, strconv.Itoa(int(at.database.Port)))
	}
	return u.String()
}

// withoutPassword returns an error of the database or its driver without the password.
func (p location) withoutPassword(err error) error {
	secrets := []string{p.database.Password}
	for name, value := range p.database.RuntimeParams {
		if secretive().MatchString(name + "=") { // such as "pwd", which the server does not know
			secrets = append(secrets, value)
		}
	}
	text := err.Error()
	for _, s := range secrets {
		if s != "" {
			text = strings.NewReplacer(s, "xxxxx", url.QueryEscape(s), "xxxxx", url.PathEscape(s), "xxxxx").Replace(text)
		}
	}
	// Only an unchanged error keeps its chain: an unwrapped one would print the password again.
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
