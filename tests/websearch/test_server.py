"""The websearch tools over MCP: whose pages may be read, for how long, and without what else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastmcp import Client
from fastmcp.tools import FunctionTool
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as CacheConnectionError
from sqlalchemy.exc import OperationalError

from config.database import Database
from config.security.tokens import Claims
from config.security.vault import Account
from tests.conftest import new_tenant
from tests.support.accounts import connect
from tests.websearch.contract import WebsearchHarness
from tests.websearch.providers.test_exa import KEY, ExaVendor
from toolkit.server.build import build_server
from toolkit.server.stdio import SingleAccountVault, account_from_environment
from toolkit.tenancy import Runtime, ToolCall
from websearch.found_pages import LIFETIME, FoundPages
from websearch.server import SERVER

UNKNOWN = "00000000"


def test_both_tools_are_for_calls() -> None:
    tools = [FunctionTool.from_function(tool) for tool in SERVER.tools]
    assert [tool.name for tool in tools if "voice" in tool.tags] == ["search_web", "read_page"]
    assert all(tool.annotations and tool.annotations.open_world_hint for tool in tools)
    assert SERVER.catalogue()["providers"] == ["exa", "parallel"]


async def test_a_business_without_an_account_hears_so(harness: WebsearchHarness) -> None:
    tenant = await new_tenant(harness.database)
    async with harness.servers.connect("websearch", tenant.claims()) as caller:
        for tool, arguments in (("search_web", {"query": "x"}), ("read_page", {"page": "x"})):
            refused = await caller.call(tool, **arguments)
            assert refused.error in ("disconnected", "unknown_tool"), refused
    assert harness.vendor.requests == []


async def test_nobody_reads_the_pages_of_others(harness: WebsearchHarness) -> None:
    """Another tenant's page, and another conversation's, are like one that does not exist."""
    other = await new_tenant(harness.database)
    await connect(harness.database, other, "websearch", "exa", {"api_key": KEY})
    conversation = uuid4()
    async with harness.caller(conversation) as caller:
        found = await caller.call("search_web", query="boats")
        page = found.data["results"][0]["page"]
        unknown = await caller.call("read_page", page=UNKNOWN)
        assert unknown.error == "not_found"
        assert "search_web" in unknown.text
    async with harness.caller() as caller:
        assert await caller.call("read_page", page=page) == unknown
    async with harness.client() as caller:
        assert await caller.call("read_page", page=page) == unknown
    for claims in (other.claims(), other.claims(conversation_id=conversation)):
        async with harness.servers.connect("websearch", claims) as caller:
            assert await caller.call("read_page", page=page) == unknown
    async with harness.caller(conversation) as caller:  # over another connection
        assert (await caller.call("read_page", page=f" {page} ")).error is None


async def test_an_address_is_no_name_of_a_page(harness: WebsearchHarness) -> None:
    async with harness.client() as caller:
        page = await harness.find_page()
        asked = len(harness.vendor.requests)
        for name in (
            *("https://www.harbour.example/boats", "http://169.254.169.254/", f"*{page[:4]}*"),
            *(f"{page}:", f":{page}", f"../{page}", page.upper() + "x", " "),
        ):
            answer = await caller.call("read_page", page=name[:40])
            assert answer.error == "not_found", name
        assert (await caller.call("read_page", page="x" * 41)).error == "invalid"
    assert len(harness.vendor.requests) == asked


async def test_what_was_found_is_forgotten(harness: WebsearchHarness, cache: Redis) -> None:
    page = await harness.find_page()
    keys = await cache.keys(f"websearch:*:{page}")
    (key,) = keys
    assert str(harness.tenant.business_id) in str(key)
    assert LIFETIME - 60 < await cache.ttl(key) <= LIFETIME
    await cache.delete(key)
    async with harness.client() as caller:
        assert (await caller.call("read_page", page=page)).error == "not_found"


async def test_a_search_works_without_the_cache(
    harness: WebsearchHarness, cache: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await harness.find_page()

    def broken(*_: Any, **__: Any) -> Any:
        raise CacheConnectionError

    monkeypatch.setattr(cache, "pipeline", broken)
    monkeypatch.setattr(cache, "get", broken)
    async with harness.client() as caller:
        found = await caller.call("search_web", query="boats")
        assert found.error is None
        assert len(found.data["results"]) == 3
        assert not any("page" in each for each in found.data["results"])
        assert (await caller.call("read_page", page=page)).error == "unavailable"


async def test_what_was_paid_for_is_shown_though_it_cannot_be_stored(
    harness: WebsearchHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def unreachable(_: ToolCall) -> AsyncGenerator[None]:
        raise OperationalError("select", {}, ConnectionRefusedError())
        yield

    monkeypatch.setattr(ToolCall, "transaction", unreachable)
    async with harness.client() as caller:
        found = await caller.call("search_web", query="silver sloop")
    assert found.error is None, found
    (record,) = [each for each in caplog.records if each.name == "antiphon.usage"]
    assert (record.__dict__["provider"], record.__dict__["cost_usd"]) == ("exa", 0.007)
    assert "silver sloop" not in str(record.__dict__)


async def test_it_serves_a_desktop_client_without_database_and_cache() -> None:
    environment = {"WEBSEARCH_PROVIDER": "exa", "EXA_API_KEY": KEY}
    account = account_from_environment(SERVER, environment)
    vendor, standalone = ExaVendor(), Claims(sub="stdio", business_id=uuid4())
    async with httpx2.AsyncClient(transport=vendor.transport()) as client:
        runtime = Runtime(client, SingleAccountVault(account), standalone=standalone)
        async with Client(build_server(SERVER, runtime)) as caller:
            found = await caller.call_tool("search_web", {"query": "boats"})
            results = (found.structured_content or {})["results"]
            read = await caller.call_tool("read_page", {"page": results[0]["page"]})
            assert (read.structured_content or {})["text"] == "All that it says."
            unknown = await caller.call_tool("read_page", {"page": UNKNOWN}, raise_on_error=False)
            assert unknown.is_error


async def test_found_pages_in_memory_are_those_of_one_conversation(database: Database) -> None:
    async with httpx2.AsyncClient() as client:
        runtime = Runtime(client, SingleAccountVault(Account("exa")))
        business, conversation = uuid4(), uuid4()
        claims = Claims(sub="x", business_id=business, conversation_id=conversation)
        (name,) = await FoundPages(ToolCall(claims, runtime)).add(["https://example.com/"])
        assert name is not None
        assert await FoundPages(ToolCall(claims, runtime)).find(name) == "https://example.com/"
        other = ToolCall(claims.model_copy(update={"conversation_id": uuid4()}), runtime)
        with pytest.raises(Exception, match="No such page was found"):
            await FoundPages(other).find(name)
