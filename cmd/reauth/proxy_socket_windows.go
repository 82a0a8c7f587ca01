package main

import (
	"context"
	"errors"
	"net"
)

// checkSocketPath returns why no socket can be at a path. On Windows a socket of the file system
// has no mode that keeps other users out.
func checkSocketPath(string) error {
	return errors.New("unix: is not for Windows, where the file of a socket keeps nobody out; " +
		"listen at 127.0.0.1, with --client-token-env if others use the machine")
}

// listenSocket is never reached: checkSocketPath refuses every path.
func listenSocket(_ context.Context, path string) (net.Listener, error) {
	return nil, checkSocketPath(path)
}
