package reauth

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// What version 1 of the file and format 1 of the tables said in other words.

// oldSpentKey is where version 1 keeps the digests of spent refresh tokens in the metadata.
const oldSpentKey = "reauth-spent"

// oldStanding is how version 1 says how a credential stands.
type oldStanding struct {
	AsideUntil  time.Time `json:"aside_until"`
	Retired     bool      `json:"retired"`
	Reason      string    `json:"reason"`
	LastRefresh time.Time `json:"last_refresh"`
	At          time.Time `json:"at"`
	Of          string    `json:"of"`
	Spending    string    `json:"spending"`
}

// upgradeEntry says in the words of version 2 what a record of version 1 says. A record that could
// not be read when the file was upgraded still is in the words of version 1 when somebody mends it.
func upgradeEntry(e Entry, standing json.RawMessage) (Entry, error) {
	if spent, ok := e.Credential.Metadata[oldSpentKey]; ok {
		e.Spent = withSpent(e.Spent, strings.Fields(spent)...)
		delete(e.Credential.Metadata, oldSpentKey)
	}
	if len(e.Credential.Metadata) == 0 {
		e.Credential.Metadata = nil
	}
	var s oldStanding
	if len(standing) == 0 {
		return e, nil
	}
	if err := json.Unmarshal(standing, &s); err != nil {
		return e, errors.New("its standing cannot be read")
	}
	if s != (oldStanding{}) {
		s.restore(&e)
	}
	return e, nil
}

// restore says in the words of version 2 how a credential stood.
func (s *oldStanding) restore(e *Entry) {
	e.LastRefresh = s.LastRefresh
	if s.Spending != "" && s.Spending == digest(e.Credential.RefreshToken) {
		e.Spending = Spending{Of: s.Spending, Since: s.At}
	}
	until := s.AsideUntil
	if s.Retired {
		until = forever
	}
	if s.Of != "" && s.Of == digest(e.Credential.AccessToken) && !until.IsZero() {
		e.Marks = map[string]Mark{tokenMark: {Until: until, At: s.At, Reason: s.Reason, Of: s.Of}}
	}
}
