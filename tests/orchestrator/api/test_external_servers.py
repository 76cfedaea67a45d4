"""A server that a business has added is served to outside clients like ours."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx2
import pytest_asyncio
from fastmcp.exceptions import ToolError
from redis.asyncio import Redis

from config.database import Database
from config.security.api_keys import Rights, create_key
from config.security.tokens import Signer
from orchestrator.api.dependencies import Dependencies
from tests.conftest import Tenant
from tests.orchestrator.api.conftest import client_factory
from tests.orchestrator.api.mcp_clients import LIST_TOOLS, mcp_request
from tests.support.external_servers import ExternalServerDouble, serve_external
from tests.support.processes import in_one_task
from tests.support.server_registration import RegisteringBusiness, shop

added_customers: list[str] = []


def find(name: str) -> dict[str, str]:
    return {"say": f"{name} is a customer.", "name": name}


def add(name: str) -> str:
    added_customers.append(name)
    return f"{name} was added."


@pytest_asyncio.fixture
async def tracker() -> AsyncGenerator[ExternalServerDouble]:
    """A server with a tool that reads, and one that writes."""
    async with in_one_task(serve_external()) as server:
        server.offer(find, "Find a customer.")
        server.offer(add, "Add a customer.", reads=False)
        yield server


@pytest_asyncio.fixture
async def business(
    signer: Signer, database: Database, cache: Redis, tracker: ExternalServerDouble
) -> AsyncGenerator[RegisteringBusiness]:
    """A business whose bot uses it."""
    async with in_one_task(shop(signer, database, cache)) as business:
        await business.add("tracker", tracker)
        await business.use("tracker", policy={"add": {"confirm": True}})
        yield business


class GatewayClient:
    """Calls the gateway over MCP, with a key of the business."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def tool_names(self, path: str = "/mcp") -> list[str]:
        """List the names of the tools."""
        answer = await self._http.post(path, **LIST_TOOLS)
        return [tool["name"] for tool in answer.json()["result"]["tools"]]

    async def call_tool(self, tool: str, **arguments: Any) -> Any:
        """Call a tool."""
        request = mcp_request("tools/call", name=tool, arguments=arguments)
        return (await self._http.post("/mcp", **request)).json()["result"]

    async def execute(self, tool: str, **arguments: Any) -> httpx2.Response:
        """Call a tool over REST."""
        body = {"tool_key": tool, "params": arguments}
        return await self._http.post("/api/tools/execute", json=body)


async def gateway_client(
    dependencies: Dependencies, business: RegisteringBusiness, **rights: Any
) -> GatewayClient:
    """Return a client with a new key of the business's bot."""
    limits = Rights(bots=(business.tenant.bot_id,), **rights)
    key = await create_key(business.database, business.business_id, "outside", limits)
    return GatewayClient(client_factory(replace(dependencies, router=business.constellation))(key))


async def test_it_is_listed_and_called(
    dependencies: Dependencies, business: RegisteringBusiness
) -> None:
    gateway = await gateway_client(dependencies, business)
    assert sorted(await gateway.tool_names()) == ["tracker_add", "tracker_find"]
    assert sorted(await gateway.tool_names("/tracker/mcp")) == ["add", "find"]
    found = await gateway.call_tool("tracker_find", name="Ada")
    assert found["structuredContent"] == {"say": "Ada is a customer.", "name": "Ada"}


async def test_what_the_bot_confirms_takes_two_steps(
    dependencies: Dependencies, business: RegisteringBusiness
) -> None:
    gateway = await gateway_client(dependencies, business)
    asked = await gateway.call_tool("tracker_add", name="Bea")
    code = asked["structuredContent"]["confirmation_code"]
    assert "Bea" not in added_customers
    answer = await gateway.call_tool("tracker_add", name="Bea", confirmation_code=code)
    assert answer["content"][0]["text"] == "Bea was added."
    assert added_customers.count("Bea") == 1


async def test_the_rights_of_the_key_hold_for_it(
    dependencies: Dependencies, business: RegisteringBusiness
) -> None:
    for rights in ({"read_only": True}, {"tools": ("tracker_find",)}):
        gateway = await gateway_client(dependencies, business, **rights)
        assert await gateway.tool_names() == ["tracker_find"]
        refused = await gateway.call_tool("tracker_add", name="Cyd", confirmation_code="x")
        assert refused["_meta"]["antiphon"]["error"] == "unknown_tool"
    elsewhere = await gateway_client(dependencies, business, servers=("scheduling",))
    assert await elsewhere.tool_names() == []
    refused = await elsewhere.call_tool("tracker_find", name="Cyd")
    assert refused["_meta"]["antiphon"]["error"] == "unknown_tool"
    assert "Cyd" not in added_customers


async def test_a_key_without_a_bot_has_them_too(
    dependencies: Dependencies, business: RegisteringBusiness
) -> None:
    key = await create_key(business.database, business.business_id, "outside")
    gateway = GatewayClient(
        client_factory(replace(dependencies, router=business.constellation))(key)
    )
    assert {"tracker_add", "tracker_find"} <= set(await gateway.tool_names())
    found = await gateway.call_tool("tracker_find", name="Ada")
    assert found["structuredContent"]["name"] == "Ada"


async def test_another_business_s_key_has_none_of_them(
    dependencies: Dependencies, business: RegisteringBusiness, other_tenant: Tenant
) -> None:
    key = await create_key(business.database, other_tenant.business_id, "outside")
    gateway = GatewayClient(
        client_factory(replace(dependencies, router=business.constellation))(key)
    )
    refused = await gateway.call_tool("tracker_find", name="Ada")
    assert refused["_meta"]["antiphon"]["error"] == "unknown_tool"


def search(query: str) -> dict[str, Any]:
    if query == "nothing":
        raise ToolError("No page has that.")
    return {"pages": [{"title": f"Page {number}", "text": "x" * 100} for number in range(300)]}


async def test_a_tool_with_capitals_is_called_and_answers_in_full(
    dependencies: Dependencies, business: RegisteringBusiness, tracker: ExternalServerDouble
) -> None:
    tracker.offer(search, "Search the wiki.", name="KB-search")
    await business.accept("tracker")
    gateway = await gateway_client(dependencies, business)
    assert "tracker_KB_search" in await gateway.tool_names()
    found = await gateway.call_tool("tracker_KB_search", query="all")
    assert found["structuredContent"] == search("all")


async def test_what_its_tool_refuses_is_no_fault_of_ours(
    dependencies: Dependencies, business: RegisteringBusiness, tracker: ExternalServerDouble
) -> None:
    tracker.offer(search, "Search the wiki.", name="KB-search")
    await business.accept("tracker")
    gateway = await gateway_client(dependencies, business)
    refused = await gateway.call_tool("tracker_KB_search", query="nothing")
    assert refused["isError"]
    assert "No page has that." in refused["content"][0]["text"]
    answer = await gateway.execute("tracker_KB_search", query="nothing")
    assert answer.status_code == 200
    assert answer.json()["is_error"] is True
    assert "No page has that." in answer.json()["text"]
