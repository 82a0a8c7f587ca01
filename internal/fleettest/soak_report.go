//go:build unix

package fleettest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// line is a line of a story.
type line struct {
	at   time.Time
	text string
}

// storyTime is how long before a loss its story begins.
const storyTime = 8 * time.Second

// story tells what led to the loss of a login, whose refresh token at p was spent again.
func (j *trial) story(g *Grant, p position) string {
	from := g.Arrived.Add(-storyTime)
	all := j.exchangesOf(p.login)
	for _, sp := range j.spans {
		all = append(all, line{sp.from, fmt.Sprintf("%s until %s", sp.Name, clock(sp.to))})
	}
	for _, m := range j.all {
		all = append(all, line{m.died, m.Name + " is dead"})
		for _, sp := range m.suspended {
			all = append(all, line{sp.from, fmt.Sprintf("%s is suspended until %s", m.Name, clock(sp.to))})
		}
		all = append(all, j.notesOf(m, p.login.id)...)
	}
	all = slices.DeleteFunc(all, func(l line) bool { return l.at.Before(from) || l.at.After(g.Arrived) })
	slices.SortStableFunc(all, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s spends %s again", clock(g.Arrived), g.Worker, p)
	for _, l := range all {
		fmt.Fprintf(&b, "\n\t%s %s", clock(l.at), l.text)
	}
	return b.String()
}

// exchangesOf tells the token requests of a login.
func (j *trial) exchangesOf(l *login) (list []line) {
	for i := range j.grants {
		g := &j.grants[i]
		if q, known := j.at[g.Spent]; known && q.login == l {
			list = append(list, line{g.Arrived, fmt.Sprintf("%s spends %s, granted: %t", g.Worker, q, g.Issued != "")})
		}
	}
	return list
}

// notesOf tells what a worker has noted about a credential, or the store.
func (j *trial) notesOf(m *member, id string) (list []line) {
	for _, n := range m.notes {
		if n.ID != id && n.ID != "" || n.What == noteServed || n.What == noteRefused {
			continue
		}
		text := m.Name + " " + n.What
		if q, known := j.at[n.Token]; known {
			text += " " + q.String()
		}
		if n.Removed {
			text += " that it was removed"
		}
		if n.What == noteStalled {
			text += " since " + clock(n.Begin)
		}
		list = append(list, line{n.At, text + " " + n.Text})
	}
	return list
}

// String names a pair.
func (p position) String() string {
	return fmt.Sprintf("pair %d of login %s/%s", p.n, p.login.id, clock(p.login.at))
}

// report logs what happened.
func (j *trial) report(took time.Duration, losses, refusals map[string][]string) {
	served, opened := 0, make(map[string]int)
	refused := 0
	for _, m := range j.all {
		for _, n := range m.notes {
			switch n.What {
			case noteServed:
				served += n.Served
			case noteRefused:
				refused++
			case noteOpening:
				opened[n.Text]++
			}
		}
	}
	for _, sp := range j.spans {
		j.counts["store "+sp.Name]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d processes: %d requests, %d of them refused; %d token requests, %d exchanges\n",
		took.Round(time.Second), len(j.all), served+refused, refused, len(j.grants), j.Provider.Exchanges())
	fmt.Fprintf(&b, "after the last trouble all served within %v\n", j.settled.Round(time.Millisecond))
	table(&b, "what happened", j.counts)
	table(&b, "logins lost", lengths(losses))
	table(&b, "refused requests, by the event that explains them", lengths(refusals))
	table(&b, "processes that waited for the store at their start", opened)
	j.t.Log(b.String())
}

func lengths(lists map[string][]string) map[string]int {
	counts := make(map[string]int)
	for name, list := range lists {
		counts[name] = len(list)
	}
	return counts
}

func table(b *strings.Builder, title string, counts map[string]int) {
	fmt.Fprintf(b, "%s:\n", title)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "%8d  %s\n", counts[name], name)
	}
}

func clock(at time.Time) string { return at.Format("15:04:05.000") }
