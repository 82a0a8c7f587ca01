package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/cmd/reauth/internal/story"
	"github.com/reauth-go/reauth/internal/printable"
)

// maxStory is how many lines a story has at most. A request is sent 32 times at most.
const maxStory = 256

// narrate adds a line to the story of a request, or tells at once what belongs to no request. c is
// nil then.
func (p *Proxy) narrate(c *call, e reauth.Event) {
	switch {
	case p.story == nil:
	case c == nil:
		p.write(fmt.Sprintf("in the background, %s: %s\n", e.Provider, story.Of(e)))
	default:
		line := story.Line(time.Since(c.start), story.Of(e))
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.story) < maxStory {
			c.story = append(c.story, line)
		}
	}
}

// narrateEnd tells the story of a request that has ended: as a whole, so that those of others do
// not come between its lines. Like the log, it leaves out query, headers and body.
func (p *Proxy) narrateEnd(r *http.Request, c *call, a *answer, took time.Duration) {
	if p.story == nil {
		return
	}
	c.mu.Lock()
	lines, trouble := c.story, c.what
	c.mu.Unlock()
	end := fmt.Sprintf("the client got %d, %d bytes", a.status, a.bytes)
	if a.status == 0 {
		end = "the client got no answer"
	}
	if trouble != "" {
		end += ": " + trouble
	}
	head := fmt.Sprintf("%s %s\n", printable.Line(bounded(r.Method, 20)), printable.Line(bounded(r.URL.Path, 200)))
	p.write(head + strings.Join(lines, "") + story.Line(took, end))
}

// write writes to the reader of stories. One that has gone needs none.
func (p *Proxy) write(text string) { _, _ = p.story.Write([]byte(text)) }
