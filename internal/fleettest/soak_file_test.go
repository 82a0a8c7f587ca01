//go:build unix

package fleettest_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth/internal/fleettest"
)

// Eight processes share a file that goes back, vanishes, is swapped, only read and filled up.
func TestSoakOnAFile(t *testing.T) {
	d := newSoakFolder(t)
	f := fleettest.New(t, openFile, fleettest.Job{Store: d.given}, 30*time.Millisecond)
	f.Workers = d.account
	f.Soak(t, fleettest.Soaking{
		Lasts:    fleettest.SoakTime(3*time.Second, 30*time.Second),
		Troubles: d.troubles(), Remember: d.remember, Longest: 3 * time.Second, Within: 90 * time.Second,
		Limited: true, Notes: true,
	})
	content, err := os.ReadFile(d.given)
	require.NoError(t, err)
	assert.True(t, json.Valid(content))
	for _, pattern := range []string{"home/*.lock", "home/*/*.lock", "*-volume/*.lock", "*-volume/*/*.lock"} {
		names, err := filepath.Glob(filepath.Join(d.root, pattern))
		require.NoError(t, err)
		for _, name := range names {
			l := flock.New(name)
			free, err := l.TryLock()
			require.NoError(t, err)
			assert.True(t, free, "nobody holds the lock %s", name)
			require.NoError(t, l.Unlock())
		}
	}
}

// soakFolder has the file of a soak: home/auth.json is a link to a file in one of two volumes.
type soakFolder struct {
	root, given string
	account     *fleettest.Account // nil: the workers run as the test
	older       [][]byte           // contents of the file, the oldest first
}

func newSoakFolder(t *testing.T) *soakFolder {
	t.Helper()
	d := new(soakFolder)
	d.root, d.account = fleettest.SoakFolder(t)
	d.given = filepath.Join(d.root, "home", "auth.json")
	for _, dir := range []string{"home", "a-volume", "b-volume"} {
		require.NoError(t, os.Mkdir(filepath.Join(d.root, dir), 0o700))
		require.NoError(t, d.account.Own(filepath.Join(d.root, dir)))
	}
	require.NoError(t, os.Symlink(filepath.Join("..", "a-volume", "auth.json"), d.given))
	return d
}

// real returns the name of the file to which the link leads.
func (d *soakFolder) real() (string, error) {
	target, err := os.Readlink(d.given)
	return filepath.Join(filepath.Dir(d.given), target), err
}

// remember keeps the content of the file, of which some are very old.
func (d *soakFolder) remember() error {
	content, err := os.ReadFile(d.given)
	if errors.Is(err, fs.ErrNotExist) || !json.Valid(content) {
		return nil
	}
	d.older = append(d.older, content)
	if len(d.older) > 30 {
		d.older = append(d.older[:10], d.older[11:]...)
	}
	return err
}

// some returns an older content of the file: mostly a recent one.
func (d *soakFolder) some() []byte {
	if len(d.older) == 0 {
		return nil
	}
	n := min(len(d.older), 4)
	if rand.IntN(4) == 0 {
		n = len(d.older)
	}
	return d.older[len(d.older)-1-rand.IntN(n)]
}

func (d *soakFolder) troubles() []fleettest.Trouble {
	const most = 4 * time.Second
	return []fleettest.Trouble{
		{Name: "put back by writing an older copy into it", Back: true, Begin: d.putBack},
		{Name: "swapped for an older copy by a rename", Back: true, Begin: d.swap},
		{Name: "swapped by turning a link to a copy", Back: true, Begin: d.turn},
		{Name: "removed and returned", Back: true, Anew: true, Most: most, Begin: func() (func() error, error) {
			real, err := d.real()
			return away(real, err)
		}},
		{Name: "folder removed and returned", Back: true, Anew: true, Most: most, Begin: func() (func() error, error) {
			real, err := d.real()
			return away(filepath.Dir(real), err)
		}},
		{Name: "made read-only, the locks not", NoNotes: true, Most: most, Begin: func() (func() error, error) {
			real, err := d.real()
			if err != nil {
				return nil, err
			}
			return fleettest.ReadOnly(filepath.Dir(real), filepath.Dir(d.given))
		}},
		{Name: "made read-only", NoNotes: true, Most: most, Begin: func() (func() error, error) {
			real, err := d.real()
			if err != nil {
				return nil, err
			}
			return fleettest.ReadOnly(real, filepath.Dir(real), real+".locks", filepath.Dir(d.given), d.given+".locks")
		}},
	}
}

// putBack writes an older content into the file, as cp does.
func (d *soakFolder) putBack() (func() error, error) {
	content := d.some()
	if content == nil {
		return nil, nil
	}
	real, err := d.real()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(real, content, 0o600); err != nil {
		return nil, err
	}
	return nil, d.account.Own(real)
}

// swap renames an older copy over the file.
func (d *soakFolder) swap() (func() error, error) {
	content := d.some()
	if content == nil {
		return nil, nil
	}
	real, err := d.real()
	if err != nil {
		return nil, err
	}
	return nil, d.place(real, content)
}

// place puts a file with that content at path, as a whole.
func (d *soakFolder) place(path string, content []byte) error {
	tmp := path + ".copy"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	return errors.Join(d.account.Own(tmp), os.Rename(tmp, path))
}

// turn turns the link to the file of the other volume: a copy of the present file, of an older one,
// or what it was when the link was turned last.
func (d *soakFolder) turn() (func() error, error) {
	real, err := d.real()
	if err != nil {
		return nil, err
	}
	other := "a-volume"
	if filepath.Base(filepath.Dir(real)) == other {
		other = "b-volume"
	}
	target := filepath.Join(d.root, other, "auth.json")
	var content []byte
	switch _, err := os.Stat(target); {
	case rand.IntN(3) == 0:
		content = d.some()
	case err != nil || rand.IntN(2) == 0:
		content, _ = os.ReadFile(real) // it may be gone
	}
	if content != nil {
		if err := d.place(target, content); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // there is nothing to turn the link to
	}
	link := d.given + ".link"
	if err := os.Symlink(filepath.Join("..", other, "auth.json"), link); err != nil {
		return nil, err
	}
	return nil, os.Rename(link, d.given)
}

// away moves a file, or a folder, away until its end. What stands in its place then is removed.
func away(path string, err error) (func() error, error) {
	if err != nil {
		return nil, err
	}
	switch err := os.Rename(path, path+".away"); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return func() error {
		for {
			if err := os.RemoveAll(path); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			switch err := os.Rename(path+".away", path); {
			case errors.Is(err, fs.ErrExist), err != nil && errors.Is(err, syscall.ENOTEMPTY): // a worker has been quick
			default:
				return err
			}
		}
	}, nil
}
