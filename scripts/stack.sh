#!/usr/bin/env bash
# The local stack's tool, for this clone.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ -x "$BUILD/bin/stack" ] || case ${1:-} in
down) echo "No stack is running." && exit 0 ;;
status) echo "No stack is running. \`just up\` starts one." && exit 3 ;;
*) die "build/bin/stack is missing" "just build" ;;
esac
WHYNOT_ROOT="$ROOT" exec "$BUILD/bin/stack" "$@"
