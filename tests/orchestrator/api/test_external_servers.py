"""A server that a business has added is served to outside clients like ours."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx2
import pytest_asyncio
from redis.asyncio import Redis

from config.database import Database
from config.security.api_keys import Rights, create_key
from config.security.tokens import Signer
from orchestrator.api.dependencies import Dependencies
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import client_of
from tests.orchestrator.api.mcp_clients import LIST, modern
from tests.support.external_servers import Stranger, stranger
from tests.support.processes import held
from tests.support.server_registration import Shop, shop

done: list[str] = []


def find(name: str) -> dict[str, str]:
    return {"say": f"{name} is a customer.", "name": name}


def add(name: str) -> str:
    done.append(name)
    return f"{name} was added."


@pytest_asyncio.fixture
async def tracker() -> AsyncGenerator[Stranger]:
    """A server with a tool that reads, and one that writes."""
    async with held(stranger()) as server:
        server.offer(find, "Find a customer.")
        server.offer(add, "Add a customer.", reads=False)
        yield server


@pytest_asyncio.fixture
async def mine(
    signer: Signer, database: Database, cache: Redis, tracker: Stranger
) -> AsyncGenerator[Shop]:
    """A business whose bot uses it."""
    async with held(shop(signer, database, cache)) as mine:
        await mine.add("tracker", tracker)
        await mine.use("tracker", policy={"add": {"confirm": True}})
        yield mine


class Asks:
    """Asks the gateway with a key of the business."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def tools(self, path: str = "/mcp") -> list[str]:
        """List the names of the tools."""
        answer = await self._http.post(path, **LIST)
        return [tool["name"] for tool in answer.json()["result"]["tools"]]

    async def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool."""
        request = modern("tools/call", name=tool, arguments=arguments)
        return (await self._http.post("/mcp", **request)).json()["result"]


async def asks(dependencies: Dependencies, mine: Shop, **rights: Any) -> Asks:
    """Return what asks with a new key of the business's bot."""
    limits = Rights(bots=(mine.tenant.bot_id,), **rights)
    key = await create_key(mine.database, mine.business_id, "outside", limits)
    return Asks(client_of(replace(dependencies, constellation=mine.constellation))(key))


async def test_it_is_listed_and_called(dependencies: Dependencies, mine: Shop) -> None:
    outsider = await asks(dependencies, mine)
    assert sorted(await outsider.tools()) == ["tracker_add", "tracker_find"]
    assert sorted(await outsider.tools("/tracker/mcp")) == ["add", "find"]
    found = await outsider.call("tracker_find", name="Ada")
    assert found["structuredContent"] == {"say": "Ada is a customer.", "name": "Ada"}


async def test_what_the_bot_confirms_takes_two_steps(
    dependencies: Dependencies, mine: Shop
) -> None:
    outsider = await asks(dependencies, mine)
    asked = await outsider.call("tracker_add", name="Bea")
    code = asked["structuredContent"]["confirmation_code"]
    assert "Bea" not in done
    answer = await outsider.call("tracker_add", name="Bea", confirmation_code=code)
    assert answer["content"][0]["text"] == "Bea was added."
    assert done.count("Bea") == 1


async def test_the_rights_of_the_key_hold_for_it(dependencies: Dependencies, mine: Shop) -> None:
    for rights in ({"read_only": True}, {"tools": ("tracker_find",)}):
        outsider = await asks(dependencies, mine, **rights)
        assert await outsider.tools() == ["tracker_find"]
        refused = await outsider.call("tracker_add", name="Cyd", confirmation_code="x")
        assert refused["_meta"]["antiphon"]["error"] == "unknown_tool"
    elsewhere = await asks(dependencies, mine, servers=("scheduling",))
    assert await elsewhere.tools() == []
    refused = await elsewhere.call("tracker_find", name="Cyd")
    assert refused["_meta"]["antiphon"]["error"] == "unknown_tool"
    assert "Cyd" not in done


async def test_a_key_without_a_bot_has_them_too(dependencies: Dependencies, mine: Shop) -> None:
    key = await create_key(mine.database, mine.business_id, "outside")
    outsider = Asks(client_of(replace(dependencies, constellation=mine.constellation))(key))
    assert {"tracker_add", "tracker_find"} <= set(await outsider.tools())
    found = await outsider.call("tracker_find", name="Ada")
    assert found["structuredContent"]["name"] == "Ada"


async def test_another_business_s_key_has_none_of_them(
    dependencies: Dependencies, mine: Shop, other_tenant: Tenant
) -> None:
    key = await create_key(mine.database, other_tenant.business_id, "outside")
    outsider = Asks(client_of(replace(dependencies, constellation=mine.constellation))(key))
    refused = await outsider.call("tracker_find", name="Ada")
    assert refused["_meta"]["antiphon"]["error"] == "unknown_tool"
