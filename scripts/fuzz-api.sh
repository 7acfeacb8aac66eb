#!/usr/bin/env bash
# schemathesis against a running `whynot serve`: requests made from openapi.json, right ones and wrong ones, with and without
# policies and tokens. Fails at an answer of 5xx, at one that the document does not describe, and where wrong requests are taken.
# `fuzz-api.sh [SEED]`: the seed of a run that failed makes the same requests again. WHYNOT_FUZZ_EXAMPLES: how many for each
# operation (50).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$ROOT/scripts/tools.sh"
schemathesis=$(find_schemathesis) || die "no schemathesis $SCHEMATHESIS_VERSION" "just setup test"
whynot="$BUILD/bin/whynot"
[ -x "$whynot" ] || die "no $whynot" "just build"
seed=${1:-$((RANDOM * 32768 + RANDOM))}
examples=${WHYNOT_FUZZ_EXAMPLES:-50}

work=$(mktemp -d)
server=''
cleanup() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT

# serve ARGUMENTS... — starts a server on a free port and sets `url`.
serve() {
	: >"$work/out"
	"$whynot" serve --listen 127.0.0.1:0 --database "sqlite://$work/$1/whynot.db" --log-level error "${@:2}" \
		>"$work/out" 2>"$work/log" &
	server=$!
	local turn
	for turn in {1..600}; do
		url=$(sed -n 's/^whynot listens on //p' "$work/out")
		if [ -n "$url" ]; then return; fi
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	cat "$work/log" >&2
	die "whynot does not listen after a minute (turn $turn)" "the lines above say why"
}

stop() {
	kill "$server"
	wait "$server" || true
	server=''
	# A panic is caught and answered with 500; one in a background task is not.
	if grep -i panick "$work/log"; then die "whynot panicked" "just fuzz-api $seed"; fi
}

# fuzz NAME ARGUMENTS... — all checks that schemathesis has, but for those that scripts/schemathesis.toml excepts.
fuzz() {
	say "schemathesis, $1: $examples requests for each operation, seed $seed"
	# In a folder of its own: it leaves one behind.
	(cd "$work" && PYTHONPATH="$ROOT/scripts" PYTHONDONTWRITEBYTECODE=1 "$schemathesis" --config-file "$ROOT/scripts/schemathesis.toml" run "$url/openapi.json" --seed "$seed" \
		--phases coverage,fuzzing --max-examples "$examples" --no-color "${@:2}" >"$work/report" 2>&1) || {
		cat "$work/report" >&2
		tail -n 20 "$work/log" >&2
		die "schemathesis found something with seed $seed" "just fuzz-api $seed"
	}
	tail -n 12 "$work/report" >&2
}

token=0123456789abcdef0123456789abcdef
printf 'fuzzer %s\n' "$token" >"$work/tokens"
printf '%s\n' "$token" >"$work/administrator"
# A provider at a port that nobody listens on: agents get 502, which the description has.
cat >"$work/gateway.yaml" <<'YAML'
apiVersion: whynot.dev/v1
kind: Gateway
providers: [{name: absent, kind: openai, url: 'http://127.0.0.1:9/v1', models: [m], region: local}]
routes: [{model: default, targets: [{provider: absent, model: m}], attempts: 1}]
defaultRoute: default
agents: [{name: fuzzer, team: fuzzers, token: {file: administrator}, models: ['*'], purposes: ['*']}]
YAML
# Once with everything, once with nothing, where policies can be pushed.
serve with --policies policies explainer-svc/tests/fixtures/other-webhooks/policies/required-labels.yaml \
	explainer-svc/tests/fixtures/other-webhooks/policies/must-have-owner.yaml \
	--api-token-file "$work/tokens" --admin-token-file "$work/administrator" --gateway "$work/gateway.yaml"
fuzz "with policies and tokens" -H "Authorization: Bearer $token"
stop
serve without --admin-token-file "$work/administrator"
fuzz "without, as the administrator" -H "Authorization: Bearer $token" --include-path-regex '^/v1/(explain|policies)'
stop
