package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
)

// form is a way in which a program asks for a token and reads it.
type form struct {
	// read reads what the program asks for.
	read func(*app, *tokenCmd) (asked, error)
	// write returns what the program reads. The credential's token is in it.
	write func(reauth.Credential, asked, time.Time) (string, error)
	// foreign answers one that asks for a host to which the provider's tokens do not go.
	foreign func(a *app, provider string) error
}

// asked is what a program asks for.
type asked struct {
	refused string   // the token that was refused; empty: none
	host    *url.URL // where the token will go; nil: the program does not tell
	server  string   // the host as Docker writes it
	bearer  bool     // git can send a token as such
	erase   bool     // git only tells that the token was refused
	done    bool     // there is nothing to do
}

// isFor reports whether the provider's tokens go to the host that is asked for.
func (q asked) isFor(p *reauth.Pool, provider string) bool {
	if q.host == nil {
		return true
	}
	owner, ok := p.ProviderFor(q.host)
	return ok && owner.Name == provider
}

// isAmong reports whether a credential that is limited to some hosts may go to the one that is
// asked for. A pattern of several hosts does not count: git and Docker name one.
func (q asked) isAmong(hosts []string) bool {
	for _, h := range hosts {
		h, _, _ = strings.Cut(h, "/")
		if q.host != nil && strings.EqualFold(h, q.host.Host) {
			return true
		}
	}
	return q.host == nil || len(hosts) == 0
}

// form returns the form that the flags name.
func (c *tokenCmd) form() (form, error) {
	name := c.Format
	if c.JSON {
		if name = "json"; c.Format != "bare" && c.Format != name {
			return form{}, usagef("--json and --format %s contradict each other", c.Format)
		}
	}
	switch name {
	case "docker":
		return form{readDocker, writeDocker, foreignDocker}, nil
	case "git":
		return form{readGit, writeGit, func(*app, string) error { return nil }}, nil
	}
	if c.Action != "" {
		return form{}, usagef("an action is for --format docker and --format git; " +
			"it is not repeated here, as it may be a secret")
	}
	write := map[string]func(reauth.Credential, asked, time.Time) (string, error){
		"bare": writeBare, "json": writeTokenJSON, "kubernetes": writeKubernetes, "aws": writeAWS,
	}
	return form{readRefused, write[name], nil}, nil
}

// readRefused reads the token that was refused, if the flag says that there is one.
func readRefused(a *app, c *tokenCmd) (asked, error) {
	if !c.Refused {
		return asked{}, nil
	}
	token, err := readKey(a)
	if err == nil && token == "" {
		err = usagef("--refused wants the token that was refused on standard input, which holds none")
	}
	return asked{refused: token}, err
}

// writeBare writes the token on a line of its own, for apiKeyHelper and the like.
func writeBare(c reauth.Credential, _ asked, _ time.Time) (string, error) {
	return c.AccessToken + "\n", nil
}

// indented returns v as indented JSON, with < and & as they are.
func indented(v any) (string, error) {
	var b strings.Builder
	err := writeJSON(&b, v)
	return b.String(), err
}

// stamp returns a time in UTC and whole seconds, or nothing for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// writeTokenJSON writes the token with what is known of it. The names are those of RFC 6749 §5.1
// where it has one, so that hermes's key_cmd and reauth.CommandSource read it. Programs parse it:
// names and meanings stay. An unknown expiry is absent.
func writeTokenJSON(c reauth.Credential, _ asked, now time.Time) (string, error) {
	doc := struct {
		AccessToken string `json:"access_token"`
		ExpiresAt   string `json:"expires_at,omitempty"`
		ExpiresIn   *int64 `json:"expires_in,omitempty"` // seconds from now
		Provider    string `json:"provider"`
		ID          string `json:"id"`
		Account     string `json:"account,omitempty"`
	}{
		AccessToken: c.AccessToken, ExpiresAt: stamp(c.Expiry), Provider: c.Provider, ID: c.ID, Account: c.AccountID,
	}
	if !c.Expiry.IsZero() {
		left := max(int64(c.Expiry.Sub(now)/time.Second), 0)
		doc.ExpiresIn = &left
	}
	return indented(doc)
}

// kubernetesVersion is the version of ExecCredential that is written.
const kubernetesVersion = "client.authentication.k8s.io/v1"

// writeKubernetes writes an ExecCredential, as kubectl and client-go want it from a credential
// plugin: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/. They tell the
// version that they want in KUBERNETES_EXEC_INFO.
func writeKubernetes(c reauth.Credential, _ asked, _ time.Time) (string, error) {
	var info struct {
		APIVersion string `json:"apiVersion"`
	}
	// Without the variable, or when it holds something else, the client reads the version of the
	// answer.
	if json.Unmarshal([]byte(os.Getenv("KUBERNETES_EXEC_INFO")), &info) == nil &&
		info.APIVersion != "" && info.APIVersion != kubernetesVersion {
		return "", usagef("the client asks for an ExecCredential of %.60s; set apiVersion: %s in its configuration",
			info.APIVersion, kubernetesVersion)
	}
	type status struct {
		Expiration string `json:"expirationTimestamp,omitempty"`
		Token      string `json:"token"`
	}
	return indented(struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Status     status `json:"status"`
	}{kubernetesVersion, "ExecCredential", status{stamp(c.Expiry), c.AccessToken}})
}

// writeAWS writes what a credential_process of the AWS SDKs prints:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html. A bearer token
// is no pair of keys: AWS itself refuses what is signed with it. The form is for programs that keep
// any credential in it.
func writeAWS(c reauth.Credential, _ asked, _ time.Time) (string, error) {
	return indented(struct {
		Version    int
		KeyID      string `json:"AccessKeyId"`
		Secret     string `json:"SecretAccessKey"`
		Expiration string `json:",omitempty"`
	}{1, c.ID, c.AccessToken, stamp(c.Expiry)})
}

// user returns the name beside a token where a program wants one.
func user(c reauth.Credential) string { return cmp.Or(c.AccountID, c.ID) }

// readDocker reads what docker writes to a credential helper: the server, on one line. See
// https://github.com/docker/docker-credential-helpers#development.
func readDocker(a *app, c *tokenCmd) (asked, error) {
	switch {
	case c.Refused:
		return asked{}, usagef("--refused does not go with --format docker: the server stands on standard input")
	case c.Action == "list":
		_, err := io.WriteString(a.stdout, "{}\n")
		return asked{done: true}, err
	case c.Action != "" && c.Action != "get":
		return asked{}, errors.New("reauth: token: docker's helper only gets tokens; " +
			"log in with reauth login, not with docker")
	}
	line, err := readLine(a.ctx, io.LimitReader(a.stdin, 1<<20))
	if err != nil {
		return asked{}, err
	}
	server := strings.TrimSpace(line)
	at := server
	if !strings.Contains(at, "://") {
		at = "https://" + at
	}
	host, err := url.Parse(at)
	if err != nil || host.Host == "" {
		return asked{}, usagef("--format docker wants a server on standard input, such as https://registry.example")
	}
	return asked{host: host, server: server}, nil
}

// writeDocker writes what docker reads from a credential helper.
func writeDocker(c reauth.Credential, q asked, _ time.Time) (string, error) {
	return indented(struct{ ServerURL, Username, Secret string }{q.server, user(c), c.AccessToken})
}

// foreignDocker answers in docker's own words, by which it tells a server without credentials from
// a failure.
func foreignDocker(a *app, provider string) error {
	if _, err := io.WriteString(a.stdout, "credentials not found in native keychain\n"); err != nil {
		return err
	}
	return fmt.Errorf("reauth: token: the tokens of %s do not go to this server; --base-url names another one", provider)
}

// readGit reads what git writes to a credential helper: a line for each attribute, up to an empty
// one. See https://git-scm.com/docs/git-credential#IOFMT. Git erases a password that was refused.
func readGit(a *app, c *tokenCmd) (asked, error) {
	switch {
	case c.Refused:
		return asked{}, usagef("--refused does not go with --format git: git itself tells it, by the action erase")
	case c.Action != "" && c.Action != "get" && c.Action != "erase":
		// gitcredentials(7) wants other actions ignored, store among them.
		return asked{done: true}, nil
	}
	q := asked{erase: c.Action == "erase"}
	host := url.URL{}
	lines := bufio.NewScanner(io.LimitReader(a.stdin, 1<<20))
	for lines.Scan() && lines.Text() != "" {
		switch name, value, _ := strings.Cut(lines.Text(), "="); name {
		case "protocol":
			host.Scheme = value
		case "host":
			host.Host = value
		case "path":
			host.Path = "/" + value
		case "capability[]":
			q.bearer = q.bearer || value == "authtype"
		case "password", "credential":
			q.refused = value
		}
	}
	if err := lines.Err(); err != nil {
		return q, fmt.Errorf("reauth: read what git asks for: %w", err)
	}
	if host.Scheme == "" || host.Host == "" {
		return q, usagef("--format git wants protocol= and host= on standard input, as git writes them")
	}
	// Without a token git tells of somebody else's.
	q.host, q.done = &host, q.erase && q.refused == ""
	if !q.erase {
		q.refused = ""
	}
	return q, nil
}

// writeGit writes what git reads from a credential helper. A git that can (2.46) sends the token as
// a bearer token; an older one sends it as a password. It keeps the token nowhere: the next one may
// be another.
func writeGit(c reauth.Credential, q asked, _ time.Time) (string, error) {
	text := "username=" + strings.Join(strings.Fields(user(c)), "-") + "\npassword=" + c.AccessToken + "\n"
	if q.bearer {
		text = "capability[]=authtype\nauthtype=Bearer\ncredential=" + c.AccessToken + "\nephemeral=1\n"
	}
	if !c.Expiry.IsZero() {
		text += "password_expiry_utc=" + strconv.FormatInt(c.Expiry.Unix(), 10) + "\n"
	}
	return text, nil
}
