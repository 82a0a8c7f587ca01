package bench

import (
	"io"
	"os/exec"
	"testing"
	"time"
)

// BenchmarkStart measures the cold start of the command against the smallest program with a server of
// net/http: until it has printed its help, and until a proxy answers GET /healthz. It reports the time that
// passes, and the time on the processor (cpu-ns/op).
func BenchmarkStart(b *testing.B) {
	for _, by := range []string{"empty", "reauth"} {
		b.Run("of=help/by="+by, func(b *testing.B) {
			path := program(b, by)
			var cpu time.Duration
			for b.Loop() {
				c := exec.Command(path)
				c.Stdout = io.Discard
				if err := c.Run(); err != nil {
					b.Fatal(err)
				}
				cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			}
			b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
		})
	}
	for _, by := range []string{"empty", "reauth"} {
		b.Run("of=proxy/by="+by, func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				p := startChild(b, func(at string) *exec.Cmd {
					b.StopTimer()
					defer b.StartTimer()
					if by == "reauth" {
						return reauthProxy(b, at, "http://127.0.0.1:1")
					}
					return exec.Command(program(b, "empty"), at)
				})
				cpu += p.cpu(b)
				b.StopTimer()
				p.end()
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu)/float64(b.N), "cpu-ns/op")
		})
	}
}
