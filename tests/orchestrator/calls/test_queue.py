"""Who may call now, and who waits: with as many workers as are alive."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.cache import connect
from orchestrator.calls.queue import CallQueue, WorkerSlots
from orchestrator.calls.state import CallStates
from orchestrator.engines.valkey import Valkey


@pytest_asyncio.fixture
async def own_cache(valkey_server: Valkey) -> AsyncGenerator[Redis]:
    """A database of the cache that no other test uses."""
    client = connect(f"{valkey_server.redis_url}?db=7")
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
def queue(own_cache: Redis) -> CallQueue:
    return CallQueue(own_cache, max_wait=30, max_length=3)


@pytest.fixture
def slots(own_cache: Redis) -> WorkerSlots:
    return WorkerSlots(own_cache)


async def ask(queue: CallQueue, ticket: UUID | None = None) -> tuple[str, int]:
    admission = await queue.admit(ticket or uuid4(), uuid4())
    return admission.outcome, admission.place


async def test_as_many_are_admitted_as_workers_have_room_for(
    queue: CallQueue, slots: WorkerSlots
) -> None:
    await slots.report("one", 2)
    await slots.report("two", 3)
    asked = await asyncio.gather(*(ask(queue) for _ in range(30)))
    assert sorted(asked) == [
        *[("admitted", 0)] * 5,
        *[("full", 0)] * 22,
        *(("waiting", place) for place in (1, 2, 3)),
    ]


async def test_nobody_is_admitted_where_no_worker_is(queue: CallQueue, slots: WorkerSlots) -> None:
    assert await slots.count_workers() == 0
    assert await ask(queue) == ("waiting", 1)
    await slots.report("one", 1)
    assert (await slots.count_workers(), await slots.count_free()) == (1, 1)
    await slots.withdraw("one")
    assert (await slots.count_workers(), await slots.count_free()) == (0, 0)
    assert await ask(queue) == ("waiting", 2)


async def test_a_worker_that_is_silent_has_no_room(
    queue: CallQueue, slots: WorkerSlots, own_cache: Redis
) -> None:
    await slots.report("dead", 5)
    await own_cache.zincrby("workers", -10_000, "dead")
    assert await ask(queue) == ("waiting", 1)
    assert await slots.count_workers() == 0


async def test_those_who_wait_come_first(queue: CallQueue, slots: WorkerSlots) -> None:
    first, second = uuid4(), uuid4()
    assert await ask(queue, first) == ("waiting", 1)
    assert await ask(queue, second) == ("waiting", 2)
    await slots.report("one", 1)
    assert await ask(queue) == ("waiting", 3)
    assert await ask(queue, second) == ("waiting", 2)
    assert await ask(queue, first) == ("admitted", 0)
    # The slot is reserved until a job takes the call, whatever the worker tells meanwhile.
    await slots.report("one", 1)
    assert await ask(queue, second) == ("waiting", 1)


async def test_a_reservation_ends_when_the_job_takes_the_call(
    queue: CallQueue, slots: WorkerSlots, own_cache: Redis
) -> None:
    await slots.report("one", 1)
    conversation = uuid4()
    admission = await queue.admit(uuid4(), conversation)
    assert admission.outcome == "admitted"
    assert await ask(queue) == ("waiting", 1)
    await CallStates(own_cache).acquire(conversation, "job", "room", "{}")
    await slots.report("one", 1)
    assert await ask(queue) == ("waiting", 2)  # somebody waits already
    await slots.report("one", 3)
    assert await ask(queue) == ("admitted", 0)


async def test_who_does_not_come_back_loses_the_place(
    queue: CallQueue, own_cache: Redis, slots: WorkerSlots
) -> None:
    gone, here = uuid4(), uuid4()
    await ask(queue, gone)
    assert await ask(queue, here) == ("waiting", 2)
    await own_cache.zincrby("calls:queue:seen", -20_000, str(gone))
    assert await ask(queue, here) == ("waiting", 1)
    assert not await queue.has(gone)
    await queue.leave(here)
    await slots.report("one", 1)
    assert await ask(queue) == ("admitted", 0)


async def test_who_has_waited_too_long_is_told(queue: CallQueue, own_cache: Redis) -> None:
    ticket = uuid4()
    await ask(queue, ticket)
    await own_cache.zincrby("calls:queue", -31_000_000, str(ticket))
    assert await ask(queue, ticket) == ("expired", 0)
    assert not await queue.has(ticket)
