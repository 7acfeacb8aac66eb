#!/usr/bin/env bash
# Compiles the filter for Envoy into build/whynot_filter.wasm. Cargo decides whether there is anything to do.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

say "compiling the filter for wasm32-unknown-unknown (compiler: $(wasm_toolchain || echo none); cold about four minutes)"
with_heartbeat "the filter" wasm_cargo build --locked --profile wasm --package filter
out="$(wasm_target_dir)/wasm32-unknown-unknown/wasm/filter.wasm"
# Under a new name first: an Envoy that starts meanwhile reads the old file or the new one.
if ! cmp -s "$out" "$BUILD/whynot_filter.wasm"; then
	cp "$out" "$BUILD/whynot_filter.wasm.new"
	mv "$BUILD/whynot_filter.wasm.new" "$BUILD/whynot_filter.wasm"
fi
skip "build/whynot_filter.wasm: $(stat -c %s "$BUILD/whynot_filter.wasm") bytes"
