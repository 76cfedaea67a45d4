"""The child process of the language model: llama.cpp on a loopback port, behind a key.

Loading blocks the interpreter for seconds, and llama.cpp's threads keep an interpreter from
exiting, so the model has a process of its own. It reads its settings as one JSON line from stdin,
writes its address to stdout, and exits when stdin closes: it cannot outlive its parent.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any, Protocol, TypedDict, cast

_NICE = 5  # hearing and speech go first: they are short, and the caller waits for them


class LlamaSettings(TypedDict):
    """What the parent process sends.

    `context` is in tokens per slot; `states` is the folder of saved slots, with a slash at its end.
    """

    model: str
    key: str
    threads: int
    slots: int
    context: int
    states: str


class _Server(Protocol):
    listening_address: str


def main() -> None:
    """Serve one model until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    os.nice(_NICE)
    os.umask(0o077)  # states hold the instructions of businesses
    settings: LlamaSettings = json.loads(sys.stdin.readline())
    server = _serve(settings)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


def _serve(settings: LlamaSettings) -> _Server:
    llama: Any = importlib.import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = settings["model"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.api_keys = [settings["key"]]
    parameters.n_parallel = settings["slots"]
    parameters.n_ctx = settings["context"] * settings["slots"]
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["threads"]
    # One batch of a long prompt blocks the other slots, and its own cancellation: keep it short.
    parameters.n_batch = 64
    parameters.cache_ram_mib = 0  # the slots are the cache; the default would take 8 GB more
    parameters.prefill_assistant = False
    parameters.endpoint_slots = False
    parameters.slot_save_path = settings["states"]
    parameters.ui = False
    parameters.verbosity = -1
    return cast(_Server, llama.Server(parameters))


if __name__ == "__main__":
    main()
