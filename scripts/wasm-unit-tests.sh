#!/usr/bin/env bash
# Runs the engine's unit tests that are marked for wasm, compiled for wasm32-unknown-unknown, under Node.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

node=$(find_node) || die "no Node $NODE_MINIMUM or later" "just setup"
[ -x "$BIN/wasm-bindgen-test-runner" ] || die "no wasm-bindgen-test-runner" "just setup"
# The runner looks for `node` on PATH.
have node && [ "$(command -v node)" = "$node" ] || PATH="$(dirname "$node"):$PATH"
export PATH CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$BIN/wasm-bindgen-test-runner"
say "the engine's unit tests in wasm, under Node $("$node" --version)"
with_heartbeat "the engine's tests" wasm_cargo test --locked --package engine "$@"
