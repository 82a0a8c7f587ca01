package main

import "os"

// passedSignals returns the signals that must not end reauth exec before its program. Windows sends
// Ctrl-C to all processes of a console.
func passedSignals() []os.Signal { return []os.Signal{os.Interrupt} }
