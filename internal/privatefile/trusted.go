package privatefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadTrusted returns the content of a file that says what this process runs, of at most most bytes. The
// error is fs.ErrNotExist when there is none, or when this process may not enter its folder.
//
// It refuses a link, a file that others can read or write, one of another user, and one on the way to
// which is a folder that another user owns or can write to. The files and folders of root are trusted.
// Root trusts those of nobody else: it makes no exception for the folder of a user, as Read does, because
// that user could then have root run anything. On Windows nothing is checked but that it is a file: it
// has the permissions of its folder there.
func ReadTrusted(path string, most int64) ([]byte, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	for range mostReplaced {
		var content []byte
		if content, err = readTrusted(path, most); !errors.Is(err, errReplaced) {
			return content, err
		}
	}
	return nil, err
}

// mostReplaced is how often a file may be replaced while it is opened, each time by another writer.
const mostReplaced = 100

var errReplaced = errors.New("it is replaced all the time; try again")

// readTrusted is one try of ReadTrusted. The error is errReplaced when another file has taken the name between
// the check and the opening.
func readTrusted(path string, most int64) ([]byte, error) {
	named, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the folder of %s may not be entered: %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, err
	case named.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("it is a link; put the file itself there")
	}
	if err := CheckTrustedFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := checkTrusted(path, named); err != nil {
		return nil, err // before opening: another user's file can be closed to us
	}
	f, info, err := openRegular(path, most)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !os.SameFile(named, info) {
		return nil, errReplaced
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = errGrows
	}
	return content, err
}

// CheckTrustedFolder refuses a folder when another user than this process's, or root, owns it or can
// write to it, or can do so with one of the folders above: that user could put another file in the place
// of one in it. A folder above in which each may remove only what is his, such as /tmp, is taken.
func CheckTrustedFolder(dir string) error {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if err := checkTrustedFolder(at, info, at != dir); err != nil {
			return err
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
