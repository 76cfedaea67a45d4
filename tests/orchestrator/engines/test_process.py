"""Children become ready, end when told to, and never outlive their parent."""

import asyncio
import os
import re
import select
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from config.cache import connect
from orchestrator.engines.errors import EngineError, PortInUseError
from orchestrator.engines.ports import Port
from orchestrator.engines.process import Process, Program, Restarts, run_command, run_program
from orchestrator.engines.valkey import run_valkey

DEADLINE = 10.0  # seconds that a test waits for what must come
PARENT = """
import asyncio, sys
from pathlib import Path
from orchestrator.engines.ports import Port
from orchestrator.engines.valkey import run_valkey

async def main():
    async with run_valkey(Path(sys.argv[1]), Port(0, ""), lambda text: None) as server:
        print(server.process.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def ready(_process: Process) -> bool:
    return True


async def never(_process: Process) -> bool:
    return False


def shell(script: str, log: Path, *, grace: float = 10, deadline: float = 30) -> Program:
    command = ["/bin/sh", "-c", script]
    return Program(name="Engine", command=command, log=log, grace=grace, deadline=deadline)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_child_ends_however_its_parent_ends(tmp_path: Path, end: signal.Signals) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )
    assert parent.stdout is not None
    child = os.pidfd_open(int(await parent.stdout.readline()))
    try:
        parent.send_signal(end)
        await parent.wait()
        ended, _, _ = await asyncio.to_thread(select.select, [child], [], [], 10)
        assert ended
    finally:
        os.close(child)


async def test_a_stubborn_child_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    stubborn = f"trap '' TERM; /bin/sleep 60 & echo $! > {pids}.new; mv {pids}.new {pids}; wait"

    async def started(_process: Process) -> bool:
        return pids.exists()

    async with run_program(shell(stubborn, tmp_path / "log", grace=0.1), started):
        child = os.pidfd_open(int(pids.read_text()))
    try:
        ended, _, _ = await asyncio.to_thread(select.select, [child], [], [], 10)
        assert ended
    finally:
        os.close(child)


async def test_what_it_said_before_it_died_is_shown(tmp_path: Path) -> None:
    program = shell("echo first words; echo bad option >&2; exit 3", tmp_path / "log")
    with pytest.raises(EngineError, match=r"(?s)Engine ended with code 3.*first words.*bad option"):
        async with run_program(program, never):
            pass


async def test_one_that_never_becomes_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    program = shell("echo thinking; exec /bin/sleep 60", tmp_path / "log", deadline=0.2)
    with pytest.raises(EngineError, match=r"(?s)was not ready within 0.2 s.*thinking"):
        async with run_program(program, never):
            pass


async def test_a_later_end_is_reported(tmp_path: Path) -> None:
    async with run_program(shell("exec /bin/sleep 60", tmp_path / "log"), ready) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert "Engine ended with code -9" in str(await process.failure())


class Terminal:
    """What is said on it, and an event for each word that a test waits for."""

    def __init__(self, word: str) -> None:
        self.lines: list[str] = []
        self.said = asyncio.Event()
        self._word = word

    def __call__(self, line: str) -> None:
        """Take a line."""
        self.lines.append(line)
        if self._word in line:
            self.said.set()

    async def wait(self) -> None:
        """Wait until the word is said."""
        async with asyncio.timeout(DEADLINE):
            await self.said.wait()


def restarts(terminal: Terminal, *, at_once: float = DEADLINE, stable: float = 60) -> Restarts:
    return Restarts(
        progress=terminal, first_pause=0.01, longest_pause=0.03, at_once=at_once, stable=stable
    )


async def test_a_program_that_ends_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    made, terminal = tmp_path / "ready", Terminal("ready again")
    program = replace(
        shell(f"echo begins; : > {made}; exec /bin/sleep 60", tmp_path / "log"), ready_file=made
    )

    async def exists(_: Process) -> bool:
        return made.exists()

    async with run_program(program, exists, restarts(terminal)) as process:
        first = process.pid
        failing = asyncio.create_task(process.failure())
        os.kill(first, signal.SIGKILL)
        await terminal.wait()
        assert process.pid != first
        os.kill(process.pid, 0)
        assert not failing.done()
    assert "Engine ended with code -9" in terminal.lines[0]
    assert "is started again in 0.01 s" in terminal.lines[0]
    assert (tmp_path / "log").read_text() == "begins\nbegins\n"  # what it said before is kept
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    with pytest.raises(asyncio.CancelledError):
        await failing


async def test_one_that_ends_at_once_again_and_again_is_given_up_with_its_last_lines(
    tmp_path: Path,
) -> None:
    once, terminal = tmp_path / "once", Terminal("given up")
    script = f"test -e {once} && echo wrong setting && exit 3; : > {once}; exec /bin/sleep 60"
    program = shell(script, tmp_path / "log")

    async def started(_: Process) -> bool:
        return once.exists()

    async with run_program(program, started, restarts(terminal)) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert "Engine ended with code 3" in str(await process.failure())
    pauses = re.findall(r"again in ([\d.]+) s", "\n".join(terminal.lines))
    assert pauses == ["0.01", "0.02", "0.03", "0.03"]  # five ends in a row
    assert "wrong setting" in terminal.lines[-1]
    assert "Mend what its log says" in terminal.lines[-1]


async def test_one_that_has_run_for_a_while_is_not_given_up(tmp_path: Path) -> None:
    terminal = Terminal("nothing")
    program = shell("exit 3", tmp_path / "log")
    lasting = restarts(terminal, at_once=0, stable=0)
    async with run_program(program, ready, lasting):
        while len(terminal.lines) < 20:  # noqa: ASYNC110 - each line is a start or an end
            await asyncio.sleep(0.01)
    pauses = re.findall(r"again in ([\d.]+) s", "\n".join(terminal.lines))
    assert set(pauses) == {"0.01"}


async def test_a_database_that_was_killed_is_back_under_its_address(tmp_path: Path) -> None:
    terminal = Terminal("ready again")
    async with run_valkey(
        tmp_path, Port(0, "VALKEY_PORT"), print, restarts=restarts(terminal)
    ) as valkey:
        cache = connect(valkey.redis_url)
        await cache.set("a", "1")
        await cache.aclose()
        os.kill(valkey.process.pid, signal.SIGKILL)
        await terminal.wait()
        cache = connect(valkey.redis_url)
        assert await cache.get("a") == "1"
        await cache.aclose()


async def test_an_engine_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VAULT_KEYS", "OPENAI_API_KEY", "MISTRAL_API_KEY", "MIGRATION_DATABASE_URL"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("TZ", "UTC")
    async with run_program(shell("exec env", tmp_path / "log", grace=0.1), ready) as process:
        await process.failure()
    told = (tmp_path / "log").read_text()
    assert "canary" not in told
    assert "TZ=UTC" in told


async def test_a_failing_command_shows_its_last_lines() -> None:
    with pytest.raises(EngineError, match=r"(?s)failed with code 4:\n  no such thing"):
        await run_command(["/bin/sh", "-c", "echo no such thing; exit 4"])


async def test_a_port_in_use_names_the_port_and_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"Port {number} .* set VALKEY_PORT"):
            async with run_valkey(tmp_path, Port(number, "VALKEY_PORT"), print):
                pass
