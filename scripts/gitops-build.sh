#!/usr/bin/env bash
# Builds wasm-tests/gitops, the libraries of Argo CD and Flux, into the cache, once per content. Prints the program's path.
source "$(dirname "${BASH_SOURCE[0]}")/go-program.sh"
go_program gitops "Argo CD's and Flux' libraries (about four minutes on two cores)"
