#!/usr/bin/env bash
# Builds wasm-tests/registry, a container registry in memory, into the cache, once per content. Prints the program's path.
source "$(dirname "${BASH_SOURCE[0]}")/go-program.sh"
go_program registry "the registry of the tests"
