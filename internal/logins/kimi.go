package logins

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reauth-go/reauth/internal/vendors"
)

// Kimi Code CLI keeps one file for each pair of an authorization server and an API that it has a
// login of: kimi-code.json for mainland China, and kimi-code-env-<digest>.json for any other. The
// digest is of the pair (MoonshotAI/kimi-code, packages/oauth/src: resolveKimiCodeOAuthKey in
// managed-kimi-code.ts, and region-profiles.ts). So the name of a file tells which host takes its
// tokens. The file named region, which installers write, does not: it is for a program that has no
// login yet. Its predecessor in Python had kimi-code.json alone.

const kimiProvider = "kimi-coding"

// kimiRegion is where a login of Kimi Code is from.
type kimiRegion struct{ host, issuer string }

//nolint:gochecknoglobals // a table
var kimiRegions = sync.OnceValue(func() map[string]kimiRegion {
	return map[string]kimiRegion{
		"kimi-code.json":                      {host: "api.kimi.com/coding", issuer: "https://auth.kimi.com"},
		"kimi-code-env-0e4f99c69cc27850.json": {host: "api.kimi.ai/coding", issuer: "https://auth.kimi.ai"},
	}
})

// kimiIssuer is the authorization server of a login that names no other.
const kimiIssuer = "https://auth.kimi.com"

//nolint:gochecknoglobals // a cell of the table
var kimiLocks = []string{"kimi-code.lock-target.lock", "kimi-code-env-0e4f99c69cc27850.lock-target.lock"}

// locateKimi finds the folder of the files, or takes the file that is named.
func locateKimi(named string) string {
	if named != "" {
		return kimiFolder(named)
	}
	homes := []string{folderOf("KIMI_CODE_HOME", ".kimi-code"), folderOf("KIMI_SHARE_DIR", ".kimi")}
	i := slices.IndexFunc(homes, func(home string) bool { return len(kimiFiles(kimiFolder(home))) > 0 })
	return filepath.Join(homes[max(i, 0)], "credentials")
}

// kimiFolder returns the folder of the files below a program's folder.
func kimiFolder(named string) string {
	if below := filepath.Join(named, "credentials"); isFolder(below) {
		return below
	}
	return named
}

// kimiParts returns the files with logins in a folder, or the file that path is.
func kimiParts(path string) []string {
	if !isFolder(path) {
		return []string{path}
	}
	return kimiFiles(path)
}

func kimiFiles(folder string) (paths []string) {
	entries, _ := os.ReadDir(folder) // a folder that cannot be read has none: gatherKimi says so
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, "kimi-code") && strings.HasSuffix(name, ".json") && !e.IsDir() {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	return paths
}

// gatherKimi puts the login first whose token lives longest: it lives for 15 minutes, and the
// program renews that of the region which it is used in.
func gatherKimi(path string, open opener) (found Found, err error) {
	var list []Login
	paths := kimiParts(path)
	for _, p := range paths {
		l, err := readKimi(&found, p, open)
		switch {
		case err != nil && len(paths) == 1:
			return found, err
		case err != nil:
			found.skip(filepath.Base(p), withoutPath(err).Error())
		case l.AccessToken != "":
			list = append(list, l)
		}
	}
	if len(paths) == 0 {
		return found, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	slices.SortStableFunc(list, func(a, b Login) int { return longest(b.Expiry, a.Expiry) })
	for _, l := range list {
		found.addFollowed(l)
	}
	return found, nil
}

// readKimi returns the login of a file, or none and says why.
func readKimi(found *Found, path string, open opener) (l Login, err error) {
	content, err := open(path)
	if err != nil {
		return l, err
	}
	var file struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresAt    stamp  `json:"expires_at"`
	}
	if err := decode(content, &file); err != nil {
		return l, err
	}
	name := filepath.Base(path)
	region, known := kimiRegions()[name]
	switch {
	case token(file.AccessToken) == "":
		found.skip(name, "it holds no token")
		return l, nil
	case !known:
		found.skip(name, "its name does not tell which host takes its token")
		found.advise(kimiProvider, "its name does not tell which host takes its token; name the folder, or one of "+
			strings.Join(slices.Sorted(maps.Keys(kimiRegions())), ", "))
		return l, nil
	}
	return region.login(token(file.AccessToken), token(file.RefreshToken), file.ExpiresAt.Time), nil
}

// login returns a login of the region. Its tokens go to that region's servers only.
func (r kimiRegion) login(access, refresh string, expiry time.Time) Login {
	host, _, _ := strings.Cut(r.host, "/")
	l := Login{
		Provider: kimiProvider, Name: "Kimi Code login, " + host,
		AccessToken: access, RefreshToken: refresh, Expiry: expiry, Hosts: []string{r.host},
	}
	if r.issuer != kimiIssuer {
		l.Metadata = map[string]string{vendors.IssuerNote: r.issuer}
	}
	return l
}
