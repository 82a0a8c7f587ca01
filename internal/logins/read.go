package logins

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	maxFile = 4 << 20
	// rereadAfter is how long a program that writes its file in place has to finish.
	rereadAfter = 50 * time.Millisecond
)

// errForeign quotes nothing of the file, which is full of secrets; an error of package json may.
var errForeign = errors.New("it is not what that program writes: broken JSON, or another program's file")

// partError is of a file that the program's own file leads to.
type partError struct {
	path string
	err  error
}

// Error names that file: the caller names only the one that it asked for.
func (e *partError) Error() string { return "its file " + e.path + ": " + withoutPath(e.err).Error() }

func (e *partError) Unwrap() error { return e.err }

// Read reads what the program keeps at path. Some programs write their file in place, so that a
// reader may see half of it, and on Windows nobody can open a file while it is replaced: a file
// that is there and cannot be read is read once more. If there is none, and the path is the default
// one, the login may be in the keychain. The errors name neither the path nor anything that the
// file holds, but a further file to which it leads.
func (p Program) Read(path string, canonical Canonical) (Found, error) {
	if p.inKeychain(path) {
		return p.readItem(canonical)
	}
	found, err := p.readOnce(path, canonical)
	if mayPass(err) {
		<-time.NewTimer(rereadAfter).C
		found, err = p.readOnce(path, canonical)
	}
	return found, withoutPath(err)
}

// mayPass reports whether the file may be readable in a moment: it could not be decoded, or a
// system call on it failed.
func mayPass(err error) bool {
	pe, ok := errors.AsType[*fs.PathError](err)
	return errors.Is(err, errForeign) || ok && !errors.Is(pe, fs.ErrNotExist)
}

func (p Program) readOnce(path string, canonical Canonical) (Found, error) {
	found, err := p.readFiles(path, canonical)
	if err != nil {
		return Found{}, err
	}
	return found, nil
}

func (p Program) readFiles(path string, canonical Canonical) (Found, error) {
	if p.gather != nil {
		return p.gather(path, readFile)
	}
	content, err := readFile(path)
	if err != nil {
		return Found{}, err
	}
	return p.read(content, canonical)
}

// readItem reads the login from the keychain.
func (p Program) readItem(canonical Canonical) (Found, error) {
	content, err := p.keychain().read(keychainTimeout)
	if err != nil {
		return Found{}, err
	}
	return p.read(content, canonical)
}

// readFile returns the content of a regular file.
func readFile(path string) ([]byte, error) {
	// To open a FIFO waits for its writer, and to open a device may do something: look first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB; it may be another program's file", maxFile>>20)
	}
	return content, err
}

func checkRegular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("it is a folder; name the file in it")
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	}
	return nil
}

// withoutPath drops the path from an error: the caller names it anyway.
func withoutPath(err error) error {
	if part, ok := errors.AsType[*partError](err); ok {
		return part
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// decode decodes a file.
func decode(content []byte, v any) error {
	if json.Unmarshal(content, v) != nil {
		return errForeign
	}
	return nil
}

var errVersion = errors.New("it is of a format that this version of reauth does not know; log in with reauth instead")

// checkVersion refuses a format that a newer program writes. Only a change of the number before the
// dot says that a reader of the older one cannot read it.
func checkVersion(version, known string) error {
	if major, _, _ := strings.Cut(version, "."); major == "" || major == known {
		return nil
	}
	return errVersion
}
