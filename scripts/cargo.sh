#!/usr/bin/env bash
# cargo with the project's cache.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
claim_target "$CARGO_TARGET_DIR"
exec cargo "$@"
