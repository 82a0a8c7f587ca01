//go:build !unix

package process

import "os/exec"

// inGroup changes nothing: there are no process groups, and only the program is killed.
func inGroup(*exec.Cmd) {}
