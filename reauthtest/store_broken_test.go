package reauthtest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/reauthtest"
)

// brokenStores returns the defects by the promise that they break.
func brokenStores() map[string][]string {
	return map[string][]string{
		"empty_place_has_a_version_and_no_records":            {"no version of an empty place"},
		"load_returns_what_changed_since_a_version":           {"no deltas"},
		"unknown_version_asks_for_everything":                 {"any version is known"},
		"version_does_not_come_back":                          {"versions only count"},
		"deltas_leave_nothing_out_while_others_write":         {"numbers a change before it is made"},
		"records_are_in_the_order_in_which_they_were_added":   {"sorted by name"},
		"removals_are_entries_too":                            {"removals are left out", "removals are in no delta"},
		"identity_is_made_with_the_store":                     {"identity of each process"},
		"store_that_is_opened_later_has_everything":           {"nothing is durable"},
		"one_at_a_time_is_inside_update":                      {"no claim"},
		"other_credentials_go_on_during_an_update":            {"one claim for all"},
		"methods_may_be_called_from_several_goroutines":       {"writes all records back"},
		"update_gives_fn_the_record_as_it_is_under_the_claim": {"finds what is not there"},
		"context_bounds_the_wait_for_the_claim":               {"waits without the context"},
		"context_bounds_nothing_after_the_claim":              {"stores only within the context"},
		"error_of_fn_comes_back_as_it_is_and_nothing_is_stored": {
			"wraps the error of fn", "stores what fn returns with an error",
		},
		"panic_of_fn_gives_the_claim_back":                {"keeps the claim after a panic"},
		"now_is_a_clock_that_all_have_in_common":          {"no clock"},
		"fields_of_the_result_are_stored":                 {"whole seconds", "drops the account"},
		"marks_and_spending_of_the_result_are_not_stored": {"stores the marks of the result"},
		"void_marks_go_when_a_result_is_stored":           {"void marks stay"},
		"provider_and_id_stay_those_of_the_call":          {"names are those of the result"},
		"newer_record_is_not_replaced": {
			"stores whatever comes", "generation before login", "no spent tokens",
		},
		"removed_record_is_brought_back_by_a_later_login_only":  {"deletes what is removed", "stores whatever comes"},
		"result_that_is_out_of_bounds_is_refused":               {"no bounds"},
		"name_that_is_out_of_bounds_is_refused":                 {"any name"},
		"result_within_bounds_is_stored":                        {"small bounds"},
		"oldest_of_more_than_1000_removals_go":                  {"keeps all removals", "forgets the newest removal"},
		"mark_writes_one_mark_of_a_record":                      {"one mark of a record"},
		"mark_never_waits_for_update":                           {"marks wait for the claim"},
		"marks_touch_no_token":                                  {"a mark writes the record back"},
		"mark_that_the_writer_has_not_seen_is_not_replaced":     {"the later mark wins"},
		"one_of_several_writers_wins":                           {"compares before it writes"},
		"void_mark_stands_for_nothing":                          {"void marks stand"},
		"void_mark_is_dropped":                                  {"writes void marks"},
		"mark_of_a_record_that_is_not_there_is_dropped":         {"a mark makes a record"},
		"at_most_64_marks_are_kept":                             {"any number of marks", "any mark may go"},
		"keys_and_texts_of_marks_are_checked":                   {"any key of a mark"},
		"spend_outlives_an_update_that_fails":                   {"forgets a spend when fn fails"},
		"zero_value_of_spend_says_that_none_is_spent":           {"a zero spend is none"},
		"spend_touches_nothing_else":                            {"spend writes the record back"},
		"spending_ends_with_a_stored_result":                    {"spending stays"},
		"spend_fails_after_fn_has_returned":                     {"spends after fn"},
		"claim_stays_when_a_result_after_a_spend_is_not_stored": {"gives the claim back without storing"},
		"alias_means_the_provider":                              {"an alias is another provider"},
		"records_of_similar_names_are_kept_apart":               {"IDs in lower case"},
		"nothing_is_shared_with_the_caller": {
			"shares what Load returns", "shares what fn gets", "shares what fn returns", "shares what Update returns",
		},
		"unknown_members_stay":         {"drops unknown members"},
		"broken_record_hides_no_other": {"one broken record fails all"},
	}
}

// places are the places of one kind of store, by their names.
type places struct {
	mu     sync.Mutex
	places map[string]*place
	defect string
}

func newPlaces(defect string) *places {
	return &places{places: make(map[string]*place), defect: defect}
}

func (p *places) at(name string) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.places[name] == nil {
		p.places[name] = newPlace()
	}
	return p.places[name]
}

func (p *places) open(name string) reauth.Store {
	at := p.at(name)
	if p.defect == "nothing is durable" && at.opened == 2 {
		at = newPlace()
	}
	return at.open(p.defect)
}

func (p *places) edit(name, provider, id string, change func(map[string]any)) {
	p.at(name).edit(provider, id, change)
}

// A store of a test, which is made after the contract alone, keeps all promises.
func TestStoreKept(t *testing.T) {
	p := newPlaces("")
	open := func(_ *testing.T, place string) reauth.Store { return p.open(place) }
	reauthtest.TestStore(t, open)
	reauthtest.TestStoreMembers(t, open, func(_ *testing.T, place, provider, id string, change func(map[string]any)) {
		p.edit(place, provider, id, change)
	})
}

// For every promise there is a store that breaks it, and each such store is found out.
func TestStoreBroken(t *testing.T) {
	all := brokenStores()
	for _, name := range reauthtest.PromiseNames() {
		if len(all[name]) == 0 {
			t.Errorf("no store breaks %s", name)
		}
		for _, defect := range all[name] {
			t.Run(name+"/"+defect, func(t *testing.T) {
				t.Parallel()
				p := newPlaces(defect)
				s := reauthtest.StoreUnderTest{Open: p.open, Edit: p.edit}
				failures := reauthtest.CheckPromise(name, 2*time.Second, s)
				if len(failures) == 0 {
					t.Error("the suite has not found it out")
				}
				for _, failure := range failures {
					if strings.Contains(failure, "panic while") || strings.Contains(failure, "Goexit") {
						t.Error(failure)
					}
				}
			})
		}
	}
	for name := range all {
		if !slices.Contains(reauthtest.PromiseNames(), name) {
			t.Errorf("there is no promise %s", name)
		}
	}
}

// A store that hangs or panics, and one that open does not return, fail the promise and not the
// test.
func TestStoreMisbehaves(t *testing.T) {
	const promise = "empty_place_has_a_version_and_no_records"
	for how, test := range map[string]struct {
		open func(string) reauth.Store
		want string
	}{
		"panic":        {func(string) reauth.Store { return panicking{} }, "panic while using the store: a bug"},
		"hang":         {func(string) reauth.Store { return hanging{} }, "it hangs: no progress in 300ms"},
		"open returns": {func(string) reauth.Store { return nil }, "open returned nil"},
	} {
		t.Run(how, func(t *testing.T) {
			s := reauthtest.StoreUnderTest{Open: test.open}
			patience := time.Minute
			if how == "hang" {
				patience = 300 * time.Millisecond
			}
			failures := reauthtest.CheckPromise(promise, patience, s)
			if len(failures) != 1 || !strings.HasPrefix(failures[0], test.want) {
				t.Errorf("the failures are %q, not %q", failures, test.want)
			}
		})
	}
}

// panicking is a store whose Load panics.
type panicking struct{ reauth.Store }

func (panicking) Load(context.Context, string) (reauth.Snapshot, error) { panic("a bug") }

// hanging is a store whose Load ends with its context only.
type hanging struct{ reauth.Store }

func (hanging) Load(ctx context.Context, _ string) (reauth.Snapshot, error) {
	<-ctx.Done()
	return reauth.Snapshot{}, ctx.Err()
}
