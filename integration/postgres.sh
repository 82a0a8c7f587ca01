#!/usr/bin/env bash
# A PostgreSQL server for the tests of this folder. Its cluster is in a temporary folder; it listens
# on a free port of the loopback address and on a unix socket in that folder. In front of it runs a
# pgbouncer that shares connections between transactions.
#
#	eval "$(integration/postgres.sh start)"   # start both; the output tells the tests where they are
#	integration/postgres.sh pause "$REAUTH_TEST_POSTGRES_DIR"    # stop the server, keep its data
#	integration/postgres.sh resume "$REAUTH_TEST_POSTGRES_DIR"
#	integration/postgres.sh stop "$REAUTH_TEST_POSTGRES_DIR"     # stop both and remove the folder
#
# The script needs Debian's packages postgresql and pgbouncer. If they are missing and root runs the
# script, it installs them. PostgreSQL refuses to run as root; for root it runs as the user
# postgres.
set -euo pipefail

die() { printf 'postgres.sh: %s\n' "$*" >&2; exit 1; }

# as_owner runs a command as the user that owns the server.
as_owner() {
	if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# tool prints the path of a program of the newest PostgreSQL that is installed.
tool() {
	local found
	found=$(find /usr/lib/postgresql -path "*/bin/$1" 2>/dev/null | sort -V | tail -n 1)
	[ -n "$found" ] || found=$(command -v "$1") || die "$1 was not found; install PostgreSQL's server"
	echo "$found"
}

install_missing() {
	local missing=()
	[ -n "$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null)" ] || command -v initdb >/dev/null ||
		missing+=(postgresql)
	command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "missing: ${missing[*]}; install them"
	{
		apt-get update &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
	} >&2 || die "installing ${missing[*]} failed"
}

# free_port prints a port on which nobody listens. It is below the ports that the kernel uses for
# outgoing connections.
free_port() {
	local port
	for _ in $(seq 100); do
		port=$((20000 + RANDOM % 12000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	die "no free port was found"
}

pg() { as_owner "$(tool pg_ctl)" -D "$dir/data" -w -t 60 "$@" >&2; }

resume() { pg -s -l "$dir/log" start; }

start_server() {
	as_owner "$(tool initdb)" -D "$dir/data" -U postgres -A trust -E UTF8 --no-locale >&2
	for _ in 1 2 3; do # another program may take the port first
		port=$(free_port)
		as_owner tee "$dir/data/postgresql.auto.conf" >/dev/null <<-CONF
			listen_addresses = '127.0.0.1'
			port = $port
			unix_socket_directories = '$dir'
			max_connections = 300
			shared_buffers = 64MB
		CONF
		resume && return
	done
	cat "$dir/log" >&2
	die "the server did not start"
}

start_pooler() {
	local pooler
	pooler=$(command -v pgbouncer || echo /usr/sbin/pgbouncer)
	for _ in 1 2 3; do
		pooled=$(free_port)
		as_owner tee "$dir/pgbouncer.ini" >/dev/null <<-CONF
			[databases]
			* = host=127.0.0.1 port=$port user=postgres
			[pgbouncer]
			listen_addr = 127.0.0.1
			listen_port = $pooled
			unix_socket_dir =
			auth_type = any
			pool_mode = transaction
			default_pool_size = 5
			max_client_conn = 300
			ignore_startup_parameters = extra_float_digits
			logfile = $dir/pgbouncer.log
			pidfile = $dir/pgbouncer.pid
		CONF
		as_owner "$pooler" -q -d "$dir/pgbouncer.ini" </dev/null >/dev/null 2>&1 && return
	done
	die "pgbouncer did not start"
}

start() {
	install_missing
	if [ -n "$dir" ]; then mkdir -p "$dir"; else dir=$(mktemp -d); fi
	dir=$(cd "$dir" && pwd -P)
	chmod 755 "$dir"
	[ "$(id -u)" != 0 ] || chown postgres "$dir"
	start_server
	start_pooler
	printf 'export REAUTH_TEST_POSTGRES=%q\n' "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
	printf 'export REAUTH_TEST_PGBOUNCER=%q\n' "postgres://postgres@127.0.0.1:$pooled/postgres?sslmode=disable"
	printf 'export REAUTH_TEST_POSTGRES_CTL=%q\n' "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/postgres.sh"
	printf 'export REAUTH_TEST_POSTGRES_DIR=%q\n' "$dir"
}

stop() {
	[ -d "$dir/data" ] || die "$dir holds no server of this script"
	if [ -s "$dir/pgbouncer.pid" ]; then as_owner kill "$(cat "$dir/pgbouncer.pid")" 2>/dev/null || true; fi
	pg -s -m fast stop || true # the server may be paused
	rm -rf "$dir"
}

command=${1:-}
dir=${2:-}
case $command in
start) start ;;
pause | resume | stop)
	[ -n "$dir" ] || die "usage: $0 $command DIR"
	case $command in
	pause) pg -s -m fast stop ;;
	*) $command ;;
	esac
	;;
*) die "usage: $0 start [DIR] | pause DIR | resume DIR | stop DIR" ;;
esac
