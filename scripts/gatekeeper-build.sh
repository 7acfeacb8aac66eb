#!/usr/bin/env bash
# Builds Gatekeeper, which the bench compares with, from the Go module in wasm-tests/gatekeeper into the cache, once per
# version. Prints the folder that holds it and the CustomResourceDefinitions of the same version.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

module="$ROOT/wasm-tests/gatekeeper"
path=github.com/open-policy-agent/gatekeeper/v3
version=$(sed -n "s|^\s*$path \(v[0-9.]*\).*|\1|p" "$module/go.mod")
out="$WHYNOT_CACHE/gatekeeper/$version"
key="$version $(digest "$module/go.mod" "$module/go.sum")"

complete() { [ -x "$out/gatekeeper" ] && [ -d "$out/crds" ] && [ "$(cat "$out/.key" 2>/dev/null)" = "$key" ]; }

build() {
	complete && return
	local go source total
	go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
	mkdir -p "$out"
	cd "$module"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off
	say "downloading the Go modules of Gatekeeper $version"
	quietly gatekeeper-download "$go" mod download
	total=$("$go" list -mod=readonly -deps "$path" | wc -l)
	say "compiling Gatekeeper $version with $("$go" env GOVERSION): about three minutes on two cores, once per version"
	nice -n 15 "$go" build -mod=readonly -trimpath -v -ldflags "-s -w -X $path/pkg/version.Version=$version" \
		-o "$out/gatekeeper" "$path" 2>&1 | counted "$total"
	source=$("$go" list -mod=readonly -m -f '{{.Dir}}' "$path")
	# As its Helm chart would apply them: plain manifests.
	rm -rf "$out/crds"
	cp -r --no-preserve=mode "$source/charts/gatekeeper/crds" "$out/crds"
	printf '%s' "$key" >"$out/.key"
}

if ! complete; then locked gatekeeper build; fi
complete || die "the build left no $out/gatekeeper" "see the messages above"
printf '%s\n' "$out"
