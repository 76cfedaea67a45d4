"""How many changes API keys may ask tools for in a minute, over REST and over MCP."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest_asyncio

from config.database import Database
from config.security.api_keys import create_key
from orchestrator.api.dependencies import Dependencies
from tests.conftest import Tenant, new_tenant
from tests.orchestrator.api.conftest import ClientFactory, NewBot, client_factory, new_bot
from tests.orchestrator.api.mcp_clients import mcp_request
from tests.orchestrator.api.scheduling_double import written


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    """A business that has written nothing yet."""
    return await new_tenant(database)


@pytest_asyncio.fixture
async def bot(database: Database, tenant: Tenant) -> NewBot:
    """A bot that may use every tool of the calendar."""
    return await new_bot(database, tenant, {"server": "scheduling"})


class Key:
    """An API key, and what it does with a bot's calendar."""

    def __init__(self, client: ClientFactory, key: str, bot: NewBot) -> None:
        self._client = client
        self._key = key
        self._bot = bot

    async def execute(self, tool: str, **body: Any) -> httpx2.Response:
        """Call a tool over REST."""
        async with self._client(self._key) as http:
            return await http.post(
                "/api/tools/execute", json={"tool_key": tool, "bot": self._bot.name, **body}
            )

    async def write(self, **body: Any) -> int:
        """Write something new over REST; return the status."""
        what = uuid4().hex
        return (await self.execute("scheduling_write", params={"what": what}, **body)).status_code

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool over MCP; return the result."""
        request = mcp_request("tools/call", name=tool, arguments=arguments)
        async with self._client(self._key) as http:
            answer = await http.post(f"/mcp?bot={self._bot.name}", **request)
        assert answer.status_code == 200, answer.text
        data = answer.text.partition("data: ")[2] or answer.text
        return dict(httpx2.Response(200, text=data.strip()).json()["result"])


@pytest_asyncio.fixture
async def keys(
    dependencies: Dependencies, database: Database, tenant: Tenant, bot: NewBot
) -> list[Key]:
    """Two keys of a business, of which each may write three times a minute; both, five times."""
    limited = replace(dependencies, writes_per_minute=3, business_writes_per_minute=5)
    client = client_factory(limited)
    tokens = [await create_key(database, tenant.business_id, name) for name in ("one", "two")]
    return [Key(client, token, bot) for token in tokens]


async def test_a_key_that_writes_too_much_is_told_how_long_to_wait(keys: list[Key]) -> None:
    key, other = keys
    assert await asyncio.gather(*(key.write() for _ in range(3))) == [200] * 3
    what = uuid4().hex
    refused = await key.execute("scheduling_write", params={"what": what})
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["say"]
    assert what not in written
    over_mcp = await key.call("scheduling_write", what=what)
    assert over_mcp["isError"]
    details = over_mcp["_meta"]["antiphon"]
    assert details["error"] == "rate_limited"
    assert 1 <= details["retry_after"] <= 60
    assert "seconds" in over_mcp["content"][0]["text"]
    assert what not in written
    for _ in range(10):
        assert (await key.execute("scheduling_tell_whose")).status_code == 200
    assert [await other.write() for _ in range(3)] == [200, 200, 429]  # five for the business


async def test_another_business_is_not_concerned(
    keys: list[Key], client: ClientFactory, database: Database, other_tenant: Tenant
) -> None:
    for _ in range(4):
        await keys[0].write()
    other = await new_bot(database, other_tenant, {"server": "scheduling"})
    token = await create_key(database, other_tenant.business_id, "other")
    assert await Key(client, token, other).write() == 200


async def test_repeats_of_a_write_that_was_done_do_not_count(keys: list[Key]) -> None:
    key, what = keys[0], uuid4().hex
    body: dict[str, Any] = {"params": {"what": what}, "idempotency_key": what}
    for _ in range(6):
        assert (await key.execute("scheduling_write", **body)).status_code == 200
    assert written.count(what) == 1
    assert [await key.write() for _ in range(3)] == [200, 200, 429]
    assert (await key.execute("scheduling_write", **body)).status_code == 200


async def test_what_failed_counts_again_and_a_refused_key_is_not_used_up(keys: list[Key]) -> None:
    key = keys[0]
    for _ in range(3):
        failed = await key.execute("scheduling_write", params={}, idempotency_key="same")
        assert failed.status_code == 422
    for _ in range(2):
        assert await key.write(idempotency_key="new") == 429
