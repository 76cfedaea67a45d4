"""Child processes: started, awaited until ready, stopped, and never left behind."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from config.settings import build_environment, system_environment
from orchestrator.engines.errors import EngineError

Progress: TypeAlias = Callable[[str], None]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL_SECONDS = 0.02
_TAIL_LINES = 15
_GIVEN_UP = (
    "it has ended at once too often, and is given up; everything else goes on. Mend what its log "
    "says, and start again."
)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command to run, its log file, and how to stop it; `grace` and `deadline` are in seconds.

    `ready_file` is what the program makes when it is ready; it is removed before each start.
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    user: str = ""
    env: Mapping[str, str] | None = None  # None: what any program needs of this process's own
    ready_file: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    grace: float = 10
    deadline: float = 60


@dataclass(frozen=True, kw_only=True)
class Restarts:
    """How programs that end by themselves are started again; times are in seconds.

    The pauses before a start double from `first_pause` to `longest_pause`, and begin anew once the
    program has run for `stable`. One that ends within `at_once`, or before it is ready, `attempts`
    times in a row, is given up.
    """

    progress: Progress
    first_pause: float = 1
    longest_pause: float = 30
    stable: float = 60
    at_once: float = 5
    attempts: int = 5


class Process:
    """A running program; its `pid` changes where it is started again."""

    def __init__(self, program: Program, ready: "Ready", child: asyncio.subprocess.Process) -> None:
        self.name = program.name
        self.pid = child.pid
        self._program = program
        self._ready = ready
        self._child = child
        self._supervisor: asyncio.Task[EngineError] | None = None

    async def failure(self) -> EngineError:
        """Wait until the program ends for good, and return an error with the end of its log."""
        if self._supervisor is not None:
            return await asyncio.shield(self._supervisor)
        code = await self._child.wait()
        return self._error(f"ended with code {code}")

    def keep_running(self, restarts: Restarts) -> None:
        """Start the program again whenever it ends, until it is stopped or given up."""
        self._supervisor = asyncio.create_task(self._supervise(restarts))

    async def stop(self) -> None:
        """End the program, by force if it takes longer than `grace`."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
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

    async def wait_until_ready(self) -> None:
        """Wait until the program is ready.

        Raises:
            EngineError: the program ended, or was not ready before its deadline.
        """
        try:
            async with asyncio.timeout(self._program.deadline):
                while not await self._ready(self):
                    if self._child.returncode is not None:
                        raise self._error(f"ended with code {self._child.returncode}")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._error(f"was not ready within {self._program.deadline:g} s") from None

    async def _supervise(self, restarts: Restarts) -> EngineError:
        """Start the program again until it is given up; return why it was."""
        pause, failures = restarts.first_pause, 0
        began = time.monotonic()
        ended = await self._end()
        while True:
            ran = time.monotonic() - began
            pause = restarts.first_pause if ran >= restarts.stable else pause
            failures = failures + 1 if ran < restarts.at_once else 0
            if failures >= restarts.attempts:
                restarts.progress(f"{ended}\n{self.name}: {_GIVEN_UP}")
                return ended
            restarts.progress(f"{ended}\n{self.name}: is started again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, restarts.longest_pause)
            began = time.monotonic()
            try:
                await self._start_again()
            except EngineError as error:
                await _kill(self._child)
                ended, began = error, time.monotonic()  # it has not run at all
                continue
            restarts.progress(f"{self.name}: ready again")
            began = time.monotonic()
            ended = await self._end()

    async def _end(self) -> EngineError:
        return self._error(f"ended with code {await self._child.wait()}")

    async def _start_again(self) -> None:
        try:
            self._child = await _spawn(self._program, append=True)
        except OSError as error:
            raise EngineError(f"{self.name} could not be started: {error}") from None
        self.pid = self._child.pid
        await self.wait_until_ready()

    def _error(self, what: str) -> EngineError:
        return EngineError(f"{self.name} {what}. Its log, {self._program.log}:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self._program.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])


Ready: TypeAlias = Callable[[Process], Awaitable[bool]]


@asynccontextmanager
async def run_program(
    program: Program, ready: Ready, restarts: Restarts | None = None
) -> AsyncGenerator[Process]:
    """Start a program, wait until `ready` returns True, and stop it at exit.

    With `restarts`, it is started again whenever it ends by itself later.

    Raises:
        EngineError: it ended, or was not ready before its deadline.
    """
    process = Process(program, ready, await _spawn(program))
    try:
        await process.wait_until_ready()
        if restarts is not None:
            process.keep_running(restarts)
        yield process
    finally:
        await process.stop()


async def _spawn(program: Program, *, append: bool = False) -> asyncio.subprocess.Process:
    """Start a program; its log begins anew, or with `append` goes on."""
    if program.ready_file is not None:
        await asyncio.to_thread(program.ready_file.unlink, missing_ok=True)
    mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if append else os.O_TRUNC)
    log = os.open(program.log, mode, 0o600)
    try:
        return await asyncio.create_subprocess_exec(
            *_launcher_command(
                program.command, user=program.user, death_signal=program.death_signal
            ),
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            env=system_environment() if program.env is None else program.env,
            start_new_session=True,  # Ctrl-C reaches only us; we stop children in order
        )
    finally:
        os.close(log)


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
        env=build_environment() if env is None else env,
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
