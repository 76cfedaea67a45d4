"""A worker accepts the calls that it can serve, and rejects the others for another worker."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from livekit.agents import AgentServer, JobRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from config.cache import connect
from config.settings import Settings
from orchestrator.agent.worker import PRELOAD, Capacity, build_server, report_slots
from orchestrator.calls.queue import WorkerSlots
from orchestrator.engines.valkey import Valkey
from tests.support.asgi import serve_app


@pytest.fixture(autouse=True)
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this worker's journals."""
    monkeypatch.setenv("ANTIPHON_STATE", str(tmp_path))
    monkeypatch.setattr("orchestrator.agent.worker._PROBE_INTERVAL", 0.0)
    return tmp_path / "journal"


@dataclass
class FakeServer:
    """A worker's server with some calls."""

    active_jobs: list[str]
    draining: bool = False


@dataclass
class FakeRequest:
    """LiveKit's request to take a call, and the worker's answers."""

    answers: list[tuple[str, dict[str, Any]]] = field(
        default_factory=list[tuple[str, dict[str, Any]]]
    )

    async def accept(self, **options: Any) -> None:
        """Record an acceptance."""
        self.answers.append(("accept", options))

    async def reject(self, **options: Any) -> None:
        """Record a rejection."""
        self.answers.append(("reject", options))


def capacity(calls: int, **settings: Any) -> Capacity:
    """Return the capacity of a worker that has so many calls."""
    return capacity_of(FakeServer([f"call {number}" for number in range(calls)]), **settings)


def capacity_of(server: FakeServer, **settings: Any) -> Capacity:
    """Return the capacity of a worker."""
    defaults: dict[str, Any] = {"worker_max_calls": 2, "embedded_models": False}
    return Capacity(cast(AgentServer, server), Settings.model_validate(defaults | settings))


async def answer(worker: Capacity) -> str:
    """Ask a worker whether it takes a call."""
    request = FakeRequest()
    await worker.accept_or_reject(cast(JobRequest, request))
    ((verdict, options),) = request.answers
    # With `terminate` nobody else would be asked.
    assert verdict == "accept" or options == {"terminate": False}
    return verdict


@pytest.mark.parametrize(
    ("calls", "verdict", "load"),
    [(0, "accept", 0.0), (1, "accept", 0.5), (2, "reject", 1.0), (5, "reject", 1.0)],
)
async def test_calls_are_taken_up_to_the_limit(calls: int, verdict: str, load: float) -> None:
    worker = capacity(calls)
    assert await answer(worker) == verdict
    assert worker.load() == load


@pytest.mark.parametrize(
    ("cores", "embedded", "limit"),
    [(8, True, 4), (1, True, 1), (None, True, 1), (8, False, 24), (None, False, 3)],
)
async def test_without_a_limit_it_is_what_the_cores_carry(
    cores: int | None, embedded: bool, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With embedded models, half as many calls as cores; with those of providers, three a core."""
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    worker = capacity(limit - 1, worker_max_calls=None, embedded_models=embedded)
    assert worker.load() == (limit - 1) / limit
    full = capacity(limit, worker_max_calls=None, embedded_models=embedded)
    assert (full.load(), await answer(full)) == (1.0, "reject")


@pytest.mark.parametrize(
    ("wait", "calls", "free"), [(None, 1, 1), (2.0, 1, 1), (9.0, 1, 0), (9.0, 0, 2)]
)
async def test_while_answers_come_late_no_other_call_can_be_taken(
    wait: float | None, calls: int, free: int
) -> None:
    """But one on a machine that is always slow is."""

    def health(_: Request) -> Response:
        return JSONResponse({"engine": {"wait_seconds": wait}})

    async with serve_app(Starlette(routes=[Route("/health", health)])) as url:
        worker = capacity(calls, embedded_models=True, models_url=f"{url}/v1")
        assert await worker.free() == free
        assert await answer(worker) == "accept"  # it was admitted before
        await worker.aclose()


@pytest.mark.parametrize(("status", "verdict"), [(200, "accept"), (503, "reject")])
async def test_a_call_needs_the_embedded_models_where_they_are_used(
    status: int, verdict: str
) -> None:
    def health(_: Request) -> Response:
        return JSONResponse({}, status_code=status)

    async with serve_app(Starlette(routes=[Route("/health", health)])) as url:
        worker = capacity(0, embedded_models=True, models_url=f"{url}/v1")
        assert await answer(worker) == verdict
        await worker.aclose()


async def test_models_that_are_not_there_cost_the_call_and_nothing_else() -> None:
    worker = capacity(0, embedded_models=True, models_url="http://127.0.0.1:1/v1")
    assert await answer(worker) == "reject"
    assert worker.load() == 0.0
    await worker.aclose()


@pytest.fixture
def occupied(journals: Path) -> Path:
    """A file where the folder of the journals is wanted."""
    journals.touch()
    return journals


async def test_no_call_is_taken_while_no_journal_can_be_written(occupied: Path) -> None:
    worker = capacity(0)
    assert await answer(worker) == "reject"
    assert await asyncio.to_thread(worker.load) == 1.0
    await asyncio.to_thread(occupied.unlink)
    assert await asyncio.to_thread(worker.load) == 0.0
    assert await answer(worker) == "accept"


_ON_A_FULL_DISK = """
import resource, signal, sys
from typing import cast
from config.settings import Settings
from livekit.agents import AgentServer
from orchestrator.agent.worker import Capacity
from tests.orchestrator.agent.test_worker import FakeServer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
worker = Capacity(cast(AgentServer, FakeServer([])), Settings(worker_max_calls=2))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
assert worker.load() == 1.0
"""


def test_a_worker_whose_disk_is_full_has_no_room(journals: Path) -> None:
    subprocess.run([sys.executable, "-c", _ON_A_FULL_DISK], check=True)
    assert list(journals.iterdir()) == []


async def test_a_worker_that_can_serve_nobody_counts_as_none(
    occupied: Path, valkey_server: Valkey
) -> None:
    cache = connect(f"{valkey_server.redis_url}?db=9")
    await cache.flushdb()
    slots, registered, server = WorkerSlots(cache), asyncio.Event(), FakeServer(["a call"])
    worker = capacity_of(server)
    reporting = asyncio.create_task(report_slots(worker, slots, registered, period=0.01))

    async def until(workers: int, free: int) -> None:
        async with asyncio.timeout(5):
            found = None
            while found != (workers, free):
                await asyncio.sleep(0.01)
                found = await slots.count_workers(), await slots.count_free()

    assert await slots.count_workers() == 0  # LiveKit does not know it yet
    registered.set()
    assert await worker.free() is None
    await asyncio.to_thread(occupied.unlink)
    await until(1, 1)
    server.draining = True
    await until(0, 0)
    server.draining = False
    await until(1, 1)
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)
    assert await slots.count_workers() == 0
    await cache.aclose()


async def test_what_is_preloaded_asks_the_network_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else litellm fetches its prices first, which takes eight seconds without a network."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "")
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP")
    livekit = {"url": "ws://127.0.0.1:1", "api_key": "key", "api_secret": "secret"}
    config = Settings.model_validate({f"livekit_{name}": value for name, value in livekit.items()})
    _, capacity = build_server(config)
    preload = f"import {', '.join(PRELOAD[:2])}"
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", preload], capture_output=True, text=True, check=True
    )
    assert "cost map" not in ran.stderr
    await capacity.aclose()
