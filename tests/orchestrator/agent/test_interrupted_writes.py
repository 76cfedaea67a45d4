"""Tool calls that are interrupted at any point: nothing is done twice, lost, or out of order."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import suppress
from uuid import uuid4

import pytest
import pytest_asyncio
from livekit.agents.llm import ToolError
from redis.asyncio import Redis

from config.database import Database
from config.security.tokens import Signer
from orchestrator.mcp_client.router import Router
from tests.conftest import Tenant
from tests.orchestrator.agent.test_tool_policy import SPEC, PhoneCall, ServerClient, written
from tests.orchestrator.mcp_client.external.test_calls import ADD
from tests.support.asgi import serve_app
from tests.support.external_servers import serve_external
from tests.support.processes import in_one_task
from tests.support.server_registration import shop
from tests.support.servers import serve

LONGEST = 120  # turns of the event loop, more than a whole call takes


@pytest_asyncio.fixture(params=["ours", "external"])
async def call(
    request: pytest.FixtureRequest,
    signer: Signer,
    database: Database,
    cache: Redis,
    tenant: Tenant,
) -> AsyncGenerator[PhoneCall]:
    """A call of a bot that uses a server of ours, or one of others."""
    if request.param == "ours":
        async with (
            in_one_task(serve([SPEC], signer, database, cache)) as servers,
            in_one_task(serve_app(servers.app)) as url,
        ):
            router = Router(signer, lambda name: f"{url}/{name}/mcp")
            yield await ServerClient(router, tenant).start_call("replay")
            await router.aclose()
        return

    async def write(what: str) -> str:
        written.append(what)
        await asyncio.sleep(0)
        return what

    async with (
        in_one_task(serve_external()) as server,
        in_one_task(shop(signer, database, cache)) as mine,
    ):
        server.offer(write, ADD, reads=False)
        await mine.add("erp", server)
        yield await ServerClient(mine.constellation, mine.tenant, "erp").start_call("replay")


async def interrupt_and_repeat(call: PhoneCall, turns: int) -> None:
    """Interrupt two writes of one message after so many turns of the loop, and ask again."""
    call.runner.add_caller_turn("Please write that.")
    texts = [uuid4().hex, uuid4().hex]
    tasks = [asyncio.create_task(call.run("write", text)) for text in texts]
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError, ToolError):
        await asyncio.wait(tasks)
    answers = await asyncio.gather(*(call.run("write", text) for text in texts))
    for text, answer in zip(texts, answers, strict=True):
        assert text in answer  # the result is the write's own
    assert [text for text in written if text in texts] == texts  # once each, in their order


async def test_an_interruption_at_any_point_costs_nothing(call: PhoneCall) -> None:
    for turns in range(0, LONGEST, 5):
        await interrupt_and_repeat(call, turns)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_thousand_interruptions_cost_nothing(call: PhoneCall) -> None:
    """Two writes each, with either server."""
    chance = random.Random(15)
    for _ in range(500):
        await interrupt_and_repeat(call, chance.randrange(LONGEST))
