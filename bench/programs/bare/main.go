// Bare is httputil.ReverseProxy with nothing around it, for the benchmarks of proxies: it sends each
// request to one address.
//
//	bare ADDRESS URL FLUSH
//
// FLUSH is the FlushInterval of the ReverseProxy, in nanoseconds. Its own paths are those that the
// benchmarks ask a proxy for before they begin: GET /healthz.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want an address, a URL and a flush interval, got %q", args)
	}
	to, err := url.Parse(args[1])
	if err != nil {
		return err
	}
	flush, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	server := http.Server{Handler: handler(to, time.Duration(flush)), ReadHeaderTimeout: time.Minute}
	return server.Serve(ln)
}

// handler keeps as many idle connections as the proxy of reauth does, so that none of the two dials more.
func handler(to *url.URL, flush time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		FlushInterval: flush,
		Transport:     &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 2000, DisableCompression: true},
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return mux
}
