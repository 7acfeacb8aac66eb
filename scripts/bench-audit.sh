#!/usr/bin/env bash
# The audit log: how fast a million leaves are appended, each acknowledged when it is on the disk, and checked; and whether anything
# is missing after a process that appends was killed 200 times.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
say "compiling the tests in release mode"
with_heartbeat "tests" scripts/cargo.sh test --release --locked --package explainer-svc --test it --no-run
for test in many::a_million_leaves crash::nothing_acknowledged_is_lost_when_it_is_killed_200_times; do
	say "$test"
	scripts/cargo.sh test --release --locked --quiet --package explainer-svc --test it -- \
		--exact "audit::$test" --ignored --nocapture
done
