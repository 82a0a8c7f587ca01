#!/usr/bin/env bash
# A Secret Service for the tests: GNOME Keyring on a session of D-Bus of its own. All that it keeps is
# in a temporary folder; its keyring is unlocked.
#
#	eval "$(keyring/secretservice.sh start)"   # the output tells the tests where it is
#	keyring/secretservice.sh lock "$REAUTH_TEST_SECRET_SERVICE_DIR"     # as when the user is away
#	keyring/secretservice.sh stop "$REAUTH_TEST_SECRET_SERVICE_DIR"     # stop it and remove the folder
#
# The script needs Debian's packages gnome-keyring, dbus-daemon and dbus-bin. If they are missing and
# root runs the script, it installs them.
set -euo pipefail

die() { printf 'secretservice.sh: %s\n' "$*" >&2; exit 1; }

install_missing() {
	local missing=()
	command -v gnome-keyring-daemon >/dev/null || missing+=(gnome-keyring)
	command -v dbus-daemon >/dev/null || missing+=(dbus-daemon)
	command -v dbus-send >/dev/null || missing+=(dbus-bin)
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "missing: ${missing[*]}; install them"
	{
		apt-get update &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
	} >&2 || die "installing ${missing[*]} failed"
}

# in_session is the command that runs another one as the session's user would: with no display, and all
# folders in $dir.
enter() {
	in_session=(env -u DISPLAY -u WAYLAND_DISPLAY HOME="$dir" XDG_RUNTIME_DIR="$dir/run" XDG_DATA_HOME="$dir/data"
		XDG_CONFIG_HOME="$dir/config" XDG_CACHE_HOME="$dir/cache" GNOME_KEYRING_CONTROL="$dir/run/keyring"
		DBUS_SESSION_BUS_ADDRESS="unix:path=$dir/bus")
}

# call calls a method of the service.
call() {
	"${in_session[@]}" dbus-send --session --print-reply --reply-timeout=10000 --dest=org.freedesktop.secrets \
		/org/freedesktop/secrets "org.freedesktop.Secret.Service.$1" "${@:2}"
}

# config prints the configuration of a bus on which nothing is started on demand, and on which nobody may
# own the name of the lock of the service "refused", as in a sandbox.
config() {
	cat <<-XML
		<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
		 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
		<busconfig>
		  <type>session</type>
		  <listen>unix:path=$dir/bus</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow send_destination="*" eavesdrop="true"/>
		    <allow eavesdrop="true"/>
		    <allow own="*"/>
		    <deny own="io.github.reauth_go.Keyring.s83c874d33e8b"/>
		  </policy>
		</busconfig>
	XML
}

start() {
	install_missing
	if [ -n "$dir" ]; then mkdir -p "$dir"; else dir=$(mktemp -d); fi
	dir=$(cd "$dir" && pwd -P)
	enter
	chmod 700 "$dir"
	mkdir -p "$dir/data" "$dir/config" "$dir/cache"
	mkdir -m 700 "$dir/run"
	config >"$dir/bus.conf"
	printf for-tests >"$dir/password"
	"${in_session[@]}" dbus-daemon --config-file="$dir/bus.conf" --fork --print-pid=1 >"$dir/bus.pid" 2>>"$dir/log" || {
		cat "$dir/log" >&2
		die "the bus did not start"
	}
	"${in_session[@]}" setsid gnome-keyring-daemon --foreground --unlock --components=secrets \
		<"$dir/password" >/dev/null 2>>"$dir/log" &
	echo $! >"$dir/keyring.pid"
	for _ in $(seq 100); do
		if call ReadAlias string:default >/dev/null 2>&1; then
			printf 'export REAUTH_TEST_SECRET_SERVICE=%q\n' "unix:path=$dir/bus"
			printf 'export REAUTH_TEST_SECRET_SERVICE_CTL=%q\n' "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/secretservice.sh"
			printf 'export REAUTH_TEST_SECRET_SERVICE_DIR=%q\n' "$dir"
			return
		fi
		sleep 0.1
	done
	cat "$dir/log" >&2
	stop
	die "the Secret Service did not start"
}

lock() { call Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null; }

stop() {
	[ -s "$dir/bus.pid" ] || die "$dir holds no service of this script"
	local name
	for name in keyring bus; do
		[ ! -s "$dir/$name.pid" ] || kill "$(cat "$dir/$name.pid")" 2>/dev/null || true
	done
	rm -rf "$dir"
}

command=${1:-}
dir=${2:-}
case $command in
start) start ;;
lock | stop)
	[ -n "$dir" ] || die "usage: $0 $command DIR"
	enter
	$command
	;;
*) die "usage: $0 start [DIR] | lock DIR | stop DIR" ;;
esac
