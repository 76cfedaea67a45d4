"""Two agents of one call, one after the other: what the first has written at an external server."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import select, text
from sqlmodel import col

from config.database import Database
from config.security.tokens import Signer
from config.tables import IdempotentCall
from tests.orchestrator.agent.test_tool_policy import (
    PhoneCall,
    ServerClient,
    held,
    serve_external_writes,
    written,
)

WAITING = text("select count(*) from pg_locks where not granted")


@pytest_asyncio.fixture
async def external(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[ServerClient]:
    """An external server, and a business that uses it."""
    async with serve_external_writes(signer, database, cache) as (_, mine):
        yield ServerClient(mine.constellation, mine.tenant, "erp")


async def two_agents(external: ServerClient) -> tuple[PhoneCall, PhoneCall]:
    """Return two agents of one call."""
    of_one_call = replace(external, conversation_id=uuid4())
    return await of_one_call.start_call("replay"), await of_one_call.start_call("replay")


async def noted(database: Database, business_id: UUID) -> int:
    """Return how many writes are noted."""
    async with database.tenant(business_id) as session:
        return len((await session.scalars(select(col(IdempotentCall.key)))).all())


async def take_turn(call: PhoneCall, text: str) -> None:
    """Let the caller speak, as the agent of a call does."""
    call.runner.add_caller_turn(text)
    await call.runner.forget_noted_writes()


async def test_an_agent_that_takes_over_gets_the_answer_that_nobody_has_spoken(
    external: ServerClient,
) -> None:
    first, second = await two_agents(external)
    what = uuid4().hex
    await take_turn(first, "Please write that.")
    assert await first.run("write", what) == what
    await take_turn(second, "Please write that.")
    assert await second.run("write", what) == what
    assert written.count(what) == 1


async def test_an_agent_that_takes_over_may_do_again_what_was_said_to_be_done(
    external: ServerClient, database: Database
) -> None:
    first, second = await two_agents(external)
    what = uuid4().hex
    await take_turn(first, "Please write that.")
    await first.run("write", what)
    await take_turn(first, "Thank you.")
    assert await noted(database, external.tenant.business_id) == 0
    await take_turn(second, "Write the same once more.")
    await second.run("write", what)
    assert written.count(what) == 2


async def test_what_the_caller_has_interrupted_stays_noted(external: ServerClient) -> None:
    first, second = await two_agents(external)
    what = uuid4().hex
    await take_turn(first, "Please write that.")
    with held(what) as gate:
        writing = asyncio.create_task(first.run("write", what))
        await gate.came.wait()
        writing.cancel()
        gate.opened.set()
        await first.runner.writes.settle(10)
    await take_turn(first, "Wait.")
    assert await second.run("write", what) == what
    assert written.count(what) == 1


async def test_a_write_of_the_same_turn_is_sent_once_more_where_the_policy_lets_it(
    external: ServerClient,
) -> None:
    """On, off and on again, of one agent; an agent that takes over does none of them again."""
    first, second = await two_agents(external)
    on, off = uuid4().hex, uuid4().hex
    await take_turn(first, "On, off and on again.")
    for what in (on, off, on):
        await first.run("write", what)
    for what in (on, off):
        await second.run("write", what)
    assert [each for each in written if each in (on, off)] == [on, off, on]


async def test_a_repeat_waits_until_the_first_write_is_forgotten(
    external: ServerClient, database: Database
) -> None:
    first, _ = await two_agents(external)
    what = uuid4().hex
    await take_turn(first, "Please write that.")
    await first.run("write", what)
    await first.run("look", uuid4().hex)
    first.runner.add_caller_turn("And once more.")
    async with database.tenant(external.tenant.business_id) as session:
        await session.execute(select(col(IdempotentCall.key)).with_for_update())
        forgetting = asyncio.create_task(first.runner.forget_noted_writes())
        again = asyncio.create_task(first.run("write", what))
        while not await session.scalar(WAITING):
            pass
    assert await again == what
    await forgetting
    assert written.count(what) == 2
