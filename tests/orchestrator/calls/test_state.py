"""Who serves a call: one job at a time, and another one once that is silent."""

import asyncio
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from orchestrator.calls import state
from orchestrator.calls.state import MAX_DISPATCHES, Activity, CallStates

ROOM, METADATA = "call-1", '{"bot": "x"}'


@pytest.fixture
def states(cache: Redis) -> CallStates:
    return CallStates(cache)


@pytest.fixture
def call() -> UUID:
    return uuid4()


async def silence(cache: Redis, call: UUID, seconds: float = 60) -> None:
    """Let a call's last beat be so long ago."""
    key = f"conv:{call}:state"
    beat = float(await cache.hget(key, "beat") or 0)
    await cache.hset(key, "beat", str(int(beat - seconds * 1000)))
    await cache.zincrby("calls", -seconds * 1000, str(call))


async def silent_calls(states: CallStates) -> set[UUID]:
    return {each.conversation_id for each in await states.silent()}


async def test_of_many_jobs_one_has_the_call(states: CallStates, call: UUID) -> None:
    jobs = [states.acquire(call, f"job-{number}", ROOM, METADATA) for number in range(20)]
    taken = [lease for lease in await asyncio.gather(*jobs) if lease]
    assert [lease.generation for lease in taken] == [1]


async def test_a_job_takes_its_own_call_twice(states: CallStates, call: UUID) -> None:
    assert await states.acquire(call, "job", ROOM, METADATA)
    assert await states.acquire(call, "job", ROOM, METADATA)


async def test_a_silent_call_is_seen_and_taken_with_what_was_known(
    states: CallStates, cache: Redis, call: UUID
) -> None:
    await states.acquire(call, "first", ROOM, METADATA)
    assert await states.beat(call, "first", ROOM, METADATA, Activity(12.5, 3, 7))
    assert await states.acquire(call, "second", ROOM, METADATA) is None
    assert call not in await silent_calls(states)
    await silence(cache, call)
    assert call in await silent_calls(states)
    lease = await states.acquire(call, "second", ROOM, METADATA)
    assert lease
    assert (lease.generation, lease.next_index) == (2, 7)
    # The first one wakes up: it is told that the call is another's, and changes nothing.
    assert not await states.beat(call, "first", ROOM, METADATA, Activity())
    await states.end(call, "first")
    assert await states.beat(call, "second", ROOM, METADATA, Activity(13.0, 4, 9))


async def test_what_is_over_is_forgotten(states: CallStates, cache: Redis, call: UUID) -> None:
    await states.acquire(call, "job", ROOM, METADATA)
    await states.end(call, "job")
    assert not await cache.exists(f"conv:{call}:state")
    assert await cache.zscore("calls", str(call)) is None


async def test_what_is_given_up_is_another_s_at_once(states: CallStates, call: UUID) -> None:
    await states.acquire(call, "first", ROOM, METADATA)
    await states.give_up(call, "first")
    (found,) = [each for each in await states.silent() if each.conversation_id == call]
    assert 0 <= found.silent_ms < 1_000
    assert await states.acquire(call, "second", ROOM, METADATA)


async def test_a_beat_brings_a_forgotten_call_back(
    states: CallStates, cache: Redis, call: UUID
) -> None:
    await states.acquire(call, "job", ROOM, METADATA)
    await states.forget(call)
    assert await states.beat(call, "job", ROOM, METADATA, Activity(1.0, 2, 5))
    assert await states.acquire(call, "other", ROOM, METADATA) is None
    await silence(cache, call)
    (found,) = [each for each in await states.silent() if each.conversation_id == call]
    assert (found.room, found.metadata) == (ROOM, METADATA)


async def test_an_expected_call_is_looked_after(
    states: CallStates, cache: Redis, call: UUID
) -> None:
    await states.expect(call, ROOM, METADATA)
    await silence(cache, call)
    (found,) = [each for each in await states.silent() if each.conversation_id == call]
    assert found.generation == 0
    assert 0 <= found.silent_ms < 1_000
    assert 0 <= await states.now_ms() - found.expected_ms < 60_000


async def test_each_new_agent_is_brought_once_and_not_for_ever(
    states: CallStates, cache: Redis, call: UUID
) -> None:
    await states.acquire(call, "job", ROOM, METADATA)
    for _ in range(MAX_DISPATCHES):
        decisions = await asyncio.gather(*(states.claim_dispatch(call) for _ in range(10)))
        assert sorted(decisions) == ["dispatch"] + ["wait"] * 9
        await cache.hset(f"conv:{call}:state", "dispatched", "0")
    assert await states.claim_dispatch(call) == "give_up"


async def test_an_agent_that_lives_for_a_minute_makes_up_for_those_before(
    states: CallStates, cache: Redis, call: UUID
) -> None:
    key = f"conv:{call}:state"
    await states.acquire(call, "job", ROOM, METADATA)
    await cache.hset(key, mapping={"dispatches": str(MAX_DISPATCHES), "dispatched": "0"})
    await states.beat(call, "job", ROOM, METADATA, Activity())
    assert await states.claim_dispatch(call) == "give_up"
    await cache.hset(key, "since", "0")
    await states.beat(call, "job", ROOM, METADATA, Activity())
    assert await states.claim_dispatch(call) == "dispatch"


def test_a_missed_beat_is_no_death() -> None:
    assert state.LEASE_SECONDS > 3 * state.BEAT_SECONDS
