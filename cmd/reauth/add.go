package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/reauth-go/reauth"
)

// addCmd adds an API key. The key is never an argument: arguments are seen by every process of the host, and kept by shells.
type addCmd struct {
	Provider   string   `arg:"" help:"The provider, such as openrouter."`
	KeyFromEnv string   `help:"Take the key from this environment variable." placeholder:"NAME" xor:"key" required:""`
	KeyStdin   bool     `help:"Read the key from standard input, its first line." xor:"key" required:""`
	ID         string   `name:"id" help:"The name of the credential; by default one made of its key's digest." placeholder:"ID"`
	Hosts      []string `help:"Use it on these of the provider's hosts only." placeholder:"HOST,..."`
	Priority   int      `help:"Lower is preferred."`
}

// Run implements the command.
func (c *addCmd) Run(a *app) error {
	key, err := c.key(a)
	if err != nil {
		return err
	}
	p, err := a.pool()
	if err != nil {
		return err
	}
	id, err := p.Add(a.ctx, reauth.Credential{Provider: c.Provider, ID: c.ID, AccessToken: key, Hosts: c.Hosts, Priority: c.Priority})
	if err != nil {
		return err
	}
	a.printf("added %s/%s\n", c.Provider, id)
	return nil
}

func (c *addCmd) key(a *app) (string, error) {
	if c.KeyFromEnv != "" {
		key := strings.TrimSpace(os.Getenv(c.KeyFromEnv))
		if key == "" {
			return "", usagef("the environment variable %s is not set", c.KeyFromEnv)
		}
		return key, nil
	}
	line, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reauth: read the key: %w", err)
	}
	key := strings.TrimSpace(line)
	if key == "" {
		return "", usagef("standard input holds no key")
	}
	return key, nil
}
