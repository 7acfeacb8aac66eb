#!/usr/bin/env bash
# Compiles the engine's evaluator for wasm, as a module that tests ask (wasm-tests/probe), and prints where it is. Cargo decides
# whether there is anything to do.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

build() {
	with_heartbeat "the evaluator" wasm_cargo build --quiet --locked --profile probe --package probe
	local out
	out="$(wasm_target_dir)/wasm32-unknown-unknown/probe/probe.wasm"
	# Under a new name first: the target folder is other clones' too, and another run may read the file now.
	if ! cmp -s "$out" "$BUILD/whynot_probe.wasm"; then
		cp "$out" "$BUILD/whynot_probe.wasm.new"
		mv "$BUILD/whynot_probe.wasm.new" "$BUILD/whynot_probe.wasm"
	fi
}

say "compiling the evaluator for wasm32-unknown-unknown, for tests (compiler: $(wasm_toolchain || echo none); cold about two minutes)"
build
printf '%s\n' "$BUILD/whynot_probe.wasm"
