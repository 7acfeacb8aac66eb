#!/usr/bin/env bash
# Compiles the binaries and copies them to build/bin: the target folder is shared with other clones, which may replace
# them at any time.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
claim_target "$CARGO_TARGET_DIR"
say "compiling whynot and the stack's tool (cold a few minutes)"
# Without the tests' wasmtime host, which takes minutes and which neither needs.
with_heartbeat "the binaries" cargo build --locked --package explainer-svc --package wasm-tests --no-default-features --bin whynot --bin stack
mkdir -p "$BUILD/bin"
for name in whynot stack; do
	if ! cmp -s "$CARGO_TARGET_DIR/debug/$name" "$BUILD/bin/$name"; then
		# Under a new name first: the old file may be running.
		cp "$CARGO_TARGET_DIR/debug/$name" "$BUILD/bin/$name.new"
		mv "$BUILD/bin/$name.new" "$BUILD/bin/$name"
	fi
done
