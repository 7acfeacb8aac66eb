#!/usr/bin/env bash
# LiteLLM's proxy from PyPI, in a virtual environment of its own: what `just bench-gateway` compares the gateway with. Skips what
# is there. Prints the program.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install() {
	if stamped_in "$LITELLM_VENV" "$LITELLM_VERSION" && [ -x "$LITELLM_VENV/bin/litellm" ]; then
		skip "LiteLLM: $LITELLM_VERSION"
		return
	fi
	say "LiteLLM: installing litellm[proxy] $LITELLM_VERSION from PyPI into $LITELLM_VENV"
	rm -rf "$LITELLM_VENV"
	quietly litellm-venv python3 -m venv "$LITELLM_VENV" # Debian: apt-get install python3-venv
	with_heartbeat "LiteLLM" quietly litellm-pip "$LITELLM_VENV/bin/python" -m pip install --quiet "litellm[proxy]==$LITELLM_VERSION"
	stamp_in "$LITELLM_VENV" "$LITELLM_VERSION"
}

locked litellm install
printf '%s\n' "$LITELLM_VENV/bin/litellm"
