package logins

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// place is where a program keeps its file.
type place struct {
	variable string // the environment variable that names the folder
	home     string // the folder without that variable, below the user's home
	below    string // the program's own folder in that folder; empty: it is that one
	file     string // the name of the file
	// locate does Path instead, for a program that chooses its file by more than that.
	locate func(named string) string
}

// Path returns the path of the program's file. named is the file, or the folder that the file is
// in; empty, it is where the program keeps its file by default.
func (p Program) Path(named string) string {
	if p.place.locate != nil {
		return p.place.locate(named)
	}
	if named == "" {
		folder := folderOf(p.place.variable, p.place.home)
		return filepath.Join(folder, p.place.below, p.place.file)
	}
	if isFolder(named) {
		return filepath.Join(named, p.place.file)
	}
	return named
}

// folderOf returns the folder that an environment variable names, or else the one below the user's
// home. A user without a home gets a relative path, which the error of reading it shows.
func folderOf(variable, belowHome string) string {
	home, _ := os.UserHomeDir()
	return cmp.Or(os.Getenv(variable), filepath.Join(home, filepath.FromSlash(belowHome)))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// State tells two versions of what a program keeps apart. The zero value is of a program that keeps
// nothing.
type State struct {
	files string // when each of its files was written, and how long it is
}

// State returns the present state of what the program keeps at path.
func (p Program) State(path string) State {
	var s State
	for _, part := range p.files(path) {
		if info, err := os.Stat(part); err == nil {
			s.files += fmt.Sprintln(info.ModTime().UnixNano(), info.Size(), part)
		}
	}
	return s
}

// files returns the files that Read reads.
func (p Program) files(path string) []string {
	if p.parts != nil {
		return p.parts(path)
	}
	return []string{path}
}

// Changed reports whether it is worth while to read again what was in the state seen before.
func (s State) Changed(seen State) bool { return s.files != "" && s.files != seen.files }
