"""Whether the process lives, and whether calls would work."""

import os
from pathlib import Path

import pytest

from config.cache import connect
from config.database import Database
from orchestrator.api.dependencies import Dependencies, LiveKitAccess
from orchestrator.engines.livekit import run_livekit
from orchestrator.engines.ports import Port
from tests.orchestrator.api.conftest import ClientFactory, client_factory, with_changes
from tests.support.processes import in_one_task


async def test_the_process_lives_whatever_else_does(client: ClientFactory) -> None:
    async with client() as http:
        answer = await http.get("/healthz")
        head = await http.head("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (head.status_code, head.content) == (200, b"")


async def test_what_does_not_answer_is_named(dependencies: Dependencies) -> None:
    database = Database("postgresql+psycopg://nobody:canary@127.0.0.1:9/none")
    cache = connect("redis://127.0.0.1:9/0")
    health_urls = {**dependencies.health_urls, "knowledge": "http://127.0.0.1:9/healthz"}
    client = client_factory(
        with_changes(dependencies, database=database, cache=cache, health_urls=health_urls)
    )
    async with client() as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    message = answer.json()["message"]
    assert message == "Not answering: database, valkey, livekit, knowledge."
    await cache.aclose()
    await database.aclose()


@pytest.mark.room
async def test_it_is_ready_when_everything_answers(
    dependencies: Dependencies, tmp_path: Path
) -> None:
    built = Path(os.environ.get("ANTIPHON_CACHE", Path.home() / ".cache" / "antiphon"))
    ports = Port(0, "LIVEKIT_PORT"), Port(0, "LIVEKIT_MEDIA_PORT")
    async with in_one_task(run_livekit(tmp_path, built, *ports, print)) as server:
        access = LiveKitAccess(server.url, server.api_key, server.api_secret)
        client = client_factory(with_changes(dependencies, livekit=access))
        async with client() as http:
            answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
