package vendors

import (
	"crypto/rand"
	"fmt"
	"runtime"
)

// NewDevice makes an id for DeviceNote: a UUID of version 4 (RFC 9562 §5.4), as Kimi's own program
// makes one. It is of one login and tells nothing of the machine.
func NewDevice() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// DeviceHeader returns the header fields by which Kimi's authorization server wants the program and
// the device named, on each request of a login and of its renewals. Their names are those of
// MoonshotAI/kimi-code, packages/oauth/src/identity.ts. The values name this library, the operating
// system and the architecture. The name of the host is nobody's business.
func DeviceHeader(version, device string) map[string]string {
	return map[string]string{
		"X-Msh-Platform": "reauth", "X-Msh-Version": version, "X-Msh-Device-Name": "reauth",
		"X-Msh-Device-Model": runtime.GOOS + " " + runtime.GOARCH, "X-Msh-Os-Version": runtime.GOOS,
		"X-Msh-Device-Id": device,
	}
}
