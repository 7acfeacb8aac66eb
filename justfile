# whynot: every task of the project. `just` lists them; each brings what it needs and skips what is done.
# Needs only Rust (rustup), Python 3 and, to install Debian packages, root. To get `just` itself: `pip install rust-just`, or
# `cargo install just` where the system's Python refuses that.

set shell := ["bash", "-euo", "pipefail", "-c"]

# Downloads, compilers' output and built tools, shared by all clones. `rm -rf` it to start cold.
export WHYNOT_CACHE := env("WHYNOT_CACHE", home_directory() / ".cache/whynot")
export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", WHYNOT_CACHE / "target")

[private]
default:
    @just --list --unsorted

# bring everything that the other recipes need (groups: run test lint bench; all by default)
[group("setup")]
setup *groups:
    @scripts/setup.sh {{ groups }}

# what is there, in which version and from where; what is missing and how to get it (--json)
[group("setup")]
doctor *flags:
    @scripts/doctor.sh {{ flags }}

# compile the filter for Envoy: build/whynot_filter.wasm
[group("build")]
wasm: (setup "run")
    @scripts/wasm-build.sh

# compile `whynot` and the local stack's tool: build/bin/
[group("build")]
build: (setup "run")
    @scripts/build.sh

# check the policies and bundle them: build/bundle.json
[group("build")]
bundle: build
    @build/bin/whynot policy build policies -o build/bundle.json

# start the stack (API server, Envoy with the filter, explainer) on loopback and leave it running (--model: with a small real model)
[group("stack")]
up *arguments: wasm bundle
    @scripts/stack.sh up {{ arguments }}

# end the stack
[group("stack")]
down:
    @scripts/stack.sh down

# what runs where
[group("stack")]
status:
    @scripts/stack.sh status

# a real kubectl is denied, told why and how to fix it, and admitted; and the report of it (--model: with a small real model)
[group("stack")]
demo *arguments: wasm bundle
    @scripts/stack.sh demo {{ arguments }}

# a small real model behind llama.cpp's server on loopback, until Ctrl-C (arguments: --port, --threads)
[group("stack")]
model *arguments:
    @scripts/model.sh {{ arguments }}

# all tests: native, in wasm, through Envoy, behind the API server (arguments go to `cargo test`)
[group("check")]
test *arguments: (setup "run" "test") wasm bundle
    @scripts/cargo.sh test --workspace --locked {{ arguments }}
    @scripts/wasm-unit-tests.sh

# requests made from openapi.json, right ones and wrong ones, to a running service (argument: the seed of a run that failed)
[group("check")]
fuzz-api *seed: (setup "run" "test") build
    @scripts/fuzz-api.sh {{ seed }}

# latency, throughput and memory: the filter against Envoy without it, Gatekeeper and OPA (arguments: scenarios, --quick, --help)
[group("check")]
bench *arguments: (setup "run" "bench") wasm bundle
    @scripts/bench.sh {{ arguments }}

# how long `whynot check` takes for a folder of manifests (argument: how many, 1000 by default)
[group("check")]
bench-check *arguments: (setup "run")
    @scripts/bench-check.sh {{ arguments }}

# the audit log: a million leaves, and a process that is killed 200 times while it appends
[group("check")]
bench-audit: (setup "run")
    @scripts/bench-audit.sh

# what the gateway to models takes, beside LiteLLM's proxy (arguments: --rounds, --seconds, --quick)
[group("check")]
bench-gateway *arguments: (setup "bench")
    @scripts/bench.sh gateway {{ arguments }}

# how good a model's words are on 200 denied cases: by default a small real one on this machine (arguments: --gateway FILE, --help)
[group("check")]
evaluate *arguments: (setup "run")
    @scripts/evaluate.sh {{ arguments }}

# format the code
[group("check")]
fmt:
    @scripts/cargo.sh fmt --all

# clippy with the workspace's lints; warnings are errors
[group("check")]
lint:
    @scripts/cargo.sh clippy --workspace --all-targets --locked -- -D warnings

# licences, bans, sources and, where their database can be reached, advisories of all dependencies
[group("check")]
deny: (setup "lint")
    @scripts/deny.sh

# everything that must be green: what .ci/run runs
[group("check")]
ci: setup
    @scripts/ci.sh

# a kind cluster whose API server calls the Envoy of docker-compose.yml
[group("cluster")]
kind-up:
    @scripts/kind.sh up

# delete that cluster and stop its containers
[group("cluster")]
kind-down:
    @scripts/kind.sh down

# end the stack and remove what this clone has built (the shared cache stays)
[group("setup")]
clean: down
    rm -rf build
