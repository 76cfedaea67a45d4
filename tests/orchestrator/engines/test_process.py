"""Children become ready, end when told to, and never outlive their parent."""

import asyncio
import os
import select
import signal
import socket
import sys
from pathlib import Path

import pytest

from orchestrator.engines.errors import EngineError, PortInUseError
from orchestrator.engines.ports import Port
from orchestrator.engines.process import Process, Program, run_command, run_program
from orchestrator.engines.valkey import run_valkey

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


async def test_a_failing_command_shows_its_last_lines() -> None:
    with pytest.raises(EngineError, match=r"(?s)failed with code 4:\n  no such thing"):
        await run_command(["/bin/sh", "-c", "echo no such thing; exit 4"])


async def test_a_port_in_use_names_the_port_and_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"Port {number} .* set VALKEY_PORT"):
            async with run_valkey(tmp_path, Port(number, "VALKEY_PORT"), print):
                pass
