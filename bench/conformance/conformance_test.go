package conformance_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/reauth-go/reauth/bench/conformance"
	"github.com/reauth-go/reauth/reauthtest"
)

var update = flag.Bool("update", false, "write table.md anew")

// Ours keeps them all, also under the race detector.
func TestOurs(t *testing.T) {
	peers, err := conformance.Peers()
	if err != nil {
		t.Fatal(err)
	}
	reauthtest.TestRoundTripper(t, peers[0].Wrap)
}

// What the table says of the peers holds for the versions in go.mod, and each claim has a reason
// that was read in the source.
func TestTable(t *testing.T) {
	if raceDetector {
		withoutRaceDetector(t)
		return
	}
	results, err := conformance.Run()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		broken := make(map[string]bool)
		for _, o := range r.Broken() {
			broken[o.Name] = true
			if r.Reasons[o.Name].Text == "" {
				t.Errorf("%s breaks %s, and no reason is given:\n%s", r.Name, o.Name, strings.Join(o.Failures, "\n"))
			}
		}
		for name := range r.Reasons {
			if !broken[name] {
				t.Errorf("%s keeps %s, and a reason is given why not", r.Name, name)
			}
		}
	}
	got := conformance.Markdown(results)
	if *update {
		if err := os.WriteFile("table.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("table.md")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("table.md is out of date; it should be:\n%s", got)
	}
}

// withoutRaceDetector runs the test in a process of its own: the detector fails a test for a race
// of a peer's, and some of them write to the request that their caller may read.
func withoutRaceDetector(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^TestTable$", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go test without -race: %v\n%s", err, out)
	}
}
