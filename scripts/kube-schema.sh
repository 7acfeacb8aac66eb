#!/usr/bin/env bash
# Makes engine/src/schema/kubernetes.bin from the Go module of Kubernetes that wasm-tests/kube names. With --check it only says
# whether the file is what it would make; without the module (KUBEBUILDER_ASSETS saves building it) there is nothing to check.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

module="$GOMODCACHE/k8s.io/kubernetes@$(kube_module_version)"
table="$ROOT/engine/src/schema/kubernetes.bin"
if [ ! -d "$module/api/openapi-spec" ]; then
	if [ "${1:-}" = --check ]; then
		skip "no sources of Kubernetes $(kube_module_version): the schema's table was not compared"
		exit 0
	fi
	die "no sources of Kubernetes $(kube_module_version)" "scripts/kube-build.sh"
fi
if [ "${1:-}" = --check ]; then
	made=$(mktemp)
	trap 'rm -f "$made"' EXIT
	python3 "$ROOT/wasm-tests/kube/schema.py" "$module" "$made" 2>/dev/null
	cmp -s "$made" "$table" || die "engine/src/schema/kubernetes.bin is not what $(kube_module_version) says" "scripts/kube-schema.sh"
	skip "the schema's table is that of Kubernetes $(kube_module_version)"
else
	python3 "$ROOT/wasm-tests/kube/schema.py" "$module" "$table"
fi
