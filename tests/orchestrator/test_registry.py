"""Servers of others: reached with the business's own headers, held to what was accepted."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.tokens import Signer
from orchestrator.tools import ServerUnreachableError
from tests.doubles.strangers import Stranger, stranger
from tests.orchestrator.registering import Shop, shop
from tests.processes import held

CANARY = "Bearer canary-4711"
HEADER = ("authorization", CANARY)
FIND, ADD = "Find a customer by name.", "Add a customer."


def find(name: str) -> dict[str, str]:
    return {"say": f"{name} is a customer.", "name": name}


def add(name: str) -> str:
    return f"{name} was added."


@pytest_asyncio.fixture
async def crm() -> AsyncGenerator[Stranger]:
    """A server with two tools, which wants its header."""
    async with held(stranger(header=HEADER)) as server:
        server.offer(find, FIND)
        server.offer(add, ADD, reads=False)
        yield server


@pytest_asyncio.fixture
async def mine(signer: Signer, database: Database, cache: Redis) -> AsyncGenerator[Shop]:
    """A business whose bot uses the server, once it is added."""
    async with held(shop(signer, database, cache)) as mine:
        await mine.use("crm")
        yield mine


async def call(of: Shop, tool: str, **arguments: Any) -> Any:
    """Call a tool of the bot's."""
    return await of.constellation.call("crm", tool, arguments, await of.claims("crm"))


async def test_a_bot_has_the_tools_of_a_server_that_its_business_has_added(
    crm: Stranger, mine: Shop
) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    tools = await mine.tools("crm")
    assert sorted(tools) == ["add", "find"]
    assert tools["find"].name == "crm_find"
    assert (tools["find"].reads, tools["add"].reads) == (True, False)
    outcome = await call(mine, "find", name="Ada")
    assert (outcome.error, outcome.say) == (None, "Ada is a customer.")
    assert outcome.for_model == '{"say":"Ada is a customer.","name":"Ada"}'
    assert (await call(mine, "add", name="Ada")).text == "Ada was added."
    written = [(row.server, row.tool, row.subject) for row in await mine.audit("ok")]
    assert written == [("crm", "find", "bot:1"), ("crm", "add", "bot:1")]
    assert await mine.constellation.added(mine.business_id) == ["crm"]


async def test_it_gets_the_stored_header_and_nothing_of_ours(crm: Stranger, mine: Shop) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    await mine.tools("crm")
    claims = await mine.claims("crm")
    await mine.constellation.call("crm", "find", {"name": "Ada"}, claims, key="a-key", retry=True)
    assert crm.requests
    assert {headers["authorization"] for headers, _ in crm.requests} == {CANARY}
    assert "eyJ" not in crm.said  # how every JWT begins
    assert "antiphon/" not in crm.said
    assert "a-key" not in crm.said
    assert str(mine.business_id) not in crm.said


async def test_another_business_does_not_have_it(
    crm: Stranger, mine: Shop, signer: Signer, database: Database, cache: Redis
) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    async with held(shop(signer, database, cache)) as other:
        await other.use("crm")
        asked = len(crm.requests)
        with pytest.raises(ServerUnreachableError):
            await other.tools("crm")
        assert (await call(other, "find", name="Ada")).error == "unknown_tool"
        assert len(crm.requests) == asked


async def test_two_businesses_at_one_address_send_their_own_headers(
    mine: Shop, signer: Signer, database: Database, cache: Redis
) -> None:
    async with held(stranger()) as server, held(shop(signer, database, cache)) as other:
        server.offer(find, FIND)
        other.constellation = mine.constellation  # one process
        await other.use("crm")
        for of, token in ((mine, "mine"), (other, "other")):
            await of.add("crm", server, Authorization=token)
        calls = [(mine, "Ada"), (other, "Bob")] * 20
        outcomes = await asyncio.gather(*(call(of, "find", name=name) for of, name in calls))
        assert {outcome.error for outcome in outcomes} == {None}
        sent = [
            (headers["authorization"], body["params"]["arguments"]["name"])
            for headers, body in server.requests
            if body.get("method") == "tools/call"
        ]
        assert sorted(sent) == [("mine", "Ada")] * 20 + [("other", "Bob")] * 20


async def test_new_headers_are_sent_at_once(crm: Stranger, mine: Shop) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    await mine.tools("crm")
    crm.header = ("authorization", "Bearer renewed")
    await mine.add("crm", crm, Authorization="Bearer renewed")
    crm.requests.clear()
    assert (await call(mine, "find", name="Ada")).error is None
    assert {headers["authorization"] for headers, _ in crm.requests} == {"Bearer renewed"}


async def test_headers_that_are_not_taken_are_not_the_end(crm: Stranger, mine: Shop) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    await mine.tools("crm")
    crm.header = ("authorization", "Bearer renewed")
    assert (await call(mine, "find", name="Ada")).error == "unavailable"
    await mine.add("crm", crm, Authorization="Bearer renewed")
    assert (await call(mine, "find", name="Ada")).error is None


async def test_a_server_of_the_older_era_works(mine: Shop) -> None:
    async with held(stranger(header=HEADER, legacy=True)) as server:
        server.offer(find, FIND)
        await mine.add("crm", server, Authorization=CANARY)
        assert list(await mine.tools("crm")) == ["find"]
        for _ in range(2):
            assert (await call(mine, "find", name="Ada")).say == "Ada is a customer."
        sessions = {
            headers.get("mcp-session-id")
            for headers, body in server.requests
            if body.get("method") == "tools/call"
        }
        assert len(sessions) == 1  # one session for both
        assert None not in sessions
        assert {headers["authorization"] for headers, _ in server.requests} == {CANARY}
        await mine.constellation.aclose()


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_dead_server_costs_its_own_tools(mine: Shop, *, legacy: bool) -> None:
    async with held(stranger(legacy=legacy)) as server:
        server.offer(find, FIND)
        await mine.add("crm", server)
        await mine.tools("crm")
        port = int(server.url.split(":")[2].split("/")[0])
    outcome = await call(mine, "find", name="Ada")
    assert outcome.error == "unavailable"
    assert outcome.text.startswith("crm is not available. Tell the caller: ")
    with pytest.raises(ServerUnreachableError, match=r"crm is not available\."):
        await mine.tools("crm")
    async with held(stranger(legacy=legacy, port=port)) as server:
        server.offer(find, FIND)
        assert (await call(mine, "find", name="Ada")).error is None


async def test_a_hanging_server_is_waited_for_no_longer_than_its_budget(
    crm: Stranger, mine: Shop
) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    await mine.tools("crm")
    crm.hanging = True
    claims = await mine.claims("crm")
    outcome = await mine.constellation.call("crm", "find", {"name": "A"}, claims, budget=0.2)
    assert outcome.error == "unavailable"
    assert "did not answer in time" in outcome.text
    assert outcome.ms < 2000


async def test_arguments_that_it_does_not_take_are_said_to_be_so(crm: Stranger, mine: Shop) -> None:
    await mine.add("crm", crm, Authorization=CANARY)
    outcome = await call(mine, "find", nonsense=1)
    assert outcome.error in ("invalid", "fault")
    assert (await call(mine, "find", name="Ada")).error is None


async def test_the_headers_are_nowhere_to_be_read(
    crm: Stranger, mine: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await mine.add("crm", crm, Authorization=CANARY)
    await mine.tools("crm")
    await call(mine, "find", name="Ada")
    crm.header = ("authorization", "another")
    await call(mine, "find", name="Ada")
    row = await mine.row("crm")
    assert row.auth is not None
    kept = [caplog.text, repr([record.__dict__ for record in caplog.records]), repr(row)]
    assert not [each for each in kept if "canary" in each]
