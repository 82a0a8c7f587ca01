package logins

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// place is where a program keeps its file.
type place struct {
	variable string // the environment variable that names the folder
	home     string // the folder without that variable, below the user's home
	below    string // the program's own folder in that folder; empty: it is that one
	windows  onWindows
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
		return filepath.Join(p.place.folder(), p.place.below, p.place.file)
	}
	if isFolder(named) {
		return filepath.Join(named, p.place.file)
	}
	return named
}

// onWindows is where a program that has its folder elsewhere on Windows has it: below the folder that a
// variable of the system names. Empty: it has it below the user's home there too.
type onWindows struct{ variable, below string }

// folder returns the folder of the program. On Windows that of the home serves as long as the program has no
// other one: an older version of it made that.
func (p place) folder() string {
	usual := folderOf(p.variable, p.home)
	if system != windows || os.Getenv(p.variable) != "" {
		return usual
	}
	own := p.windows.folder()
	if own == "" || !isFolder(own) && isFolder(usual) {
		return usual
	}
	return own
}

// folder returns the folder, or nothing where there is none.
func (w onWindows) folder() string {
	base := os.Getenv(w.variable)
	if w.below == "" || base == "" {
		return ""
	}
	return filepath.Join(base, w.below)
}

// folderOf returns the folder that an environment variable names, or else the one below the user's
// home. A user without a home gets a relative path, which the error of reading it shows.
func folderOf(variable, belowHome string) string {
	return cmp.Or(os.Getenv(variable), filepath.Join(home(), filepath.FromSlash(belowHome)))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// inKeychain reports whether the program keeps in the keychain what would be in the file at path.
// A file that is there goes first, and the keychain stands for the default place only.
func (p Program) inKeychain(path string) bool {
	return p.keychain != nil && security != "" && path == p.Path("") && !exists(path)
}

// Where names for people the place of the login that Read reads: the file at path, or the item of
// the keychain.
func (p Program) Where(path string) string {
	if p.inKeychain(path) {
		return p.keychain().String()
	}
	return path
}

// State tells two versions of what a program keeps apart. The zero value is of a program that keeps
// nothing.
type State struct {
	files string    // when each of its files was written, and how long it is
	asked time.Time // of an item of the keychain, which does not tell when it was written
}

// keychainEvery is how often an item of the keychain is read although nothing suggests that it has
// changed. Each time a process is started for it.
const keychainEvery = 5 * time.Minute

// State returns the present state of what the program keeps at path.
func (p Program) State(path string) State {
	var s State
	for _, part := range p.files(path) {
		if info, err := os.Stat(part); err == nil {
			s.files += fmt.Sprintln(info.ModTime().UnixNano(), info.Size(), part)
		}
	}
	if s.files == "" && p.inKeychain(path) {
		s.asked = time.Now()
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
func (s State) Changed(seen State) bool {
	switch {
	case s.InKeychain():
		return s.asked.Sub(seen.asked) >= keychainEvery
	case s.files == "":
		return false
	}
	return s.files != seen.files
}

// InKeychain reports whether the program keeps its login in the keychain.
func (s State) InKeychain() bool { return !s.asked.IsZero() }
