package login

import (
	"context"
	"maps"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/release"
	"github.com/reauth-go/reauth/internal/vendors"
)

// kimiDevice begins the device flow at Kimi Code, whose server wants a device named on each request. The
// credential keeps the id of that device, which its renewals name too.
func kimiDevice(ctx context.Context, s *Session) (course, error) {
	id := vendors.NewDevice()
	d := s.device()
	maps.Copy(d.header, vendors.DeviceHeader(release.Version, id))
	return d.begin(ctx, s, func(_ context.Context, a *answer) (reauth.Credential, error) {
		c, err := s.credential(a)
		if err != nil {
			return c, err
		}
		s.note(&c, vendors.DeviceNote, id)
		return c, nil
	})
}
