// Package privatefile reads, locks and replaces a file that only its owner may read.
//
// A file is replaced as a whole, so that a reader finds the old content or the new. Processes that
// change a file agree on a lock file beside it, and hold its lock over reading and replacing.
package privatefile
