package reauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/architecture.md lists the files of the package in the order in which they may call each
// other: a file calls files in the lines above its own, or left of it where an arrow leads to it.
// Files that a "+" joins may call each other.
func TestFilesCallInOrder(t *testing.T) {
	order := readOrder(t)
	calls := callsBetweenFiles(t)
	require.Greater(t, len(calls), 40, "the files of the package")
	for file, called := range calls {
		at, listed := order[file]
		assert.True(t, listed, "docs/architecture.md does not list %s", file)
		for _, other := range called {
			assert.True(t, at.mayCall(order[other]), "%s calls %s, against docs/architecture.md", file, other)
		}
	}
	for file := range order {
		assert.Contains(t, calls, file, "docs/architecture.md lists a file that is not there")
	}
}

// place is where the list has a file. The zero value is above all places.
type place struct {
	line, column int // from 1
	arrows       bool
	pair         string // what stands on both sides of a "+"
}

// mayCall reports whether a file at p may call one at o.
func (p place) mayCall(o place) bool {
	switch {
	case o.line == 0:
		return false
	case o.line < p.line, p.pair != "" && p.pair == o.pair:
		return true
	}
	return o.line == p.line && p.arrows && o.column < p.column
}

// readOrder reads the list: the code block that begins with the lowest file.
func readOrder(t *testing.T) map[string]place {
	t.Helper()
	page, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	_, list, ok := strings.Cut(string(page), "```\ncredential  ")
	require.True(t, ok, "the list begins with credential")
	list, _, _ = strings.Cut("credential  "+list, "```")
	pair := regexp.MustCompile(`\w+ \+ \w+`)
	order := make(map[string]place)
	for i, line := range strings.Split(list, "\n") {
		joined := pair.FindString(line)
		for k, file := range strings.Fields(line) {
			if file == "→" || file == "+" {
				continue
			}
			at := place{line: i + 1, column: k + 1, arrows: strings.Contains(line, "→")}
			if slices.Contains(strings.Fields(joined), file) {
				at.pair = joined
			}
			order[file] = at
		}
	}
	return order
}

// callsBetweenFiles returns, for each file of the package, the other files that declare what it
// uses: package-level names, methods and fields. Imported packages are left empty, which hides a
// use that passes through a type of theirs.
func callsBetweenFiles(t *testing.T) map[string][]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		files = append(files, f)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: emptyPackages{}, Error: func(error) {}} // the packages lack what is used of them
	pkg, _ := config.Check("reauth", fset, files, info)                      // so there always is an error
	fileOf := func(at token.Pos) string { return strings.TrimSuffix(fset.Position(at).Filename, ".go") }
	calls := make(map[string][]string)
	for _, f := range files {
		calls[fileOf(f.Pos())] = nil
	}
	for id, used := range info.Uses {
		if used.Pkg() != pkg || isLocal(used, pkg) {
			continue
		}
		from, to := fileOf(id.Pos()), fileOf(used.Pos())
		if from != to && !slices.Contains(calls[from], to) {
			calls[from] = append(calls[from], to)
		}
	}
	return calls
}

// isLocal reports whether o is declared inside a function. Methods and fields have no scope as parent.
func isLocal(o types.Object, pkg *types.Package) bool {
	v, isVar := o.(*types.Var)
	return o.Parent() != pkg.Scope() && (o.Parent() != nil || isVar && !v.IsField())
}

// emptyPackages imports every package as one without content.
type emptyPackages struct{}

func (emptyPackages) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}
