"""Freezes a server: it takes connections and answers nothing, as where its machine stands still."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

import psutil

from orchestrator.engines.process import Process


@contextmanager
def frozen(server: Process) -> Generator[None]:
    """Stop every process of a server, and let all of them go on at exit."""
    parent = psutil.Process(server.pid)
    pids = [parent.pid, *(child.pid for child in parent.children(recursive=True))]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
