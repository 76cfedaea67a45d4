"""What stands still does not hold up the API: every answer comes within its budget."""

from io import StringIO
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console

from config.settings import Settings
from orchestrator.agent.call_lease import CallLease
from orchestrator.agent.conversation import load_conversation, resume_conversation
from orchestrator.api.dependencies import Dependencies
from orchestrator.calls.queue import CallQueue, WorkerSlots
from orchestrator.calls.state import CallStates, Lease
from orchestrator.cli.doctor import examine
from orchestrator.engines.postgres import Postgres
from orchestrator.engines.valkey import Valkey
from orchestrator.mcp_client.router import Identity
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import (
    ClientFactory,
    client_factory,
    start_session,
    with_changes,
)
from tests.support.frozen import frozen

READ_SECONDS = 8.0
READY_SECONDS = 4.0


async def test_readiness_says_in_time_that_the_database_stands_still(
    client: ClientFactory, postgres_server: Postgres
) -> None:
    async with client() as http:
        await http.get("/readyz")  # there is an open connection
        with frozen(postgres_server.process):
            started = monotonic()
            answer = await http.get("/readyz")
            took = monotonic() - started
    assert "database" in answer.json()["message"]
    assert took < READY_SECONDS


async def test_readiness_says_in_time_that_the_cache_stands_still(
    client: ClientFactory, valkey_server: Valkey
) -> None:
    async with client() as http:
        await http.get("/readyz")
        with frozen(valkey_server.process):
            started = monotonic()
            answer = await http.get("/readyz")
            took = monotonic() - started
    assert "valkey" in answer.json()["message"]
    assert took < READY_SECONDS


@pytest.mark.parametrize("what", ["", "/transcript"])
async def test_a_read_ends_within_the_budget_of_reads(
    what: str, client: ClientFactory, key: str, postgres_server: Postgres
) -> None:
    conversation_id = (await start_session(client, key))["conversation_id"]
    async with client(key) as http:
        with frozen(postgres_server.process):
            started = monotonic()
            answer = await http.get(f"/api/conversations/{conversation_id}{what}")
            took = monotonic() - started
        assert answer.status_code in (503, 504), answer.text
        assert took < READ_SECONDS
        thawed = await http.get(f"/api/conversations/{conversation_id}{what}")
    assert thawed.status_code == 200


async def test_a_key_that_cannot_be_looked_up_is_answered_in_time(
    client: ClientFactory, postgres_server: Postgres
) -> None:
    async with client("ak_never-seen-before") as http:
        with frozen(postgres_server.process):
            started = monotonic()
            answer = await http.get("/api/conversations")
            took = monotonic() - started
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert took < READ_SECONDS


async def test_a_webhook_is_answered_before_its_vendor_gives_up(
    client: ClientFactory, postgres_server: Postgres
) -> None:
    async with client() as http:
        with frozen(postgres_server.process):
            started = monotonic()
            answer = await http.post(f"/api/webhooks/zendesk/{uuid4()}", json={})
            took = monotonic() - started
    assert answer.status_code == 503
    assert took < 5


async def test_a_call_begins_while_the_cache_stands_still(
    dependencies: Dependencies, key: str, valkey_server: Valkey
) -> None:
    queue = CallQueue(dependencies.cache, max_wait=30, max_length=2)
    client = client_factory(with_changes(dependencies, queue=queue))
    async with client(key) as http:
        with frozen(valkey_server.process):
            started = monotonic()
            answer = await http.post("/api/sessions/start", json={"bot": "bot"})
            took = monotonic() - started
    assert answer.status_code == 201, answer.text
    assert took < 5


async def test_a_job_takes_its_call_while_the_cache_stands_still(
    cache: Redis, valkey_server: Valkey
) -> None:
    lease = CallLease(CallStates(cache), uuid4(), "job", "room", "{}")
    with frozen(valkey_server.process):
        started = monotonic()
        held = await lease.acquire()
        await lease.end()
        with pytest.raises(RedisError):
            await WorkerSlots(cache).count_free()
        took = monotonic() - started
    assert held is not None
    assert took < 3


@pytest.mark.parametrize("resumes", [False, True])
async def test_a_caller_does_not_wait_long_for_what_is_stored(
    resumes: bool,
    dependencies: Dependencies,
    client: ClientFactory,
    key: str,
    tenant: Tenant,
    postgres_server: Postgres,
    tmp_path: Path,
) -> None:
    conversation_id = UUID((await start_session(client, key))["conversation_id"])
    identity = Identity("bot", tenant.business_id, conversation_id=conversation_id)
    with frozen(postgres_server.process):
        started = monotonic()
        if resumes:
            stored = await resume_conversation(dependencies.router, identity, Lease(2, 3), tmp_path)
        else:
            stored = await load_conversation(dependencies.router, identity)
        took = monotonic() - started
    assert not stored.is_over
    assert took < 5


async def test_the_doctor_names_what_stands_still(
    engine_settings: Settings, postgres_server: Postgres, valkey_server: Valkey, tmp_path: Path
) -> None:
    settings = engine_settings.model_copy(update={"api_port": 9, "state_dir": tmp_path})
    before, after = StringIO(), StringIO()
    await examine(settings, Console(file=before, width=200))  # which imports every server
    with frozen(postgres_server.process), frozen(valkey_server.process):
        started = monotonic()
        assert not await examine(settings, Console(file=after, width=200))
        took = monotonic() - started
    for engine, setting in (("PostgreSQL", "DATABASE_URL"), ("Valkey", "REDIS_URL")):
        assert f"check {setting}" not in before.getvalue()
        [line] = [line for line in after.getvalue().splitlines() if engine in line]
        assert f"check {setting}" in line
    assert took < 8
