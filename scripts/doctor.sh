#!/usr/bin/env bash
# What is there, in which version and from where; what is missing and how to get it. `--json` for programs. Exit code 1 when
# something is missing that the project needs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"
case ${1:-} in '' | --json) ;; *) die "unknown argument '$1'" "just doctor [--json]" ;; esac

rows=() # what|version|where|needed for|how to get it; version and where are empty when it is missing
missing=0
optional=0

# row WHAT WHERE VERSION NEEDED-FOR HOW [optional]
row() {
	if [ -z "$2" ]; then
		if [ "${6:-}" = optional ]; then optional=$((optional + 1)); else missing=$((missing + 1)); fi
	fi
	rows+=("$1|$3|$2|$4|$5|${6:-}")
}
# version COMMAND... — the first thing in its output that looks like a version.
version() { "$@" 2>/dev/null | grep -oE 'v?[0-9]+\.[0-9]+(\.[0-9]+)?[-+.0-9a-z]*' | head -n 1 || true; }
# tool WHAT PATH VERSION-ARGUMENT NEEDED-FOR HOW [optional]
tool() { row "$1" "$2" "$([ -z "$2" ] || version "$2" "$3")" "$4" "$5" "${6:-}"; }

kube=$(find_kube_dir || true)
kube_tool() { if [ -n "$kube" ]; then printf '%s/%s\n' "$kube" "$1"; fi; }
kube_how="just setup (compiles it), or set KUBEBUILDER_ASSETS"
in_cache_or_path() { command -v "$1" || { [ -x "$BIN/$1" ] && echo "$BIN/$1"; } || true; }

tool "just" "$(command -v just || true)" --version "every recipe" "pip install rust-just, or cargo install just"
tool "cargo" "$(command -v cargo || true)" --version "everything" "rustup: https://rustup.rs"
tool "rustc" "$(command -v rustc || true)" --version "everything" "rustup: https://rustup.rs"
tool "C compiler" "$(command -v cc || true)" --version "SQLite, ring" "just setup, or install gcc"
tool "Python" "$(command -v python3 || true)" --version "Envoy's, Go's and Node's packages" "install python3"
case $(wasm_toolchain || true) in
rustup) row "wasm target" "rustup, $(rustc --print sysroot)" "$(version rustc --version)" "the filter" "" ;;
debian) row "wasm target" "Debian's rustc, build-std" "$(version "$DEBIAN_RUSTC" --version)" "the filter" "" ;;
*) row "wasm target" "" "" "the filter" "just setup, or rustup target add wasm32-unknown-unknown" ;;
esac
envoy=$(find_envoy || true)
# `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
row "Envoy" "$envoy" "$([ -z "$envoy" ] || "$envoy" --version | sed -n 's|.* version: [^/]*/\([^/]*\)/.*|\1|p')" "the stack, tests" "just setup, or put envoy on PATH"
tool "kube-apiserver" "$(kube_tool kube-apiserver)" --version "the stack, tests" "$kube_how"
tool "etcd" "$(kube_tool etcd)" --version "the stack, tests" "$kube_how"
row "kubectl" "$(kube_tool kubectl)" "$([ -z "$kube" ] || version "$kube/kubectl" version --client)" "the stack, tests" "$kube_how"
go=$(find_go || true)
row "Go 1.26" "$go" "$([ -z "$go" ] || GOTOOLCHAIN=local "$go" env GOVERSION)" "compiling the three above" "just setup" "$([ -z "$kube" ] || echo optional)"
tool "Node" "$(find_node || true)" --version "the engine's tests in wasm" "just setup test"
tool "wasm-bindgen-test-runner" "$([ -x "$BIN/wasm-bindgen-test-runner" ] && echo "$BIN/wasm-bindgen-test-runner" || true)" --version "the engine's tests in wasm" "just setup test"
tool "schemathesis" "$(find_schemathesis || true)" --version "just fuzz-api" "just setup test"
tool "cargo-deny" "$(in_cache_or_path cargo-deny)" --version "just deny" "just setup lint"
wrk=$(command -v wrk || true)
row "wrk" "$wrk" "$([ -z "$wrk" ] || { "$wrk" --version 2>&1 || true; } | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" "just bench" "just setup bench"
model=$([ -s "$MODEL_FILE" ] && echo "$MODEL_FILE" || true)
row "small model" "$model" "${model:+$GEMMA_VERSION}" "just demo --model, just evaluate" "either brings it (scripts/model-setup.sh)" optional
tool "docker" "$(command -v docker || true)" --version "docker-compose.yml, just kind-up" "install Docker" optional
tool "kind" "$(command -v kind || true)" --version "just kind-up" "go install sigs.k8s.io/kind@latest" optional

json_string() { printf '"%s"' "$(sed 's/[\\"]/\\&/g' <<<"$1")"; }
if [ "${1:-}" = --json ]; then
	separator=''
	printf '{"missing": %d, "tools": [' "$missing"
	for line in "${rows[@]}"; do
		IFS='|' read -r what is where for how kind <<<"$line"
		printf '%s\n  {"name": %s, "found": %s, "version": %s, "where": %s, "neededFor": %s, "howToGet": %s, "optional": %s}' "$separator" \
			"$(json_string "$what")" "$([ -n "$where" ] && echo true || echo false)" "$(json_string "$is")" "$(json_string "$where")" \
			"$(json_string "$for")" "$(json_string "$how")" "$([ "$kind" = optional ] && echo true || echo false)"
		separator=','
	done
	printf '\n]}\n'
else
	if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then g=$'\e[32m' r=$'\e[31m' y=$'\e[33m' d=$'\e[2m' o=$'\e[0m'; else g='' r='' y='' d='' o=''; fi
	for line in "${rows[@]}"; do
		IFS='|' read -r what is where for how kind <<<"$line"
		where=${where/#$HOME\//\~/}
		if [ -n "$where" ]; then
			printf '%s%-8s%s %-25s %-12s %s%s%s\n' "$g" ok "$o" "$what" "${is:-?}" "$d" "$where" "$o"
		elif [ "$kind" = optional ]; then
			printf '%s%-8s%s %-25s %-12s for %s: %s\n' "$y" absent "$o" "$what" - "$for" "$how"
		else
			printf '%s%-8s%s %-25s %-12s for %s: %s\n' "$r" MISSING "$o" "$what" - "$for" "$how"
		fi
	done
	if [ "$missing" -gt 0 ]; then printf '\n%d missing. `just setup` brings them.\n' "$missing"; else printf '\nNothing is missing.\n'; fi
fi
[ "$missing" -eq 0 ]
