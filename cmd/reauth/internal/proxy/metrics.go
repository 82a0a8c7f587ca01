package proxy

import (
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/build"
)

// metrics are the Prometheus metrics of a provider. Every label has a bounded set of values: codes,
// kinds of verdict, and names of rules. Nothing that a client sends becomes a label, because each
// new value would occupy memory for good.
type metrics struct {
	requests  *prometheus.CounterVec
	denied    *prometheus.CounterVec
	inFlight  prometheus.Gauge
	verdicts  *prometheus.CounterVec
	refreshes *prometheus.CounterVec
	switches  *prometheus.CounterVec
	store     *prometheus.CounterVec
	recovery  *prometheus.HistogramVec
}

// The values of the label "result" of refreshes.
const (
	refreshExchanged = "exchanged"
	refreshAdopted   = "adopted"
	refreshFailed    = "failed"
)

// newRegistry returns a registry with the metrics of the Go runtime and the process.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// newMetrics returns the metrics of a provider. All of them carry the label "provider", so that
// several providers and several proxies can share a dashboard.
func newMetrics(registry prometheus.Registerer, pool *reauth.Pool, provider string) *metrics {
	m := makeMetrics()
	prometheus.WrapRegistererWith(prometheus.Labels{"provider": provider}, registry).MustRegister(
		m.requests, m.denied, m.inFlight, m.verdicts, m.refreshes, m.switches, m.store, m.recovery,
		&credentials{pool, provider}, buildInfo())
	m.zero()
	return m
}

// newOwnMetrics returns the metrics of what belongs to none of several providers. Their label is
// empty.
func newOwnMetrics(registry prometheus.Registerer) *metrics {
	m := makeMetrics()
	prometheus.WrapRegistererWith(prometheus.Labels{"provider": ""}, registry).MustRegister(m.denied, m.store)
	m.zero()
	return m
}

// makeMetrics returns metrics that are in no registry yet.
func makeMetrics() *metrics {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "reauth", Name: name, Help: help}, labels)
	}
	return &metrics{
		requests: counters("proxy_requests_total",
			"Requests forwarded, by the status the client got; 499: the client went away before there was one.", "code"),
		denied: counters("proxy_denied_total", "Requests refused by the proxy itself, by reason.", "reason"),
		verdicts: counters("verdicts_total",
			"Answers that were looked into, by verdict and by the rule that decided.", "kind", "reason"),
		refreshes: counters("refreshes_total",
			"Refreshes of credentials: exchanged at the token endpoint, adopted from the store, or failed.", "result"),
		switches: counters("switches_total", "Times a request went on with another credential."),
		store:    counters("store_failures_total", "Times the store could not be read or written."),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "reauth", Name: "proxy_requests_in_flight",
			Help: "Requests being forwarded, until their answers have ended.",
		}),
		recovery: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "reauth", Name: "recovery_seconds",
			Help: "Time from the first refusal of a request to the answer its client got, by result.",
			// Seconds: from a switch, which takes one more send, to a slow token endpoint with
			// retries.
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"result"}),
	}
}

// zero creates the series whose labels are known. Prometheus computes no rate from a series that
// begins at 1, so without this an alert would miss the first event.
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
	m.switches.WithLabelValues()
	m.store.WithLabelValues()
}

// observe counts an event of the pool or the transport.
func (m *metrics) observe(e reauth.Event) {
	switch e.Type {
	case reauth.Judged:
		// The reason of a Judged event is the kind of the verdict, a colon, and the rule.
		kind, reason, _ := strings.Cut(e.Reason, ":")
		m.verdicts.WithLabelValues(kind, reason).Inc()
	case reauth.Refreshed:
		m.refreshes.WithLabelValues(refreshExchanged).Inc()
	case reauth.Adopted:
		m.refreshes.WithLabelValues(refreshAdopted).Inc()
	case reauth.RefreshFailed:
		m.refreshes.WithLabelValues(refreshFailed).Inc()
	case reauth.Switched:
		m.switches.WithLabelValues().Inc()
	case reauth.StoreFailed:
		m.store.WithLabelValues().Inc()
	// Other events change the state of a credential, which the collector reads from the pool.
	default:
	}
}

// ended counts a forwarded request by its status. A provider may answer with any number, so
// whatever is no HTTP status becomes "other".
func (m *metrics) ended(status int) {
	code := "other"
	if status >= 100 && status < 600 {
		code = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(code).Inc()
}

// recovered records the time from the first refusal of a request to its end. ok: the client got an
// accepted answer.
func (m *metrics) recovered(after time.Duration, ok bool) {
	result := "gave-up"
	if ok {
		result = "recovered"
	}
	m.recovery.WithLabelValues(result).Observe(after.Seconds())
}

// total returns the sum over all series of a counter or gauge, for the status page.
func total(registry prometheus.Gatherer, name string) float64 {
	families, err := registry.Gather()
	if err != nil {
		// /metrics shows the error, and what could be gathered in spite of it.
		return 0
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

// credentials is a collector of the state of the provider's credentials. It reads the pool at each
// scrape, so it cannot disagree with it.
type credentials struct {
	pool     *reauth.Pool
	provider string
}

// leftDesc and resetDesc describe what is left of the limits of accounts. Their labels are the IDs
// of credentials, of which the pool has no more than its owner adds, and the at most 64 limits
// that the pool keeps of each; model is empty where a limit is of all models.
//
//nolint:gochecknoglobals // never changed
var (
	leftDesc = prometheus.NewDesc("reauth_limit_left_ratio",
		"Share that is left of a limit of the credential's account, 0 to 1, as the provider last told.",
		[]string{"credential", "limit", "model"}, nil)
	resetDesc = prometheus.NewDesc("reauth_limit_reset_timestamp_seconds",
		"When all of the limit is left again, in seconds since 1970.", []string{"credential", "limit", "model"}, nil)
)

// collectLimits tells what is left of the limits of a credential.
func collectLimits(ch chan<- prometheus.Metric, s reauth.CredentialStatus) {
	id := strings.ToValidUTF8(s.ID, "\uFFFD") // Prometheus takes no other labels
	for _, l := range s.Limits {
		ch <- prometheus.MustNewConstMetric(leftDesc, prometheus.GaugeValue, l.Left, id, l.Name, l.Model)
		if !l.Reset.IsZero() {
			at := float64(l.Reset.UnixMilli()) / 1000
			ch <- prometheus.MustNewConstMetric(resetDesc, prometheus.GaugeValue, at, id, l.Name, l.Model)
		}
	}
}

// desc describes the metrics of the collector.
func (c *credentials) desc() (states, waiting, models *prometheus.Desc) {
	states = prometheus.NewDesc("reauth_credentials",
		"Credentials of the provider by state: good, aside (put aside for a time), retired.", []string{"state"}, nil)
	waiting = prometheus.NewDesc("reauth_credentials_in_flight", "Requests that wait for a response header.", nil, nil)
	models = prometheus.NewDesc("reauth_credentials_aside_for_model",
		"Credentials of the provider that are put aside for a model, or a family of models (*).", []string{"model"}, nil)
	return states, waiting, models
}

// Describe implements prometheus.Collector.
func (c *credentials) Describe(ch chan<- *prometheus.Desc) {
	states, waiting, models := c.desc()
	ch <- states
	ch <- waiting
	ch <- models
	ch <- leftDesc
	ch <- resetDesc
}

// Collect implements prometheus.Collector.
func (c *credentials) Collect(ch chan<- prometheus.Metric) {
	// The values below are constant metrics: the collector keeps no state of its own.
	states, waiting, models := c.desc()
	// States that no credential is in must show 0, not disappear.
	count := map[reauth.State]int{reauth.Good: 0, reauth.Aside: 0, reauth.Retired: 0}
	inFlight, aside := 0, make(map[string]int)
	for _, s := range c.pool.Status() {
		if s.Provider == c.provider {
			count[s.State]++
			inFlight += s.InFlight
			for name := range modelsOf(s) {
				aside[name]++
			}
			collectLimits(ch, s)
		}
	}
	for state, n := range count {
		ch <- prometheus.MustNewConstMetric(states, prometheus.GaugeValue, float64(n), string(state))
	}
	ch <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(inFlight))
	for name, n := range aside {
		ch <- prometheus.MustNewConstMetric(models, prometheus.GaugeValue, float64(n), name)
	}
}

// modelsOf returns the names of the models for which a credential is put aside, wherever that is.
func modelsOf(s reauth.CredentialStatus) map[string]bool {
	names := make(map[string]bool)
	for _, m := range s.Models {
		names[m.Model] = true
	}
	return names
}

// buildInfo returns a gauge that is always 1 and whose labels name the build: the convention of
// Prometheus for such facts.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "reauth", Name: "build_info", Help: "The build: always 1.",
	}, []string{"version", "goversion"})
	g.WithLabelValues(build.Version(), runtime.Version()).Set(1)
	return g
}
