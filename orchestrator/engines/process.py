"""Child processes: started, awaited until ready, stopped, and never left behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from orchestrator.engines.errors import EngineError

Progress: TypeAlias = Callable[[str], None]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL_SECONDS = 0.02
_TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command to run, its log file, and how to stop it; `grace` and `deadline` are in seconds."""

    name: str
    command: Sequence[str | Path]
    log: Path
    user: str = ""
    env: Mapping[str, str] | None = None  # None: the environment of this process
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    grace: float = 10
    deadline: float = 60


class Process:
    """A running program."""

    def __init__(self, program: Program, child: asyncio.subprocess.Process) -> None:
        self.name = program.name
        self.pid = child.pid
        self._program = program
        self._child = child

    async def failure(self) -> EngineError:
        """Wait until the program ends, and return an error with the end of its log."""
        code = await self._child.wait()
        return self._error(f"ended with code {code}")

    async def stop(self) -> None:
        """End the program, by force if it takes longer than `grace`."""
        if self._child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._child.send_signal(self._program.stop_signal)
        try:
            async with asyncio.timeout(self._program.grace):
                await self._child.wait()
        except TimeoutError:
            pass
        finally:
            await _kill(self._child)

    async def wait_until_ready(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Poll `ready` until it returns True.

        Raises:
            EngineError: the program ended, or was not ready before its deadline.
        """
        try:
            async with asyncio.timeout(self._program.deadline):
                while not await ready():
                    if self._child.returncode is not None:
                        raise self._error(f"ended with code {self._child.returncode}")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._error(f"was not ready within {self._program.deadline:g} s") from None

    def _error(self, what: str) -> EngineError:
        return EngineError(f"{self.name} {what}. Its log, {self._program.log}:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self._program.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])


@asynccontextmanager
async def run_program(
    program: Program, ready: Callable[[Process], Awaitable[bool]]
) -> AsyncGenerator[Process]:
    """Start a program, wait until `ready` returns True, and stop it at exit.

    Raises:
        EngineError: it ended, or was not ready before its deadline.
    """
    log = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        child = await asyncio.create_subprocess_exec(
            *_launcher_command(
                program.command, user=program.user, death_signal=program.death_signal
            ),
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            env=program.env,
            start_new_session=True,  # Ctrl-C reaches only us; we stop children in order
        )
    finally:
        os.close(log)
    process = Process(program, child)
    try:
        await process.wait_until_ready(lambda: ready(process))
        yield process
    finally:
        await process.stop()


async def run_command(
    command: Sequence[str | Path],
    *,
    on_line: Progress = lambda _line: None,
    user: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return what it printed to stdout and stderr.

    Raises:
        EngineError: it failed; the message ends with its last lines.
    """
    child = await asyncio.create_subprocess_exec(
        *_launcher_command(command, user=user),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
        env=env,
        cwd=cwd,
    )
    lines: list[str] = []
    try:
        if child.stdout is not None:
            async for line in child.stdout:
                lines.append(line.decode(errors="replace").rstrip())
                on_line(lines[-1])
        code = await child.wait()
    finally:
        await _kill(child)
    if code:
        tail = "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])
        raise EngineError(f"{' '.join(map(str, command))} failed with code {code}:\n{tail}")
    return "\n".join(lines)


def _launcher_command(
    command: Sequence[str | Path],
    *,
    user: str = "",
    death_signal: signal.Signals = signal.SIGTERM,
) -> list[str]:
    launcher = [
        sys.executable,
        "-I",
        "-S",
        str(_LAUNCHER),
        str(os.getpid()),
        str(int(death_signal)),
    ]
    return [*launcher, user, *map(str, command)]


async def _kill(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # the whole group: build tools start others
    await child.wait()
