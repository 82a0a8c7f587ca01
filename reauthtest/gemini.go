package reauthtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// This file is the dialect of Google's Generative Language API.

// bothGiven returns Google's refusal of a request that has both an API key and an OAuth token, or
// nil.
func (p *Provider) bothGiven(r *http.Request) *Answer {
	if p.Dialect != Gemini || r.Header.Get("X-Goog-Api-Key") == "" || r.Header.Get("Authorization") == "" {
		return nil
	}
	return &Answer{
		Status: 400,
		Body: `[{"error":{"code":400,"message":"Multiple authentication credentials received. Please pass only one.",` +
			`"status":"INVALID_ARGUMENT"}}]`,
	}
}

// rejectedByGoogle returns the refusal of a key or of an OAuth token. The header of the request
// tells which one it is.
func rejectedByGoogle(r *http.Request) *Answer {
	if r.Header.Get("X-Goog-Api-Key") != "" {
		return &Answer{
			Status: 400,
			Body: `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.",` +
				`"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",` +
				`"reason":"API_KEY_INVALID","domain":"googleapis.com",` +
				`"metadata":{"service":"generativelanguage.googleapis.com"}}]}}`,
		}
	}
	return &Answer{
		Status: 401,
		Header: http.Header{"Www-Authenticate": {`Bearer realm="https://accounts.google.com/", error="invalid_token"`}},
		Body: `{"error":{"code":401,"message":"Request had invalid authentication credentials. Expected OAuth 2 ` +
			`access token, login cookie or other valid authentication credential. See ` +
			`https://developers.google.com/identity/sign-in/web/devconsole-project.","status":"UNAUTHENTICATED",` +
			`"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_EXPIRED",` +
			`"domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}}]}}`,
	}
}

// exhaustedAtGoogle puts the time to wait into the body, because Google sends no Retry-After.
func exhaustedAtGoogle(until, now time.Time) *Answer {
	details := ""
	if !until.IsZero() {
		details = fmt.Sprintf(`,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"%ds"}]`,
			int(until.Sub(now).Seconds()+0.999))
	}
	return &Answer{
		Status: 429,
		Body: `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and ` +
			`billing details.","status":"RESOURCE_EXHAUSTED"` + details + `}}`,
	}
}

func deniedByGoogle() *Answer {
	return &Answer{
		Status: 403,
		Body:   `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`,
	}
}

func farewellOfGoogle() *Answer {
	return &Answer{
		Status: 403,
		Body: `{"error":{"code":403,"message":"Gemini has been disabled in this account for violation of Terms of ` +
			`Service. If you believe this is an error, please contact Google Cloud Support.",` +
			`"status":"PERMISSION_DENIED"}}`,
	}
}

// succeedAsGoogle answers generateContent, streamGenerateContent, countTokens, the list of models and the
// two steps of a resumable upload.
func succeedAsGoogle(w http.ResponseWriter, r *http.Request, size int64) {
	path := r.URL.Path
	model, method, _ := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ":")
	switch {
	case method == "streamGenerateContent":
		streamContent(w, r, model)
	case method == "generateContent":
		reply(w, "%s", content(strings.Join(words, ""), true, model))
	case method == "countTokens":
		reply(w, `{"totalTokens":1}`)
	case strings.HasPrefix(path, "/upload/"):
		resumableUpload(w, r, size)
	case strings.HasSuffix(path, "/models"):
		reply(w, `{"models":[{"name":"models/example","version":"1","displayName":"Example",`+
			`"supportedGenerationMethods":["generateContent","countTokens"]}]}`)
	default:
		reply(w, `{"ok":true,"method":%q,"path":%q,"bytes":%d}`, r.Method, path, size)
	}
}

// streamContent sends the words one by one: with alt=sse as an event stream, which ends without a mark, else
// as a list in JSON (https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent).
func streamContent(w http.ResponseWriter, r *http.Request, model string) {
	var chunks []string
	for i, word := range words {
		chunks = append(chunks, content(word, i == len(words)-1, model))
	}
	if r.URL.Query().Get("alt") != "sse" {
		reply(w, "[%s]", strings.Join(chunks, ",\r\n"))
		return
	}
	send := events(w)
	for _, chunk := range chunks {
		send("data: %s\r\n\r\n", chunk)
	}
}

// content returns a response with one candidate. The last one of a stream says why it ends, and how many
// tokens there were.
func content(text string, last bool, model string) string {
	finish, usage := "", `{"promptTokenCount":1,"totalTokenCount":1}`
	if last {
		finish, usage = `"finishReason":"STOP",`, `{"promptTokenCount":1,"candidatesTokenCount":6,"totalTokenCount":7}`
	}
	return fmt.Sprintf(`{"candidates":[{"content":{"parts":[{"text":%q}],"role":"model"},%s"index":0}],`+
		`"usageMetadata":%s,"modelVersion":%s,"responseId":"response-1"}`, text, finish, usage, quote(model))
}

// resumableUpload answers the steps of a resumable upload. With "start" the client asks where to
// send the file, with "upload" it sends a part of it, and with "upload, finalize" the last part.
func resumableUpload(w http.ResponseWriter, r *http.Request, size int64) {
	command := r.Header.Get("X-Goog-Upload-Command")
	if command == "start" {
		scheme := "https"
		if r.TLS == nil && r.URL.Scheme != "https" {
			scheme = "http"
		}
		w.Header().Set("X-Goog-Upload-Url", scheme+"://"+r.Host+r.URL.Path+"?upload_id=1&upload_protocol=resumable")
		w.Header().Set("X-Goog-Upload-Status", "active")
		reply(w, "{}")
		return
	}
	if !strings.Contains(command, "finalize") {
		w.Header().Set("X-Goog-Upload-Status", "active")
		reply(w, "{}")
		return
	}
	offset, _ := strconv.ParseInt(r.Header.Get("X-Goog-Upload-Offset"), 10, 64) // 0 without the header
	w.Header().Set("X-Goog-Upload-Status", "final")
	reply(w,
		`{"file":{"name":"files/1","displayName":"upload","mimeType":"text/plain","sizeBytes":"%d",`+
			`"uri":"https://generativelanguage.googleapis.com/v1beta/files/1","state":"ACTIVE"}}`,
		offset+size)
}
