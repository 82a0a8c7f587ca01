#!/usr/bin/env bash
# Installs what the tests of the command need beside Go: curl, git, script, tmux, Node.js with npm,
# Chromium and systemd-analyze from Debian's packages, and npm packages at the versions in
# npm/package-lock.json and in agents/: opencode and Codex, and with the argument "agents" Claude Code and
# Gemini CLI too. Only root can install the packages; other users get a list of those that are
# missing.
#
#	cmd/reauth/testdata/tools.sh [agents]
set -euo pipefail

die() { printf 'tools.sh: %s\n' "$*" >&2; exit 1; }

missing=()
command -v curl >/dev/null || missing+=(curl)
command -v git >/dev/null || missing+=(git)
command -v script >/dev/null || missing+=(bsdutils)
command -v tmux >/dev/null || missing+=(tmux)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v chromium >/dev/null || missing+=(chromium)
command -v systemd-analyze >/dev/null || missing+=(systemd)
if [ ${#missing[@]} -gt 0 ]; then
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "missing: ${missing[*]}; install them"
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >&2 || die "installing ${missing[*]} failed"
fi
major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$major" -ge 20 ] || die "Node.js $(node --version) is too old; the npm package openai wants 20 or newer"

# npm ci installs exactly what the lock file says. Without scripts, a package runs nothing here. A folder
# that is up to date is left alone: the agents are large.
cd "$(dirname "$0")"
folders=(npm agents/opencode agents/codex)
[ "${1:-}" != agents ] || folders+=(agents/claude agents/gemini)
for folder in "${folders[@]}"; do
	cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed" && continue
	npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund >&2 || die "npm ci in $folder failed"
	cp "$folder/package-lock.json" "$folder/node_modules/.installed"
done
