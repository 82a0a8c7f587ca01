package reauthtest_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/reauth-go/reauth"
)

// These are the rules of records, as whoever writes a store would write them.

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// binds reports whether a mark about of is about e.
func binds(e reauth.Entry, of string) bool {
	c := e.Credential
	return !e.Removed && (c.AccessToken != "" && of == digest(c.AccessToken) ||
		c.RefreshToken != "" && of == digest(c.RefreshToken) || of == e.Login.UTC().Format(time.RFC3339Nano))
}

// compare is the one order of records.
func (s *store) compare(a, b reauth.Entry) int {
	if s.bad("stores whatever comes") {
		return 0
	}
	if c := s.compareSpent(a, b); c != 0 {
		return c
	}
	byLogin, byGeneration := a.Login.Compare(b.Login), cmp.Compare(a.Generation, b.Generation)
	if s.bad("generation before login") {
		byLogin, byGeneration = byGeneration, byLogin
	}
	switch {
	case byLogin != 0:
		return byLogin
	case a.Removed && !b.Removed:
		return 1
	case b.Removed && !a.Removed:
		return -1
	case byGeneration != 0 || a.Removed:
		return byGeneration
	case a.Credential.AccessToken == b.Credential.AccessToken && a.Credential.RefreshToken == b.Credential.RefreshToken:
		return 0
	}
	return cmp.Or(a.LastRefresh.Compare(b.LastRefresh),
		cmp.Compare(digest(a.Credential.RefreshToken), digest(b.Credential.RefreshToken)))
}

// compareSpent lets the pair lose whose refresh token the other one lists as spent.
func (s *store) compareSpent(a, b reauth.Entry) int {
	left := func(token string, by reauth.Entry) bool {
		return !a.Removed && !b.Removed && token != "" && token != by.Credential.RefreshToken &&
			(slices.Contains(by.Spent, digest(token)) || slices.Contains(by.Spent, "login:"+digest(token)))
	}
	aLeft, bLeft := left(a.Credential.RefreshToken, b), left(b.Credential.RefreshToken, a)
	switch {
	case aLeft == bLeft || s.bad("no spent tokens"):
		return 0
	case aLeft:
		return -1
	}
	return 1
}

// check refuses a record that is out of bounds.
func (s *store) check(e reauth.Entry) error {
	c := e.Credential
	token, id := 64<<10, 256
	if s.bad("small bounds") {
		token = 32 << 10
	}
	if s.bad("any name") {
		id = 1 << 20
	} else if c.Provider == "" || c.ID == "" || !isText(c.Provider+c.ID, false) {
		return errors.New("no name")
	}
	if s.bad("no bounds") {
		return nil
	}
	size, metadata := 0, ""
	for k, v := range c.Metadata {
		size += len(k) + len(v)
		metadata += k + v
	}
	hosts := strings.Join(c.Hosts, " ")
	switch {
	case len(c.Provider) > id, len(c.ID) > id, len(c.AccessToken) > token, len(c.RefreshToken) > token,
		len(c.AccountID) > 4<<10, len(c.ClientID) > 4<<10, len(hosts) > 4<<10, size > 64<<10:
		return errors.New("too long")
	case !isText(c.AccessToken+c.RefreshToken+c.AccountID+c.ClientID+hosts, false), !isText(metadata, true):
		return errors.New("no text")
	}
	return nil
}

// isText reports whether a text is UTF-8 without control characters. Lines may have breaks.
func isText(text string, lines bool) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && (r == 0 || !lines)
	})
}

func checkMark(key string, m reauth.Mark) error {
	model, ok := strings.CutPrefix(key, "model:")
	if key != "token" && key != "login" && (!ok || model == "") ||
		!isText(key+m.Reason+m.Of, false) || len(key) > 4<<10 || len(m.Reason) > 4<<10 {
		return errors.New("no such mark")
	}
	return nil
}

// copied returns a copy of a record that shares nothing with it, unless the store has a defect.
func (s *store) copied(e reauth.Entry, defect string) reauth.Entry {
	if s.bad(defect) {
		return e
	}
	e.Credential.Hosts = slices.Clone(e.Credential.Hosts)
	e.Credential.Metadata = maps.Clone(e.Credential.Metadata)
	e.Spent = slices.Clone(e.Spent)
	e.Marks = maps.Clone(e.Marks)
	return e
}
