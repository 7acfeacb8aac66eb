#!/usr/bin/env bash
# cargo-deny. Bans, licences and sources need no network; the advisories are a database of their own, which is asked for
# where it can be reached. In CI elsewhere they are checked, so a machine without them says so and goes on.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
PATH="$BIN:$PATH"
have cargo-deny || die "no cargo-deny" "just setup lint"
say "cargo deny: bans, licences, sources"
cargo deny --locked --workspace check --hide-inclusion-graph bans licenses sources
say "cargo deny: advisories"
log="$WHYNOT_CACHE/logs/advisories.log"
mkdir -p "$(dirname "$log")"
if timeout 120 cargo deny --locked --workspace fetch db >"$log" 2>&1; then
	cargo deny --locked --workspace check --disable-fetch advisories
else
	warn "NOT checked: the advisory database cannot be fetched here (log: $log)"
fi
