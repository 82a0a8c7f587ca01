package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/jwt"
	"github.com/reauth-go/reauth/internal/printable"
	"github.com/reauth-go/reauth/internal/vendors"
)

// addCmd adds a credential to the store.
//
// A secret is never an argument: every process of the host can read the arguments of another one,
// and shells keep them in their history. The flag parser allows one of the three sources (xor).
type addCmd struct {
	Provider   string   `arg:"" help:"The provider, such as openrouter."`
	KeyFromEnv string   `help:"Take the key from this environment variable." placeholder:"NAME" xor:"key"`
	KeyStdin   bool     `help:"Read the key from standard input, its first line; at a terminal it is asked for, and not shown." xor:"key"`
	TokenStdin bool     `help:"Read a login from standard input: what a token endpoint answered (RFC 6749 §5.1), JSON with access_token, and refresh_token and expires_in if it has them." xor:"key"`
	Command    string   `help:"Keep this command, which prints the token; its words, or an array of JSON, and no shell." placeholder:"COMMAND" xor:"key"`
	File       string   `help:"Keep the path of this file, in which another program keeps the token fresh." placeholder:"PATH" xor:"key"`
	NoCheck    bool     `name:"no-check" help:"Keep the command or the file without trying it."`
	ID         string   `name:"id" help:"The name of the credential; by default its account, or a part of its key's digest, or source." placeholder:"ID"`
	Account    string   `help:"The account, where the provider wants it beside the token. That of a personal access token of Codex is asked for." placeholder:"ID"`
	Issuer     string   `help:"The authorization server that the tokens are of, if that is not the provider's default one: https, or http on loopback." placeholder:"URL"`
	Hosts      []string `help:"Use it on these of the provider's hosts only." placeholder:"HOST"`
	Priority   int      `help:"Lower is preferred."`
	outcomes
}

// Help implements kong.HelpProvider.
func (*addCmd) Help() string {
	return `With --command or --file the store gets nothing. What is kept is how the token is got, in the file sources-auth.json beside the store (for a
database in the folder of the default store): it is yours alone, because whoever writes it can have anything run. The source is asked when
a token is needed, when it expires, and when the provider refuses it. It is tried once before it is kept; what it prints is not shown.

A command gives the token alone on a line, or JSON with access_token, token or key, and expires_in or expires_at if it knows. There is no
shell. Quotes are not taken away: where a word has a blank, or a shell is wanted, write an array of JSON. A secret among the words shows
in the list of processes.

Examples:

    reauth add openrouter --key-from-env OPENROUTER_API_KEY
    pass show anthropic | reauth add anthropic --key-stdin --priority 1
    reauth add azure-foundry --key-stdin --hosts my-resource.openai.azure.com
    reauth add openai-codex --key-from-env CODEX_ACCESS_TOKEN
    reauth add vertex --command 'gcloud auth print-access-token'
    reauth add groq --command '["sh","-c","pass show groq | head -n 1"]'
    reauth add nvidia --file /var/run/secrets/token --id projected
`
}

// Run implements the command.
func (c *addCmd) Run(a *app) error {
	return c.report(a, func(tell tell) error { return c.run(a, tell) })
}

func (c *addCmd) run(a *app, tell tell) error {
	pr, err := lookup(c.Provider)
	if err != nil {
		return err
	}
	// Pool.Add refuses such a key without hosts. This error names the flag, and comes before the
	// user is asked for the key.
	if row := vendors.Of(pr.Name); row.OwnHost && len(c.Hosts) == 0 {
		return usagef("a key of %s is good at one resource only; "+
			"name its host, as in --hosts %s", pr.Name, row.Own.Host())
	}
	if c.Command != "" || c.File != "" {
		return c.addSource(a, pr, tell)
	}
	cred, err := c.credential(a)
	if err != nil {
		return err
	}
	cred.Provider, cred.ID, cred.Hosts, cred.Priority = pr.Name, c.ID, c.Hosts, c.Priority
	if cred, err = c.complete(a, cred); err != nil {
		return err
	}
	p, err := a.pool()
	if err != nil {
		return err
	}
	p.Observe = a.doubt
	if s, ok := find(p.Status(), pr.Name, c.ID); ok && s.Source != "" {
		return usagef("%s has a source; give another --id, or remove it first: reauth remove %s %s",
			nameOf(s), s.Provider, printable.Line(s.ID))
	}
	return c.put(a, p, cred, tell)
}

// put adds the credential to the store, and tells what that changed.
func (c *addCmd) put(a *app, p *reauth.Pool, cred reauth.Credential, tell tell) error {
	// Add reports only the ID. doneBy compares the status before and after.
	before := p.Status()
	id, err := p.Add(a.ctx, cred)
	if err != nil {
		return err
	}
	done := doneBy(before, p.Status(), cred.Provider, id)
	tell(outcome{Provider: cred.Provider, ID: id, Result: done}, "%s %s\n",
		doneInWords[done], called(cred.Provider, id, c.Provider))
	return nil
}

// doneInWords says what adding a credential did.
var doneInWords = map[string]string{ //nolint:gochecknoglobals // a table
	resultAdded: "added", resultReplaced: "replaced the login of", resultPriority: "changed the priority of",
	resultUnchanged: "nothing new: the store already has",
}

// complete returns the credential with its account, which is asked for if the provider has a way to
// tell it and the user has not named one, and with the server that its tokens are of.
func (c *addCmd) complete(a *app, cred reauth.Credential) (reauth.Credential, error) {
	if c.Issuer != "" {
		if err := checkIssuer(vendors.Of(cred.Provider), c.Issuer); err != nil {
			return cred, err
		}
		cred.Metadata = map[string]string{vendors.IssuerNote: c.Issuer}
	}
	if c.Account != "" {
		cred.AccountID = c.Account
		return cred, nil
	}
	return reauth.FillAccount(a.ctx, cred, nil)
}

// checkIssuer makes sure that tokens of the provider can be of an authorization server, and travel
// to it.
func checkIssuer(row vendors.Vendor, issuer string) error {
	if row.Auth == nil {
		return usagef("--issuer: %s has no logins, and its keys are of no authorization server", row.Name)
	}
	if _, err := parseBase("--issuer", issuer); err != nil {
		return err
	}
	if _, err := reauth.BuiltinRefresher(row.Name, reauth.OAuth2Config{TokenURL: row.Auth.TokenURLAt(issuer)}); err != nil {
		return usagef("--issuer: %w", err)
	}
	return nil
}

// doneBy returns what Pool.Add did to the credential with this ID, as an outcome's result.
func doneBy(before, after []reauth.CredentialStatus, provider, id string) string {
	old, had := find(before, provider, id)
	now, _ := find(after, provider, id)
	switch {
	case !had:
		return resultAdded
	// Follows changes when the store begins to follow another program's login, or takes it over.
	case old.Fingerprint != now.Fingerprint || old.Follows != now.Follows:
		return resultReplaced
	case old.Priority != now.Priority:
		return resultPriority
	}
	return resultUnchanged
}

// find returns the status of one credential, and whether the list has it.
func find(list []reauth.CredentialStatus, provider, id string) (reauth.CredentialStatus, bool) {
	for _, s := range list {
		if s.Provider == provider && s.ID == id {
			return s, true
		}
	}
	return reauth.CredentialStatus{}, false
}

// credential reads the secret from the source that the flags name. No source is a usage error.
func (c *addCmd) credential(a *app) (reauth.Credential, error) {
	switch {
	case c.TokenStdin:
		return readTokenAnswer(a.stdin)
	case c.KeyStdin:
		key, err := readKey(a)
		if err == nil && key == "" {
			err = usagef("standard input holds no key")
		}
		return reauth.Credential{AccessToken: key}, err
	}
	if c.KeyFromEnv == "" {
		return reauth.Credential{}, usagef("say where the secret comes from: " +
			"--key-from-env NAME, --key-stdin, --token-stdin, --command COMMAND or --file PATH")
	}
	// A value that a script has read from a file often ends with a line break, which no key has.
	key := strings.TrimSpace(os.Getenv(c.KeyFromEnv))
	if key == "" {
		return reauth.Credential{}, usagef("the environment variable that --key-from-env names is not set, or empty")
	}
	return reauth.Credential{AccessToken: key}, nil
}

// readKey reads the first line of standard input, of at most 1 MiB. At a terminal it asks for the
// key and switches the echo off.
func readKey(a *app) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return askKey(a, int(f.Fd()))
	}
	// The limit keeps a file that is given by mistake from filling the memory.
	line, err := bufio.NewReader(io.LimitReader(a.stdin, 1<<20)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reauth: read the key: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// askKey asks for a key at a terminal. The echo is off before it asks: a key may be pasted as soon
// as it does.
func askKey(a *app, fd int) (string, error) {
	before, err := term.GetState(fd)
	if err == nil {
		err = hideInput(fd)
	}
	if err != nil {
		return "", fmt.Errorf("reauth: read the key: %w", err)
	}
	defer func() {
		_ = term.Restore(fd, before) // nothing more can be done when this fails
		a.notef("\n")
	}()
	a.notef("Key (not shown): ")
	line, err := readLine(a.ctx, io.LimitReader(a.stdin, 1<<20))
	return strings.TrimSpace(line), err
}

// readTokenAnswer reads the JSON answer of a token endpoint (RFC 6749 §5.1), of at most 1 MiB. Its
// own errors, and so the terminal and logs, quote nothing of the answer.
func readTokenAnswer(r io.Reader) (reauth.Credential, error) {
	var answer struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		// RFC 8259 allows 3600.0 and 3.6e3 for a whole number, which an int would reject.
		ExpiresIn float64 `json:"expires_in"`
		// The account, which names the credential: in the ID token, or as Anthropic tells it. Any
		// may be of another type, which says nothing.
		IDToken any `json:"id_token"`
		Account any `json:"account"`
	}
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return reauth.Credential{}, fmt.Errorf("reauth: read the login: %w", err)
	}
	if json.Unmarshal(b, &answer) != nil || answer.AccessToken == "" && answer.RefreshToken == "" {
		return reauth.Credential{}, usagef(`standard input holds no login: ` +
			`a JSON object with "access_token" or "refresh_token" is wanted`)
	}
	c := reauth.Credential{AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken}
	identity, _ := answer.IDToken.(string)
	account, _ := answer.Account.(map[string]any)
	told, _ := account["uuid"].(string)
	c.AccountID = jwt.Account(c.AccessToken, identity, told)
	// expires_in counts from the moment of the answer, which is not recorded. The time until now
	// makes the stored expiry too late by that much; the provider's refusal then leads to the
	// refresh.
	if answer.ExpiresIn > 0 {
		c.Expiry = time.Now().Add(time.Duration(answer.ExpiresIn * float64(time.Second)))
	}
	return c, nil
}
