package reauth_test

import (
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// firstMet is what a user meets first, by the name of its example: a function, a type, a method, or a
// field behind its type and "_".
var firstMet = map[string][]string{
	".": {
		"", "NewRecoveringTransport", "RecoveringTransport", "NewPool", "OpenPool", "Strategy",
		"Pool_Add", "Pool_AddSource", "Pool_Register", "Pool_Token", "Pool_Report", "Pool_Status", "Pool_Reset",
		"Pool_observe", "Pool_relogin", "Provider_trackObjects", "Provider_firstEvent",
		"WithCredential", "WithAffinity", "WithoutCredential", "Classify", "ClassifyError",
		"DefaultStorePath", "NewFileStore", "NewSealedStore",
		"CommandSource", "FileSource", "ClientCredentialsSource", "TokenExchangeSource", "Follow", "RefresherFunc",
		"LookupProvider", "OAuth2Refresher", "BuiltinRefresher", "TokenSourceRefresher",
	},
	"login":      {"", "Session_Enter"},
	"reauthtest": {"", "Provider_Use", "Provider_Refresher"},
}

// Each of them has an example, and the example has a comment, and an output, so that it is run.
func TestWhatIsMetFirstHasAnExample(t *testing.T) {
	for folder, names := range firstMet {
		paths, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		run := make(map[string]bool)
		for _, path := range paths {
			src, err := os.ReadFile(path)
			require.NoError(t, err)
			file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
			require.NoError(t, err)
			for _, e := range doc.Examples(file) {
				run[e.Name] = e.Output != "" && e.Doc != ""
			}
		}
		for _, name := range names {
			assert.True(t, run[name], "%s: there is no Example%s with a comment and an output", folder, name)
		}
	}
}

// The comments of the public packages have headings where they are long, links that lead somewhere, and lines
// that fit a terminal.
func TestPackageCommentsReadWell(t *testing.T) {
	for folder, headings := range map[string]int{".": 3, "login": 0, "reauthtest": 0} {
		out, err := exec.Command("go", "doc", "./"+folder).Output()
		require.NoError(t, err)
		text := string(out)
		assert.NotRegexp(t, `\[[A-Z][A-Za-z]+(\.[A-Z][A-Za-z]+)?\]`, text, "%s: a link that leads nowhere", folder)
		assert.GreaterOrEqual(t, strings.Count(text, "\n# "), headings, folder)
		comment, _, _ := strings.Cut(text, "\nfunc ")
		for line := range strings.Lines(comment) {
			if !strings.HasPrefix(line, "const ") && !strings.HasPrefix(line, "var ") {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, "%s: %s", folder, line)
			}
		}
	}
}
