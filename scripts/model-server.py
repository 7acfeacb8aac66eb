"""llama.cpp's server with one model, on a loopback port: OpenAI's chat completions under /v1.

`model-server.py MODEL.gguf [--port N] [--threads N] [--context N]`. Prints one line when it can be asked,
`model server on http://127.0.0.1:PORT/v1`, and runs until SIGTERM or SIGINT. Started by scripts/model.sh and
scripts/evaluate.sh, with the Python that scripts/model-setup.sh made.
"""

import argparse
import os
import signal
import socket
import threading

import xllamacpp


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--context", type=int, default=8192)
    arguments.add_argument("--alias", default="gemma3-270m")
    given = arguments.parse_args()

    # Before the server makes its threads, so that they do not take the signal.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    parameters = xllamacpp.CommonParams()
    parameters.model.path = given.model
    parameters.model_alias = {given.alias}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = given.port or free_port()
    parameters.n_ctx = given.context
    # Two at once would halve the speed of each on a small machine.
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = given.threads
    parameters.cpuparams_batch.n_threads = given.threads
    # Beginnings of questions that were asked before are kept; by default gigabytes of them.
    parameters.cache_ram_mib = 256
    parameters.offline = True
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    print(f"model server on {server.listening_address}/v1", flush=True)
    while not stop.wait(1):
        pass
    # The library's threads have nothing to save, and may be in the middle of an answer.
    os._exit(0)


if __name__ == "__main__":
    main()
