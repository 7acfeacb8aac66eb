#!/usr/bin/env bash
# Everything that must be green, cheapest first. Every check runs in the same target folder.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
started=$SECONDS

check() {
	local name=$1 began=$SECONDS
	shift
	say "ci: $name"
	"$@" || die "ci: $name failed: $*"
	skip "ci: $name passed after $((SECONDS - began)) s"
}

check "formatting" scripts/cargo.sh fmt --all --check
check "dependencies" just deny
check "Kubernetes' schema" scripts/kube-schema.sh --check
check "clippy" just lint
# Alone: a crate that only compiles because another one turns a feature on is broken for who depends on it.
for crate in engine filter explainer-svc probe wasm-tests; do
	check "$crate alone" scripts/cargo.sh check --package "$crate" --locked
done
check "tests" just test
check "the API against its description" just fuzz-api
check "compose file" scripts/compose-config.sh
say "ci: all green after $((SECONDS - started)) s"
