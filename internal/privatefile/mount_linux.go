package privatefile

import (
	"bytes"
	"os"
	"strings"
)

// isMountPoint reports whether something is mounted at path itself, as a container's engine does
// with a single file. path has no links.
func isMountPoint(path string) bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && listsMount(table, path)
}

// listsMount reports whether the table, of the format that proc_pid_mountinfo(5) describes, has a
// mount at path: the fifth field, in which space, tab, line break and backslash are octal.
func listsMount(table []byte, path string) bool {
	want := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(path)
	for line := range bytes.Lines(table) {
		if fields := bytes.Fields(line); len(fields) > 4 && string(fields[4]) == want {
			return true
		}
	}
	return false
}
