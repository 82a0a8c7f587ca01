package logins

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Anthropic's CLI, ant, shares its profiles with Anthropic's SDKs: configs/<profile>.json says how
// a profile logs in, credentials/<profile>.json has its tokens, and active_config names the profile
// (anthropic-sdk-go, package config; platform.claude.com/docs, "CLI authentication options"). Here
// the file of a login is that of its profile.

const (
	antProvider = "anthropic"
	antVersion  = "1" // of both files, before the dot
	antConfigs  = "configs"
	antSecrets  = "credentials"
)

type antProfile struct {
	Version        string `json:"version"`
	BaseURL        string `json:"base_url"` // empty: Anthropic's API
	Authentication struct {
		Type        string `json:"type"`
		Credentials string `json:"credentials_path"` // empty: below the folder of the profiles
	} `json:"authentication"`
}

type antCredentials struct {
	Version      string `json:"version"`
	Type         string `json:"type"` // empty: of another program that writes them for the SDKs
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresAt    stamp  `json:"expires_at"`
}

// locateAnt finds the file of a profile: the named one, that of named credentials, or the active
// one of a folder.
func locateAnt(named string) string {
	folder := named
	switch {
	case named == "":
		folder = antFolder()
	case !isFolder(named):
		if filepath.Base(filepath.Dir(named)) == antSecrets {
			return filepath.Join(filepath.Dir(filepath.Dir(named)), antConfigs, filepath.Base(named))
		}
		return named
	}
	if base := filepath.Base(folder); base == antConfigs || base == antSecrets {
		folder = filepath.Dir(folder)
	}
	// A name that is none of a file, such as one with a separator, becomes one that does not exist.
	return filepath.Join(folder, antConfigs, url.PathEscape(activeAnt(folder))+".json")
}

func antFolder() string {
	if folder := os.Getenv("ANTHROPIC_CONFIG_DIR"); folder != "" {
		return folder
	}
	if own := (onWindows{"APPDATA", "Anthropic"}).folder(); system == windows && own != "" {
		return own
	}
	return filepath.Join(folderOf("XDG_CONFIG_HOME", ".config"), "anthropic")
}

// activeAnt returns the name of the active profile of a folder.
func activeAnt(folder string) string {
	if name := os.Getenv("ANTHROPIC_PROFILE"); name != "" {
		return name
	}
	content, err := readFile(filepath.Join(folder, "active_config"))
	if name := strings.TrimSpace(string(content)); err == nil && name != "" {
		return name
	}
	return "default"
}

// antParts returns the profile's file and that of its tokens.
func antParts(path string) []string {
	parts := []string{path}
	if content, err := readFile(path); err == nil {
		if p, err := decodeAntProfile(content); err == nil {
			parts = append(parts, p.credentials(path))
		}
	}
	return parts
}

// credentials returns the file with the tokens of the profile at path.
func (p antProfile) credentials(path string) string {
	if p.Authentication.Credentials != "" {
		return p.Authentication.Credentials
	}
	return filepath.Join(filepath.Dir(filepath.Dir(path)), antSecrets, filepath.Base(path))
}

func decodeAntProfile(content []byte) (p antProfile, err error) {
	if err := decode(content, &p); err != nil {
		return p, err
	}
	if err := checkVersion(p.Version, antVersion); err != nil {
		return p, err
	}
	if p.Authentication.Type == "" {
		return p, errForeign
	}
	return p, nil
}

func gatherAnt(path string, open opener) (found Found, err error) {
	content, err := open(path)
	if err != nil {
		return found, err
	}
	profile, err := decodeAntProfile(content)
	if err != nil {
		return found, err
	}
	name := "profile " + strings.TrimSuffix(filepath.Base(path), ".json")
	hosts, ok := profile.hosts()
	if !ok {
		found.skip(name, "its base_url is none")
		found.advise(antProvider, "the base_url of the profile is none; mend it there")
		return found, nil
	}
	tokens := profile.credentials(path)
	content, err = open(tokens)
	if errors.Is(err, fs.ErrNotExist) {
		profile.lackTokens(&found, name)
		return found, nil
	}
	if err == nil {
		err = addAnt(&found, content, Login{Provider: antProvider, Name: name, Hosts: hosts, FollowOnly: true})
	}
	if err != nil {
		return found, &partError{tokens, err}
	}
	return found, nil
}

// hosts returns the host of the profile's base URL, unless that is the one of the provider's API.
// It returns false for what is no URL.
func (p antProfile) hosts() (list []string, ok bool) {
	base := strings.TrimSuffix(p.BaseURL, "/")
	if base == "" || base == vendors.Of(antProvider).API.Origin {
		return nil, true
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return nil, false
	case u.Scheme == "http":
		return []string{"http://" + u.Host}, true
	}
	return []string{u.Host}, u.Scheme == "https"
}

// lackTokens says why there are no tokens.
func (p antProfile) lackTokens(found *Found, name string) {
	switch p.Authentication.Type {
	case "user_oauth":
		found.skip(name, "it is not logged in")
		found.advise(antProvider, "the profile is not logged in; log in there first: ant auth login")
	case "oidc_federation":
		found.skip(name, "it exchanges an identity token, and has not done so yet")
		found.advise(antProvider, "the profile exchanges an identity token, and has not done so yet; use that program once")
	default:
		found.skip(name, "reauth does not know its way to authenticate")
		found.advise(antProvider, "the profile authenticates in a way that this version of reauth does not know; "+
			"log in with reauth instead")
	}
}

// addAnt adds the tokens of a file to what is known of the login. Only the programs that share the
// profile refresh them: at the API itself, as a client of their own, and with a beta.
func addAnt(found *Found, content []byte, l Login) error {
	var c antCredentials
	if err := decode(content, &c); err != nil {
		return err
	}
	if err := checkVersion(c.Version, antVersion); err != nil {
		return err
	}
	access := token(c.AccessToken)
	switch {
	case c.Type != "" && c.Type != "oauth_token":
		found.skip(l.Name, "its credentials are of a kind that reauth does not know")
	case access == "":
		found.skip(l.Name, "it holds no token")
	default:
		l.AccessToken, l.RefreshToken, l.Expiry = access, token(c.RefreshToken), c.ExpiresAt.Time
		found.addFollowed(l)
	}
	return nil
}
