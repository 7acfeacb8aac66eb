#!/usr/bin/env bash
# Compiles the bench in release mode and runs it. Arguments go to it: names of scenarios, `--quick`, and what `--help` lists.
# Gatekeeper and OPA are built when a scenario first asks for them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
say "compiling the bench in release mode (cold about two minutes)"
with_heartbeat "the bench" scripts/cargo.sh build --release --locked --package wasm-tests --no-default-features --bin bench
WHYNOT_ROOT="$ROOT" exec "$CARGO_TARGET_DIR/release/bench" "$@"
