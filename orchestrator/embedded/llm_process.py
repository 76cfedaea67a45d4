"""The language model's own process: llama.cpp behind its loopback port, locked by a key.

It is a process of its own because loading holds the interpreter for seconds, and because
llama.cpp's threads do not let an interpreter end. It takes its settings as one JSON line on stdin,
writes its address to stdout, and leaves when stdin closes, so it cannot outlive its parent.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any, Protocol, TypedDict, cast


class Settings(TypedDict):
    """What the parent decides."""

    model: str
    key: str
    threads: int
    slots: int
    context: int


class _Server(Protocol):
    listening_address: str


def main() -> None:
    """Serve one model until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is the parent's
    settings: Settings = json.loads(sys.stdin.readline())
    server = _serve(settings)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


def _serve(settings: Settings) -> _Server:
    llama: Any = importlib.import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = settings["model"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.api_keys = [settings["key"]]
    parameters.n_parallel = settings["slots"]
    parameters.n_ctx = settings["context"] * settings["slots"]
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["threads"]
    # A long prompt stops the other slots, and its own cancellation, for one batch at a time.
    parameters.n_batch = 64
    parameters.cache_ram_mib = 0  # the slots are the cache; its own default is 8 GB more
    parameters.prefill_assistant = False
    parameters.endpoint_slots = False
    parameters.ui = False
    parameters.verbosity = -1
    return cast(_Server, llama.Server(parameters))


if __name__ == "__main__":
    main()
