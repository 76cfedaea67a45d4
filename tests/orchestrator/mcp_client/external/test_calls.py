"""Calls of external servers carry the business's own headers, and reach accepted tools only."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Claims, Signer
from orchestrator.mcp_client.tool import ServerUnreachableError
from tests.support.external_servers import ExternalServerDouble, serve_external
from tests.support.processes import in_one_task
from tests.support.server_registration import RegisteringBusiness, shop

CANARY = "Bearer canary-4711"
HEADER = ("authorization", CANARY)
FIND, ADD = "Find a customer by name.", "Add a customer."


def find(name: str) -> dict[str, str]:
    return {"say": f"{name} is a customer.", "name": name}


def add(name: str) -> str:
    return f"{name} was added."


@pytest_asyncio.fixture
async def erp() -> AsyncGenerator[ExternalServerDouble]:
    """A server with two tools, which wants its header."""
    async with in_one_task(serve_external(header=HEADER)) as server:
        server.offer(find, FIND)
        server.offer(add, ADD, reads=False)
        yield server


@pytest_asyncio.fixture
async def mine(
    signer: Signer, database: Database, cache: Redis
) -> AsyncGenerator[RegisteringBusiness]:
    """A business whose bot uses the server, once it is added."""
    async with in_one_task(shop(signer, database, cache)) as mine:
        await mine.use("erp")
        yield mine


async def call(of: RegisteringBusiness, tool: str, **arguments: Any) -> Any:
    """Call a tool of the bot's."""
    return await of.constellation.call("erp", tool, arguments, await of.claims("erp"))


async def test_a_bot_has_the_tools_of_a_server_that_its_business_has_added(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    tools = await mine.tools("erp")
    assert sorted(tools) == ["add", "find"]
    assert tools["find"].name == "erp_find"
    assert (tools["find"].reads, tools["add"].reads) == (True, False)
    outcome = await call(mine, "find", name="Ada")
    assert (outcome.error, outcome.say) == (None, "Ada is a customer.")
    assert outcome.for_model == '{"say":"Ada is a customer.","name":"Ada"}'
    assert (await call(mine, "add", name="Ada")).text == "Ada was added."
    written = [(row.server, row.tool, row.subject) for row in await mine.audit("ok")]
    assert written == [("erp", "find", "bot:1"), ("erp", "add", "bot:1")]
    assert await mine.constellation.external_servers(mine.business_id) == ["erp"]


async def test_it_gets_the_stored_header_and_nothing_of_ours(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    await mine.tools("erp")
    claims = await mine.claims("erp")
    await mine.constellation.call("erp", "find", {"name": "Ada"}, claims, key="a-key", retry=True)
    assert erp.requests
    assert {headers["authorization"] for headers, _ in erp.requests} == {CANARY}
    assert "eyJ" not in erp.said  # how every JWT begins
    assert "antiphon/" not in erp.said
    assert "a-key" not in erp.said
    assert str(mine.business_id) not in erp.said


async def test_another_business_does_not_have_it(
    erp: ExternalServerDouble,
    mine: RegisteringBusiness,
    signer: Signer,
    database: Database,
    cache: Redis,
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    async with in_one_task(shop(signer, database, cache)) as other:
        await other.use("erp")
        asked = len(erp.requests)
        with pytest.raises(ServerUnreachableError):
            await other.tools("erp")
        assert (await call(other, "find", name="Ada")).error == "unknown_tool"
        assert len(erp.requests) == asked


async def test_two_businesses_at_one_address_send_their_own_headers(
    mine: RegisteringBusiness, signer: Signer, database: Database, cache: Redis
) -> None:
    async with (
        in_one_task(serve_external()) as server,
        in_one_task(shop(signer, database, cache)) as other,
    ):
        server.offer(find, FIND)
        other.constellation = mine.constellation  # one process
        await other.use("erp")
        for of, token in ((mine, "mine"), (other, "other")):
            await of.add("erp", server, Authorization=token)
        calls = [(mine, "Ada"), (other, "Bob")] * 20
        outcomes = await asyncio.gather(*(call(of, "find", name=name) for of, name in calls))
        assert {outcome.error for outcome in outcomes} == {None}
        sent = [
            (headers["authorization"], body["params"]["arguments"]["name"])
            for headers, body in server.requests
            if body.get("method") == "tools/call"
        ]
        assert sorted(sent) == [("mine", "Ada")] * 20 + [("other", "Bob")] * 20


async def test_new_headers_are_sent_at_once(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    await mine.tools("erp")
    erp.header = ("authorization", "Bearer renewed")
    await mine.add("erp", erp, Authorization="Bearer renewed")
    erp.requests.clear()
    assert (await call(mine, "find", name="Ada")).error is None
    assert {headers["authorization"] for headers, _ in erp.requests} == {"Bearer renewed"}


async def test_headers_that_are_not_taken_are_not_the_end(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    await mine.tools("erp")
    erp.header = ("authorization", "Bearer renewed")
    assert (await call(mine, "find", name="Ada")).error == "unavailable"
    await mine.add("erp", erp, Authorization="Bearer renewed")
    assert (await call(mine, "find", name="Ada")).error is None


async def test_a_server_of_the_older_era_works(mine: RegisteringBusiness) -> None:
    async with in_one_task(serve_external(header=HEADER, legacy=True)) as server:
        server.offer(find, FIND)
        await mine.add("erp", server, Authorization=CANARY)
        assert list(await mine.tools("erp")) == ["find"]
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
async def test_a_dead_server_costs_its_own_tools(
    mine: RegisteringBusiness, *, legacy: bool
) -> None:
    async with in_one_task(serve_external(legacy=legacy)) as server:
        server.offer(find, FIND)
        await mine.add("erp", server)
        await mine.tools("erp")
        port = int(server.url.split(":")[2].split("/")[0])
    outcome = await call(mine, "find", name="Ada")
    assert outcome.error == "unavailable"
    assert outcome.text.startswith("erp is not available. Tell the caller: ")
    with pytest.raises(ServerUnreachableError, match=r"erp is not available\."):
        await mine.tools("erp")
    async with in_one_task(serve_external(legacy=legacy, port=port)) as server:
        server.offer(find, FIND)
        assert (await call(mine, "find", name="Ada")).error is None


async def test_a_hanging_server_is_waited_for_no_longer_than_its_budget(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    await mine.tools("erp")
    erp.hanging = True
    claims = await mine.claims("erp")
    outcome = await mine.constellation.call("erp", "find", {"name": "A"}, claims, budget=0.2)
    assert outcome.error == "timeout"
    assert "did not answer in time" in outcome.text
    assert outcome.ms < 2000
    # A write may have been done: nobody may say that it was not.
    added = await mine.constellation.call("erp", "add", {"name": "A"}, claims, budget=0.2)
    assert added.error == "outcome_unknown"


@pytest.mark.parametrize("legacy", [False, True])
async def test_what_breaks_off_in_the_answer_ends_no_other_call(
    mine: RegisteringBusiness, *, legacy: bool
) -> None:
    """Neither is the write that broke off told as not done."""
    async with in_one_task(serve_external(legacy=legacy)) as server:
        came, goes_on = asyncio.Event(), asyncio.Event()

        async def wait(name: str) -> str:
            came.set()
            await goes_on.wait()
            return name

        server.offer(wait, "Wait.")
        server.offer(add, ADD, reads=False)
        await mine.add("erp", server)
        waiting = asyncio.create_task(call(mine, "wait", name="Ada"))
        await came.wait()
        server.breaking = True
        assert (await call(mine, "add", name="Bob")).error == "outcome_unknown"
        server.breaking = False
        goes_on.set()
        assert (await waiting).text == "Ada"


async def test_a_session_that_has_ended_is_opened_again_and_the_write_done_once(
    mine: RegisteringBusiness,
) -> None:
    """Of a server that was restarted; until then its 404 was an answer lost for good."""
    added: list[str] = []

    def add_one(name: str) -> str:
        added.append(name)
        return f"{name} was added."

    port = 0
    for name in ("Ada", "Bob", "Cyd"):
        async with in_one_task(serve_external(legacy=True, port=port)) as server:
            server.offer(add_one, ADD, name="add", reads=False)
            if not port:
                await mine.add("erp", server)
            port = int(server.url.split(":")[2].split("/")[0])
            assert (await call(mine, "add", name=name)).text == f"{name} was added."
    assert added == ["Ada", "Bob", "Cyd"]
    await mine.constellation.aclose()


async def test_arguments_that_it_does_not_take_are_said_to_be_so(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    outcome = await call(mine, "find", nonsense=1)
    assert outcome.error in ("invalid", "rejected")
    assert (await call(mine, "find", name="Ada")).error is None


async def test_it_is_sent_what_its_schema_means(
    erp: ExternalServerDouble, mine: RegisteringBusiness
) -> None:
    def order(items: list[str], count: int = 1, note: str = "") -> str:
        return f"{count} of {items} {note}"

    erp.offer(order, "Order items.", reads=False)
    await mine.add("erp", erp, Authorization=CANARY)
    outcome = await call(mine, "order", items='["a", "b"]', count="2", note=None)
    assert outcome.error is None, outcome.text
    (sent,) = erp.asked("tools/call")
    assert sent["arguments"] == {"items": ["a", "b"], "count": 2}


async def test_the_headers_are_nowhere_to_be_read(
    erp: ExternalServerDouble, mine: RegisteringBusiness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await mine.add("erp", erp, Authorization=CANARY)
    await mine.tools("erp")
    await call(mine, "find", name="Ada")
    erp.header = ("authorization", "another")
    await call(mine, "find", name="Ada")
    row = await mine.row("erp")
    assert row.auth is not None
    visible = [caplog.text, repr([record.__dict__ for record in caplog.records]), repr(row)]
    assert not [each for each in visible if "canary" in each]


async def in_conversation(of: RegisteringBusiness, conversation: UUID) -> Claims:
    """Return what a bot may do in a conversation, whichever process it is in."""
    return (await of.claims("erp")).model_copy(update={"conversation_id": conversation})


async def test_what_a_dead_process_has_sent_is_not_sent_again(
    mine: RegisteringBusiness, signer: Signer, database: Database, cache: Redis
) -> None:
    """Its next agent, in another process, is told that nobody knows whether it was done."""
    added: list[str] = []
    came, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(name: str) -> str:
        added.append(name)
        came.set()
        await goes_on.wait()
        return name

    async with in_one_task(serve_external()) as server, shop(signer, database, cache) as again:
        server.offer(slow, ADD, name="add", reads=False)
        await mine.add("erp", server)
        claims = await in_conversation(mine, uuid4())
        dying = asyncio.create_task(mine.constellation.call("erp", "add", {"name": "A"}, claims))
        await came.wait()
        dying.cancel()
        await asyncio.wait({dying})
        goes_on.set()
        outcome = await again.constellation.call("erp", "add", {"name": "A"}, claims)
        assert outcome.error == "outcome_unknown"
        assert added == ["A"]
        # Another conversation's wish is its own, and so is one after an answer that is forgotten.
        other = await in_conversation(mine, uuid4())
        for _ in range(2):
            done = await again.constellation.call("erp", "add", {"name": "A"}, other)
            assert done.text == "A" and done.noted is not None
            await again.constellation.forget_writes(other.business_id, [done.noted])
        assert added == ["A"] * 3


async def test_a_clients_own_key_holds_for_servers_of_others(
    mine: RegisteringBusiness, erp: ExternalServerDouble
) -> None:
    await mine.add("erp", erp, Authorization=CANARY)
    claims = await mine.claims("erp")

    async def add_once(key: str, name: str = "Ada") -> str:
        return (await mine.constellation.call("erp", "add", {"name": name}, claims, key=key)).text

    together = await asyncio.gather(*(add_once("k1") for _ in range(5)))
    assert {*together, await add_once("k1")} == {"Ada was added."}
    assert len(erp.asked("tools/call")) == 1
    await add_once("k2")
    assert len(erp.asked("tools/call")) == 2


async def test_a_write_that_never_left_may_be_sent_again(mine: RegisteringBusiness) -> None:
    async with in_one_task(serve_external()) as server:
        server.offer(add, ADD, reads=False)
        await mine.add("erp", server)
        port = int(server.url.split(":")[2].split("/")[0])
        await mine.tools("erp")
    claims = await in_conversation(mine, uuid4())
    lost = await mine.constellation.call("erp", "add", {"name": "A"}, claims, key="k")
    assert lost.error == "unavailable"
    async with in_one_task(serve_external(port=port)) as server:
        server.offer(add, ADD, reads=False)
        done = await mine.constellation.call("erp", "add", {"name": "A"}, claims, key="k")
        assert done.text == "A was added."
