package privatefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CheckPlace tells what is wrong with the place of a file that is there, although the file can be
// read: others may write to its folder, or the file cannot be replaced.
func CheckPlace(path string) []error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return nil // reading tells
	}
	var wrong []error
	if writableByOthers(info) {
		wrong = append(wrong, sharedFolder(dir, info))
	}
	if err := tryToWrite(path); err != nil {
		return append(wrong, fmt.Errorf("nothing can be saved in the folder %s: %w; "+
			"new tokens last as long as this process", dir, err))
	}
	if isMountPoint(path) {
		wrong = append(wrong, errors.New("the file is a mount of its own, so it cannot be replaced, and nothing "+
			"can be saved; mount its folder instead"))
	}
	return wrong
}

// sharedFolder says what others can do in a folder to which they may write.
func sharedFolder(dir string, info fs.FileInfo) error {
	can := "replace or remove the file"
	if info.Mode()&fs.ModeSticky != 0 {
		can = "make files beside it, such as its locks"
	}
	return fmt.Errorf("others may write to the folder %s (mode %04o), so they can %s; "+
		"use a folder of its own, or run: chmod go-w %q", dir, info.Mode().Perm(), can, dir)
}

// tryToWrite tries whether a file can be made beside the file at path, under the name of a leftover
// of Replace.
func tryToWrite(path string) error {
	dir, base := filepath.Split(path)
	tmp, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		var inner *fs.PathError // it names the temporary file
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return err
	}
	_ = tmp.Close()
	_ = os.Remove(tmp.Name()) // another process may have done that, as of a leftover
	return nil
}
