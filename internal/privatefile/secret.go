package privatefile

import (
	"fmt"
	"hash/maphash"
)

// ReadSecret returns the content of a file with a secret that its owner, or root, provides, of at most
// most bytes. Links are followed. It refuses a file that others can read or write, and one of another
// user; but a file of root may be readable for its group. So a service that is not root reads what
// systemd or Kubernetes mounts for it: that belongs to root, and the mode has a bit for the group.
func ReadSecret(path string, most int) ([]byte, error) {
	file, err := Read(path, maphash.MakeSeed())
	if err != nil {
		return nil, err
	}
	if err := checkSecret(path, file.info); err != nil {
		return nil, err
	}
	if len(file.Content) > most {
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", len(file.Content), most)
	}
	return file.Content, nil
}
