package integration

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// traced records the spans of a test.
type traced struct {
	*tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
}

func newTraced(t testing.TB) *traced {
	r := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))
	t.Cleanup(func() { assert.NoError(t, p.Shutdown(context.Background())) })
	return &traced{r, p}
}

// around puts otelhttp around a transport.
func (s *traced) around(rt http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(rt, otelhttp.WithTracerProvider(s.provider),
		otelhttp.WithPropagators(
			propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})))
}

// call sends a request with baggage inside a span. It returns the ID of that span as traceparent
// has it.
func (s *traced) call(t testing.TB, rt http.RoundTripper, url string) (parent string) {
	t.Helper()
	member, err := baggage.NewMember("user", "example")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)
	ctx, span := s.provider.Tracer("test").Start(baggage.ContextWithBaggage(t.Context(), bag), "call")
	defer span.End()
	mustAnswer(t, rt, plainRequest(ctx, t, http.MethodPost, url, "body"), 200)
	return span.SpanContext().SpanID().String()
}

// client returns the ended spans of otelhttp as "status parent", in the order of their beginning,
// and their IDs.
func (s *traced) client(t testing.TB) (spans, ids []string) {
	t.Helper()
	ended := slices.DeleteFunc(s.Ended(), func(e sdktrace.ReadOnlySpan) bool { return e.Name() == "call" })
	slices.SortFunc(ended, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	for _, e := range ended {
		status := ""
		for _, a := range e.Attributes() {
			if a.Key == "http.response.status_code" {
				status = a.Value.String()
			}
			assert.NotContains(t, a.Value.String(), "EXAMPLE", "a secret in %s", a.Key)
		}
		spans = append(spans, status+" "+e.Parent().SpanID().String())
		ids = append(ids, e.SpanContext().SpanID().String())
	}
	assert.Len(t, s.Started(), len(ended)+1, "the span of a replaced refusal has ended too")
	return spans, ids
}

// parents returns the IDs of the spans that the requests named to the origin.
func parents(t testing.TB, o *origin) (ids []string) {
	t.Helper()
	for _, a := range o.arrivals() {
		assert.Equal(t, "user=example", a.Header.Get("Baggage"))
		parts := strings.Split(a.Header.Get("Traceparent"), "-")
		require.Len(t, parts, 4)
		ids = append(ids, parts[2])
	}
	return ids
}

// Below reauth, otelhttp sees each attempt. Above reauth, it sees the request as a whole.
func TestOtelhttpBelow(t *testing.T) {
	o, s := new(origin), newTraced(t)
	server := serveOrigin(t, o)
	caller := s.call(t, newComposed(t, s.around(new(http.Transport)), composeStale), server.URL)
	o.recovered(t, "body")
	spans, ids := s.client(t)
	assert.Equal(t, []string{"401 " + caller, "200 " + caller}, spans)
	assert.Equal(t, ids, parents(t, o), "each attempt carries its own span")
}

func TestOtelhttpAbove(t *testing.T) {
	o, s := new(origin), newTraced(t)
	server := serveOrigin(t, o)
	caller := s.call(t, s.around(newComposed(t, new(http.Transport), composeStale)), server.URL)
	o.recovered(t, "body")
	spans, ids := s.client(t)
	assert.Equal(t, []string{"200 " + caller}, spans)
	assert.Equal(t, []string{ids[0], ids[0]}, parents(t, o), "both attempts carry the one span")
}

func TestOtelhttpAboveAndBelow(t *testing.T) {
	o, s := new(origin), newTraced(t)
	server := serveOrigin(t, o)
	caller := s.call(t, s.around(newComposed(t, s.around(new(http.Transport)), composeStale)), server.URL)
	o.recovered(t, "body")
	spans, ids := s.client(t)
	assert.Equal(t, []string{"200 " + caller, "401 " + ids[0], "200 " + ids[0]}, spans)
	assert.Equal(t, ids[1:], parents(t, o))
}

// The exchange belongs to no request, but its span belongs to the trace of the request that caused
// it.
func TestExchangeIsOfTheCallersTrace(t *testing.T) {
	o, s := new(origin), newTraced(t)
	server := serveOrigin(t, o)
	c := newComposed(t, new(http.Transport), composeStale)
	var exchange atomic.Value
	c.during = func(ctx context.Context) {
		_, span := s.provider.Tracer("test").Start(ctx, "exchange")
		exchange.Store(span.(sdktrace.ReadOnlySpan).Parent().SpanID().String())
		span.End()
	}
	caller := s.call(t, c, server.URL)
	assert.Equal(t, caller, exchange.Load())
}

// Row 37 of the contract: at each attempt the base gets the values, the deadline and the hooks of
// the context of the caller.
func TestContract37ContextReachesEachAttempt(t *testing.T) {
	o := new(origin)
	server := serveOrigin(t, o)
	type key struct{}
	var values []any
	var deadlines []time.Time
	base := new(http.Transport)
	c := newComposed(t, baseFunc(func(req *http.Request) (*http.Response, error) {
		values = append(values, req.Context().Value(key{}))
		at, _ := req.Context().Deadline()
		deadlines = append(deadlines, at)
		return base.RoundTrip(req)
	}), composeStale)
	t.Cleanup(base.CloseIdleConnections)

	var got, wrote atomic.Int32
	deadline := time.Now().Add(patience)
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "value"), deadline)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { got.Add(1) },
		WroteRequest: func(httptrace.WroteRequestInfo) { wrote.Add(1) },
	})
	mustAnswer(t, c, plainRequest(ctx, t, http.MethodPost, server.URL, "body"), 200)
	o.recovered(t, "body")
	assert.Equal(t, []any{"value", "value"}, values)
	assert.Equal(t, []time.Time{deadline, deadline}, deadlines)
	assert.EqualValues(t, 2, got.Load())
	assert.EqualValues(t, 2, wrote.Load())
}

// baseFunc is a transport made of a function.
type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Row 38 of the contract: a cookie of a refusal reaches the jar if the refusal is returned, and
// never if it is replaced. Each attempt sends the cookies of the jar.
func TestContract38CookiesOfARefusal(t *testing.T) {
	for name, c := range map[string]struct {
		attempts, status, sends int
		want                    []string
	}{
		"replaced": {attempts: 0, status: 200, sends: 2, want: []string{"ours=1", "served=1"}},
		"returned": {attempts: 1, status: 401, sends: 1, want: []string{"ours=1", "refused=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := &origin{
				serve: func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Set-Cookie", "served=1; Path=/")
				},
			}
			server := serveOrigin(t, o)
			transport := newComposed(t, new(http.Transport), composeStale)
			transport.MaxAttempts = c.attempts
			jar, err := cookiejar.New(nil)
			require.NoError(t, err)
			u, err := url.Parse(server.URL)
			require.NoError(t, err)
			jar.SetCookies(u, []*http.Cookie{{Name: "ours", Value: "1"}})

			req := plainRequest(t.Context(), t, http.MethodPost, server.URL, "body")
			resp, err := (&http.Client{Transport: transport, Jar: jar}).Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, c.status, resp.StatusCode)
			var held []string
			for _, cookie := range jar.Cookies(u) {
				held = append(held, cookie.String())
			}
			slices.Sort(held)
			assert.Equal(t, c.want, held)
			require.Len(t, o.arrivals(), c.sends)
			for _, a := range o.arrivals() {
				assert.Equal(t, "ours=1", a.Header.Get("Cookie"))
			}
		})
	}
}
