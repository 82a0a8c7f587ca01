//go:build !unix

package recordtest

func unlock(string) {}
