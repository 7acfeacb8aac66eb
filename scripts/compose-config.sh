#!/usr/bin/env bash
# Checks docker-compose.yml with whatever compose is there. It needs no daemon.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if docker compose version >/dev/null 2>&1; then
	docker compose config --quiet
elif have docker-compose; then
	docker-compose config --quiet
else
	die "no compose to check docker-compose.yml with" "just setup lint"
fi
skip "docker-compose.yml is valid"
