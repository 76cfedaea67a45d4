"""While all agents are busy, a caller waits in a queue, and sees the place in it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx2
import pytest_asyncio
from redis.asyncio import Redis

from config.cache import connect
from config.database import Database
from orchestrator.api.concurrency import ConcurrencyLimit
from orchestrator.api.dependencies import Dependencies
from orchestrator.calls.queue import CallQueue, WorkerSlots
from orchestrator.engines.valkey import Valkey
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import (
    OWN_ORIGIN,
    ClientFactory,
    Json,
    client_factory,
    new_bot,
    slug,
    with_changes,
)
from tests.support.pseudo_locale import PSEUDO, latin_words, pseudo_locale

START = "/api/sessions/start"


@dataclass(frozen=True)
class Busy:
    """An API whose agents are all busy, and its cache."""

    cache: Redis
    slots: WorkerSlots
    client: ClientFactory


@pytest_asyncio.fixture
async def busy(dependencies: Dependencies, valkey_server: Valkey) -> AsyncGenerator[Busy]:
    cache = connect(f"{valkey_server.redis_url}?db=8")
    await cache.flushdb()
    queue = CallQueue(cache, max_wait=30, max_length=2)
    changed = with_changes(dependencies, cache=cache, queue=queue)
    slots = WorkerSlots(cache)
    await slots.report("worker", 0)
    yield Busy(cache, slots, client_factory(changed))
    await cache.aclose()


async def ask(busy: Busy, key: str, **body: object) -> httpx2.Response:
    async with busy.client(key) as http:
        return await http.post(START, json={"bot": "bot", **body})


def place(answer: httpx2.Response) -> int:
    assert answer.status_code == 202, answer.text
    assert answer.headers["Retry-After"] == str(answer.json()["retry_after"])
    assert answer.json()["status"] == "queued"
    return int(answer.json()["place"])


async def test_a_caller_waits_and_is_admitted_in_turn(busy: Busy, key: str) -> None:
    first, second = await ask(busy, key), await ask(busy, key)
    assert (place(first), place(second)) == (1, 2)
    assert set(first.json()) == {"status", "place", "retry_after", "ticket"}
    await busy.slots.report("worker", 1)
    still = await ask(busy, key, ticket=second.json()["ticket"])
    assert place(still) == 2
    admitted = await ask(busy, key, ticket=first.json()["ticket"])
    assert admitted.status_code == 201
    assert admitted.json()["token"]
    await busy.slots.report("worker", 1)
    assert place(await ask(busy, key, ticket=second.json()["ticket"])) == 1


async def test_a_queue_that_is_full_refuses_with_a_reason(busy: Busy, key: str) -> None:
    for _ in range(2):
        await ask(busy, key)
    refused = await ask(busy, key)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    body: Json = refused.json()
    assert (body["error"], body["say"]) == (
        "busy",
        "All agents are busy. Please call again in a few minutes.",
    )


async def test_a_refusal_is_in_the_language_that_was_asked_for(busy: Busy, key: str) -> None:
    for _ in range(2):
        await ask(busy, key)
    with pseudo_locale():
        refused = await ask(busy, key, language=PSEUDO)
    assert latin_words(refused.json()["say"]) == []


async def test_who_has_waited_too_long_is_refused_with_a_reason(busy: Busy, key: str) -> None:
    ticket = (await ask(busy, key)).json()["ticket"]
    await busy.cache.zincrby("calls:queue", -31_000_000, ticket)
    refused = await ask(busy, key, ticket=ticket)
    assert (refused.status_code, refused.json()["error"]) == (503, "busy")


async def test_a_ticket_opens_nothing_of_another_caller_s(busy: Busy, key: str) -> None:
    """A ticket is a place in the queue; which bot is called, the credential decides."""
    ticket = (await ask(busy, key)).json()["ticket"]
    async with busy.client() as http:
        nobody = await http.post(START, json={"bot": "bot", "ticket": ticket})
    assert nobody.status_code == 422  # it does not name a business
    odd = await ask(busy, key, ticket="../../etc")
    assert odd.status_code == 422


async def test_who_waits_is_not_counted_as_many_callers(
    busy: Busy, database: Database, tenant: Tenant, address: str
) -> None:
    bot = await new_bot(
        database, tenant, allow_anonymous=True, allowed_origins=["http://page.example"]
    )
    body: Json = {"business": slug(tenant), "bot": bot.name}
    async with busy.client(origin="http://page.example", address=address) as http:
        answer = await http.post(START, json=body)
        for _ in range(6):  # more than this address may call in a minute
            body["ticket"] = answer.json()["ticket"]
            answer = await http.post(START, json=body)
            assert place(answer) == 1
        del body["ticket"]
        for _ in range(2):
            answer = await http.post(START, json=body)
        refused = await http.post(START, json=body)
    assert refused.status_code == 429


async def test_without_the_cache_a_call_begins(dependencies: Dependencies, key: str) -> None:
    cache = connect("redis://127.0.0.1:9/0")
    queue = CallQueue(cache, max_wait=30, max_length=2)
    client = client_factory(with_changes(dependencies, cache=cache, queue=queue))
    async with client(key, origin=OWN_ORIGIN) as http:
        answer = await http.post(START, json={"bot": "bot"})
    await cache.aclose()
    assert answer.status_code == 201, answer.text


async def test_no_worker_is_no_readiness(busy: Busy) -> None:
    async with busy.client() as http:
        assert "worker" not in (await http.get("/readyz")).json()["message"]
        await busy.slots.withdraw("worker")
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert "worker" in answer.json()["message"]


async def test_of_many_starts_at_once_none_fails_that_can_wait(
    dependencies: Dependencies, busy: Busy, key: str
) -> None:
    await busy.slots.report("worker", 10)
    queue = CallQueue(busy.cache, max_wait=30, max_length=30)
    starts = ConcurrencyLimit(running=4, waiting=40, seconds=60)
    changed = with_changes(dependencies, cache=busy.cache, queue=queue, starts=starts)
    many = Busy(busy.cache, busy.slots, client_factory(changed))
    reporting = asyncio.create_task(_report(busy.slots, 10))
    answers = await asyncio.gather(*(ask(many, key) for _ in range(40)))
    reporting.cancel()
    assert Counter(answer.status_code for answer in answers) == {201: 10, 202: 30}
    assert {place(each) for each in answers if each.status_code == 202} == {*range(1, 31)}


async def _report(slots: WorkerSlots, free: int) -> None:
    while True:
        await slots.report("worker", free)
        await asyncio.sleep(1)


async def test_a_start_waits_for_its_turn_and_not_for_long(
    dependencies: Dependencies, key: str
) -> None:
    starts = ConcurrencyLimit(running=1, waiting=1, seconds=30)
    async with client_factory(with_changes(dependencies, starts=starts))(key) as http:
        async with starts.slot():
            pending = {asyncio.create_task(http.post(START, json={"bot": "bot"})) for _ in range(3)}
            refused: list[httpx2.Response] = []
            while len(refused) < 2:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                refused += [task.result() for task in done]
        assert (await pending.pop()).status_code == 201
    hurried = ConcurrencyLimit(running=1, waiting=1, seconds=0.05)
    client = client_factory(with_changes(dependencies, starts=hurried))
    async with client(key) as http, hurried.slot():
        refused.append(await http.post(START, json={"bot": "bot"}))
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        assert answer.headers["Retry-After"]
