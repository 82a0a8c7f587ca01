package login

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/reauth-go/reauth/internal/vendors"
)

// checkOptions returns an error that matches ErrUnsupported for an option that cannot be used at the
// provider of the row. It repeats no value of a header, which may be a secret.
func checkOptions(row vendors.Vendor, opt Options) error {
	if row.Auth == nil && opt.ClientID+opt.Scope != "" {
		return fmt.Errorf("a client ID or a scope is %w: the login gives a key, and knows neither", ErrUnsupported)
	}
	if opt.Port < 0 || opt.Port > 65535 {
		return fmt.Errorf("the port %d is %w: it must be one of 1 to 65535, or 0 for the provider's", opt.Port, ErrUnsupported)
	}
	for name, values := range opt.Header {
		if name == "" || strings.ContainsAny(name, " \t\r\n\x00:") {
			return fmt.Errorf("a header is %w: %q is no name of one", ErrUnsupported, name)
		}
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				return fmt.Errorf("the header %s is %w: its value has a line break", http.CanonicalHeaderKey(name), ErrUnsupported)
			}
		}
	}
	return nil
}

// checkIssuer returns the address of an authorization server without a slash at its end. It returns
// an error for an address that tokens must not be sent to.
func checkIssuer(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("the issuer is %w: it is no address such as https://auth.example.com", ErrUnsupported)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the issuer is %w: only scheme, host, port and path may stand in it", ErrUnsupported)
	case isSafe(u):
		return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
	}
	return "", fmt.Errorf(
		"the issuer is %w: it must be https, or http on loopback, for tokens travel to it", ErrUnsupported)
}

// isSafe reports whether nobody on the way to u can read a request: u is https, or on this host.
func isSafe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isLoopback reports whether host is this host: an address of loopback, or localhost.
func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
