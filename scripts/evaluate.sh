#!/usr/bin/env bash
# `whynot gateway evaluate` on the library's denied cases, through a real model server on this machine: how many answers have the
# form, are grounded, propose a change, and what the policies say to it. Arguments go to it; --gateway FILE first for other models
# than the small one of scripts/model-setup.sh. Results: build/evaluation/evaluation.json, and the evaluation's audit log beside it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
say "compiling whynot in release mode (cold some minutes)"
with_heartbeat "whynot" scripts/cargo.sh build --release --locked --package explainer-svc --bin whynot
whynot="$CARGO_TARGET_DIR/release/whynot"
work="$BUILD/evaluation"
mkdir -p "$work"

gateway=''
if [ "${1:-}" = --gateway ]; then
	gateway=${2:?"--gateway needs a file"}
	shift 2
fi

server=''
cleanup() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
}
trap cleanup EXIT

# serve_model — starts the small model's server and sets `url`.
serve_model() {
	scripts/model-setup.sh
	: >"$work/server.out"
	"$MODEL_VENV/bin/python" scripts/model-server.py "$MODEL_FILE" >"$work/server.out" 2>"$work/server.log" &
	server=$!
	local turn
	for turn in {1..1200}; do
		url=$(sed -n 's/^model server on //p' "$work/server.out")
		if [ -n "$url" ]; then return; fi
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	tail -n 20 "$work/server.log" >&2
	die "the model server does not answer (turn $turn)" "the lines above are the end of $work/server.log"
}

if [ -z "$gateway" ]; then
	serve_model
	say "a real model server: $url"
	gateway="$work/gateway.yaml"
	cat >"$gateway" <<-EOF
		apiVersion: whynot.dev/v1
		kind: Gateway
		providers:
		  - {name: local, kind: openai, url: "$url", region: local, models: [gemma3-270m], concurrency: 1, firstByteTimeoutMs: 120000, idleTimeoutMs: 60000}
		routes:
		  - {model: default, targets: [{provider: local, model: gemma3-270m}], attempts: 1, attemptTimeoutMs: 300000}
		agents:
		  - {name: explainer, team: '*', models: ['*'], purposes: [explain]}
		prices: prices.yaml
		limits: {deadlineMs: 300000}
	EOF
	# It computes here; what that costs is not known to it.
	printf 'asOf: 2026-11-01\nmodels:\n  gemma3-270m: {input: 0, output: 0}\n' >"$work/prices.yaml"
fi

# What a model can do is seen where it is asked for a change each time.
case " $* " in *" --changes"*) ;; *) set -- --changes all "$@" ;; esac
rc=0
"$whynot" gateway evaluate "$gateway" --policies policies --state "$work" --result "$work/evaluation.json" "$@" || rc=$?
say "what was found: $work/evaluation.json"
if [ "$rc" -le 1 ]; then
	"$whynot" audit verify --database "$work/audit.db" >&2
fi
exit "$rc"
