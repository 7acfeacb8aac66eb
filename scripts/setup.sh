#!/usr/bin/env bash
# Brings everything that the recipes need, and skips what is there. `setup.sh [run|test|lint|bench]...`; all by default.
#   run    what `just up` and `just demo` need: a C compiler, the wasm target, Envoy, the Kubernetes binaries
#   test   Node and wasm-bindgen-test's runner, for the engine's unit tests in wasm; schemathesis
#   lint   cargo-deny, compose
#   bench  a load generator; Go, with which the bench builds what it compares with
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"
source "$ROOT/scripts/setup-steps.sh"

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(run test lint bench)
wants() { [[ " ${groups[*]} " == *" $1 "* ]]; }
for group in "${groups[@]}"; do
	case $group in run | test | lint | bench) ;; *) die "no group '$group'" "one or more of: run test lint bench" ;; esac
done

step_packages
step_rust

# The longest step goes first and in the background: it is one compiler run that the others need not wait for.
kube_job=''
kube_log="$WHYNOT_CACHE/logs/kube-build.log"
if wants run; then
	if dir=$(find_kube_dir); then
		skip "kube-apiserver, etcd, kubectl: in $dir"
	else
		step_go
		say "kube-apiserver, etcd, kubectl: neither KUBEBUILDER_ASSETS nor PATH has them; compiling in the background"
		mkdir -p "$(dirname "$kube_log")"
		# A group of its own, so that the compiler ends with us.
		setsid "$ROOT/scripts/kube-build.sh" >/dev/null 2>"$kube_log" &
		kube_job=$!
		trap 'kill -- "-$kube_job" 2>/dev/null || true' EXIT
	fi
fi

if wants run; then
	step_envoy
	step_wasm_target
fi
# For the comparisons with Kubernetes' own Pod Security code, with OPA and with Gatekeeper.
if wants test || wants bench; then step_go; fi
if wants test; then
	step_node
	step_wasm_bindgen
	step_schemathesis
fi
if wants lint; then
	step_cargo_deny
	step_compose
fi

if [ -n "$kube_job" ]; then
	say "waiting for the Kubernetes binaries (log: $kube_log)"
	while kill -0 "$kube_job" 2>/dev/null; do
		sleep 2
		line=$(tail -n 1 "$kube_log")
		if [ "$line" != "${shown:-}" ]; then
			shown=$line
			printf '%s\n' "$line" >&2
		fi
	done
	rc=0
	wait "$kube_job" || rc=$?
	trap - EXIT
	if [ "$rc" -ne 0 ]; then
		tail -n 25 "$kube_log" >&2
		die "the Kubernetes binaries were not built" "the messages above are the end of $kube_log; or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl"
	fi
fi

if wants run; then write_tools_file; fi
