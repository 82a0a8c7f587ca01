package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"github.com/reauth-go/reauth/internal/vendors"
	"github.com/reauth-go/reauth/login"
)

// hostSystem is the operating system, by Go's name.
var hostSystem = runtime.GOOS //nolint:gochecknoglobals // tests put another one in its place

// errNoScreen says that there is nowhere to show a browser.
var errNoScreen = errors.New("this machine has no screen: neither DISPLAY nor WAYLAND_DISPLAY is set")

// opener returns the program that opens an address in the browser, with the address among its
// arguments as one word: no shell reads it. On Windows that is the handler of the protocol, because
// start is a command of cmd.exe, which would take & in an address for its own.
func opener(address string) (words []string, err error) {
	switch hostSystem {
	case "darwin":
		return []string{"open", address}, nil
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler", address}, nil
	}
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil, errNoScreen
	}
	return []string{"xdg-open", address}, nil
}

// isToBeOpened reports whether the address of a login is opened here: as the flag says; without it,
// when the browser has to be on this host, and a person is at its terminal.
func (c *loginCmd) isToBeOpened(person *terminal) bool {
	if c.Open != nil {
		return *c.Open
	}
	flow := login.Flow(c.Flow)
	if flows := login.Flows(vendors.Canonical(c.Provider)); flow == "" && len(flows) > 0 {
		flow = flows[0]
	}
	return flow == login.Browser && person.live && os.Getenv("SSH_CONNECTION") == ""
}

// openInBrowser opens an address in the browser. It does not wait for the browser: some programs
// that open one go on until it is closed. When that fails, the person is told, who sees the address
// in any case.
func openInBrowser(address string, told func(error)) {
	words, err := opener(address)
	if err != nil {
		told(err)
		return
	}
	cmd := exec.Command(words[0], words[1:]...) //nolint:gosec // the program is one of three
	if err := cmd.Start(); err != nil {
		told(err)
		return
	}
	go func() {
		if err := cmd.Wait(); err != nil {
			told(fmt.Errorf("%s: %w", words[0], err))
		}
	}()
}
