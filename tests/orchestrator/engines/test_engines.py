"""The engines together."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.engines.engines import Endpoints, start_engines
from orchestrator.engines.errors import EngineError

CONFIGURED = Endpoints(
    database_url="postgresql+psycopg://app@db.example/antiphon",
    migration_database_url="postgresql+psycopg://owner@db.example/antiphon",
    redis_url="redis://cache.example",
    livekit_url="wss://rooms.example",
    livekit_api_key="key",
    livekit_api_secret="secret",
)


async def test_what_is_given_is_not_started(tmp_path: Path) -> None:
    async with start_engines(
        CONFIGURED, folder=tmp_path, cache=tmp_path, progress=print
    ) as engines:
        assert engines.endpoints == CONFIGURED
        assert engines.processes == ()
    assert not any(os.scandir(tmp_path))


async def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(CONFIGURED).replace("livekit_api_secret", "")
    assert "example/antiphon" not in repr(CONFIGURED)


async def test_when_one_fails_the_others_are_stopped(
    tmp_path: Path, fake_program: Callable[[str, str], Path]
) -> None:
    log = tmp_path / "valkey" / "valkey.log"
    wait_for_valkey = f"until /bin/grep -q 'Ready to accept' {log}; do :; done"
    fake_program("livekit-server", f"{wait_for_valkey}; echo no room today; exit 1")
    endpoints = Endpoints(database_url=CONFIGURED.database_url)
    with pytest.raises(EngineError, match=r"(?s)LiveKit ended with code 1.*no room today"):
        async with start_engines(endpoints, folder=tmp_path, cache=tmp_path, progress=print):
            pass
    assert "ready to exit" in log.read_text()


async def test_cancelled_it_stops_what_it_started(tmp_path: Path) -> None:
    endpoints = Endpoints(database_url=CONFIGURED.database_url, livekit_url=CONFIGURED.livekit_url)
    running = asyncio.Event()

    async def use() -> None:
        async with start_engines(endpoints, folder=tmp_path, cache=tmp_path, progress=print):
            running.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "ready to exit" in (tmp_path / "valkey" / "valkey.log").read_text()


async def test_an_engine_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    endpoints = Endpoints(database_url=CONFIGURED.database_url, livekit_url=CONFIGURED.livekit_url)
    async with start_engines(endpoints, folder=tmp_path, cache=tmp_path, progress=print) as engines:
        os.kill(engines.processes[0].pid, signal.SIGKILL)
        assert "Valkey ended with code -9" in str(await engines.failure())
