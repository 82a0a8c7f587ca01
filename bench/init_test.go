package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imported is what a package and those below it do when they are imported: how long it takes, in
// nanoseconds, and what they allocate.
type imported struct{ ns, allocs, bytes float64 }

// importing builds the program that imports all of the library. It is built in the plain way: counting
// statements, as go test -cover does, allocates in each package.
var importing = built(".", "./programs/importing")

// imports returns, by the prefix of their path, what packages do when a program that imports them starts:
// one that imports the library and nothing else, or for other packages this one. The figures are those of
// the runtime (GODEBUG=inittrace=1).
func imports(t testing.TB, prefix string) (sum imported) {
	t.Helper()
	start := os.Executable
	if prefix == library {
		start = importing
	}
	path, err := start()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "-test.run=^$")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	found := false
	for lines := bufio.NewScanner(&said); lines.Scan(); {
		// init net/http @16 ms, 0.097 ms clock, 2384 bytes, 30 allocs
		w := strings.Fields(lines.Text())
		if len(w) != 11 || w[0] != "init" || !below(w[1], prefix) {
			continue
		}
		found = true
		sum.ns += 1e6 * number(t, w[4])
		sum.bytes += number(t, w[7])
		sum.allocs += number(t, w[9])
	}
	if !found {
		t.Fatalf("no package below %s says what it does", prefix)
	}
	return sum
}

// below reports whether a package is that one or below it. This module is not below the library.
func below(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/') && !strings.HasPrefix(path, "github.com/reauth-go/reauth/bench")
}

func number(t testing.TB, text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const library = "github.com/reauth-go/reauth"

// importers returns the packages that are compared, by name.
func importers() [][2]string {
	return [][2]string{
		{"reauth", library},
		{"net-http", "net/http"},
		{"retryablehttp", "github.com/hashicorp/go-retryablehttp"},
		{"openai-go", "github.com/openai/openai-go/v3"},
		{"anthropic-sdk-go", "github.com/anthropics/anthropic-sdk-go"},
		{"cliproxyapi", "github.com/router-for-me/CLIProxyAPI/v7"},
	}
}

// BenchmarkInit measures what packages do when they are imported, without those that they import: the time
// (init-ns/op, the median of five starts), and what they allocate (init-allocs/op, init-bytes/op).
func BenchmarkInit(b *testing.B) {
	for _, p := range importers() {
		b.Run("by="+p[0], func(b *testing.B) {
			var times []float64
			var last imported
			for b.Loop() {
				for range 5 {
					last = imports(b, p[1])
					times = append(times, last.ns)
				}
			}
			slices.Sort(times)
			b.ReportMetric(times[len(times)/2], "init-ns/op")
			b.ReportMetric(last.allocs, "init-allocs/op")
			b.ReportMetric(last.bytes, "init-bytes/op")
		})
	}
}

// What the library allocates when it is imported does not depend on the machine.
func TestImportIsCheap(t *testing.T) {
	const most = 50
	if got := imports(t, library); got.allocs > most {
		t.Error(fmt.Sprintf("importing the library makes %.0f allocations, want %d at most", got.allocs, most),
			"(see GODEBUG=inittrace=1)")
	}
}
