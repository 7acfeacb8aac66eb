#!/usr/bin/env bash
# The local stack's tool, for this clone. With `up --model` and `demo --model` it brings the small model first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ -x "$BUILD/bin/stack" ] || case ${1:-} in
down) echo "No stack is running." && exit 0 ;;
status) echo "No stack is running. \`just up\` starts one." && exit 3 ;;
*) die "build/bin/stack is missing" "just build" ;;
esac
case " $* " in
*" --model "*)
	scripts/model-setup.sh
	export WHYNOT_MODEL_PYTHON="$MODEL_VENV/bin/python" WHYNOT_MODEL_FILE="$MODEL_FILE"
	;;
esac
WHYNOT_ROOT="$ROOT" exec "$BUILD/bin/stack" "$@"
