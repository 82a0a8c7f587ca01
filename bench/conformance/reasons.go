package conformance

import "maps"

// These reasons hold for more than one peer.
const (
	noIdle       = "it has no such method, and `http.Client.CloseIdleConnections` does nothing without it"
	clonedMap    = "`Request.Clone` copies the Trailer map before it is filled in"
	everyRequest = "to add the header to every request is what it is for; " +
		"a redirect to another host takes the credential there"
)

func oauth2Reasons() map[string]Reason {
	return map[string]Reason{
		"credential_is_not_put_back_after_a_redirect":   {Text: everyRequest, Where: "transport.go:51", ByDesign: true},
		"trailers_filled_while_the_body_is_read_arrive": {Text: clonedMap, Where: "transport.go:50"},
		"idle_connections_are_closed":                   {Text: noIdle, Where: "transport.go"},
	}
}

func ghinstallationReasons() map[string]Reason {
	return map[string]Reason{
		"credential_is_not_put_back_after_a_redirect": {Text: everyRequest, Where: "transport.go:136", ByDesign: true},
		"idle_connections_are_closed":                 {Text: noIdle, Where: "transport.go"},
	}
}

// retryableReasons returns the reasons of a package whose documentation says that its RoundTripper
// “doesn't always act exactly as a RoundTripper should”, and that this depends on the settings of
// the client. If no setting keeps an obligation, the obligation counts as broken, not as unkept by
// design.
func retryableReasons(tuned bool) map[string]Reason {
	m := map[string]Reason{
		"request_is_not_modified": {
			Text: "the caller's own `Body` is replaced by a reader of a copy", Where: "client.go:703",
		},
		"body_is_closed_on_every_path": {
			Text: "the body is read to its end and never closed", Where: "client.go:278",
		},
		"body_is_sent_while_it_is_written": {
			Text: "the body is read into memory before it is sent", Where: "client.go:278",
		},
		"stream_arrives_as_it_is_sent": {
			Text:  "up to 4 KiB of a 5xx or 429 that is to be retried are drained without a limit in time",
			Where: "client.go:768",
		},
		"connection_is_used_again": {
			Text:  "when the last try is a 5xx or 429, all idle connections are closed",
			Where: "client.go:811",
		},
		"idle_connections_are_closed": {Text: noIdle, Where: "roundtripper.go"},
	}
	if !tuned {
		maps.Copy(m, map[string]Reason{
			"transport_errors_are_not_retried": {
				Text: "to retry is what it is for; a POST is no exception", Where: "client.go:722",
				ByDesign: true,
			},
			"redirects_are_not_followed": {
				Text:  "it sends by an `http.Client`, which follows them unless told not to",
				Where: "client.go:719", ByDesign: true,
			},
			"any_response_is_no_error": {
				Text:  "the last 5xx or 429 becomes “giving up”, unless there is an `ErrorHandler`",
				Where: "client.go:837", ByDesign: true,
			},
			"context_ends_the_request": {
				Text:  "the error “giving up” has no Timeout method, so `url.Error.Timeout` is false",
				Where: "client.go:841",
			},
		})
	}
	return m
}

func failsafeReasons(tuned bool) map[string]Reason {
	m := map[string]Reason{
		"request_is_not_modified": {
			Text:  "the caller's own `Body` is replaced by a reader of a copy",
			Where: "failsafehttp/client.go:152",
		},
		"body_is_closed_on_every_path": {
			Text: "the body is read to its end and never closed", Where: "failsafehttp/client.go:224",
		},
		"body_is_sent_while_it_is_written": {
			Text: "the body is read into memory before it is sent", Where: "failsafehttp/client.go:224",
		},
		"replaced_responses_are_closed": {
			Text:  "an answer that is retried is dropped with its body open",
			Where: "failsafehttp/client.go:157",
		},
		"upgrade_can_be_written": {
			Text: "the body is wrapped in one that can only be read", Where: "failsafehttp/client.go:167",
		},
		"upgrade_can_be_half_closed": {Text: "as above", Where: "failsafehttp/client.go:167"},
		"connection_is_used_again": {
			Text:  "each answer that is dropped open keeps its connection",
			Where: "failsafehttp/client.go:157",
		},
		"idle_connections_are_closed": {Text: noIdle, Where: "failsafehttp/client.go"},
	}
	if !tuned {
		maps.Copy(m, map[string]Reason{
			"transport_errors_are_not_retried": {
				Text:  "to retry is what it is for; a POST is no exception",
				Where: "failsafehttp/policy.go:46", ByDesign: true,
			},
			"any_response_is_no_error": {
				Text:  "the last 5xx or 429 becomes “retries exceeded”, unless `ReturnLastFailure` is set",
				Where: "retrypolicy/retry.go:68", ByDesign: true,
			},
		})
	}
	return m
}

func httpcacheReasons() map[string]Reason {
	return map[string]Reason{
		"upgrade_can_be_written": {
			Text:  "the answer to a GET is wrapped in one that can only be read, a 101 too",
			Where: "httpcache.go:233",
		},
		"upgrade_can_be_half_closed":  {Text: "as above", Where: "httpcache.go:233"},
		"idle_connections_are_closed": {Text: noIdle, Where: "httpcache.go"},
	}
}

func otelReasons() map[string]Reason {
	return map[string]Reason{
		"trailers_filled_while_the_body_is_read_arrive": {Text: clonedMap, Where: "transport.go:254"},
		"upgrade_can_be_half_closed": {
			Text:  "the body is wrapped in one that can be written, but has no CloseWrite",
			Where: "transport.go:347",
		},
		"idle_connections_are_closed": {Text: noIdle, Where: "transport.go"},
	}
}

func gzhttpReasons() map[string]Reason {
	return map[string]Reason{
		"trailers_filled_while_the_body_is_read_arrive": {Text: clonedMap, Where: "gzhttp/transport.go:102"},
		"idle_connections_are_closed":                   {Text: noIdle, Where: "gzhttp/transport.go"},
	}
}
