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

// This library's transport keeps all obligations, also under the race detector.
func TestOurs(t *testing.T) {
	peers, err := conformance.Peers()
	if err != nil {
		t.Fatal(err)
	}
	reauthtest.TestRoundTripper(t, peers[0].Wrap)
}

// table.md equals a run with the versions in go.mod. Each obligation that a peer breaks has a
// reason that was read in the peer's source, and no other obligation has one.
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

// withoutRaceDetector runs TestTable in a process without the race detector. Some peers write to a
// request that its caller may read, and the detector would fail the test for that.
func withoutRaceDetector(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^TestTable$", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go test without -race: %v\n%s", err, out)
	}
}
