package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// request is one request of the traffic.
type request struct {
	at      time.Duration // from the beginning
	session string
	ask     Ask
}

// traffic returns n requests within the span of the service, in the order of their times. It is a
// day that rises to noon and falls again, in sessions of about eight requests to one model; one
// session in ten comes with a burst of others. The same seed gives the same traffic.
func traffic(s Service, n, accounts int, seed uint64) (list []request) {
	r := source(seed, "traffic")
	for session := 0; len(list) < n; {
		begin, together := moment(r, s.Span), 1
		if r.IntN(40) == 0 {
			together = 3 + accounts/5
		}
		for range together {
			list = append(list, sessionOf(r, s, session, begin)...)
			begin += time.Duration(r.Float64() * float64(time.Minute) / float64(together))
			session++
		}
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:min(n, len(list))]
	slices.SortFunc(list, func(a, b request) int { return cmp.Compare(a.at, b.at) })
	return list
}

// moment draws the beginning of a session: at noon there are two and a third times as many as at
// midnight.
func moment(r *rand.Rand, span time.Duration) time.Duration {
	for {
		at := r.Float64()
		if rate := 1 - 0.4*math.Cos(2*math.Pi*at); r.Float64()*1.4 < rate {
			return time.Duration(at * float64(span))
		}
	}
}

func sessionOf(r *rand.Rand, s Service, number int, begin time.Duration) (list []request) {
	m, at := s.model(r.Float64()), begin
	for more := true; more && at < s.Span; more = r.Float64() > 1.0/8 {
		tokens := m.Tokens * (0.25 + 1.5*r.Float64())
		list = append(list, request{at, fmt.Sprintf("session-%d", number), Ask{m.Name, math.Ceil(tokens*1000) / 1000}})
		at += time.Duration(r.ExpFloat64() * float64(25*time.Second))
	}
	return list
}

// model returns the model at that share of all sessions.
func (s Service) model(share float64) Model {
	for _, m := range s.Models {
		if share -= m.Weight; share < 0 {
			return m
		}
	}
	return s.Models[len(s.Models)-1]
}
