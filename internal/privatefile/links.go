package privatefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// FollowLinks is filepath.EvalSymlinks for a file, or a folder, that need not exist yet.
func FollowLinks(path string) (string, error) {
	for range 40 { // as many links as Linux follows
		target, err := os.Readlink(path)
		if err != nil {
			break // path is no link
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return FollowFolder(path)
}

// FollowFolder returns the path with the links of its folder resolved. The file itself may be a
// link, which stays. Nothing of the path need exist.
func FollowFolder(path string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return filepath.Clean(path), nil
	case err != nil:
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}
