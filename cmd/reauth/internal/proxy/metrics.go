package proxy

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/reauth-go/reauth"
)

// metrics are what the proxy counts. Every label has a fixed or bounded set of values: codes,
// kinds, and the reasons of verdicts, which are the names of rules; nothing that a client sends
// becomes one.
type metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	denied    *prometheus.CounterVec
	inFlight  prometheus.Gauge
	verdicts  *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	switches  prometheus.Counter
	store     prometheus.Counter
	recovery  *prometheus.HistogramVec
}

// The results of a refresh.
const (
	refreshExchanged = "exchanged"
	refreshAdopted   = "adopted"
	refreshFailed    = "failed"
)

func newMetrics(pool *reauth.Pool, provider string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"provider": provider}, m.registry)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "reauth", Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m.requests = counters("proxy_requests_total", "Requests forwarded, by the status the client got; 499: the client went away before there was one.", "code")
	m.denied = counters("proxy_denied_total", "Requests refused by the proxy itself, by reason.", "reason")
	m.verdicts = counters("verdicts_total", "Answers that were looked into, by verdict and by the rule that decided.", "kind", "reason")
	m.refreshes = counters("refreshes_total", "Refreshes of credentials: exchanged at the token endpoint, adopted from the store, or failed.", "result")
	m.switches = counters("switches_total", "Times a request went on with another credential.").WithLabelValues()
	m.store = counters("store_failures_total", "Times the store could not be read or written.").WithLabelValues()
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "reauth", Name: "proxy_requests_in_flight", Help: "Requests being forwarded, until their answers have ended."})
	m.recovery = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "reauth", Name: "recovery_seconds", Help: "Time from the first refusal of a request to the answer its client got, by result.",
		Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"result"})
	reg.MustRegister(m.inFlight, m.recovery, &credentials{pool, provider}, buildInfo())
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.zero()
	return m
}

// zero makes the series with known labels exist from the start, so that rates and alerts do not
// miss the first event.
func (m *metrics) zero() {
	for _, code := range denialCodes() {
		m.denied.WithLabelValues(code)
	}
	for _, result := range []string{refreshExchanged, refreshAdopted, refreshFailed} {
		m.refreshes.WithLabelValues(result)
	}
	for _, recovered := range []string{"recovered", "gave-up"} {
		m.recovery.WithLabelValues(recovered)
	}
	m.requests.WithLabelValues("200")
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// observe counts an event of the pool or the transport.
func (m *metrics) observe(e reauth.Event) {
	switch e.Type {
	case reauth.Judged:
		kind, reason, _ := strings.Cut(e.Reason, ":")
		m.verdicts.WithLabelValues(kind, reason).Inc()
	case reauth.Refreshed:
		m.refreshes.WithLabelValues(refreshExchanged).Inc()
	case reauth.Adopted:
		m.refreshes.WithLabelValues(refreshAdopted).Inc()
	case reauth.RefreshFailed:
		m.refreshes.WithLabelValues(refreshFailed).Inc()
	case reauth.Switched:
		m.switches.Inc()
	case reauth.StoreFailed:
		m.store.Inc()
	default: // the state of credentials is read when it is asked for
	}
}

// ended counts a request that was forwarded.
func (m *metrics) ended(status int) {
	code := "other"
	if status >= 100 && status < 600 {
		code = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(code).Inc()
}

func (m *metrics) recovered(after time.Duration, ok bool) {
	result := "gave-up"
	if ok {
		result = "recovered"
	}
	m.recovery.WithLabelValues(result).Observe(after.Seconds())
}

// total adds up the series of a counter or gauge, for the page.
func (m *metrics) total(name string) float64 {
	families, err := m.registry.Gather()
	if err != nil {
		return 0 // what can be gathered is shown by /metrics, with the error
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, s := range f.GetMetric() {
			sum += s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	return sum
}

// credentials is a collector of how the provider's credentials stand at the moment.
type credentials struct {
	pool     *reauth.Pool
	provider string
}

func (c *credentials) desc() (states, waiting *prometheus.Desc) {
	return prometheus.NewDesc("reauth_credentials", "Credentials of the provider by state: good, aside (put aside for a time), retired.", []string{"state"}, nil),
		prometheus.NewDesc("reauth_credentials_in_flight", "Requests that wait for a response header.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *credentials) Describe(ch chan<- *prometheus.Desc) {
	states, waiting := c.desc()
	ch <- states
	ch <- waiting
}

// Collect implements prometheus.Collector.
func (c *credentials) Collect(ch chan<- prometheus.Metric) {
	states, waiting := c.desc()
	count := map[reauth.State]int{reauth.Good: 0, reauth.Aside: 0, reauth.Retired: 0}
	inFlight := 0
	for _, s := range c.pool.Status() {
		if s.Provider == c.provider {
			count[s.State]++
			inFlight += s.InFlight
		}
	}
	for state, n := range count {
		ch <- prometheus.MustNewConstMetric(states, prometheus.GaugeValue, float64(n), string(state))
	}
	ch <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(inFlight))
}

// version is the command's, as its build knows it.
func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "reauth", Name: "build_info", Help: "The build: always 1."}, []string{"version", "goversion"})
	g.WithLabelValues(version(), runtime.Version()).Set(1)
	return g
}
