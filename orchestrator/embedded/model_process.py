"""The child process of a language model's engine.

It reads its settings as one line of JSON from stdin, says with another one that it has loaded, and
exits when stdin closes: it cannot outlive its parent.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

from config.settings import system_environment
from orchestrator.embedded.llm import ModelError

_EXIT_SECONDS = 5.0
_MAX_LINE = 1 << 20  # bytes


class ModelProcess:
    """A running process, whose model has loaded."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.announcement: Mapping[str, Any] = {}  # what it said when it had loaded

    @classmethod
    async def start(cls, module: str, settings: Mapping[str, Any], ready: str) -> "ModelProcess":
        """Run a module, and wait for its line with the field `ready`; other lines are ignored.

        Raises:
            ModelError: it ended before.
        """
        process = cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module),
                stdin=PIPE,
                stdout=PIPE,
                limit=_MAX_LINE,
                # Threads that spin while they wait would take the cores from Piper and Whisper.
                env={**system_environment(), "OMP_WAIT_POLICY": "passive"},
            )
        )
        try:
            process.send(settings)
            await process._wait_until_ready(ready)
        except BaseException:  # a cancelled start must not leave a process behind
            process._kill()
            raise
        return process

    @property
    def pid(self) -> int:
        """Return its number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Say whether it still runs; asyncio itself learns of an end some time after it."""
        if self._process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return True
        try:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return ended is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a line of JSON to its stdin."""
        if self._process.stdin:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield what it writes, until it ends."""
        if self._process.stdout:
            async for line in self._process.stdout:
                yield line

    async def wait(self) -> int:
        """Wait until it has ended, and return its code."""
        return await self._process.wait()

    async def close(self) -> None:
        """End it, by force if it takes too long."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                await self.wait()
        except TimeoutError:
            self._kill()
            await self.wait()

    async def _wait_until_ready(self, ready: str) -> None:
        async for line in self.lines():
            if line.startswith(f'{{"{ready}"'.encode()):
                self.announcement = json.loads(line)
                return
        code = await self.wait()
        raise ModelError(f"The language model's process ended with code {code} while loading.")

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()


def no_answer() -> ModelError:
    """Return the error of a process that is gone."""
    return ModelError("The language model does not answer.", status=503)
