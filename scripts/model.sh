#!/usr/bin/env bash
# The small model of scripts/model-setup.sh behind llama.cpp's server, in the foreground, until Ctrl-C. Arguments go to
# scripts/model-server.py: --port (a free one by default), --threads (1).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
scripts/model-setup.sh
exec "$MODEL_VENV/bin/python" scripts/model-server.py "$MODEL_FILE" "$@"
