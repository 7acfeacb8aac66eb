#!/usr/bin/env bash
# Checks docker-compose.yml with whatever compose is there. It needs no daemon.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if docker compose version >/dev/null 2>&1; then
	compose=(docker compose)
elif have docker-compose; then
	compose=(docker-compose)
else
	die "no compose to check docker-compose.yml with" "just setup lint"
fi
"${compose[@]}" config --quiet
"${compose[@]}" --file docker-compose.yml --file wasm-tests/kind/compose.yaml config --quiet
skip "docker-compose.yml is valid"
