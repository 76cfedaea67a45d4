"""A model's process, as its parent sees it."""

import os
import select
import signal
from pathlib import Path

import pytest

from orchestrator.embedded.llm import ModelError
from orchestrator.embedded.model_process import ModelProcess

CHILD = """
import sys
sys.stdin.readline()
print("a line of a library")
print('{"address": "here"}', flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faithful_child.py").write_text(CHILD)
    (tmp_path / "early_child.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")


async def test_a_process_that_has_ended_is_not_alive_from_that_moment() -> None:
    """The parent's loop has not run since: it has not been told yet."""
    process = await ModelProcess.start("faithful_child", {}, "address")
    assert process.announcement["address"] == "here"
    assert process.alive
    pidfd = os.pidfd_open(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    assert select.select([pidfd], [], [], 20)[0]
    os.close(pidfd)
    assert not process.alive
    assert await process.wait() == -signal.SIGKILL
    assert not process.alive


async def test_a_process_that_is_closed_ends() -> None:
    process = await ModelProcess.start("faithful_child", {}, "address")
    await process.close()
    assert not process.alive


async def test_a_process_that_ends_while_it_loads_is_an_error() -> None:
    with pytest.raises(ModelError, match="code 3 while loading"):
        await ModelProcess.start("early_child", {}, "address")
