package integration

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reauth-go/reauth"
	"github.com/reauth-go/reauth/internal/fleettest"
)

// In a worker process BeWorker does not return, so that TestMain does not run.
func init() { fleettest.BeWorker(openFleet) }

// openFleet opens the store of a fleet. Each process has its own handle.
func openFleet(ctx context.Context, job fleettest.Job) (reauth.Store, func() error, error) {
	driver, dsn, _ := strings.Cut(job.Store, " ")
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	s, err := reauth.NewSQLStore(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	s.Claim = job.Claim
	return s, db.Close, nil
}

// claimTime is the Claim of stores whose holders die. It is short, so that the tests do not wait
// long for the claims of the dead. Zero is the default of the store.
const claimTime = 2 * time.Second

// spare is how long the next exchange may take in addition to the rest of the claim of a dead
// holder.
const spare = time.Second

// fleet makes a fleet of processes that share the database.
func fleet(t *testing.T, d database, claim, latency time.Duration) *fleettest.Fleet {
	t.Helper()
	return fleettest.New(t, openFleet, fleettest.Job{Store: d.driver + " " + d.dsn, Claim: claim}, latency)
}

func TestFleetSharesPostgreSQL(t *testing.T) {
	serve(t, postgres(t), 16)
}

func TestFleetSharesSQLite(t *testing.T) {
	serve(t, sqlite(t), 8)
}

// serve lets workers share a database while the access token expires every second.
func serve(t *testing.T, d database, workers int) {
	t.Helper()
	seconds := fleettest.Sized(3, 8, 21)
	fleet(t, d, 0, 50*time.Millisecond).Serve(t, workers, time.Duration(seconds)*time.Second, fleettest.Sized(1, 4, 14))
}

func TestFleetIsKilledOnPostgreSQL(t *testing.T) {
	fleet(t, postgres(t), claimTime, 5*time.Millisecond).Kill(t, fleettest.Killing{
		Kills: fleettest.Sized(4, 10, 20), Credentials: 1, Within: 2 * claimTime, MaxDelay: claimTime + spare,
	})
}

func TestFleetDiesAtEachStepOnSQL(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		fleet(t, d, claimTime, 5*time.Millisecond).DieAtEachStep(t, claimTime+spare)
	})
}

func TestTwoPoolsOfOneProcessOnOneDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, d database) {
		one := d.store(t)
		fleettest.PoolsOfOneProcess(t, 10, one, one)
	})
	eachDatabase(t, func(t *testing.T, d database) {
		fleettest.PoolsOfOneProcess(t, 10, d.store(t), d.store(t))
	})
}

// stored returns a credential from the store of the fleet.
func stored(t *testing.T, f *fleettest.Fleet, id string) reauth.Credential {
	t.Helper()
	e, err := f.Stored(id)
	require.NoError(t, err)
	return e.Credential
}
